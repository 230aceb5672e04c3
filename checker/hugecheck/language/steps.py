"""Steps of a scenario: what was typed, matched against the `written` patterns of an operation, to `Invocation`s."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from hugecheck.diagnostics import Span, fail, suggest
from hugecheck.ir import program as ir
from hugecheck.ir.types import BOOL, EnumType, IndexType, IntType, OptionalType, SetType, Type, inner
from hugecheck.language import declared
from hugecheck.language import syntax as s
from hugecheck.language.scenario import Invocation
from hugecheck.language.symbols import RESULT, Symbols

MAX_ALTERNATIVES = 10_000


@dataclass(slots=True)
class Names:
    """The elements of `named` index types, in the order in which they are met, and what is known of sizes."""

    elements: dict[str, list[str]] = field(default_factory=dict)
    made: dict[str, set[str]] = field(default_factory=dict)
    """names that stand for something that an operation makes"""
    sizes: dict[str, int] = field(default_factory=dict)

    def element(self, index: str, name: str) -> int:
        """The number of the element, new if need be."""
        names = self.elements.setdefault(index, [])
        if name not in names:
            names.append(name)
        return names.index(name)

    def need(self, index: str, size: int) -> None:
        self.sizes[index] = max(self.sizes.get(index, 0), size)


Bound = dict[str, declared.Operand]


@dataclass(frozen=True, slots=True)
class Variables:
    """Values of the variables of `for k in ...` and `process p[i: T]` at a place."""

    values: dict[str, tuple[int, Type]]


class StepMatcher:
    """Turns step texts into invocations for one scenario."""

    def __init__(self, symbols: Symbols, operations: dict[str, ir.Operation], names: Names) -> None:
        self.symbols = symbols
        self.operations = operations
        self.names = names

    def invocations(
        self, step: declared.Step, actor: int | None, variables: Variables, *, choices: bool
    ) -> tuple[Invocation, ...]:
        """All invocations that the step stands for: one, or with `choices` one for each combination of values."""
        operation = self._operation(step)
        bound = self._match(step, operation)
        results = frozenset(self._result(r, step.span) for r in step.results) or None
        options: list[Sequence[int | None]] = []
        for parameter in operation.params:
            name = parameter.local.name.rpartition(".")[0]
            if parameter.kind == "by":
                options.append([self._actor(actor, step)])
            elif name in bound:
                values = self._values(bound[name], parameter, variables)
                if len(values) > 1 and not choices:
                    fail("misplaced", "several values stand only inside `any N of { ... }`", bound[name].span)
                options.append(values)
            elif parameter.default is not None:
                options.append([None])
            else:
                fail("wrong-step", f"`{operation.name}` needs `{name}`", step.span, help=_forms(operation))
        count = 1
        for option in options:
            count *= len(option)
        if count > MAX_ALTERNATIVES:
            fail(
                "too-large",
                f"this step stands for {count:,} combinations",
                step.span,
                help=f"at most {MAX_ALTERNATIVES:,} are possible",
            )
        self._measure(operation, options)
        return tuple(
            Invocation(operation.name, arguments, results, step.span) for arguments in itertools.product(*options)
        )

    def _measure(self, operation: ir.Operation, options: list[Sequence[int | None]]) -> None:
        """Largest numbers given for counted index types; an offset and a count after it belong together."""
        last: dict[str, int] = {}
        for parameter, values in zip(operation.params, options, strict=True):
            type_ = inner(parameter.local.type)
            largest = max((v for v in values if v is not None), default=0)
            if isinstance(type_, IndexType) and self.symbols.indexes[type_.name].kind == "counted":
                self.names.need(type_.name, largest + 1)
                last[type_.name] = largest
            elif isinstance(type_, IntType) and type_.counts and self.symbols.indexes[type_.counts].kind == "counted":
                self.names.need(type_.counts, largest + last.pop(type_.counts, 0))

    def _operation(self, step: declared.Step) -> ir.Operation:
        words = [o for o in step.operands if o.kind == "name"]
        first = step.operands[0]
        if len(step.operands) > 1 and step.operands[1].kind == "equals":
            if len(step.operands) < 3 or step.operands[2].kind not in ("name", "index", "slice"):
                fail("wrong-step", "an operation is missing after `=`", step.operands[1].span)
            first = step.operands[2]
        name = first.name
        if first.kind != "name" or name not in self.operations:
            shown = name or "this"
            meant = next((w.name for w in words if w.name in self.operations), None)
            hint = _forms(self.operations[meant]) if meant is not None else suggest(name, self.operations)
            fail("unknown-operation", f"there is no operation `{shown}`", first.span, help=hint)
        return self.operations[name]

    def _match(self, step: declared.Step, operation: ir.Operation) -> Bound:
        for pattern in operation.patterns or (_plain(operation),):
            bound = self._try(pattern, step.operands, operation)
            if bound is not None:
                return bound
        fail("wrong-step", f"`{operation.name}` is not written like this", step.span, help=_forms(operation))

    def _try(
        self, pattern: tuple[ir.PatternItem, ...], operands: Sequence[declared.Operand], operation: ir.Operation
    ) -> Bound | None:
        types = {p.local.name.rpartition(".")[0]: inner(p.local.type) for p in operation.params}
        options = {i.first: i for i in pattern if i.kind == "option"}
        bound: Bound = {}
        position = 0

        def take_options() -> None:
            nonlocal position
            while position < len(operands) and operands[position].kind == "name" and operands[position].name in options:
                option = options[operands[position].name]
                if not option.second:
                    bound[option.first] = operands[position]
                    position += 1
                elif position + 1 < len(operands):
                    bound[option.second] = operands[position + 1]
                    position += 2
                else:
                    return

        for item in pattern:
            if item.kind == "option":
                continue
            take_options()
            operand = operands[position] if position < len(operands) else None
            type_ = types.get(item.first)
            match item.kind:
                case "word" if isinstance(type_, SetType) and isinstance(type_.element, EnumType):
                    members = self.symbols.enums[type_.element.name]
                    start = position
                    while (
                        position < len(operands)
                        and operands[position].kind == "name"
                        and operands[position].name in members
                    ):
                        position += 1
                    items = tuple(s.SetItem(s.Name(o.name, o.span), None) for o in operands[start:position])
                    if operand is not None and operand.kind == "choice" and start == position:
                        bound[item.first] = operand
                        position += 1
                    elif operands:
                        bound[item.first] = declared.Operand(
                            "words", "", None, None, items, (operand or operands[-1]).span
                        )
                    continue
                case "word" if type_ == BOOL:
                    if operand is not None and operand.kind == "name" and operand.name == item.first:
                        bound[item.first] = operand
                        position += 1
                    continue
                case "word" if type_ is not None:
                    if operand is None or operand.kind not in ("name", "number", "none", "choice", "expr"):
                        return None
                    bound[item.first] = operand
                case "word":
                    if operand is None or operand.kind != "name" or operand.name != item.first:
                        return None
                case "equals":
                    if operand is None or operand.kind != "equals":
                        return None
                case "index" | "slice":
                    if operand is None or operand.kind != item.kind or operand.low is None:
                        return None
                    bound[item.first] = declared.Operand("name", operand.name, None, None, (), operand.span)
                    bound[item.second] = declared.Operand("expr", "", operand.low, None, (), operand.span)
                    if operand.high is not None:
                        length = s.Binary("-", operand.high, operand.low, operand.span)
                        bound[item.third] = declared.Operand("expr", "", length, None, (), operand.span)
            position += 1
        take_options()
        return bound if position == len(operands) else None

    # ------------------------------------------------------------ values

    def _actor(self, actor: int | None, step: declared.Step) -> int:
        if actor is None:
            fail(
                "wrong-step",
                "this operation is made by a process",
                step.span,
                help="write the process before it: `app: ...`",
            )
        return actor

    def _result(self, name: str, span: Span) -> int:
        if name not in self.symbols.results:
            fail("unknown-name", f"there is no result `{name}`", span, help=suggest(name, self.symbols.results))
        return self.symbols.number(RESULT, name)

    def _values(self, operand: declared.Operand, parameter: ir.Parameter, variables: Variables) -> list[int]:
        type_ = parameter.local.type
        if operand.kind == "words" or (operand.kind == "choice" and isinstance(type_, SetType)):
            mask = 0
            for item in operand.items:
                mask |= 1 << self._member(item.low, inner(type_))
            return [mask]
        if operand.kind == "choice":
            return [v for item in operand.items for v in self._item(item, parameter, variables)]
        if operand.kind == "expr" and isinstance(operand.low, s.SetValue):
            return [v for item in operand.low.items for v in self._item(item, parameter, variables)]
        if type_ == BOOL:
            return [1]
        if operand.kind == "none":
            if not isinstance(type_, OptionalType):
                fail("type-mismatch", f"a `{type_}` is needed here, not `none`", operand.span)
            return [-1]
        if operand.kind == "name":
            return [self._one(s.Name(operand.name, operand.span), parameter, variables)]
        assert operand.low is not None
        return [self._one(operand.low, parameter, variables)]

    def _member(self, expr: s.Expr, type_: Type) -> int:
        assert isinstance(type_, SetType) and isinstance(type_.element, EnumType)
        members = self.symbols.enums[type_.element.name]
        if not isinstance(expr, s.Name) or expr.name not in members:
            fail(
                "type-mismatch",
                f"a set of `{type_.element.name}` is made of {', '.join(f'`{m}`' for m in members)}",
                expr.span,
            )
        return members.index(expr.name)

    def _item(self, item: s.SetItem, parameter: ir.Parameter, variables: Variables) -> list[int]:
        if item.high is None:
            return [self._one(item.low, parameter, variables)]
        low, high = self.number(item.low, variables), self.number(item.high, variables)
        if high - low > MAX_ALTERNATIVES:
            fail(
                "too-large",
                f"this stands for {high - low:,} values",
                item.low.span,
                help=f"at most {MAX_ALTERNATIVES:,} are possible",
            )
        return [self._checked(v, parameter, item.low.span) for v in range(low, high)]

    def _one(self, expr: s.Expr, parameter: ir.Parameter, variables: Variables) -> int:
        type_ = inner(parameter.local.type)
        if isinstance(expr, s.NoneValue) and isinstance(parameter.local.type, OptionalType):
            return -1
        if isinstance(expr, s.Name):
            known = variables.values.get(expr.name)
            if known is not None:
                if isinstance(type_, IndexType) and isinstance(known[1], IndexType) and known[1] != type_:
                    fail("type-mismatch", f"a `{type_}` is needed here, and `{expr.name}` is a `{known[1]}`", expr.span)
                return self._checked(known[0], parameter, expr.span)
            if isinstance(type_, EnumType):
                members = self.symbols.enums[type_.name]
                if expr.name not in members:
                    fail(
                        "type-mismatch",
                        f"`{expr.name}` is not a `{type_}`",
                        expr.span,
                        help=suggest(expr.name, members),
                    )
                return members.index(expr.name)
            if isinstance(type_, IndexType) and self.symbols.indexes[type_.name].kind == "named":
                if parameter.kind == "new":
                    self.names.made.setdefault(type_.name, set()).add(expr.name)
                return self.names.element(type_.name, expr.name)
        if isinstance(type_, EnumType) or (
            isinstance(type_, IndexType) and self.symbols.indexes[type_.name].kind == "named"
        ):
            fail("type-mismatch", f"the name of a `{type_}` is needed here", expr.span)
        return self._checked(self.number(expr, variables), parameter, expr.span)

    def _checked(self, value: int, parameter: ir.Parameter, span: Span) -> int:
        type_ = inner(parameter.local.type)
        name = parameter.local.name.rpartition(".")[0]
        low, high = (type_.low, type_.high) if isinstance(type_, IntType) else (0, None)
        if isinstance(type_, IndexType) and self.symbols.indexes[type_.name].kind == "fixed":
            high = self.names.sizes[type_.name] - 1
        if (low is not None and value < low) or (high is not None and value > high):
            reach = f"from {low} to {high}" if high is not None else f"{low} or more"
            fail("out-of-range", f"`{name}` is {value} here, and it must be {reach}", span)
        if value > 1_000_000_000:
            fail("too-large", f"`{name}` is {value:,}, and at most 1,000,000,000 can be given", span)
        return value

    def number(self, expr: s.Expr, variables: Variables) -> int:
        """The value of a constant expression over the variables at this place."""
        match expr:
            case s.Number(value, _):
                return value
            case s.Name(name, _) if name in variables.values:
                return variables.values[name][0]
            case s.Name(name, _) if name in self.symbols.constants:
                return self.symbols.constants[name].value
            case s.Unary("-", operand, _):
                return -self.number(operand, variables)
            case s.Binary("+" | "-" | "*" | "/" | "%" as operator, left, right, span):
                a, b = self.number(left, variables), self.number(right, variables)
                if operator in "/%" and b == 0:
                    fail("out-of-range", "division by zero", span)
                return {"+": a + b, "-": a - b, "*": a * b, "/": a // b if b else 0, "%": a % b if b else 0}[operator]
            case s.Name(name, span):
                fail(
                    "unknown-name",
                    f"`{name}` is not a number",
                    span,
                    help=suggest(name, [*variables.values, *self.symbols.constants]),
                )
            case _:
                fail("type-mismatch", "a number is needed here", expr.span)


def _plain(operation: ir.Operation) -> tuple[ir.PatternItem, ...]:
    """How an operation without `written` is typed."""
    given = [p.local.name.rpartition(".")[0] for p in operation.params if p.kind != "by"]
    return tuple(ir.PatternItem("word", w, "", "") for w in [operation.name, *given])


def _forms(operation: ir.Operation) -> str:
    return "it is written " + " or ".join(f"`{written(p)}`" for p in operation.patterns or (_plain(operation),))


def written(pattern: tuple[ir.PatternItem, ...]) -> str:
    """A pattern as text."""
    parts = []
    for item in pattern:
        match item.kind:
            case "equals":
                parts.append("=")
            case "index":
                parts.append(f"{item.first}[{item.second}]")
            case "slice":
                parts.append(f"{item.first}[{item.second}..+{item.third}]")
            case "option":
                parts.append(f"[{item.first} {item.second}]" if item.second else f"[{item.first}]")
            case _:
                parts.append(item.first)
    return " ".join(parts)
