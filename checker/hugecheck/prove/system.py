"""The transition system that is proved about: its sections, its candidate laws, and the obligations of an inductive proof.

A **section** is an operation, or a function that nothing in the model calls (another model may): its whole body must be one atomic section. Its
parameters are arbitrary values of their types. Its own `requires` and `when` are its guard; `requires` of a function that it calls must be shown.

Laws of the form `forall x in T: P` over an index type without a fixed size are instantiated here, so that no query has a quantifier: as hypotheses at
every term that the section or the goal uses as an element of T, as goals at constants `some.T` about which nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, product

from hugecheck.diagnostics import Span
from hugecheck.ir import program as ir
from hugecheck.ir import sections as build_sections
from hugecheck.ir.rewrite import blocks, expressions, resolve, walk
from hugecheck.ir.types import BoolType, IntType, Type
from hugecheck.prove import terms as t
from hugecheck.prove.encode import Check, Encoder, Run, State, Total, refuse
from hugecheck.prove.terms import TRUE, Term

Binders = tuple[str, ...]
ENTRY = "call."
"""stands before a function's name in that of the operation that only calls it"""
START = "start"
"""the name by which obligations call the initial state"""


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """kind: invariant, lemma, type (of a variable), sign (no summand of a total is negative), assumed. `clauses`: for each conjunct the index types
    that it ranges over, and its value for elements of them."""

    name: str
    kind: str
    text: str
    span: Span | None
    clauses: tuple[tuple[Binders, Callable[[Run, Sequence[Term]], Term]], ...]
    reads: tuple[str, ...]


@dataclass(slots=True)
class Section:
    """A transition: `after` gives each variable's value from the values before (constants of the variables' names), `fresh` and `guard`."""

    name: str
    label: str
    span: Span
    run: Run
    after: dict[str, Term]

    @property
    def checks(self) -> list[Check]:
        return self.run.checks


@dataclass(slots=True)
class Prepared:
    """The formulas of one section (or of the start): what holds anyway, each law as hypothesis and as goal, each check as a goal."""

    name: str
    section: Section | None
    base: list[Term]
    hypotheses: dict[str, Term]
    goals: dict[str, Term]
    checks: list[Check]
    terms: dict[str, list[Term]] = field(default_factory=dict)


class System:
    """One program with its laws. `facts`: those that may be used; `assumed` holds in every state by hypothesis."""

    def __init__(
        self, module: ir.Module, switches: frozenset[str], facts: Iterable[ir.Fact], assumed: ir.Expr | None
    ) -> None:
        module = with_entries(module)
        self.program = build_sections.build(module, switches)
        self.encoder = Encoder(self.program)
        self.module = module
        facts = list(facts)
        for name in _read(self.program, [f.condition for f in facts] + ([assumed] if assumed is not None else [])):
            self.encoder.variable(name)
        self.before = {name: self.encoder.variable(name) for name in self.encoder.used}
        self.sections = [self._section(code) for code in self.program.operations.values()]
        written = [self._fact(f) for f in facts]
        self.assumed = (
            self._fact(ir.Fact("assumed", "assumed", "", assumed, facts[0].span if facts else self.sections[0].span))
            if assumed is not None
            else None
        )
        for law in [*written, *([self.assumed] if self.assumed else [])]:  # finds the totals
            self._goal(law, self._law_run(self.before, self.before, None))
        laws = [*self._types(), *(self._sign(total) for total in self.encoder.totals.values()), *written]
        self.laws = {law.name: law for law in laws}
        self.totals = list(self.encoder.totals.values())
        self.prepared = [self._start(), *(self._prepare(s) for s in self.sections)]

    # ------------------------------------------------------------ sections

    def _section(self, code: ir.OperationCode) -> Section:
        operation = self.module.operations[code.name]
        run = Run(self.encoder, State(dict(self.before)), self.before)
        run.site = operation.span
        for parameter in code.params:
            local = parameter.local
            run.state.locals[local.name] = run.constant(local.name.split(".")[0], local.type)
        for when in code.conditions:
            run.guard.append(run.expr(when.condition, TRUE))
        run.depth = -1 if code.name.startswith(ENTRY) else 0
        run.go(code.entry, TRUE)
        label = next((s.label for s in _atomics(operation.body)), code.name)
        return Section(code.name.removeprefix(ENTRY), label, operation.span, run, run.state.variables)

    # ------------------------------------------------------------ laws

    def _fact(self, fact: ir.Fact) -> Law:
        condition = resolve(fact.condition, self.program.switches)
        clauses = tuple(
            (tuple(index for _, index in binders), self._clause(binders, body, fact.span))
            for binders, body in self._split(condition)
        )
        return Law(fact.name, fact.kind, fact.text, fact.span, clauses, _loads([condition]))

    def _split(self, expr: ir.Expr) -> list[tuple[tuple[tuple[ir.Local, str], ...], ir.Expr]]:
        """The conjuncts, each with the quantifiers at its front."""
        match expr:
            case ir.Apply("and", (a, b), _):
                return [*self._split(a), *self._split(b)]
            case ir.Apply("implies", (a, b), type_):
                return [(v, ir.Apply("implies", (a, body), type_)) for v, body in self._split(b)]
            case ir.Quantified("forall", variable, ir.IndexDomain(index), body, _) if (
                self.encoder.finite(index) is None
            ):
                return [(((variable, index), *v), inside) for v, inside in self._split(body)]
            case _:
                return [((), expr)]

    def _clause(
        self, binders: tuple[tuple[ir.Local, str], ...], body: ir.Expr, span: Span
    ) -> Callable[[Run, Sequence[Term]], Term]:
        def value(run: Run, elements: Sequence[Term]) -> Term:
            run.state.locals = {v.name: e for (v, _), e in zip(binders, elements, strict=True)}
            run.guard, run.checks, run.fresh, run.site = [], [], [], span
            result = run.expr(body, TRUE)
            if run.fresh:
                refuse("a law cannot look for an element", span, "say it with `forall x in T: ...`")
            return t.and_(*run.guard, *(c.condition for c in run.checks), result)

        return value

    def _types(self) -> list[Law]:
        out = []
        for variable in self.encoder.used.values():
            type_ = variable.type
            if isinstance(type_, BoolType) or type_ == IntType():
                continue
            out.append(
                Law(
                    f"type {variable.name}",
                    "type",
                    f"{variable.name} is a value of `{type_}`",
                    variable.span,
                    ((variable.indices, self._typed(variable.name, type_)),),
                    (variable.name,),
                )
            )
        return out

    def _typed(self, name: str, type_: Type) -> Callable[[Run, Sequence[Term]], Term]:
        return lambda run, at: self.encoder.in_type(type_, t.select(run.state.variables[name], at))

    def _sign(self, total: Total) -> Law:
        def value(run: Run, at: Sequence[Term]) -> Term:
            return t.le(t.num(0), self.encoder.summand(total, run.state.variables, at[0]))

        return Law(
            f"sign {total.name}",
            "sign",
            f"no summand of {total.name} is negative",
            None,
            (((total.index,), value),),
            tuple(sorted(total.reads)),
        )

    # ------------------------------------------------------------ formulas

    def _law_run(self, variables: Mapping[str, Term], before: Mapping[str, Term], section: Section | None) -> Run:
        run = Run(self.encoder, State(dict(variables)), before)
        if section is not None:
            run.touched = section.run.touched
        return run

    def _some(self, binders: Binders) -> list[Term]:
        """Elements about which nothing is known: the nth of each index type has one name in all laws."""
        counts: dict[str, int] = {}
        out = []
        for index in binders:
            counts[index] = counts.get(index, 0) + 1
            out.append(t.const(f"some.{index}.{counts[index]}", t.INT))
        return out

    def _goal(self, law: Law, run: Run) -> Term:
        parts = []
        for binders, value in law.clauses:
            elements = self._some(binders)
            for index, element in zip(binders, elements, strict=True):
                run.note(index, element)
            known = t.and_(*(self.encoder.element(i, e) for i, e in zip(binders, elements, strict=True)))
            parts.append(t.implies(known, value(run, elements)))
        return t.and_(*parts)

    def _hypothesis(self, law: Law, run: Run, elements: Mapping[str, Sequence[Term]]) -> Term:
        parts = []
        for binders, value in law.clauses:
            for at in product(*(elements.get(i, ()) for i in binders)):
                inside = t.and_(*(self.encoder.element(i, e) for i, e in zip(binders, at, strict=True)))
                parts.append(t.implies(inside, value(run, at)))
        return t.and_(*parts)

    def _sums(self, total: Total, before: Mapping[str, Term], elements: Sequence[Term]) -> Term:
        """What a sum of numbers that are not negative has to do with one or two of them. Certificate `sums` proves it by induction."""
        value = before.get(total.name, t.const(total.name, t.INT))
        summands = [self.encoder.summand(total, before, e) for e in elements]
        inside = [self.encoder.element(total.index, e) for e in elements]
        parts = [t.le(t.num(0), value)]
        parts += [t.implies(i, t.le(s, value)) for i, s in zip(inside, summands, strict=True)]
        for a, b in combinations(range(len(elements)), 2):
            apart = t.and_(inside[a], inside[b], t.not_(t.eq(elements[a], elements[b])))
            parts.append(t.implies(apart, t.le(t.add(summands[a], summands[b]), value)))
        return t.and_(*parts)

    def _sizes(self) -> list[Term]:
        names = [i.name for i in self.module.indexes.values() if i.kind != "fixed"]
        return [t.le(t.num(1), self.encoder.size(name)) for name in names]

    def _prepare(self, section: Section) -> Prepared:
        after = self._law_run(section.after, self.before, section)
        goals = {name: self._goal(law, after) for name, law in self.laws.items()}
        if self.assumed is not None:
            self._goal(self.assumed, after)  # for the elements that it is about
        elements = self._elements(section.run.index_terms, after.index_terms)
        before = self._law_run(self.before, self.before, None)
        hypotheses = {name: self._hypothesis(law, before, elements) for name, law in self.laws.items()}
        for total in self.totals:
            name = f"sign {total.name}"
            facts = self._sums(total, self.before, elements.get(total.index, []))
            hypotheses[name] = t.and_(hypotheses[name], facts)
        base = [*self._sizes(), *section.run.guard]
        if self.assumed is not None:
            base.append(self._hypothesis(self.assumed, before, elements))
            base.append(self._hypothesis(self.assumed, after, elements))
        return Prepared(section.name, section, base, hypotheses, goals, section.checks, elements)

    def _start(self) -> Prepared:
        """The initial state: its laws hold, from nothing but the initial values."""
        values: dict[str, Term] = {}
        run = Run(self.encoder, State({}), {})
        for name, variable in self.encoder.used.items():
            free = name.startswith("injected.")
            values[name] = self.before[name] if variable.indices or free else run.expr(variable.initial, TRUE)
        before = {**values, **{total.name: self._initial_total(total) for total in self.encoder.totals.values()}}
        law_run = self._law_run(values, before, None)
        goals = {name: self._goal(law, law_run) for name, law in self.laws.items()}
        if self.assumed is not None:
            self._goal(self.assumed, law_run)
        elements = self._elements(law_run.index_terms, {})
        base = self._sizes()
        for name, variable in self.encoder.used.items():
            if not variable.indices:
                continue
            for at in product(*(elements.get(i, ()) for i in variable.indices)):
                run.state.locals["self"] = at[-1]
                base.append(t.eq(t.select(values[name], at), run.expr(variable.initial, TRUE)))
        if self.assumed is not None:
            base.append(self._hypothesis(self.assumed, law_run, elements))
        base += [c.condition for c in run.checks]
        return Prepared(START, None, base, dict.fromkeys(self.laws, TRUE), goals, [], elements)

    def _initial_total(self, total: Total) -> Term:
        """The number of elements times the initial summand, if that is the same for all."""
        at = t.const("some.initial", t.INT)
        values: dict[str, Term] = {}
        for name in sorted(total.reads):
            run = Run(self.encoder, State({}, {"self": at}), {})
            values[name] = t.store(self.before[name], (at,), run.expr(self.program.variables[name].initial, TRUE))
        one = self.encoder.summand(total, values, at)
        return t.mul(t.number(one), self.encoder.size(total.index)) if t.is_num(one) else t.const(total.name, t.INT)

    def _elements(self, *noted: Mapping[str, Mapping[Term, None]]) -> dict[str, list[Term]]:
        out: dict[str, dict[Term, None]] = {}
        for group in noted:
            for index, found in group.items():
                out.setdefault(index, {}).update(found)
        return {
            index: [t.num(n) for n in range(size)] if (size := self.encoder.finite(index)) is not None else list(found)
            for index, found in out.items()
        }

    def frames(self) -> list[tuple[str, list[Term]]]:
        """Side conditions of the totals: a section changes no summand but those that it touches. (name, what must be unsatisfiable)"""
        out = []
        for section in self.sections:
            for total in self.totals:
                touched = [k for v in sorted(total.reads) for k in section.run.touched.get(v, {})]
                at = t.const("other", t.INT)
                same = t.eq(*(self.encoder.summand(total, v, at) for v in (self.before, section.after)))
                apart = [t.not_(t.eq(at, k)) for k in touched]
                out.append((f"frame {section.name} {total.name}", [*section.run.guard, *apart, t.not_(same)]))
        return out


# ---------------------------------------------------------------- the module as a set of sections


def with_entries(module: ir.Module) -> ir.Module:
    """The module with an operation for each function that nothing calls."""
    called: set[str] = set()
    for body in [*(f.body for f in module.functions.values()), *(o.body for o in module.operations.values())]:
        called |= _called(body)
    operations = dict(module.operations)
    for function in module.functions.values():
        if function.name in called or ENTRY + function.name in operations:
            continue
        params = tuple(ir.Parameter(p, "", None) for p in function.params)
        target = ir.Local(f"result.{function.name}", function.returns) if function.returns is not None else None
        handler = () if function.errors else None
        call = ir.Call(function.name, tuple(function.params), target, None, handler, function.span)
        whole: ir.Block_ = (call,)
        if not _has_sections(module, function.name):
            whole = (ir.Atomic(function.name, whole, function.span),)
        name = ENTRY + function.name
        operations[name] = ir.Operation(name, params, (), (), whole, function.span)
    return replace(module, operations=operations)


def _has_sections(module: ir.Module, name: str) -> bool:
    def inside(body: ir.Block_) -> bool:
        for statement in body:
            if isinstance(statement, ir.Atomic | ir.Hold):
                return True
            if isinstance(statement, ir.Call) and _has_sections(module, statement.function):
                return True
            if any(inside(b) for b in blocks(statement)):
                return True
        return False

    return inside(module.functions[name].body)


def _called(body: ir.Block_) -> set[str]:
    out: set[str] = set()
    for statement in body:
        if isinstance(statement, ir.Call):
            out.add(statement.function)
        for inside in blocks(statement):
            out |= _called(inside)
    return out


def _atomics(body: ir.Block_) -> list[ir.Atomic]:
    out: list[ir.Atomic] = []
    for statement in body:
        if isinstance(statement, ir.Atomic):
            out.append(statement)
        for inside in blocks(statement):
            out += _atomics(inside)
    return out


def _loads(roots: Iterable[ir.Expr]) -> tuple[str, ...]:
    found = {
        part.variable: None
        for root in roots
        for part in walk(root)
        if isinstance(part, ir.Load) and not part.variable.startswith("initially.")
    }
    return tuple(found)


def _read(program: ir.Program, laws: list[ir.Expr]) -> list[str]:
    """The variables that some section or law reads, and all that a section writes, in the order of their declaration."""
    names = set(_loads(laws))

    def visit(statements: ir.Block_) -> None:
        for statement in statements:
            if isinstance(statement, ir.Store):
                names.add(statement.variable)
            names.update(_loads(expressions(statement)))
            for inside in blocks(statement):
                visit(inside)

    for block in program.blocks.values():
        visit(block.body)
    for flat in program.flats.values():
        visit(flat.body)
    for code in program.operations.values():
        names.update(_loads(w.condition for w in code.conditions))
    return [name for name in program.variables if name in names]
