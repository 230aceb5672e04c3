"""Expressions of the IR as C.

Every part that can fail is computed into a variable of its own, in the order in which the reference engine evaluates, and a failure leaves the function at
once; so the text that `expression` gives has no effects and can stand anywhere behind the lines that were written before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import assert_never

from hugecheck.diagnostics import Span
from hugecheck.explore.layout import Layout
from hugecheck.explore.native.operators import TEMPLATES
from hugecheck.explore.native.packing import Field, Packing
from hugecheck.explore.native.ranges import BIT, LARGEST, SET_BITS, VALUE, Range, Ranges, Unsupported
from hugecheck.explore.native.wide import Wide
from hugecheck.explore.native.writer import Writer
from hugecheck.ir import program as ir
from hugecheck.ir.types import IndexType, IntType, OptionalType, SetType, Type, inner

UNSIGNED_64 = (1 << 64) - 1
WIDE = Range(-(1 << 70), 1 << 70)
"""what a wide local can hold: checked when it is set"""
_RANGED: dict[str, Callable[[Range, Range], tuple[int, int]]] = {
    "add": lambda a, b: (a.low + b.low, a.high + b.high),
    "sub": lambda a, b: (a.low - b.high, a.high - b.low),
    "mul": lambda a, b: (
        min(a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high),
        max(a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high),
    ),
}
_SYMBOLS = {"add": "+", "sub": "-", "mul": "*"}


@dataclass(frozen=True, slots=True)
class Site:
    """What a failed check was about. kind: index, range, none, pool, division, assert, requires. `text`: the index type, the type, or the reason."""

    kind: str
    text: str
    span: Span | None


@dataclass(frozen=True, slots=True)
class Code:
    """A C expression without effects. kind: value, word (a set), wide (128 bits). `range`: what it can be."""

    text: str
    range: Range
    kind: str = "value"


class Expressions:
    """Emits expressions for one layout. `words` is the name of the state in the function at hand."""

    def __init__(
        self, layout: Layout, packing: Packing, ranges: Ranges, growing: frozenset[str], wide: Wide, writer: Writer
    ) -> None:
        self.growing = growing
        self.wide = wide
        self.layout = layout
        self.packing = packing
        self.ranges = ranges
        self.out = writer
        self.sites: list[Site] = []
        self.fields: list[Field] = []
        self._field_numbers: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.known: dict[str, Range] = {}
        self.declared: dict[str, str] = {}

    # ------------------------------------------------------------ names, sites, fields

    def begin_function(self) -> None:
        self.names, self.known, self.declared = {}, {}, {}

    def name(self, local: ir.Local) -> str:
        """The C variable of a local; declared at the head of the function."""
        if local.name not in self.names:
            name = self.out.fresh("v")
            self.names[local.name] = name
            self.declared[name] = self.local_kind(local)
        return self.names[local.name]

    @contextmanager
    def bound(self, local: ir.Local, name: str, range_: Range) -> Iterator[None]:
        """`local` is the C variable `name` here."""
        names, known = self.names, self.known
        self.names, self.known = {**names, local.name: name}, {**known, local.name: range_}
        yield
        self.names, self.known = names, known

    @staticmethod
    def kind(type_: Type) -> str:
        return "word" if isinstance(type_, SetType) else "value"

    def local_kind(self, local: ir.Local) -> str:
        return "wide" if local.name in self.wide.locals else self.kind(local.type)

    def site(self, kind: str, text: str, span: Span | None) -> int:
        self.sites.append(Site(kind, text, span))
        return len(self.sites) - 1

    def fail(self, condition: str, kind: str, text: str, span: Span | None, number: str) -> None:
        """Leave the function when the condition is true."""
        failure = (
            "GROW"
            if kind == "pool"
            else f"{number} >= 0 ? GROW : AT_SITE"
            if kind == "index" and text in self.growing
            else "AT_SITE"
        )
        self.out.line(f"if (UNLIKELY({condition})) return fail(x, {failure}, {self.site(kind, text, span)}, {number});")

    def too_large(self, condition: str) -> None:
        self.out.line(f"if (UNLIKELY({condition})) return fail(x, TOO_LARGE, 0, 0);")

    def field_number(self, field: Field) -> int:
        if field.name not in self._field_numbers:
            self._field_numbers[field.name] = len(self.fields)
            self.fields.append(field)
        return self._field_numbers[field.name]

    # ------------------------------------------------------------ fields of the state

    def place(self, field: Field, indices: Sequence[Code]) -> tuple[str, str]:
        """Word and shift of an element of a variable, as C."""
        strides = self.layout.strides[field.name]
        constant, parts = 0, []
        for index, stride in zip(indices, strides, strict=True):
            if index.range.low == index.range.high:
                constant += index.range.low * stride
            else:
                parts.append(index.text if stride == 1 else f"{index.text} * {stride}")
        if not parts:
            word, shift = field.place(constant)
            return f"w[{word}]", str(shift)
        element = " + ".join([*parts, str(constant)] if constant else parts)
        if not field.per_word:
            offset = f"({element}) * {field.bits}" if field.bits > 1 else f"({element})"
            return f"w[{field.word}]", f"({field.shift} + {offset})" if field.shift else f"({offset})"
        if field.per_word == 1:
            return f"w[{field.word} + ({element})]", "0"
        at = self.temporary("size_t", f"(size_t)({element})")
        return f"w[{field.word} + {at} / {field.per_word}]", f"({at} % {field.per_word} * {field.bits})"

    def fetch(self, field: Field, word: str, shift: str, type_: Type) -> Code:
        """What stands in the field."""
        if field.bits == 0:
            return self.constant(field.range.low, type_)
        raw = word if shift == "0" else f"{word} >> {shift}"
        mask = (1 << field.range.bits) - 1
        raw = f"({raw})" if mask == UNSIGNED_64 else f"({raw} & {mask:#x})"
        if isinstance(type_, SetType):
            return Code(raw, field.range, "word")
        if field.range.high > LARGEST:
            return Code(f"((wide){raw})", field.range, "wide")
        text = f"(value){raw}"
        return Code(
            f"({text} + {field.range.low})"
            if field.range.low > 0
            else f"({text} - {-field.range.low})"
            if field.range.low < 0
            else f"({text})",
            field.range,
        )

    def put(self, field: Field, word: str, shift: str, value: Code, width: int | None = None) -> None:
        """Store a value, checked to have room. `width`: bits to be overwritten, if more than the field's."""
        width = field.bits if width is None else width
        if value.kind == "wide":
            value = self.fitting(field, value)
        number = self.temporary(
            "word", f"(word){value.text}" + (f" - (word)({field.range.low})" if field.range.low else "")
        )
        if not value.range.within(field.range):
            largest = field.range.high - field.range.low
            self.out.line(
                f"if (UNLIKELY({number} > {largest:#x}u)) return fail(x, OVERFLOW, {self.field_number(field)}, (value){value.text});"
            )
        if width == 0:
            return
        if width == 64:
            self.out.line(f"{word} = {number};")
            return
        mask = f"((word){(1 << width) - 1:#x} << {shift})" if shift != "0" else f"(word){(1 << width) - 1:#x}"
        self.out.line(f"{word} = ({word} & ~{mask}) | {number}{f' << {shift}' if shift != '0' else ''};")

    def fitting(self, field: Field, value: Code) -> Code:
        """A wide value that fits the field. What does not fit 64 bits with a sign is reported as the largest that does."""
        value = self.atom(value)
        low, high = field.range.low, field.range.high
        number = f"({value.text} > INT64_MAX ? INT64_MAX : {value.text} < INT64_MIN ? INT64_MIN : (value){value.text})"
        top = f"(wide){high}u" if high > LARGEST else str(high)
        test = f"{value.text} < {low} || {value.text} > {top}"
        self.out.line(f"if (UNLIKELY({test})) return fail(x, OVERFLOW, {self.field_number(field)}, {number});")
        return Code(f"((word){value.text})", field.range, "word")

    def widened(self, code: Code) -> Code:
        """A value for a wide local, checked to be far from the limits of 128 bits."""
        if code.kind != "wide" or code.range.within(WIDE):
            return code
        code = self.atom(code)
        self.too_large(f"{code.text} > ((wide)1 << 70) || {code.text} < -((wide)1 << 70)")
        return replace(code, range=WIDE)

    # ------------------------------------------------------------ expressions

    def temporary(self, kind: str, text: str) -> str:
        name = self.out.fresh("t")
        self.out.line(f"const {kind} {name} = {text};")
        return name

    def atom(self, code: Code) -> Code:
        """The same as a variable or a number, to be used more than once."""
        return code if code.text.isalnum() else replace(code, text=self.temporary(code.kind, code.text))

    def lazily(self, expr: ir.Expr) -> tuple[list[str], Code]:
        """The expression and the lines that must run before it, not yet written."""
        self.out.depth += 1
        with self.out.captured() as lines:
            code = self.expression(expr)
        self.out.depth -= 1
        return lines, code

    def constant(self, value: int, type_: Type) -> Code:
        if isinstance(type_, SetType):
            if value > UNSIGNED_64:
                raise Unsupported(f"a set has more than {SET_BITS} elements")
            return Code(f"(word){value}u", Range(value, value), "word")
        if not VALUE.low <= value <= VALUE.high:
            if abs(value) > UNSIGNED_64:
                raise Unsupported(f"the number {value} needs more than 64 bits")
            return Code(f"({'-' if value < 0 else ''}(wide){abs(value)}u)", Range(value, value), "wide")
        return Code(f"({value})" if value < 0 else str(value), Range(value, value))

    def expression(self, expr: ir.Expr) -> Code:
        match expr:
            case ir.Const(value, type_):
                return self.constant(value, type_)
            case ir.Local():
                return Code(self.name(expr), self.known.get(expr.name) or self.local_range(expr), self.local_kind(expr))
            case ir.ThreadId():
                return Code("t", Range(0, max(self.layout.threads - 1, 0)))
            case ir.IndexSize(index, type_):
                return self.constant(self.layout.sizes[index], type_)
            case ir.Load(variable, indices, type_):
                if variable.startswith("initially."):
                    return self.constant(self.layout.initially.get(variable.removeprefix("initially."), 0), type_)
                field = self.packing.variables[variable]
                word, shift = self.place(field, [self.expression(i) for i in indices])
                return self.fetch(field, word, shift, type_)
            case ir.Apply(operator, arguments, _):
                return self._apply(operator, arguments)
            case ir.Convert(value, type_, site):
                return self._convert(value, type_, site)
            case ir.Conditional(condition, then, otherwise, type_):
                return self._conditional(condition, then, otherwise, type_)
            case ir.Quantified():
                return self._quantified(expr)
            case ir.Has():
                raise AssertionError(expr)
            case _ as never:
                assert_never(never)

    def local_range(self, local: ir.Local) -> Range:
        if local.name in self.wide.locals:
            return WIDE
        if local.name in self.ranges.stepped and not isinstance(local.type, SetType):
            return VALUE
        if isinstance(local.type, IntType) and local.type.low is not None and local.type.high is None:
            return Range(local.type.low, LARGEST)
        return self.ranges.of_type(local.type) or VALUE

    def narrowed(self, code: Code) -> Code:
        """A value of 64 bits, checked."""
        if code.kind != "wide":
            return code
        code = self.atom(code)
        self.too_large(f"(wide)(value){code.text} != {code.text}")
        return Code(f"((value){code.text})", Range(max(code.range.low, VALUE.low), min(code.range.high, VALUE.high)))

    # ------------------------------------------------------------ operators

    def _apply(self, operator: str, arguments: tuple[ir.Expr, ...]) -> Code:
        match operator:
            case "and" | "or" | "implies":
                return self._logic(operator, *arguments)
            case "in" if isinstance(arguments[1], ir.Apply) and arguments[1].operator == "interval":
                return self._in_interval(arguments[0], *arguments[1].arguments)
        codes = [self.expression(a) for a in arguments]
        match operator:
            case "add" | "sub" | "mul":
                return self._arithmetic(operator, *codes)
            case "neg":
                return self._arithmetic("sub", Code("0", Range(0, 0)), codes[0])
            case "div" | "mod":
                return self._division(operator, *codes)
            case "min" | "max":
                a, b = codes
                pick = min if operator == "min" else max
                range_ = Range(pick(a.range.low, b.range.low), pick(a.range.high, b.range.high))
                wide = "wide" in (a.kind, b.kind)
                function = ("least" if operator == "min" else "most") + ("_wide" if wide else "")
                return Code(f"{function}({a.text}, {b.text})", range_, "wide" if wide else "value")
            case "u64":
                code = codes[0]
                if code.range.within(Range(0, UNSIGNED_64)):
                    return code
                return Code(f"((wide)(word){code.text})", Range(0, UNSIGNED_64), "wide")
            case "in":
                element, of = codes
                element = self.narrowed(element)
                if element.range.within(Range(0, SET_BITS - 1)):
                    return Code(f"((value)({of.text} >> {element.text} & 1))", BIT)
                return Code(f"contains({of.text}, {element.text})", BIT)
            case "single":
                element = self.narrowed(codes[0])
                if not element.range.within(Range(0, SET_BITS - 1)):
                    element = self.atom(element)
                    self.too_large(f"(word){element.text} >= {SET_BITS}")
                return Code(
                    f"((word)1 << {element.text})",
                    Range(0, (1 << (min(element.range.high, SET_BITS - 1) + 1)) - 1),
                    "word",
                )
            case "interval":
                return self._interval(*codes)
        text = TEMPLATES[operator].format(*(c.text for c in codes))
        if operator in ("union", "inter", "minus"):
            bits = [c.range.high.bit_length() for c in codes]
            kept = max(bits) if operator == "union" else min(bits) if operator == "inter" else bits[0]
            return Code(text, Range(0, (1 << kept) - 1), "word")
        return Code(text, Range(0, 64) if operator == "size" else Range(-1, 63) if operator == "lowest" else BIT)

    def _arithmetic(self, operator: str, a: Code, b: Code) -> Code:
        range_ = Range(*_RANGED[operator](a.range, b.range))
        if "wide" in (a.kind, b.kind):
            if range_.high.bit_length() > 126 or range_.low.bit_length() > 126:
                raise Unsupported("a number needs more than 126 bits")
            return Code(f"({a.text} {_SYMBOLS[operator]} {b.text})", range_, "wide")
        if range_.within(VALUE):
            return Code(f"({a.text} {_SYMBOLS[operator]} {b.text})", range_)
        name = self.out.fresh("t")
        self.out.line(f"value {name};")
        self.too_large(f"__builtin_{operator}_overflow({a.text}, {b.text}, &{name})")
        return Code(name, Range(max(range_.low, VALUE.low), min(range_.high, VALUE.high)))

    def _division(self, operator: str, a: Code, b: Code) -> Code:
        a, b = self.narrowed(a), self.narrowed(b)
        if b.range.low <= 0 <= b.range.high:
            b = self.atom(b)
            text = "division by zero" if operator == "div" else "remainder of a division by zero"
            self.fail(f"{b.text} == 0", "division", text, None, "0")
        if a.range.low == VALUE.low and b.range.low <= -1 <= b.range.high:
            a, b = self.atom(a), self.atom(b)
            self.too_large(f"{a.text} == INT64_MIN && {b.text} == -1")
        if operator == "div":
            range_ = Range(0, a.range.high) if a.range.low >= 0 and b.range.low >= 0 else VALUE
            return Code(f"quotient({a.text}, {b.text})", range_)
        return Code(f"remainder_of({a.text}, {b.text})", Range(0, b.range.high - 1) if b.range.low > 0 else VALUE)

    def _interval(self, low: Code, high: Code) -> Code:
        low, high = self.atom(self.narrowed(low)), self.atom(self.narrowed(high))
        self._sound_interval(low, high)
        if high.range.high > SET_BITS:
            self.too_large(f"{low.text} < {high.text} && {high.text} > {SET_BITS}")
        return Code(
            f"({low.text} < {high.text} ? below({high.text}) & ~below({low.text}) : 0)", Range(0, UNSIGNED_64), "word"
        )

    def _sound_interval(self, low: Code, high: Code) -> None:
        if low.range.low < 0:
            self.fail(f"{low.text} < 0 && {low.text} < {high.text}", "index", "set", None, low.text)

    def _in_interval(self, element: ir.Expr, low: ir.Expr, high: ir.Expr) -> Code:
        """`x in {a..b}` needs no set."""
        x = self.atom(self.narrowed(self.expression(element)))
        a, b = self.atom(self.narrowed(self.expression(low))), self.atom(self.narrowed(self.expression(high)))
        self._sound_interval(a, b)
        return Code(f"({a.text} <= {x.text} && {x.text} < {b.text})", BIT)

    def _logic(self, operator: str, left: ir.Expr, right: ir.Expr) -> Code:
        a = self.expression(left)
        lines, b = self.lazily(right)
        test = f"!{a.text}" if operator == "implies" else a.text
        if not lines:
            return Code(f"({test} {'&&' if operator == 'and' else '||'} {b.text})", BIT)
        name = self.out.fresh("t")
        self.out.line(f"value {name} = !!({test});")
        with self.out.block(f"if ({name})" if operator == "and" else f"if (!{name})"):
            self.out.lines.extend(lines)
            self.out.line(f"{name} = !!{b.text};")
        return Code(name, BIT)

    def _conditional(self, condition: ir.Expr, then: ir.Expr, otherwise: ir.Expr, type_: Type) -> Code:
        test = self.expression(condition)
        first, a = self.lazily(then)
        second, b = self.lazily(otherwise)
        kind = "wide" if "wide" in (a.kind, b.kind) else self.kind(type_)
        range_ = a.range.join(b.range)
        if not first and not second:
            return Code(f"({test.text} ? ({kind}){a.text} : ({kind}){b.text})", range_, kind)
        name = self.out.fresh("t")
        self.out.line(f"{kind} {name};")
        with self.out.block(f"if ({test.text})", "} else {"):
            self.out.lines.extend(first)
            self.out.line(f"{name} = {a.text};")
        self.out.depth += 1
        self.out.lines.extend(second)
        self.out.line(f"{name} = {b.text};")
        self.out.depth -= 1
        self.out.line("}")
        return Code(name, range_, kind)

    # ------------------------------------------------------------ checks

    def _convert(self, value: ir.Expr, type_: Type, span: Span) -> Code:
        code = self.expression(value)
        if isinstance(type_, SetType):
            element = type_.element
            if not isinstance(element, IndexType):
                return code
            size = self.layout.sizes[element.name]
            limits = self.ranges.of_type(type_)
            assert limits is not None
            if size < SET_BITS and not code.range.within(limits):
                code = self.atom(code)
                self.fail(f"{code.text} >> {size}", "index", element.name, span, f"highest({code.text})")
            return Code(code.text, limits, "word")
        optional = isinstance(type_, OptionalType)
        if isinstance(value.type, OptionalType) and not optional:
            if code.range.low < 0:
                code = self.atom(code)
                self.fail(f"{code.text} < 0", "none", "", span, "0")
            return replace(code, range=Range(max(code.range.low, 0), max(code.range.high, 0)))
        limits = self._limits(inner(type_), optional)
        if limits is None or code.range.within(limits):
            return code
        code = self.atom(code)
        low, high = code.range.low >= limits.low, code.range.high <= limits.high
        test = " || ".join(
            [*([] if low else [f"{code.text} < {limits.low}"]), *([] if high else [f"{code.text} > {limits.high}"])]
        )
        bound = inner(type_)
        kind, text = ("index", bound.name) if isinstance(bound, IndexType) else ("range", str(bound))
        number = code.text if code.kind != "wide" else f"(value){code.text}"
        if code.kind == "wide":
            self.too_large(f"({test}) && (wide)(value){code.text} != {code.text}")
        self.fail(test, kind, text, span, number)
        result = replace(code, range=Range(max(code.range.low, limits.low), min(code.range.high, limits.high)))
        return (
            Code(f"((value){code.text})", result.range)
            if code.kind == "wide" and result.range.within(VALUE)
            else result
        )

    def _limits(self, bound: Type, optional: bool) -> Range | None:
        """What a conversion lets pass; None: everything."""
        match bound:
            case IndexType(name):
                return Range(0, self.layout.sizes[name] - 1)
            case IntType(low, high):
                low = -1 if optional else low
                far = 1 << 127
                return Range(low if low is not None else -far, high if high is not None else far)
            case _:
                return None

    # ------------------------------------------------------------ domains

    @contextmanager
    def loop(self, domain: ir.Domain, local: ir.Local, *, declare: bool = True) -> Iterator[None]:
        """Lines for each element of the domain; `declare`: `local` exists only there."""
        name = self.out.fresh("q")
        match domain:
            case ir.IndexDomain(index):
                size = self.layout.sizes[index]
                head, range_, first = (
                    f"for (value {name} = 0; {name} < {size}; {name}++)",
                    Range(0, max(size - 1, 0)),
                    "",
                )
            case ir.Interval(low, high):
                a, b = self.narrowed(self.expression(low)), self.narrowed(self.expression(high))
                a, b = self.atom(a), self.atom(b)
                head, first = f"for (value {name} = {a.text}; {name} < {b.text}; {name}++)", ""
                range_ = Range(a.range.low, max(a.range.low, b.range.high - 1))
            case ir.Members(of):
                members = self.expression(of)
                left = self.out.fresh("m")
                head, range_ = (
                    f"for (word {left} = {members.text}; {left}; {left} &= {left} - 1)",
                    Range(0, SET_BITS - 1),
                )
                first = f"const value {name} = lowest({left});"
                element = of.type.element if isinstance(of.type, SetType) else None
                known = self.ranges.of_type(element) if element is not None else None
                range_ = known or range_
            case _ as never:
                assert_never(never)
        with self.out.block(head):
            if first:
                self.out.line(first)
            if declare:
                with self.bound(local, name, range_):
                    yield
            else:
                self.out.line(f"{self.name(local)} = {name};")
                yield

    def _quantified(self, expr: ir.Quantified) -> Code:
        name = self.out.fresh("t")
        kind = expr.kind
        if kind == "sum":
            return self._sum(expr, name)
        start = {"forall": 1, "exists": 0, "count": 0}.get(kind, -1)
        self.out.line(f"value {name} = {start};")
        with self.loop(expr.domain, expr.variable):
            variable = self.names[expr.variable.name]
            range_ = self.known[expr.variable.name]
            body = self.expression(expr.body)
            match kind:
                case "forall":
                    self.out.line(f"if (!{body.text}) {{ {name} = 0; break; }}")
                case "exists":
                    self.out.line(f"if ({body.text}) {{ {name} = 1; break; }}")
                case "count":
                    self.out.line(f"{name} += !!{body.text};")
                case _:
                    self.out.line(f"if ({body.text}) {{ {name} = {variable}; break; }}")
        match kind:
            case "forall" | "exists":
                return Code(name, BIT)
            case "count":
                return Code(name, Range(0, range_.high - range_.low + 1))
            case "first":
                return Code(name, Range(min(-1, range_.low), max(-1, range_.high)))
        assert isinstance(expr.domain, ir.IndexDomain)
        self.fail(f"{name} < 0", "pool", expr.domain.index, None, str(self.layout.sizes[expr.domain.index]))
        return Code(name, range_)

    def _sum(self, expr: ir.Quantified, name: str) -> Code:
        self.out.line(f"value {name} = 0;")
        with self.loop(expr.domain, expr.variable):
            body = self.narrowed(self.expression(expr.body))
            known = self.known[expr.variable.name]
            times = known.high - known.low + 1
            range_ = Range(min(0, body.range.low * times), max(0, body.range.high * times))
            if range_.within(VALUE):
                self.out.line(f"{name} += {body.text};")
            else:
                self.too_large(f"__builtin_add_overflow({name}, {body.text}, &{name})")
        return Code(name, Range(max(range_.low, VALUE.low), min(range_.high, VALUE.high)))
