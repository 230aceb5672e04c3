"""From the IR to terms: expressions, and sections as functions of the state. The meaning is that of `explore.python`, for index types of any size.

- `bool` is a truth value; every other value is an integer (`ir.types`): an element of an index type is its number, `none` is -1. An array is an SMT
  array from integers. An index type without a fixed size has `size.NAME` elements, an unknown number of at least 1.
- A check at run time (`Convert`, `assert`) does not stop a section here. It becomes a `Check`, and the run goes on with the value as it is: more
  runs than the explorer has, so what is proved holds for the explorer's.
- `sum x in T: e` and `count x in T: P` over such an index type are **totals**: a number of the state, changed by what the section does to the summands
  that it touches (`Totals`).
- What cannot be expressed is refused with a diagnostic: products of two variables, sets as state, `while`, quantifiers inside sections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from hugecheck.diagnostics import Span, fail
from hugecheck.ir import program as ir
from hugecheck.ir.pprint import expression_text
from hugecheck.ir.rewrite import rewrite, walk
from hugecheck.ir.types import BoolType, EnumType, IndexType, IntType, OptionalType, SetType, Type, inner
from hugecheck.prove import terms as t
from hugecheck.prove.terms import FALSE, TRUE, Term

MAX_UNROLLED = 64


@dataclass(frozen=True, slots=True)
class Check:
    """`condition` must hold in every state before the section. kind: as `ModelError.kind`"""

    condition: Term
    kind: str
    text: str
    site: Span | None


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of `body` over all `variable`s of an index type. `reads`: the arrays in it, each at [variable]"""

    name: str
    variable: ir.Local
    index: str
    body: ir.Expr
    reads: frozenset[str]


@dataclass(slots=True)
class State:
    """Values of the variables and of the locals in scope. `done`, `value`, `error`: the subroutine has ended, with these."""

    variables: dict[str, Term]
    locals: dict[str, Term] = field(default_factory=dict)
    done: Term = FALSE
    value: Term = field(default_factory=lambda: t.num(0))
    error: Term = field(default_factory=lambda: t.num(0))

    def copy(self) -> State:
        return State(dict(self.variables), dict(self.locals), self.done, self.value, self.error)


def merged(condition: Term, a: State, b: State) -> State:
    """`a` where the condition holds, else `b`. A local that only one of them has is dead in the other."""
    names = {**a.locals, **b.locals}
    return State(
        {n: t.ite(condition, v, b.variables[n]) for n, v in a.variables.items()},
        {n: t.ite(condition, a.locals.get(n, v), b.locals.get(n, v)) for n, v in names.items()},
        t.ite(condition, a.done, b.done),
        t.ite(condition, a.value, b.value),
        t.ite(condition, a.error, b.error),
    )


def refuse(what: str, site: Span | None, way_out: str) -> NoReturn:
    fail("not-provable", what, site, help=way_out)


class Encoder:
    """What is common to all sections and laws of one program: sorts, sizes, totals."""

    def __init__(self, program: ir.Program) -> None:
        self.program = program
        self.module = program.module
        self.totals: dict[tuple[ir.Local, ir.Expr], Total] = {}
        self.used: dict[str, ir.Variable] = {}

    # ------------------------------------------------------------ sorts, sizes, ranges

    def sort(self, type_: Type, site: Span | None) -> str:
        if isinstance(inner(type_), SetType):
            refuse("a set cannot be part of a proof", site, "use an array of `bool`: one truth value for each element")
        return t.BOOL if isinstance(type_, BoolType) else t.INT

    def variable(self, name: str, prefix: str = "") -> Term:
        """The constant that stands for a variable before a section."""
        variable = self.program.variables[name]
        self.used[name] = variable
        sort = t.array_sort(len(variable.indices), self.sort(variable.type, variable.span))
        return t.const(prefix + name, sort)

    def size(self, index: str) -> Term:
        declared = self.module.indexes[index]
        return t.num(declared.size) if declared.kind == "fixed" else t.const(f"size.{index}", t.INT)

    def finite(self, index: str) -> int | None:
        declared = self.module.indexes[index]
        return declared.size if declared.kind == "fixed" else None

    def element(self, index: str, value: Term) -> Term:
        return t.and_(t.le(t.num(0), value), t.lt(value, self.size(index)))

    def in_type(self, type_: Type, value: Term) -> Term:
        """Whether an integer is a value of the type."""
        match type_:
            case IntType(low, high, _):
                return t.and_(
                    t.le(t.num(low), value) if low is not None else TRUE,
                    t.le(value, t.num(high)) if high is not None else TRUE,
                )
            case EnumType(name):
                members = self.module.results if name == "result" else self.module.enums[name]
                return t.and_(t.le(t.num(0), value), t.lt(value, t.num(len(members))))
            case IndexType(name):
                return self.element(name, value)
            case OptionalType(of):
                return t.or_(t.eq(value, t.num(-1)), self.in_type(of, value) if of is not None else FALSE)
            case _:
                return TRUE

    # ------------------------------------------------------------ totals

    def total(self, expr: ir.Quantified, site: Span | None) -> Total:
        """The total that a `sum` or `count` means; made when first met."""
        assert isinstance(expr.domain, ir.IndexDomain)
        body = expr.body
        if expr.kind == "count":
            body = ir.Conditional(body, ir.Const(1, IntType(1, 1)), ir.Const(0, IntType(0, 0)), IntType(0, 1))
        canonical = ir.Local("it", IndexType(expr.domain.index))
        body = rewrite(body, lambda e: canonical if e == expr.variable else e)
        reads: set[str] = set()
        for part in walk(body):
            match part:
                case ir.Load(variable, indices, _):
                    if indices != (canonical,):
                        refuse(
                            f"a `{expr.kind}` over all elements may only read what belongs to the element itself",
                            site or self.program.variables[variable].span,
                            "keep what else it reads in the element's own record",
                        )
                    reads.add(variable)
                case ir.Local() if part != canonical:
                    refuse(
                        f"a `{expr.kind}` over all elements may not depend on `{part.name.split('.')[0]}`",
                        site,
                        "keep a sum for each in a variable of its own",
                    )
                case ir.Quantified():
                    refuse(f"a `{expr.kind}` over all elements cannot contain another quantifier", site, "split it")
                case _:
                    pass
        key = (canonical, body)
        if key not in self.totals:
            name = f"sum {expr.domain.index} {expression_text(self.program, body)}"
            self.totals[key] = Total(name, canonical, expr.domain.index, body, frozenset(reads))
        return self.totals[key]

    def summand(self, total: Total, variables: Mapping[str, Term], at: Term) -> Term:
        """The term of a total that belongs to one element."""
        run = Run(self, State(dict(variables), {total.variable.name: at}), variables)
        return run.expr(total.body, TRUE)


class Run:
    """The symbolic execution of one section (or the evaluation of one law) from a state."""

    def __init__(self, encoder: Encoder, state: State, before: Mapping[str, Term], prefix: str = "") -> None:
        self.encoder = encoder
        self.state = state
        self.before = before
        self.prefix = prefix
        self.guard: list[Term] = []
        self.checks: list[Check] = []
        self.index_terms: dict[str, dict[Term, None]] = {}
        self.touched: dict[str, dict[Term, None]] = {}
        self.fresh: list[tuple[str, Term, Type]] = []
        self.site: Span | None = None
        self.entered: list[int] = []
        self.depth = 0
        """of calls; `requires` further in than the section itself is a check"""

    # ------------------------------------------------------------ helpers

    def note(self, index: str, value: Term) -> Term:
        """Remember a term that is used as an element of an index type."""
        self.index_terms.setdefault(index, {})[value] = None
        return value

    def constant(self, name: str, type_: Type) -> Term:
        """A new constant for a parameter or a choice; it is a value of its type."""
        taken = {shown for shown, _, _ in self.fresh}
        shown, number = name, 1
        while shown in taken:
            number += 1
            shown = f"{name}#{number}"
        made = t.const(f"{self.prefix}{shown}", self.encoder.sort(type_, self.site))
        self.fresh.append((shown, made, type_))
        self.guard.append(self.encoder.in_type(type_, made))
        if isinstance(inner(type_), IndexType):
            self.note(str(inner(type_)), made)
        return made

    def value(self, variable: str) -> Term:
        if variable not in self.state.variables:
            refuse(
                f"`{variable}` is not part of the state that the proof knows", self.site, "this is a bug of hugecheck"
            )
        return self.state.variables[variable]

    def check(self, pc: Term, condition: Term, kind: str, text: str, site: Span | None) -> None:
        self.checks.append(Check(t.implies(pc, condition), kind, text, site))

    # ------------------------------------------------------------ statements

    def body(self, body: ir.Block_, pc: Term) -> None:
        """Execute the statements where `pc` holds and the subroutine has not ended."""
        for position, statement in enumerate(body):
            if self.state.done is TRUE:
                return
            if self.state.done is not FALSE:
                done, ended = self.state.done, self.state
                self.state = ended.copy()
                self.state.done = FALSE
                self.body(body[position:], t.and_(pc, t.not_(done)))
                self.state = merged(done, ended, self.state)
                return
            self.statement(statement, pc)

    def statement(self, statement: ir.Statement, pc: Term) -> None:
        match statement:
            case ir.SetLocal(local, value):
                self.state.locals[local.name] = self.expr(value, pc)
            case ir.Store(variable, indices, value):
                self.store(variable, tuple(self.expr(i, pc) for i in indices), self.expr(value, pc))
            case ir.If(condition, then, otherwise):
                test = self.expr(condition, pc)
                if test is TRUE or test is FALSE:
                    self.body(then if test is TRUE else otherwise, pc)
                    return
                start = self.state
                self.state = start.copy()
                self.body(then, t.and_(pc, test))
                first, self.state = self.state, start
                self.body(otherwise, t.and_(pc, t.not_(test)))
                self.state = merged(test, first, self.state)
            case ir.For(local, domain, where, body):
                self.loop(local, domain, where, body, pc)
            case ir.Assert(kind, condition, reason, site):
                self.site = site
                test = self.expr(condition, pc)
                if kind == "requires" and self.depth <= 0:
                    self.guard.append(t.implies(pc, test))
                else:
                    self.check(pc, test, kind, reason or f"the `{kind}`", site)
            case ir.Reset(index, element):
                at = self.expr(element, pc)
                for variable_ in self.encoder.used.values():
                    if variable_.record == index:
                        self.state.locals["self"] = at
                        self.store(variable_.name, (at,), self.expr(variable_.initial, pc))
            case ir.Choose(local, domain, where):
                chosen = self.constant(local.name.split(".")[0], local.type)
                self.state.locals[local.name] = chosen
                self.guard.append(t.implies(pc, self.in_domain(domain, chosen, pc)))
                if where is not None:
                    self.guard.append(t.implies(pc, self.expr(where, pc)))
            case ir.Await(condition, _, _, site):
                self.site = site
                self.guard.append(t.implies(pc, self.expr(condition, pc)))
            case ir.Call():
                self.call(statement, pc)
            case ir.Return(value):
                if value is not None:
                    self.state.value = self.expr(value, pc)
                self.state.done = TRUE
            case ir.Fail(error):
                self.state.error = self.expr(error, pc)
                self.state.done = TRUE
            case ir.Goto(block):
                self.go(block, pc)
            case ir.Enter(_, block, back):
                self.depth += 1
                self.go(block, pc)
                self.depth -= 1
                self.state.done = FALSE  # that was the function's own end
                self.go(back, pc)
            case ir.Leave() | ir.Finish():
                self.state.done = TRUE
            case ir.While():
                refuse(
                    "a `while` loop cannot be part of a section that is proved",
                    self.site,
                    "say what it does in one step (`let x = min(a, b)`), or use `for` over an interval of constants",
                )
            case ir.Break() | ir.Continue():
                refuse("`break` and `continue` cannot be part of a section that is proved", self.site, "use `if`")
            case _:
                raise AssertionError(statement)

    def go(self, number: int, pc: Term) -> None:
        block = self.encoder.program.blocks[number]
        if number in self.entered:
            refuse(
                f"`{block.owner}` has a loop around its sections",
                block.site or self.site,
                "make one turn of it an operation of its own",
            )
        if block.yields:
            refuse(
                f"`{block.owner}` is made of several sections; the second is `{block.name}`",
                block.site,
                "make each section an operation (or a function) of its own, and keep what is in flight in `ghost var`s",
            )
        self.entered.append(number)
        self.body(block.body, pc)
        self.entered.pop()

    def store(self, variable: str, indices: tuple[Term, ...], value: Term) -> None:
        if variable not in self.encoder.used:
            return  # nothing that is proved reads it
        declared = self.encoder.program.variables[variable]
        for index, at in zip(declared.indices, indices, strict=True):
            self.note(index, at)
        if len(indices) == 1:
            self.touched.setdefault(variable, {})[indices[0]] = None
        self.state.variables[variable] = t.store(self.state.variables[variable], indices, value)

    def loop(self, local: ir.Local, domain: ir.Domain, where: ir.Expr | None, body: ir.Block_, pc: Term) -> None:
        elements = self.constants(domain, pc)
        if elements is None:
            refuse(
                "this loop has no constant bounds",
                self.site or self._place(body),
                "make one turn of it an operation of its own, or use an index type of fixed size",
            )
        for element in elements:
            self.state.locals[local.name] = t.num(element)
            if where is None:
                self.body(body, pc)
            else:
                self.statement(ir.If(where, body, ()), pc)

    @staticmethod
    def _place(body: ir.Block_) -> Span | None:
        return next((s.site for s in body if isinstance(s, ir.Assert | ir.Call)), None)

    def call(self, call: ir.Call, pc: Term) -> None:
        function = self.encoder.program.flats[call.function]
        outer = self.state
        arguments = [self.expr(a, pc) for a in call.arguments]
        names = {p.name: a for p, a in zip(function.params, arguments, strict=True)}
        default = FALSE if isinstance(function.returns, BoolType) else t.num(0)
        self.state = State(dict(outer.variables), {**outer.locals, **names}, FALSE, default)
        self.depth += 1
        self.body(function.body, pc)
        self.depth -= 1
        ended, self.state = self.state, outer
        self.state.variables = ended.variables
        if call.target is not None:
            self.state.locals[call.target.name] = ended.value
        if call.error is not None:
            self.state.locals[call.error.name] = ended.error

    # ------------------------------------------------------------ domains

    def constants(self, domain: ir.Domain, pc: Term) -> range | None:
        """The elements, if they are known and few."""
        match domain:
            case ir.IndexDomain(index):
                size = self.encoder.finite(index)
                return range(size) if size is not None else None
            case ir.Interval(low, high):
                a, b = self.expr(low, pc), self.expr(high, pc)
                if t.is_num(a) and t.is_num(b) and t.number(b) - t.number(a) <= MAX_UNROLLED:
                    return range(t.number(a), t.number(b))
                return None
            case ir.Members():
                return None

    def in_domain(self, domain: ir.Domain, value: Term, pc: Term) -> Term:
        match domain:
            case ir.IndexDomain(index):
                return self.encoder.element(index, value)
            case ir.Interval(low, high):
                return t.and_(t.le(self.expr(low, pc), value), t.lt(value, self.expr(high, pc)))
            case ir.Members(of):
                return self.member(value, of, pc)

    def member(self, value: Term, of: ir.Expr, pc: Term) -> Term:
        """Whether a number is in a set that is written out."""
        match of:
            case ir.Const(bits, _):
                return t.or_(*(t.eq(value, t.num(n)) for n in range(bits.bit_length()) if bits >> n & 1))
            case ir.Apply("single", (element,), _):
                return t.eq(value, self.expr(element, pc))
            case ir.Apply("interval", (low, high), _):
                return t.and_(t.le(self.expr(low, pc), value), t.lt(value, self.expr(high, pc)))
            case ir.Apply("union", (a, b), _):
                return t.or_(self.member(value, a, pc), self.member(value, b, pc))
            case ir.Apply("inter", (a, b), _):
                return t.and_(self.member(value, a, pc), self.member(value, b, pc))
            case ir.Apply("minus", (a, b), _):
                return t.and_(self.member(value, a, pc), t.not_(self.member(value, b, pc)))
            case ir.Convert(inside, _, _):
                return self.member(value, inside, pc)
            case _:
                refuse("a set cannot be part of a proof", self.site, "use an array of `bool`")

    # ------------------------------------------------------------ expressions

    def expr(self, expr: ir.Expr, pc: Term) -> Term:
        match expr:
            case ir.Const(value, type_):
                return t.boolean(bool(value)) if isinstance(type_, BoolType) else t.num(value)
            case ir.Local(name, type_):
                if name not in self.state.locals:  # dead on every path that comes here
                    return FALSE if isinstance(type_, BoolType) else t.num(0)
                return self.state.locals[name]
            case ir.ThreadId():
                known = next((c for shown, c, _ in self.fresh if shown == "thread"), None)
                return known if known is not None else self.constant("thread", IntType(0))
            case ir.IndexSize(index, _):
                return self.encoder.size(index)
            case ir.Load(variable, indices, _):
                if variable.startswith("initially."):
                    refuse("`initially` cannot be part of a proof", self.site, "use a `bool` of the record")
                declared = self.encoder.program.variables[variable]
                at = tuple(self.expr(i, pc) for i in indices)
                for index, element in zip(declared.indices, at, strict=True):
                    self.note(index, element)
                return t.select(self.value(variable), at)
            case ir.Apply(operator, arguments, _):
                return self.apply(operator, arguments, pc)
            case ir.Convert(value, type_, site):
                return self.convert(value, type_, site, pc)
            case ir.Conditional(condition, then, otherwise, _):
                test = self.expr(condition, pc)
                return t.ite(test, self.expr(then, t.and_(pc, test)), self.expr(otherwise, t.and_(pc, t.not_(test))))
            case ir.Quantified():
                return self.quantified(expr, pc)
            case ir.Has():
                raise AssertionError(expr)

    def convert(self, value: ir.Expr, type_: Type, site: Span, pc: Term) -> Term:
        before, self.site = self.site, site
        made = self.expr(value, pc)
        self.site = before
        target = type_
        if isinstance(value.type, OptionalType) and not isinstance(type_, OptionalType):
            self.check(pc, t.le(t.num(0), made), "none", "the value is not `none`", site)
        elif isinstance(inner(target), IndexType) and self.encoder.finite(str(inner(target))) is None:
            # An index type without a fixed size has as many elements as are needed.
            self.guard.append(t.implies(pc, self.encoder.in_type(target, made)))
        else:
            self.check(pc, self.encoder.in_type(target, made), "range", f"the value is in `{target}`", site)
        return made

    def apply(self, operator: str, arguments: tuple[ir.Expr, ...], pc: Term) -> Term:
        match operator:
            case "and":
                first = self.expr(arguments[0], pc)
                return t.and_(first, self.expr(arguments[1], t.and_(pc, first)))
            case "or":
                first = self.expr(arguments[0], pc)
                return t.or_(first, self.expr(arguments[1], t.and_(pc, t.not_(first))))
            case "implies":
                first = self.expr(arguments[0], pc)
                return t.implies(first, self.expr(arguments[1], t.and_(pc, first)))
            case "in":
                return self.member(self.expr(arguments[0], pc), arguments[1], pc)
            case "union" | "inter" | "minus" | "size" | "lowest" | "single" | "interval":
                refuse(
                    "a set cannot be part of a proof",
                    self.site,
                    "use an array of `bool`: one truth value for each element",
                )
        values = [self.expr(a, pc) for a in arguments]
        simple = _OPERATORS.get(operator)
        if simple is not None:
            return simple(*values)
        a, b = values
        if operator == "mul":
            if t.is_num(a) or t.is_num(b):
                return t.mul(t.number(a), b) if t.is_num(a) else t.mul(t.number(b), a)
            refuse(
                "the product of two values that are not constant is beyond linear arithmetic",
                self.site,
                "make one of them a `const`, or keep the product in a variable of its own and update it by sums",
            )
        if not t.is_num(b) or t.number(b) <= 0:
            refuse(
                "a proof can divide only by a constant greater than 0",
                self.site,
                "make the divisor a `const`",
            )
        return t.div(a, t.number(b)) if operator == "div" else t.mod(a, t.number(b))

    def quantified(self, expr: ir.Quantified, pc: Term) -> Term:
        elements = self.constants(expr.domain, pc)
        name = expr.variable.name
        if elements is not None:
            values = []
            for element in elements:
                self.state.locals[name] = t.num(element)
                values.append(self.expr(expr.body, pc))
            self.state.locals.pop(name, None)
            match expr.kind:
                case "forall":
                    return t.and_(*values)
                case "exists":
                    return t.or_(*values)
                case "count" | "sum":
                    result = t.num(0)
                    for value in values:
                        result = t.add(result, value if expr.kind == "sum" else t.ite(value, t.num(1), t.num(0)))
                    return result
                case _:
                    result = t.num(-1)
                    for element, value in zip(reversed(elements), reversed(values), strict=True):
                        result = t.ite(value, t.num(element), result)
                    return result
        if expr.kind in ("sum", "count") and isinstance(expr.domain, ir.IndexDomain):
            return self.total(self.encoder.total(expr, self.site))
        if expr.kind in ("first", "new"):
            # The lowest is some element with the property; that it is the lowest is not used.
            found = self.constant(name.split(".")[0], expr.type)
            self.state.locals[name] = found
            holds = t.and_(self.in_domain(expr.domain, found, pc), self.expr(expr.body, pc))
            none = t.eq(found, t.num(-1)) if expr.kind == "first" else FALSE
            self.guard.append(t.implies(pc, t.or_(none, holds)))
            return found
        refuse(
            f"`{expr.kind}` over an index type without a fixed size cannot stand here",
            self.site,
            "in a law, put it at the front: `forall x in T: ...`; in a section, use `choose x in T where ...` for `exists`, and a counter for `forall`",
        )

    def total(self, total: Total) -> Term:
        """The value of a total now: what it was before, and the change of each element that was touched so far."""
        return self.total_after(total, self.state.variables)

    def total_after(self, total: Total, variables: Mapping[str, Term]) -> Term:
        value = self.before[total.name] if total.name in self.before else t.const(total.name, t.INT)
        seen: list[Term] = []
        for at in {k: None for v in sorted(total.reads) for k in self.touched.get(v, {})}:
            new, old = (self.encoder.summand(total, s, at) for s in (variables, self.before))
            fresh = t.and_(*(t.not_(t.eq(at, other)) for other in seen))
            value = t.add(value, t.ite(fresh, t.sub(new, old), t.num(0)))
            seen.append(at)
        return value


_OPERATORS: dict[str, Callable[..., Term]] = {
    "add": t.add,
    "sub": t.sub,
    "neg": lambda a: t.sub(t.num(0), a),
    "min": lambda a, b: t.ite(t.lt(a, b), a, b),
    "max": lambda a, b: t.ite(t.lt(b, a), a, b),
    "u64": lambda a: t.mod(a, 2**64),
    "lt": t.lt,
    "le": t.le,
    "gt": lambda a, b: t.lt(b, a),
    "ge": lambda a, b: t.le(b, a),
    "eq": t.eq,
    "ne": lambda a, b: t.not_(t.eq(a, b)),
    "not": t.not_,
}
