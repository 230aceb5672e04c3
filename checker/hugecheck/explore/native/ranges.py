"""Which values a variable or a local can have, so that it can be packed into few bits.

Declared types give exact ranges. Where a type is unbounded (`int`, `nat`) a range is guessed from the numbers in the model and the scenario; a value
outside it is found at run time, and `Ranges.widened` makes room for it before the search starts again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from hugecheck.ir import program as ir
from hugecheck.ir.rewrite import blocks, expressions, walk
from hugecheck.ir.types import BoolType, EnumType, IndexType, IntType, OptionalType, SetType, Type
from hugecheck.language.scenario import AnyOf, CallStep, Thread

GUESSED_BITS = 4
SET_BITS = 64
LARGEST = (1 << 63) - 1


class Unsupported(Exception):
    """The native engine cannot run this program; the text says why."""


@dataclass(frozen=True, slots=True)
class Range:
    """low .. high, both included"""

    low: int
    high: int

    @property
    def bits(self) -> int:
        return (self.high - self.low).bit_length()

    def within(self, other: Range) -> bool:
        return other.low <= self.low and self.high <= other.high

    def join(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))


VALUE = Range(-LARGEST - 1, LARGEST)
"""what a `value` of the generated code can hold"""
BIT = Range(0, 1)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges for one program, one choice of sizes and one scenario. `wider`: what run time has shown, by name of a variable or local."""

    sizes: Mapping[str, int]
    enums: Mapping[str, tuple[str, ...]]
    results: int
    threads: int
    blocks: int
    guess: int
    stepped: frozenset[str]
    """locals of bounded types that count past their last value"""
    wider: Mapping[str, Range] = field(default_factory=dict)

    def of_type(self, type_: Type) -> Range | None:
        """The values of a type, or None where it is not bounded on both sides."""
        match type_:
            case BoolType():
                return BIT
            case EnumType("result"):
                return Range(0, max(self.results - 1, 0))
            case EnumType(name):
                return Range(0, max(len(self.enums[name]) - 1, 0))
            case IndexType(name):
                return Range(0, self.sizes[name] - 1)
            case IntType(low, high):
                return Range(low, high) if low is not None and high is not None else None
            case SetType(None):
                return Range(0, (1 << SET_BITS) - 1)
            case SetType(element):
                assert element is not None
                elements = self.of_type(element)
                assert elements is not None
                if elements.high >= SET_BITS:
                    raise Unsupported(
                        f"`{element}` has {elements.high + 1} elements, and the native engine has sets of at most {SET_BITS}"
                    )
                return Range(0, (1 << (elements.high + 1)) - 1)
            case OptionalType(None):
                return Range(-1, -1)
            case OptionalType(of):
                assert of is not None
                inside = self.of_type(of)
                return Range(-1, max(inside.high, -1)) if inside is not None else None

    def _stored(self, name: str, type_: Type) -> Range:
        known = self.of_type(type_)
        if known is None:
            low = (
                type_.low
                if isinstance(type_, IntType) and type_.low is not None
                else -1
                if isinstance(type_, OptionalType)
                else -self.guess - 1
            )
            known = Range(low, max(self.guess, low))
        return known.join(self.wider[name]) if name in self.wider else known

    def variable(self, variable: ir.Variable) -> Range:
        """What the field of a variable (or of each element of an array) holds."""
        if variable.name.startswith("lock."):
            return Range(-1, self.threads - 1)
        if variable.name.startswith("readers."):
            return self._stored(variable.name, IntType(0, self.threads))
        return self._stored(variable.name, variable.type)

    def local(self, local: ir.Local) -> Range:
        """What the slot of a local holds while its thread is suspended."""
        if local.name.startswith("return@"):
            return Range(0, self.blocks)
        found = self._stored(local.name, local.type)
        return (
            Range(found.low, found.high + 1)
            if local.name in self.stepped and not isinstance(local.type, SetType)
            else found
        )

    def widened(self, name: str, old: Range, value: int) -> Ranges:
        """The same with room for `value`; the largest means any that fits 64 bits without a sign. Raises `Unsupported` beyond that."""
        if value == LARGEST and old.low >= 0:
            return replace(self, wider={**self.wider, name: Range(0, (1 << 64) - 1)})
        bits = old.bits
        while bits < 62:
            bits = bits + 4 if bits < 8 else bits * 2
            bits = min(bits, 62)
            low = old.low if value >= old.low else -(1 << (bits - 1))
            wide = Range(low, low + (1 << bits) - 1)
            if wide.low <= value <= wide.high:
                return replace(self, wider={**self.wider, name: wide})
        raise Unsupported(f"`{name}` takes values beyond 62 bits")


def make_ranges(
    program: ir.Program, threads: tuple[Thread, ...], sizes: Mapping[str, int], properties: tuple[ir.Expr, ...]
) -> Ranges:
    """The first guess."""
    module = program.module
    largest = max(
        (1 << GUESSED_BITS) - 1, *sizes.values(), *(abs(v) * 2 for v in _numbers(program, threads, properties)), 0
    )
    guess = (1 << min(largest.bit_length(), 32)) - 1
    stepped = frozenset(
        s.local.name
        for s in _statements(program)
        if isinstance(s, ir.SetLocal) and isinstance(s.value, ir.Apply) and s.value.operator == "add"
    )
    return Ranges(
        sizes, module.enums, len(module.results), len(threads), max(program.blocks, default=0), guess, stepped
    )


def _statements(program: ir.Program) -> Iterator[ir.Statement]:
    pending = [statement for block in program.blocks.values() for statement in block.body]
    pending += [statement for flat in program.flats.values() for statement in flat.body]
    while pending:
        statement = pending.pop()
        yield statement
        for body in blocks(statement):
            pending.extend(body)


def _numbers(program: ir.Program, threads: tuple[Thread, ...], properties: tuple[ir.Expr, ...]) -> Iterator[int]:
    """The numbers that a reader of model and scenario sees, up to 32 bits."""
    exprs = [expr for statement in _statements(program) for expr in expressions(statement)]
    exprs += [variable.initial for variable in program.variables.values()]
    exprs += properties
    for expr in exprs:
        for node in walk(expr):
            if isinstance(node, ir.Const) and isinstance(node.type, IntType) and abs(node.value) < 1 << 32:
                yield node.value
    for thread in threads:
        for instruction in thread.instructions:
            calls = (
                (instruction.call,)
                if isinstance(instruction, CallStep)
                else instruction.calls
                if isinstance(instruction, AnyOf)
                else ()
            )
            for call in calls:
                yield from (a for a in call.arguments if a is not None and abs(a) < 1 << 32)


def locals_of(program: ir.Program) -> dict[str, ir.Local]:
    """Every local by name."""
    found: dict[str, ir.Local] = {}
    for statement in _statements(program):
        for expr in expressions(statement):
            for node in walk(expr):
                if isinstance(node, ir.Local):
                    found[node.name] = node
        match statement:
            case ir.SetLocal(local, _) | ir.For(local, _, _, _) | ir.Choose(local, _, _):
                found[local.name] = local
            case ir.Call():
                found.update((x.name, x) for x in (statement.target, statement.error) if x is not None)
            case _:
                pass
    for code in program.operations.values():
        found.update((p.local.name, p.local) for p in code.params)
    return found
