"""Which threads and which elements of index types can change places without anybody noticing.

- Threads are alike when they have the same instructions. A thread's number is only ever seen as the owner of a lock.
- Elements of an index type are alike when nothing tells them apart: no specification, default or initial value mentions one, they are not used as
  numbers, and nothing goes through the type in order (`for`, `first`, `new`). Elements that are mentioned stay where they are; what uses an index type
  as numbers breaks its symmetry altogether.

The search keeps one state of each class of states that differ by such a change: see runtime/symmetry.h.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hugecheck.explore.system import System
from hugecheck.ir import program as ir
from hugecheck.ir.liveness import EMPTY, before
from hugecheck.ir.rewrite import children, domain_parts
from hugecheck.ir.types import IndexType, IntType, OptionalType, SetType, Type, inner
from hugecheck.language.scenario import AnyOf, CallStep

MAX_IMAGES = 24
"""so many ways to rename elements are tried for each state; beyond that an index type is left alone"""


@dataclass(frozen=True, slots=True)
class Symmetry:
    """`classes`: threads that are alike, of two or more. `free`: for each index type the elements that are alike, two or more."""

    classes: tuple[tuple[int, ...], ...] = ()
    free: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def images(self) -> list[dict[str, dict[int, int]]]:
        """All ways to rename elements but the one that changes nothing: for each index type, what becomes of each free element."""
        choices = [
            [(index, dict(zip(elements, order, strict=True))) for order in itertools.permutations(elements)]
            for index, elements in self.free.items()
        ]
        out = [dict(combination) for combination in itertools.product(*choices)]
        return [image for image in out if any(a != b for renamed in image.values() for a, b in renamed.items())]


NONE = Symmetry()


def find_symmetry(system: System) -> Symmetry:
    """The symmetry of a system; `NONE` if it has none."""
    program = system.machine.program
    facts = _Facts(program)
    facts.program_code()
    facts.scenario(system)
    free: dict[str, tuple[int, ...]] = {}
    images = 1
    for index, size in system.layout.sizes.items():
        if index in facts.broken:
            continue
        elements = tuple(e for e in range(size) if e not in facts.mentioned.get(index, ()))
        if len(elements) > 1 and images * math.factorial(len(elements)) <= MAX_IMAGES:
            images *= math.factorial(len(elements))
            free[index] = elements
    classes: list[list[int]] = []
    if not facts.thread_seen and not system.merged:
        for number, thread in enumerate(system.scenario.threads):
            for alike in classes:
                first = system.threads[alike[0]]
                if (first.instructions, first.actor) == (thread.instructions, thread.actor):
                    alike.append(number)
                    break
            else:
                classes.append([number])
    return Symmetry(tuple(tuple(c) for c in classes if len(c) > 1), free)


class _Facts:
    """Goes through everything that is executed or evaluated. `broken`: index types without symmetry; `mentioned`: elements that stay."""

    def __init__(self, program: ir.Program) -> None:
        self.program = program
        self.broken: set[str] = set()
        self.mentioned: dict[str, set[int]] = {}
        self.thread_seen = False
        """a thread's number is used other than as the owner of a lock"""

    # ------------------------------------------------------------ what there is

    def program_code(self) -> None:
        program = self.program
        for block in program.blocks.values():
            for position, statement in enumerate(block.body):
                if isinstance(statement, ir.SetLocal):
                    live = before(block.body[position + 1 :], EMPTY, program)
                    if statement.local.name not in live:
                        continue  # what nobody reads tells nothing apart
                self.statement(statement, None)
        for flat in program.flats.values():
            for statement in flat.body:
                self.statement(statement, flat)
        for code in program.operations.values():
            for when in code.conditions:
                self.expr(when.condition)
            for parameter in code.params:
                if parameter.default is not None:
                    self.given(parameter.local.type, parameter.default)
        for variable in program.variables.values():
            self.given(variable.type, variable.initial)

    def scenario(self, system: System) -> None:
        scenario = system.scenario
        for clause in scenario.clauses:
            if clause.condition is not None:
                self.expr(clause.condition)
        actor = scenario.module.actor
        if actor is not None:
            self.expr(actor.condition)
        for thread in system.threads:
            if thread.actor is not None and actor is not None:
                self.mention(IndexType(actor.index), thread.actor)
            for instruction in thread.instructions:
                calls = (
                    (instruction.call,)
                    if isinstance(instruction, CallStep)
                    else instruction.calls
                    if isinstance(instruction, AnyOf)
                    else ()
                )
                for call in calls:
                    params = self.program.operations[call.operation].params
                    for parameter, value in zip(params, call.arguments, strict=True):
                        if value is not None:
                            self.mention(parameter.local.type, value)

    # ------------------------------------------------------------ rules

    def mention(self, type_: Type, value: int) -> None:
        """A constant of this type."""
        type_ = inner(type_)
        if isinstance(type_, IndexType) and value >= 0:
            self.mentioned.setdefault(type_.name, set()).add(value)
        elif isinstance(type_, SetType) and isinstance(type_.element, IndexType):
            elements = {e for e in range(value.bit_length()) if value >> e & 1}
            self.mentioned.setdefault(type_.element.name, set()).update(elements)

    def given(self, target: Type, value: ir.Expr) -> None:
        """A value that is put where a `target` is."""
        if isinstance(value, ir.Const):
            self.mention(target, value.value)
            return
        if index_of(target) != index_of(value.type):
            self.breaks(target)
            self.breaks(value.type)
        self.expr(value)

    def breaks(self, type_: Type) -> None:
        name = index_of(type_)
        if name:
            self.broken.add(name)

    def exprs(self, exprs: Iterable[ir.Expr]) -> None:
        for expr in exprs:
            self.expr(expr)

    def expr(self, expr: ir.Expr) -> None:
        match expr:
            case ir.Const(value, type_):
                self.mention(type_, value)
            case ir.ThreadId():
                self.thread_seen = True
            case ir.Load(variable, indices, type_):
                if variable.startswith("initially."):
                    self.breaks(type_)
                    return
                for index, given in zip(self.program.variables[variable].indices, indices, strict=True):
                    self.given(IndexType(index), given)
            case ir.Convert(value, type_, _):
                self.given(type_, value)
            case ir.Apply(operator, arguments, type_):
                self._apply(operator, arguments, type_)
            case ir.Conditional(condition, then, otherwise, type_):
                self.expr(condition)
                self.given(type_, then)
                self.given(type_, otherwise)
            case ir.Quantified(kind, variable, domain, body, _):
                if kind in ("first", "new"):
                    self.breaks(variable.type)
                self.exprs(domain_parts(domain))
                self.expr(body)
            case _:
                self.exprs(children(expr))

    def _apply(self, operator: str, arguments: tuple[ir.Expr, ...], type_: Type) -> None:
        match operator:
            case "eq" | "ne":
                a, b = arguments
                target = a.type if index_of(a.type) else b.type
                self.given(target, a)
                self.given(target, b)
            case "in":
                element, of = arguments
                self.expr(of)
                self.given(_element(of.type), element)
            case "single":
                self.given(_element(type_), arguments[0])
            case "union" | "inter" | "minus":
                for argument in arguments:
                    self.given(type_, argument)
            case "size" | "and" | "or" | "not" | "implies":
                self.exprs(arguments)
            case _:
                for argument in arguments:
                    self.breaks(argument.type)
                self.exprs(arguments)
                self.breaks(type_)

    def statement(self, statement: ir.Statement, flat: ir.FlatFunction | None) -> None:
        bodies: tuple[ir.Block_, ...] = ()
        match statement:
            case ir.SetLocal(local, value):
                self.given(local.type, value)
            case ir.Store(variable, indices, value):
                declared = self.program.variables[variable]
                for index, given in zip(declared.indices, indices, strict=True):
                    self.given(IndexType(index), given)
                if not (variable.startswith("lock.") and isinstance(value, ir.ThreadId)):
                    self.given(declared.type, value)
            case ir.If(condition, then, otherwise):
                self.expr(condition)
                bodies = (then, otherwise)
            case ir.While(condition, body):
                self.expr(condition)
                bodies = (body,)
            case ir.For(local, domain, where, body):
                self.breaks(local.type)
                self.exprs(domain_parts(domain))
                if where is not None:
                    self.expr(where)
                bodies = (body,)
            case ir.Choose(_, domain, where):
                self.exprs(domain_parts(domain))
                if where is not None:
                    self.expr(where)
            case ir.Assert(_, condition, _, _) | ir.Await(condition, _, _, _):
                self.expr(condition)
            case ir.Reset(index, element):
                self.given(IndexType(index), element)
            case ir.Call():
                function = self.program.flats[statement.function]
                for parameter, value in zip(function.params, statement.arguments, strict=True):
                    self.given(parameter.type, value)
                if statement.target is not None and function.returns is not None:
                    self.given(statement.target.type, ir.Local("", function.returns))
            case ir.Return(value) if value is not None:
                assert flat is not None
                self.given(flat.returns or IntType(), value)
            case _:
                pass
        for inside in bodies:
            for each in inside:
                self.statement(each, flat)


def _element(type_: Type) -> Type:
    """The type of the elements of a set."""
    element = type_.element if isinstance(type_, SetType) else None
    return element if element is not None else IntType()


def index_of(type_: Type) -> str:
    """The index type that a type is about, or empty."""
    type_ = inner(type_)
    if isinstance(type_, SetType):
        return index_of(type_.element) if type_.element is not None else ""
    if isinstance(type_, OptionalType):
        return ""
    return type_.name if isinstance(type_, IndexType) else ""
