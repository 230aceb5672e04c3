"""A program as Python functions over a state vector. This translation is the meaning of the IR; other engines must agree with it.

Each block becomes `b<number>(s, b, t, c)`: state (a list, changed in place), base of the thread's frame, thread number, chooser. It returns
SUSPENDED (the thread stands before a block that yields), GO_ON (before one that does not), BLOCKED (the transition is disabled; the state is
garbage then), or FINISHED + r (the operation ended with result number r). `c(n)` gives a number below n.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, NoReturn, assert_never

from hugecheck.diagnostics import Span, fail
from hugecheck.explore.layout import CONTROL, SLOTS, Layout, ModelError, PoolExhausted, bad_index
from hugecheck.ir import program as ir
from hugecheck.ir.liveness import kept, results_of, uses
from hugecheck.ir.operators import OPERATORS
from hugecheck.ir.rewrite import blocks, children, expressions
from hugecheck.ir.sections import return_local
from hugecheck.ir.types import IndexType, IntType, OptionalType, SetType, Type, inner
from hugecheck.kept import kept_code

SUSPENDED, GO_ON, BLOCKED, FINISHED = 0, 1, 2, 16

Chooser = Callable[[int], int]
BlockFunction = Callable[[list[int], int, int, Chooser], int]


MAX_ELEMENT = 1_000_000


class Disabled(Exception):
    """A `choose` inside a subroutine found nothing to choose."""


@dataclass(frozen=True, slots=True)
class Property:
    """An expression over shared state, with the names of its parameters (for defaults and conditions of operations)."""

    name: str
    params: tuple[ir.Local, ...]
    value: ir.Expr


def used_variables(program: ir.Program, properties: Iterable[Property]) -> frozenset[str]:
    """Variables that some block, flat function or property reads or writes (not merely resets)."""
    out: set[str] = set()

    def expression(expr: ir.Expr) -> None:
        if isinstance(expr, ir.Load) and not expr.variable.startswith("initially."):
            out.add(expr.variable)
        for child in children(expr):
            expression(child)

    def block(body: ir.Block_) -> None:
        for statement in body:
            if isinstance(statement, ir.Store):
                out.add(statement.variable)
            for expr in expressions(statement):
                expression(expr)
            for inside in blocks(statement):
                block(inside)

    for item in program.blocks.values():
        block(item.body)
    for flat in program.flats.values():
        block(flat.body)
    for prop in properties:
        expression(prop.value)
    return frozenset(out)


# ---------------------------------------------------------------- helpers of the generated code


def div(a: int, b: int) -> int:
    if b == 0:
        raise ModelError("division", "division by zero", None)
    return a // b


def mod(a: int, b: int) -> int:
    if b == 0:
        raise ModelError("division", "remainder of a division by zero", None)
    return a % b


def interval(low: int, high: int) -> int:
    """{low..high} as a bit set."""
    if high > MAX_ELEMENT and high > low:
        raise ModelError("range", f"{high - 1} is too large for an element of a set", None)
    return (1 << high) - (1 << low) if 0 <= low < high else 0 if low >= high else bad_index(low, "set", False, None)


def lowest(members: int) -> int:
    return (members & -members).bit_length() - 1


def members(of: int) -> Iterator[int]:
    """The elements of a set, ascending."""
    while of:
        low = of & -of
        yield low.bit_length() - 1
        of ^= low


class _Sites:
    """What the generated code calls when a check fails. A site is a position in `places`."""

    def __init__(self, places: Sequence[Span], growing: Mapping[str, bool]) -> None:
        self.places = places
        self.growing = growing

    def index(self, value: int, index: str, site: int) -> NoReturn:
        bad_index(value, index, self.growing[index], self.places[site])

    def members(self, value: int, index: str, size: int, site: int) -> int:
        if value >> size:
            bad_index(value.bit_length() - 1, index, self.growing[index], self.places[site])
        return value

    def range(self, value: int, type_: str, site: int) -> NoReturn:
        raise ModelError("range", f"{value} is not in `{type_}`", self.places[site])

    def none(self, site: int) -> NoReturn:
        raise ModelError("none", "the value is `none`", self.places[site])

    def pool(self, index: str, size: int) -> NoReturn:
        raise PoolExhausted(index, size + 1)

    def broken(self, kind: str, reason: str, site: int) -> NoReturn:
        raise ModelError(kind, reason, self.places[site])


def _disabled() -> NoReturn:
    raise Disabled


# ---------------------------------------------------------------- emission


@dataclass(frozen=True, slots=True)
class Code:
    """`blocks[n]` runs block n; `properties` by name take the state and their parameters; `text` is what was compiled."""

    blocks: Sequence[BlockFunction | None]
    properties: Mapping[str, Callable[..., int]]
    text: str


def emit(program: ir.Program, layout: Layout, properties: Iterable[Property]) -> Code:
    """Compile the program and the properties for this layout."""
    emitter = _Emitter(program, layout)
    for flat in program.flats.values():
        emitter.flat(flat)
    for block in program.blocks.values():
        emitter.block(block)
    names = []
    for number, prop in enumerate(properties):
        emitter.property(f"p{number}", prop)
        names.append((prop.name, f"p{number}"))
    text = "\n".join(emitter.lines) + "\n"
    growing = {i.name: i.kind in ("pool", "counted") for i in program.module.indexes.values()}
    space: dict[str, Any] = {**_HELPERS, "X": _Sites(emitter.places, growing)}
    exec(_compiled(text, program), space)
    table: list[BlockFunction | None] = [None] * (max(program.blocks, default=0) + 1)
    for number in program.blocks:
        table[number] = space[f"b{number}"]
    return Code(table, {name: space[function] for name, function in names}, text)


_HELPERS: dict[str, Any] = {
    "div": div,
    "mod": mod,
    "interval": interval,
    "lowest": lowest,
    "members": members,
    "disabled": _disabled,
}


def _compiled(text: str, program: ir.Program) -> CodeType:
    """Python has limits of its own on how deep code is nested (20 loops, 100 levels, 200 brackets): a model beyond them is refused."""
    try:
        return kept_code(text, lambda: compile(text, "<program>", "exec"))
    except (SyntaxError, RecursionError, MemoryError) as error:
        number = getattr(error, "lineno", None) or 0
        heads = (re.match(r"def b(\d+)\(", line) for line in reversed(text.split("\n")[:number]))
        block = next((program.blocks[int(h.group(1))] for h in heads if h), None)
        declared: dict[str, ir.Operation | ir.Function] = {**program.module.functions, **program.module.operations}
        owner = declared.get(block.owner) if block is not None else None
        where = f"`{owner.name}`" if owner is not None else "the model"
        fail(
            "too-large",
            f"{where} is nested too deep: {getattr(error, 'msg', None) or 'an expression'}",
            owner.span if owner is not None else _place(program),
            help="move an inner part into a function of its own",
        )


def _place(program: ir.Program) -> Span | None:
    return next((o.span for o in program.module.operations.values()), None)


def emit_waits(program: ir.Program, layout: Layout) -> dict[int, Callable[[list[int], int], tuple[int, ...]]]:
    """For each block that begins by taking a lock: the indices of that lock, from the state and the base of the thread's frame."""
    emitter = _Emitter(program, layout)
    waits = [
        (b, s)
        for b in program.blocks.values()
        if b.body and isinstance(s := b.body[0], ir.Await) and s.lock is not None
    ]
    for block, await_ in waits:
        emitter.lines.append(f"def w{block.number}(s, b):")
        for name in sorted(frozenset().union(*(uses(i) for i in await_.indices))):
            emitter.line(f"{emitter.name(name)} = s[b + {SLOTS + layout.frame.slots[name]}]")
        emitter.line(f"return ({''.join(emitter.expr(i) + ', ' for i in await_.indices)})")
    space: dict[str, Any] = {
        **_HELPERS,
        "X": _Sites(emitter.places, dict.fromkeys(program.module.indexes, False)),
    }
    exec(_compiled("\n".join(emitter.lines) or "pass", program), space)
    return {block.number: space[f"w{block.number}"] for block, _ in waits}


class _Emitter:
    def __init__(self, program: ir.Program, layout: Layout) -> None:
        self.program = program
        self.layout = layout
        self.lines: list[str] = []
        self.places: list[Span] = []
        self.names: dict[str, str] = {}
        self.taken: set[str] = set()
        self.temporaries = 0
        self.depth = 1
        self.current: ir.Block | None = None
        self.flat_now: ir.FlatFunction | None = None
        self.assigned: set[str] = set()
        self.walrus = True
        self.records: dict[str, list[ir.Variable]] = {}
        for variable in program.variables.values():
            if variable.record and variable.name in layout.base:
                self.records.setdefault(variable.record, []).append(variable)

    # ------------------------------------------------------------ names and lines

    def name(self, local: str) -> str:
        if local not in self.names:
            base = "v_" + re.sub(r"\W", "_", local)
            name = base
            while name in self.taken:
                name += "_"
            self.taken.add(name)
            self.names[local] = name
        return self.names[local]

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def site(self, span: Span) -> int:
        self.places.append(span)
        return len(self.places) - 1

    def temporary(self) -> str:
        self.temporaries += 1
        return f"_t{self.temporaries}"

    # ------------------------------------------------------------ functions

    def flat(self, function: ir.FlatFunction) -> None:
        self.current, self.flat_now = None, function
        self.lines.append(
            f"def f_{function.name}({', '.join(['s', 't', 'c', *(self.name(p.name) for p in function.params)])}):"
        )
        self.body(function.body)
        self.line(self._flat_result(None, "0"))

    def _flat_result(self, value: str | None, error: str) -> str:
        function = self.flat_now
        assert function is not None
        if function.fails and function.returns is not None:
            return f"return {error}, {value if value is not None else 0}"
        return f"return {error if function.fails else value if value is not None else 0}"

    def block(self, block: ir.Block) -> None:
        self.current, self.flat_now = block, None
        self.assigned = _assigned(block.body)
        self.lines.append(f"def b{block.number}(s, b, t, c):  # {block.name}")
        for name in sorted(block.live):
            self.line(f"{self.name(name)} = s[b + {self._slot(name)}]")
        self.body(block.body)

    def property(self, function: str, prop: Property) -> None:
        self.current, self.flat_now = None, None
        self.lines.append(f"def {function}({', '.join(['s', *(self.name(p.name) for p in prop.params)])}):")
        self.line(f"return {self.expr(prop.value)}")

    def _slot(self, local: str) -> int:
        return SLOTS + self.layout.frame.slots[local]

    # ------------------------------------------------------------ statements

    def body(self, body: ir.Block_) -> None:
        if not body:
            self.line("pass")
        for statement in body:
            self.statement(statement)

    def inside(self, body: ir.Block_) -> None:
        self.depth += 1
        self.body(body)
        self.depth -= 1

    def statement(self, statement: ir.Statement) -> None:
        match statement:
            case ir.SetLocal(local, value):
                self.line(f"{self.name(local.name)} = {self.expr(value)}")
            case ir.Store(variable, indices, value):
                if variable in self.layout.base:
                    self.line(f"s[{self.place(variable, indices)}] = {self.expr(value)}")
            case ir.If():
                self._if(statement, "if")
            case ir.While(condition, body):
                self.line(f"while {self.expr(condition)}:")
                self.inside(body)
            case ir.For(local, domain, where, body):
                self.line(f"for {self.name(local.name)} in {self.domain(domain)}:")
                if where is not None:
                    self.depth += 1
                    self.line(f"if not {self.expr(where)}: continue")
                    self.depth -= 1
                self.inside(body)
            case ir.Break():
                self.line("break")
            case ir.Continue():
                self.line("continue")
            case ir.Assert(kind, condition, reason, site):
                self.line(f"if not {self.expr(condition)}: X.broken({kind!r}, {reason!r}, {self.site(site)})")
            case ir.Reset(index, element):
                self._reset(index, element)
            case ir.Choose(local, domain, where):
                self._choose(local, domain, where)
            case ir.Await(condition, _, _, _):
                self.line(f"if not {self.expr(condition)}: return {BLOCKED}")
            case ir.Call():
                self._call(statement)
            case ir.Goto(block):
                self.save(self.program.blocks[block].live)
                self.jump(block)
            case ir.Enter(function, block, back):
                self.line(f"{self.name(return_local(function).name)} = {back}")
                self.save(
                    self.program.blocks[block].live | kept(self.program, statement), {return_local(function).name}
                )
                self.jump(block)
            case ir.Leave(function):
                self.save(results_of(self.program, function))
                self.line(f"s[b] = {self.name(return_local(function).name)}")
                self.line(f"return {GO_ON}")
            case ir.Finish(result):
                self.save(frozenset())
                self.line(f"s[b + {CONTROL}] = 0")
                self.line(f"return {FINISHED} + {self.expr(result)}")
            case ir.Return(value):
                self.line(self._flat_result(self.expr(value) if value is not None else None, "0"))
            case ir.Fail(error):
                self.line(self._flat_result(None, self.expr(error)))
            case ir.Atomic() | ir.Hold() | ir.Either():
                raise AssertionError(statement)
            case _ as never:
                assert_never(never)

    def _if(self, statement: ir.If, keyword: str) -> None:
        self.line(f"{keyword} {self.expr(statement.condition)}:")
        self.inside(statement.then)
        match statement.otherwise:
            case ():
                pass
            case (ir.If() as nested,):
                self._if(nested, "elif")
            case _:
                self.line("else:")
                self.inside(statement.otherwise)

    def save(self, live: frozenset[str], set_here: Iterable[str] = ()) -> None:
        """Keep the live locals in the frame and clear the slots of those that are no longer needed."""
        assert self.current is not None
        slots = {self._slot(name) for name in live}
        for slot in sorted({self._slot(name) for name in self.current.live} - slots):
            self.line(f"s[b + {slot}] = 0")
        for name in sorted(live):
            if name in self.assigned or name in set_here or name not in self.current.live:
                self.line(f"s[b + {self._slot(name)}] = {self.name(name)}")

    def jump(self, block: int) -> None:
        self.line(f"s[b] = {block}")
        self.line(f"return {SUSPENDED if self.program.blocks[block].yields else GO_ON}")

    def _reset(self, index: str, element: ir.Expr) -> None:
        variables = self.records.get(index, ())
        if not variables:
            self.line("pass")
            return
        self.line(f"_r = {self.expr(element)}")
        for variable in variables:
            initial = variable.initial
            local = {"self": "_r"} if uses(initial) else {}
            old = dict(self.names)
            self.names.update(local)
            self.line(f"s[{self.layout.base[variable.name]} + _r] = {self.expr(initial)}")
            self.names = old

    def _choose(self, local: ir.Local, domain: ir.Domain, where: ir.Expr | None) -> None:
        test = f" if {self.expr(where)}" if where is not None else ""
        self.line(f"_c = [{self.name(local.name)} for {self.name(local.name)} in {self.domain(domain)}{test}]")
        self.line(f"if not _c: {'disabled()' if self.flat_now is not None else f'return {BLOCKED}'}")
        self.line(f"{self.name(local.name)} = _c[c(len(_c))]")

    def _call(self, call: ir.Call) -> None:
        function = self.program.flats[call.function]
        text = f"f_{call.function}({', '.join(['s', 't', 'c', *(self.expr(a) for a in call.arguments)])})"
        value = self.name(call.target.name) if call.target is not None else "_"
        error = self.name(call.error.name) if call.error is not None else "_"
        if function.fails and function.returns is not None:
            self.line(f"{error}, {value} = {text}")
        elif function.fails:
            self.line(f"{error} = {text}")
        else:
            self.line(f"{value} = {text}" if call.target is not None else text)

    # ------------------------------------------------------------ expressions

    def place(self, variable: str, indices: tuple[ir.Expr, ...]) -> str:
        base = self.layout.base[variable]
        parts = []
        for index, stride in zip(indices, self.layout.strides[variable], strict=True):
            if isinstance(index, ir.Const):
                base += index.value * stride
            else:
                text = self.expr(index)
                parts.append(text if stride == 1 else f"{text} * {stride}")
        return " + ".join([*parts, str(base)]) if base or not parts else " + ".join(parts)

    def domain(self, domain: ir.Domain) -> str:
        before, self.walrus = self.walrus, False
        try:
            match domain:
                case ir.IndexDomain(index):
                    return f"range({self.layout.sizes[index]})"
                case ir.Interval(low, high):
                    return f"range({self.expr(low)}, {self.expr(high)})"
                case ir.Members(of):
                    return f"members({self.expr(of)})"
                case _ as never:
                    assert_never(never)
        finally:
            self.walrus = before

    def expr(self, expr: ir.Expr) -> str:
        match expr:
            case ir.Const(value, _):
                return str(value) if value >= 0 else f"({value})"
            case ir.Local(name, _):
                return self.name(name)
            case ir.ThreadId():
                return "t"
            case ir.IndexSize(index, _):
                return str(self.layout.sizes[index])
            case ir.Load(variable, indices, _):
                if variable.startswith("initially."):
                    return str(self.layout.initially.get(variable.removeprefix("initially."), 0))
                return f"s[{self.place(variable, indices)}]"
            case ir.Apply(operator, arguments, _):
                return self._apply(operator, arguments)
            case ir.Convert(value, type_, site):
                return self._convert(value, type_, site)
            case ir.Conditional(condition, then, otherwise, _):
                return f"({self.expr(then)} if {self.expr(condition)} else {self.expr(otherwise)})"
            case ir.Quantified():
                return self._quantified(expr)
            case ir.Has():
                raise AssertionError(expr)
            case _ as never:
                assert_never(never)

    def _apply(self, operator: str, arguments: tuple[ir.Expr, ...]) -> str:
        texts = [self.expr(a) for a in arguments]
        row = OPERATORS[operator]
        if row.python.count("{0}") > 1 and not all(t.isidentifier() or t.isdigit() for t in texts):
            if self.walrus:
                names = [self.temporary() for _ in texts]
                bound = "".join(f"({n} := {t}), " for n, t in zip(names, texts, strict=True))
                return f"({bound}{row.python.format(*names)})[{len(texts)}]"
            return f"{operator}({', '.join(texts)})"
        return row.python.format(*texts)

    def _convert(self, value: ir.Expr, type_: Type, site: Span) -> str:
        text = self.expr(value)
        if isinstance(type_, SetType):
            element = type_.element
            if not isinstance(element, IndexType):
                return text
            return f"X.members({text}, {element.name!r}, {self.layout.sizes[element.name]}, {self.site(site)})"
        optional = isinstance(type_, OptionalType)
        bound = inner(type_)
        first = again = text
        if not text.isidentifier():
            if not self.walrus:
                name = self.temporary()
                return f"(lambda {name}: {self._checked(name, name, value, bound, optional, site)})({text})"
            name = self.temporary()
            first, again = f"({name} := {text})", name
        return self._checked(first, again, value, bound, optional, site)

    def _checked(self, first: str, again: str, value: ir.Expr, bound: Type, optional: bool, site: Span) -> str:
        """`again` if `first` (the same value, evaluated first) is one of the type, else a report."""
        if isinstance(value.type, OptionalType) and not optional:
            return f"({again} if {first} >= 0 else X.none({self.site(site)}))"
        match bound:
            case IndexType(name):
                return f"({again} if 0 <= {first} < {self.layout.sizes[name]} else X.index({again}, {name!r}, {self.site(site)}))"
            case IntType(low, high, _):
                report = f"X.range({again}, {str(bound)!r}, {self.site(site)})"
                low = -1 if optional else low
                test = (
                    f"{low} <= {first}"
                    if high is None
                    else f"{first} <= {high}"
                    if low is None
                    else f"{low} <= {first} <= {high}"
                )
                return f"({again} if {test} else {report})"
            case _:
                return again if first == again else f"({first}, {again})[1]"

    def _quantified(self, expr: ir.Quantified) -> str:
        variable = self.name(expr.variable.name)
        domain, body = self.domain(expr.domain), self.expr(expr.body)
        match expr.kind:
            case "forall":
                return f"all({body} for {variable} in {domain})"
            case "exists":
                return f"any({body} for {variable} in {domain})"
            case "count":
                return f"sum(1 for {variable} in {domain} if {body})"
            case "sum":
                return f"sum({body} for {variable} in {domain})"
            case "first":
                return f"next(({variable} for {variable} in {domain} if {body}), -1)"
            case _:
                assert isinstance(expr.domain, ir.IndexDomain)
                index = expr.domain.index
                search = f"next(({variable} for {variable} in {domain} if {body}), -1)"
                name = self.temporary()
                return f"({name} if ({name} := {search}) >= 0 else X.pool({index!r}, {self.layout.sizes[index]}))"


def _assigned(body: ir.Block_) -> set[str]:
    """Locals that the statements set."""
    out: set[str] = set()
    for statement in body:
        match statement:
            case ir.SetLocal(local, _) | ir.Choose(local, _, _):
                out.add(local.name)
            case ir.For(local, _, _, inside):
                out |= {local.name} | _assigned(inside)
            case ir.If(_, a, b):
                out |= _assigned(a) | _assigned(b)
            case ir.While(_, inside):
                out |= _assigned(inside)
            case ir.Call():
                out |= {x.name for x in (statement.target, statement.error) if x is not None}
            case _:
                pass
    return out
