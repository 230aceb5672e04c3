"""Expressions: syntax to typed IR. Checks names, types, ranges of constants, and that locks are held where state is read."""

from __future__ import annotations

from typing import NoReturn, assert_never

from hugecheck.diagnostics import Span, fail, suggest
from hugecheck.ir import program as ir
from hugecheck.ir.operators import BINARY, OPERATORS
from hugecheck.ir.types import (
    BOOL,
    INT,
    NAT,
    EnumType,
    IndexType,
    IntType,
    OptionalType,
    SetType,
    Type,
    inner,
)
from hugecheck.language import declared
from hugecheck.language import syntax as s
from hugecheck.language.symbols import RESULT, HeldLock, Scope, Symbols

_BUILTIN_FUNCTIONS = ("size", "min", "max", "u64", "has", "initially")
NONE_TYPE = OptionalType(None)


class Expressions:
    """The checker of expressions for one model."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self._defs: list[str] = []
        self._fresh = 0

    # ------------------------------------------------------------ entry points

    def check(self, expr: s.Expr, scope: Scope, expected: Type | None = None) -> ir.Expr:
        """The typed expression; with `expected`, converted to that type."""
        result = self._check(expr, scope, expected)
        return self.fit(result, expected, expr.span) if expected is not None else result

    def condition(self, expr: s.Expr, scope: Scope) -> ir.Expr:
        return self.check(expr, scope, BOOL)

    def domain(self, domain: s.Domain, scope: Scope) -> tuple[ir.Domain, Type]:
        """The domain, and the type of its elements."""
        if domain.high is not None:
            low, high = self.check(domain.low, scope, INT), self.check(domain.high, scope, INT)
            return ir.Interval(low, high), INT
        if (
            isinstance(domain.low, s.Name)
            and domain.low.name in self.symbols.indexes
            and domain.low.name not in scope.locals
        ):
            return ir.IndexDomain(domain.low.name), IndexType(domain.low.name)
        of = self.check(domain.low, scope)
        if not isinstance(of.type, SetType):
            self._mismatch("a set, an index type or an interval", of.type, domain.low.span)
        return ir.Members(of), of.type.element or NAT

    def local(self, name: str, type_: Type) -> ir.Local:
        """A local with a name that no other local has."""
        self._fresh += 1
        return ir.Local(f"{name}.{self._fresh}", type_)

    # ------------------------------------------------------------ conversions

    def fit(self, expr: ir.Expr, target: Type, span: Span) -> ir.Expr:
        """The expression as a value of `target`, with a run-time check where the types do not guarantee it."""
        source = expr.type
        if source == target:
            return expr
        if isinstance(target, OptionalType):
            if source == NONE_TYPE:
                return ir.Const(-1, target)
            if isinstance(source, OptionalType):
                if source.of == target.of:
                    return expr
                if isinstance(source.of, IntType) and isinstance(target.of, IntType):
                    return ir.Convert(expr, target, span)
                self._mismatch(f"`{target}`", source, span)
            return self.fit(expr, inner(target), span)
        if isinstance(source, OptionalType):
            if source.of is None:
                self._mismatch(f"`{target}`", source, span)
            return self.fit(ir.Convert(expr, source.of, span), target, span)
        if isinstance(target, IntType):
            return self._fit_int(expr, target, span)
        if isinstance(target, IndexType) and isinstance(source, IntType):
            if isinstance(expr, ir.Const) and expr.value < 0:
                fail("out-of-range", f"{expr.value} is not an element of `{target}`", span)
            return ir.Convert(expr, target, span)
        if isinstance(target, SetType) and isinstance(source, SetType) and source.element is None:
            if isinstance(expr, ir.Const) or target.element is None:
                return expr
            return ir.Convert(expr, target, span)
        if target == RESULT and isinstance(source, EnumType) and isinstance(expr, ir.Const):
            return ir.Const(self.symbols.number(RESULT, self.symbols.enums[source.name][expr.value]), RESULT)
        self._mismatch(f"`{target}`", source, span)

    def _fit_int(self, expr: ir.Expr, target: IntType, span: Span) -> ir.Expr:
        source = expr.type
        if isinstance(source, IndexType):
            if self.symbols.indexes[source.name].kind in ("named", "pool"):
                self._mismatch(f"`{target}`", source, span)
            return expr
        if not isinstance(source, IntType):
            self._mismatch(f"`{target}`", source, span)
        if isinstance(expr, ir.Const):
            if (target.low is not None and expr.value < target.low) or (
                target.high is not None and expr.value > target.high
            ):
                fail("out-of-range", f"{expr.value} is not in `{target}`", span)
            return ir.Const(expr.value, target)
        low_ok = target.low is None or (source.low is not None and source.low >= target.low)
        high_ok = target.high is None or (source.high is not None and source.high <= target.high)
        return expr if low_ok and high_ok else ir.Convert(expr, target, span)

    def _mismatch(self, wanted: str, found: Type, span: Span) -> NoReturn:
        fail("type-mismatch", f"{wanted} is needed here, and this is `{found}`", span)

    # ------------------------------------------------------------ forms

    def _check(self, expr: s.Expr, scope: Scope, expected: Type | None) -> ir.Expr:
        match expr:
            case s.Number(value, _):
                return ir.Const(value, IntType(value, value))
            case s.Boolean(value, _):
                return ir.Const(int(value), BOOL)
            case s.NoneValue():
                return ir.Const(-1, NONE_TYPE)
            case s.Name():
                return self._name(expr, scope)
            case s.Member():
                return self._member(expr, scope)
            case s.Element():
                return self._element(expr, scope)
            case s.Call():
                return self._call(expr, scope)
            case s.SetValue():
                return self._set(expr, scope, expected)
            case s.Unary("not", operand, _):
                return ir.Apply("not", (self.condition(operand, scope),), BOOL)
            case s.Unary(_, operand, _):
                number = self.check(operand, scope, INT)
                if isinstance(number, ir.Const):
                    return ir.Const(-number.value, IntType(-number.value, -number.value))
                return ir.Apply("neg", (number,), INT)
            case s.Binary():
                return self._binary(expr, scope)
            case s.Conditional(condition, then, otherwise, span):
                test = self.condition(condition, scope)
                a = self.check(then, scope, expected)
                b = self.check(otherwise, scope, expected)
                if a.type != b.type:
                    a, b = self._join(a, b, span)
                return ir.Conditional(test, a, b, a.type)
            case s.Quantified():
                return self._quantified(expr, scope)
            case _ as never:
                assert_never(never)

    def _join(self, a: ir.Expr, b: ir.Expr, span: Span) -> tuple[ir.Expr, ir.Expr]:
        """Both as one type."""
        if isinstance(a.type, IntType) and isinstance(b.type, IntType):
            natural = all(t.low is not None and t.low >= 0 for t in (a.type, b.type))
            type_ = NAT if natural else INT
            return self.fit(a, type_, span), self.fit(b, type_, span)
        if isinstance(a.type, OptionalType) or isinstance(b.type, OptionalType):
            of = inner(a.type if a.type != NONE_TYPE else b.type)
            if not isinstance(of, OptionalType):
                type_of = OptionalType(NAT if isinstance(of, IntType) else of)
                return self.fit(a, type_of, span), self.fit(b, type_of, span)
        if isinstance(a.type, SetType) and a.type.element is None:
            return self.fit(a, b.type, span), b
        return a, self.fit(b, a.type, span)

    def _name(self, expr: s.Name, scope: Scope) -> ir.Expr:
        name, symbols = expr.name, self.symbols
        if name in scope.locals:
            return scope.locals[name]
        if name in symbols.names:
            return symbols.names[name]
        if scope.counters and name in symbols.observes and not symbols.observes[name].table:
            return symbols.observes[name].value
        if name in symbols.variables and not symbols.variables[name].record:
            variable = symbols.variables[name]
            if variable.indices:
                fail(
                    "type-mismatch",
                    f"`{name}` is an array: one value for each {' and '.join(variable.indices)}",
                    expr.span,
                    help=f"write `{name}[{', '.join('...' for _ in variable.indices)}]`",
                )
            return self.load(variable, (), scope, expr.span)
        if name in symbols.constants:
            return symbols.constants[name]
        if name in symbols.members:
            type_ = symbols.members[name]
            return ir.Const(symbols.number(type_, name), type_)
        if name == "ok":
            return ir.Const(0, RESULT)
        plain = [v.name for v in symbols.variables.values() if not v.record]
        counters = list(symbols.observes) if scope.counters else []
        known = [*scope.locals, *symbols.names, *plain, *symbols.constants, *symbols.members, *counters]
        hint = suggest(name, known)
        if scope.counters and counters and not hint.startswith("did"):
            hint = "the counters are " + ", ".join(f"`{c}`" for c in counters)
        fail("unknown-name", f"nothing is called `{name}` here", expr.span, "not declared", help=hint)

    def load(self, variable: ir.Variable, indices: tuple[ir.Expr, ...], scope: Scope, span: Span) -> ir.Load:
        self.require_lock(variable, indices, scope, span, write=False)
        return ir.Load(variable.name, indices, variable.type)

    def require_lock(
        self, variable: ir.Variable, indices: tuple[ir.Expr, ...], scope: Scope, span: Span, *, write: bool
    ) -> None:
        """The rule of section 3.3: protected state where its lock is held, other state inside a section."""
        if scope.lax:
            return
        shown = variable.name.rpartition(".")[2]
        if variable.lock is None:
            if not scope.section:
                fail(
                    "not-in-section",
                    f"`{shown}` is shared and this is outside every atomic section",
                    span,
                    notes=[(f"`{shown}` is declared here", variable.span)],
                    help="put the access into `atomic { ... }`",
                )
            return
        lock = self.symbols.locks[variable.lock]
        key = indices[: len(lock.indices)]
        for held in scope.held:
            if held.name == lock.name and held.indices == key:
                if write and held.mode == "read":
                    fail(
                        "wrong-lock-kind",
                        f"`{shown}` is written under `hold read {lock.name}`",
                        span,
                        help=f"take it with `hold write {lock.name}`",
                    )
                return
        how = "atomic" if lock.kind == "spinlock" else "hold" if lock.kind == "mutex" else "hold read"
        index = f" of the same {' and '.join(lock.indices)}" if lock.indices else ""
        fail(
            "lock-not-held",
            f"`{shown}` is used without `{lock.name}`{index}",
            span,
            notes=[(f"`{lock.name}` protects it, declared here", variable.span)],
            help=f"use `{how} {lock.name} {{ ... }}`, or say `holding {lock.name}` at the head of the function",
        )

    def field(self, base: ir.Expr, name: str, span: Span) -> ir.Variable:
        """The variable behind `base.name`."""
        type_ = inner(base.type)
        if not isinstance(type_, IndexType):
            fail("unknown-field", f"a `{base.type}` has no fields", span)
        variable = self.symbols.fields.get((type_.name, name))
        if variable is None:
            known = [field for index, field in self.symbols.fields if index == type_.name]
            fail("unknown-field", f"no record of `{type_.name}` has a field `{name}`", span, help=suggest(name, known))
        return self.symbols.variables[variable]

    def _member(self, expr: s.Member, scope: Scope) -> ir.Expr:
        base = self.check(expr.base, scope)
        variable = self.field(base, expr.field, expr.span)
        index = self.fit(base, inner(base.type), expr.span)
        return self.load(variable, (index,), scope, expr.span)

    def element_indices(self, expr: s.Element, scope: Scope) -> tuple[ir.Variable, tuple[ir.Expr, ...]]:
        variable = self.symbols.variables.get(expr.array)
        if variable is None or variable.record:
            if expr.array in self.symbols.observes:
                fail("type-mismatch", f"`{expr.array}` is not an array", expr.span)
            known = [v.name for v in self.symbols.variables.values() if v.indices and not v.record]
            fail("unknown-name", f"there is no array `{expr.array}`", expr.span, help=suggest(expr.array, known))
        if len(expr.indices) != len(variable.indices):
            fail(
                "wrong-arguments",
                f"`{expr.array}` has {len(variable.indices)} indices ({', '.join(variable.indices) or 'none'}), not {len(expr.indices)}",
                expr.span,
                notes=[("declared here", variable.span)],
            )
        return variable, tuple(
            self.check(e, scope, IndexType(i)) for e, i in zip(expr.indices, variable.indices, strict=True)
        )

    def _element(self, expr: s.Element, scope: Scope) -> ir.Expr:
        table = [o for o in self.symbols.observes.values() if o.table == expr.array]
        if scope.counters and table and expr.array not in self.symbols.variables:
            fail(
                "type-mismatch",
                f"`{expr.array}` is a table of the trace",
                expr.span,
                help="use the model's own state for it",
            )
        variable, indices = self.element_indices(expr, scope)
        return self.load(variable, indices, scope, expr.span)

    def _call(self, expr: s.Call, scope: Scope) -> ir.Expr:
        name, args, span = expr.function, expr.arguments, expr.span
        if name in _BUILTIN_FUNCTIONS:
            return self._builtin(expr, scope)
        if name in self.symbols.defs:
            return self._expand(self.symbols.defs[name], args, scope, span)
        if name in self.symbols.heads:
            fail(
                "call-in-expression",
                f"`{name}` is made of sections and cannot stand inside an expression",
                span,
                help=f"call it first: `let x = {name}(...)`",
            )
        fail(
            "unknown-name",
            f"there is no function `{name}`",
            span,
            help=suggest(name, [*self.symbols.defs, *self.symbols.heads, *_BUILTIN_FUNCTIONS]),
        )

    def _builtin(self, expr: s.Call, scope: Scope) -> ir.Expr:
        name, args, span = expr.function, expr.arguments, expr.span
        if name == "has":
            if len(args) != 1 or not isinstance(args[0], s.Name):
                fail("wrong-arguments", "`has` takes the name of a switch", span)
            if args[0].name not in self.symbols.switches:
                fail(
                    "unknown-switch",
                    f"there is no switch `{args[0].name}`",
                    args[0].span,
                    help=suggest(args[0].name, self.symbols.switches),
                )
            return ir.Has(args[0].name, BOOL)
        wanted = 2 if name in ("min", "max") else 1
        if len(args) != wanted:
            fail(
                "wrong-arguments", f"`{name}` takes {wanted} argument{'s' if wanted > 1 else ''}, not {len(args)}", span
            )
        if name == "initially":
            element = self.check(args[0], scope)
            if not isinstance(element.type, IndexType):
                self._mismatch("an element of an index type", element.type, span)
            return ir.Apply("in", (element, ir.Load(f"initially.{element.type.name}", (), SetType(element.type))), BOOL)
        if name == "size":
            if (
                isinstance(args[0], s.Name)
                and args[0].name in self.symbols.indexes
                and args[0].name not in scope.locals
            ):
                return ir.IndexSize(args[0].name, NAT)
            value = self.check(args[0], scope)
            if not isinstance(value.type, SetType):
                self._mismatch("a set", value.type, span)
            return ir.Apply("size", (value,), NAT)
        values = tuple(self.check(a, scope, INT) for a in args)
        low = all(isinstance(v.type, IntType) and v.type.low is not None and v.type.low >= 0 for v in values)
        return ir.Apply(name, values, NAT if name == "u64" or low else INT)

    def _expand(self, decl: declared.DefDecl, args: tuple[s.Expr, ...], scope: Scope, span: Span) -> ir.Expr:
        if decl.name in self._defs:
            cycle = " -> ".join([*self._defs[self._defs.index(decl.name) :], decl.name])
            fail("recursion", f"`{decl.name}` uses itself: {cycle}", span)
        if len(args) != len(decl.params):
            fail(
                "wrong-arguments",
                f"`{decl.name}` takes {len(decl.params)} arguments, not {len(args)}",
                span,
                notes=[("declared here", decl.span)],
            )
        values = {
            p.name: self.check(a, scope, self.symbols.type(p.type)) for p, a in zip(decl.params, args, strict=True)
        }
        self._defs.append(decl.name)
        try:
            inside = Scope(dict(values), held=scope.held, section=scope.section, lax=scope.lax)
            return self.check(decl.body, inside, self.symbols.type(decl.type))
        finally:
            self._defs.pop()

    def _set(self, expr: s.SetValue, scope: Scope, expected: Type | None) -> ir.Expr:
        wanted = expected.element if isinstance(expected, SetType) else None
        result: ir.Expr = ir.Const(0, SetType(wanted))
        element: EnumType | IndexType | None = wanted
        for position, item in enumerate(expr.items):
            low = self.check(item.low, scope)
            if isinstance(low.type, OptionalType):
                low = self.fit(low, inner(low.type), item.low.span)
            if element is None and isinstance(low.type, EnumType | IndexType) and item.high is None:
                element = low.type
            piece: ir.Expr
            if item.high is not None:
                piece = ir.Apply(
                    "interval", (self.check(item.low, scope, INT), self.check(item.high, scope, INT)), SetType(None)
                )
            elif element is not None:
                piece = ir.Apply("single", (self.fit(low, element, item.low.span),), SetType(element))
            else:
                piece = ir.Apply("single", (self.fit(low, NAT, item.low.span),), SetType(None))
            if isinstance(wanted, IndexType):
                piece = self.fit(piece, SetType(wanted), expr.span)
            result = piece if position == 0 else ir.Apply("union", (result, piece), SetType(element))
        return result

    def _binary(self, expr: s.Binary, scope: Scope) -> ir.Expr:
        operator = BINARY[expr.operator]
        match operator.kind:
            case "logic":
                return ir.Apply(
                    operator.name, (self.condition(expr.left, scope), self.condition(expr.right, scope)), BOOL
                )
            case "arithmetic":
                left, right = self.check(expr.left, scope, INT), self.check(expr.right, scope, INT)
                if operator.name in ("div", "mod") and isinstance(right, ir.Const) and right.value == 0:
                    fail("out-of-range", "division by zero", expr.span)
                return self._arithmetic(operator.name, left, right)
            case "compare":
                return ir.Apply(
                    operator.name, (self.check(expr.left, scope, INT), self.check(expr.right, scope, INT)), BOOL
                )
            case "equality":
                return self._equality(operator.name, expr, scope)
            case "set":
                return self._set_operation(operator.name, expr, scope)
            case "member":
                right = self.check(expr.right, scope)
                if not isinstance(right.type, SetType):
                    self._mismatch("a set", right.type, expr.right.span)
                left = self.check(expr.left, scope, right.type.element or NAT)
                return ir.Apply("in", (left, right), BOOL)
        raise AssertionError(OPERATORS[operator.name])

    def _set_operation(self, operator: str, expr: s.Binary, scope: Scope) -> ir.Expr:
        left, right = self.check(expr.left, scope), self.check(expr.right, scope)
        a, b = left.type, right.type
        if not isinstance(a, SetType) or not isinstance(b, SetType):
            self._mismatch("a set", b if isinstance(a, SetType) else a, expr.span)
        if operator == "union" and a != b:
            left, right = self._join(left, right, expr.span)
        elif a.element and b.element and a != b:
            self._mismatch(f"`{a}`", b, expr.right.span)
        return ir.Apply(operator, (left, right), a if a.element else b)

    @staticmethod
    def _arithmetic(operator: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
        if isinstance(left, ir.Const) and isinstance(right, ir.Const) and operator in ("add", "sub", "mul"):
            a, b = left.value, right.value
            value = a + b if operator == "add" else a - b if operator == "sub" else a * b
            return ir.Const(value, IntType(value, value))
        types = (left.type, right.type)
        nat = operator != "sub" and all(
            isinstance(t, IndexType) or (isinstance(t, IntType) and t.low is not None and t.low >= 0) for t in types
        )
        return ir.Apply(operator, (left, right), NAT if nat else INT)

    def _equality(self, operator: str, expr: s.Binary, scope: Scope) -> ir.Expr:
        left, right = self.check(expr.left, scope), self.check(expr.right, scope)
        a, b = inner(left.type), inner(right.type)
        optional = isinstance(left.type, OptionalType), isinstance(right.type, OptionalType)
        if NONE_TYPE in (left.type, right.type):
            if not all(optional):
                other = right.type if left.type == NONE_TYPE else left.type
                if self._defs:  # a parameter `T or none` that was given a T
                    return ir.Const(int(operator == "ne"), BOOL)
                fail("type-mismatch", f"a `{other}` is never `none`", expr.span)
        elif (isinstance(a, IntType) and isinstance(b, IntType)) or (
            isinstance(a, SetType) and isinstance(b, SetType) and (a.element is None or b.element is None or a == b)
        ):
            pass
        elif a == RESULT or b == RESULT:
            left, right = self.fit(left, RESULT, expr.left.span), self.fit(right, RESULT, expr.right.span)
        elif a != b:
            left, right = (
                (left, self.fit(right, a, expr.right.span))
                if isinstance(b, IntType)
                else (self.fit(left, b, expr.left.span), right)
            )
        return ir.Apply(operator, (left, right), BOOL)

    def _quantified(self, expr: s.Quantified, scope: Scope) -> ir.Expr:
        domain, type_ = self.domain(expr.domain, scope)
        if expr.kind == "first" and isinstance(domain, ir.Interval):
            low = self.fit(domain.low, NAT, expr.domain.low.span)  # -1 stands for `none`
            domain, type_ = ir.Interval(low, domain.high), NAT
        local = self.local(expr.variable, type_)
        inside = scope.bind(expr.variable, local)
        if expr.kind == "sum":
            return ir.Quantified("sum", local, domain, self.check(expr.body, inside, INT), INT)
        body = self.condition(expr.body, inside)
        result: Type
        match expr.kind:
            case "forall" | "exists":
                result = BOOL
            case "count":
                result = NAT
            case "first":
                of = NAT if isinstance(type_, IntType) else type_
                assert not isinstance(of, OptionalType)
                result = OptionalType(of)
            case _:
                if not isinstance(domain, ir.IndexDomain) or self.symbols.indexes[domain.index].kind != "pool":
                    fail("type-mismatch", "`new` takes an element of a `pool` index type", expr.span)
                result = type_
        return ir.Quantified(expr.kind, local, domain, body, result)

    # ------------------------------------------------------------ locks

    def lock(self, ref: s.LockRef, scope: Scope) -> tuple[ir.Lock, tuple[ir.Expr, ...]]:
        lock = self.symbols.locks.get(ref.name)
        if lock is None:
            fail("unknown-name", f"there is no lock `{ref.name}`", ref.span, help=suggest(ref.name, self.symbols.locks))
        if len(ref.indices) != len(lock.indices):
            of = f" of {', '.join(lock.indices)}" if lock.indices else ""
            fail(
                "wrong-arguments",
                f"`{ref.name}` is a lock{of}",
                ref.span,
                notes=[("declared here", lock.span)],
                help=f"write `x.{ref.name}`"
                if len(lock.indices) == 1
                else f"write `{ref.name}[...]`"
                if lock.indices
                else f"write `{ref.name}`",
            )
        loose = Scope(scope.locals, scope.mutable, scope.held, True, True, scope.loop, scope.counters)
        return lock, tuple(self.check(e, loose, IndexType(i)) for e, i in zip(ref.indices, lock.indices, strict=True))

    def held(self, mode: str, ref: s.LockRef, scope: Scope) -> HeldLock:
        """A `holding` entry."""
        lock, indices = self.lock(ref, scope)
        if mode and lock.kind != "rwsem":
            fail("wrong-lock-kind", f"`{lock.name}` is a {lock.kind}", ref.span, help=f"write `holding {lock.name}`")
        return HeldLock(lock.name, indices, mode or {"spinlock": "spin", "mutex": "mutex", "rwsem": "write"}[lock.kind])
