"""From the declarations of a scenario to a `Scenario`: threads, names, sizes, clauses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hugecheck.diagnostics import Diagnostic, Failure, Span, fail, suggest
from hugecheck.ir import program as ir
from hugecheck.ir.types import NAT, IndexType, Type
from hugecheck.language import declared
from hugecheck.language import syntax as s
from hugecheck.language.declarations import PROPERTY
from hugecheck.language.expressions import Expressions
from hugecheck.language.kernels import find_kernel, same_kernel
from hugecheck.language.scenario import AnyOf, CallStep, Check, Clause, Instruction, Invocation, Jump, Scenario, Thread
from hugecheck.language.steps import Names, StepMatcher, Variables
from hugecheck.language.symbols import Symbols

MAX_STEPS = 200_000
_VERDICTS = {"sometimes": ("reached", "not reached"), "": ("holds", "violated")}
NOTHING = Variables({})


def check_scenario(
    title: str, declarations: Iterable[declared.Declaration], module: ir.Module, symbols: Symbols, place: Span
) -> Scenario:
    """The checked scenario. Raises `Failure` with every independent error."""
    return _Check(title, tuple(declarations), module, symbols, place).check()


class _Check:
    def __init__(
        self,
        title: str,
        declarations: tuple[declared.Declaration, ...],
        module: ir.Module,
        symbols: Symbols,
        place: Span,
    ) -> None:
        self.title = title
        self.declarations = declarations
        self.module = module
        self.symbols = symbols
        self.place = place
        self.names = Names()
        self.matcher = StepMatcher(symbols, dict(module.operations), self.names)
        self.expressions = Expressions(symbols)
        self.errors: list[Diagnostic] = []
        self.checks: list[tuple[declared.CheckStep, Variables, str]] = []
        self.steps = 0
        self.expects_results = False

    def check(self) -> Scenario:
        bounded = self._bounds()
        processes = [d for d in self.declarations if isinstance(d, declared.ProcessDecl)]
        self._actors(processes)
        setup: Thread | None = None
        threads: list[Thread] = []
        seen: dict[str, Span] = {}
        for declaration in self.declarations:
            try:
                match declaration:
                    case declared.SetupDecl(steps, _):
                        instructions = self._block(steps, None, NOTHING)
                        setup = Thread("setup", None, (*(setup.instructions if setup else ()), *instructions))
                    case declared.StepsDecl(steps, _):
                        threads.append(self._thread("steps", None, steps, NOTHING))
                    case declared.ProcessDecl():
                        for name in declaration.names:
                            if name in seen:
                                fail(
                                    "duplicate-name",
                                    f"there are two processes `{name}`",
                                    declaration.span,
                                    notes=[("the first is here", seen[name])],
                                )
                            seen[name] = declaration.span
                        threads.extend(self._process(declaration))
                    case _:
                        pass
            except Failure as failure:
                self.errors.extend(failure.diagnostics)
        if not threads and setup is None and not self.errors:
            fail(
                "no-process",
                "there is no process",
                self.place,
                help="add `process NAME { ... }` with the steps that it takes",
            )
        self._publish_names()
        clauses = self._clauses()
        if self.errors:
            raise Failure(tuple(self.errors))
        if not clauses and not self.expects_results:
            fail(
                "no-clause",
                "nothing is stated about this scenario",
                self.place,
                help="add `always P`, `sometimes P`, `finally P`, or `check P` in a process",
            )
        self._built_in(clauses, len(threads))
        kernels = tuple(name for d in self.declarations if isinstance(d, declared.KernelsDecl) for name, _ in d.names)
        elements = {i: tuple(n) for i, n in self.names.elements.items()}
        return Scenario(
            self.title,
            self.module,
            kernels,
            self._sizes(),
            bounded,
            elements,
            self._initially(),
            sum(d.count for d in self.declarations if isinstance(d, declared.FailuresDecl)),
            setup,
            tuple(threads),
            tuple(clauses),
        )

    # ------------------------------------------------------------ sizes and names

    def _bounds(self) -> frozenset[str]:
        bounded: set[str] = set()
        for index in self.module.indexes.values():
            if index.kind == "fixed":
                self.names.sizes[index.name] = index.size
        for declaration in self.declarations:
            if isinstance(declaration, declared.KernelsDecl):
                for name, span in declaration.names:
                    find_kernel(self.module, name, span)
            if not isinstance(declaration, declared.BoundsDecl):
                continue
            for name, size in declaration.sizes:
                if name not in self.module.indexes:
                    fail(
                        "bad-bound",
                        f"there is no index type `{name}`",
                        declaration.span,
                        help=suggest(name, self.module.indexes),
                    )
                if not 0 < size <= 100_000:
                    fail("bad-bound", f"`{name} {size}`: a bound is 1 to 100,000", declaration.span)
                if self.module.indexes[name].kind == "named":
                    fail("bad-bound", f"`{name}` has as many elements as the scenario has names for", declaration.span)
                self.names.sizes[name] = size
                bounded.add(name)
        return frozenset(bounded)

    def _actors(self, processes: Sequence[declared.ProcessDecl]) -> None:
        if self.module.actor is not None:
            for declaration in processes:
                for name in declaration.names:
                    self.names.element(self.module.actor.index, name)

    def _publish_names(self) -> None:
        """Names that mean one thing only can be used in clauses."""
        owners: dict[str, list[str]] = {}
        for index, names in self.names.elements.items():
            for name in names:
                owners.setdefault(name, []).append(index)
        for name, indexes in owners.items():
            if len(indexes) == 1:
                type_ = IndexType(indexes[0])
                self.symbols.names[name] = ir.Const(self.names.elements[indexes[0]].index(name), type_)

    def _sizes(self) -> dict[str, int]:
        sizes = {}
        for index in self.module.indexes.values():
            if index.kind == "named":
                sizes[index.name] = max(1, len(self.names.elements.get(index.name, ())))
            else:
                sizes[index.name] = max(1, self.names.sizes.get(index.name, 1))
        return sizes

    def _initially(self) -> dict[str, int]:
        out = {}
        for index, names in self.names.elements.items():
            made = self.names.made.get(index, set())
            out[index] = sum(1 << number for number, name in enumerate(names) if name not in made)
        return out

    # ------------------------------------------------------------ threads

    def _process(self, d: declared.ProcessDecl) -> list[Thread]:
        actor = self.module.actor
        if d.variable is None or d.index is None:
            return [
                self._thread(
                    name, self.names.element(actor.index, name) if actor is not None else None, d.steps, NOTHING
                )
                for name in d.names
            ]
        index = self.symbols.index(d.index, d.span)
        if index.kind != "fixed" and d.index not in self.names.sizes:
            fail(
                "bad-bound",
                f"the number of elements of `{d.index}` is not known here",
                d.span,
                help=f"add `bounds {d.index} N`",
            )
        out = []
        for name in d.names:
            for element in range(self.names.sizes[d.index]):
                variables = Variables({d.variable: (element, IndexType(d.index))})
                number = element if actor is not None and actor.index == d.index else None
                out.append(self._thread(f"{name}{element}", number, d.steps, variables))
        return out

    def _thread(self, name: str, actor: int | None, steps: declared.Steps, variables: Variables) -> Thread:
        return Thread(name, actor, tuple(self._block(steps, actor, variables)))

    def _block(
        self, steps: declared.Steps, actor: int | None, variables: Variables, offset: int = 0
    ) -> list[Instruction]:
        out: list[Instruction] = []
        for step in steps:
            try:
                out.extend(self._step(step, actor, variables, offset + len(out)))
            except Failure as failure:
                self.errors.extend(failure.diagnostics)
                if len(self.errors) > 20:
                    raise Failure(tuple(self.errors)) from failure
        return out

    def _step(
        self, step: declared.StepSyntax, actor: int | None, variables: Variables, offset: int
    ) -> list[Instruction]:
        self.steps += 1
        if self.steps > MAX_STEPS:
            fail("too-large", f"a scenario has at most {MAX_STEPS:,} steps, written out", step.span)
        match step:
            case declared.Step():
                calls = self.matcher.invocations(step, self._acting(step, actor), variables, choices=False)
                self.expects_results = self.expects_results or bool(step.results)
                return [CallStep(calls[0])]
            case declared.CheckStep(name, _, span):
                self.checks.append((step, variables, name))
                return [Check(len(self.checks) - 1, span)]
            case declared.AnyStep(count, steps, span):
                offered: list[Invocation] = []
                for inside in steps:
                    if not isinstance(inside, declared.Step):
                        fail("misplaced", "only operations stand inside `any N of { ... }`", inside.span)
                    self.expects_results = self.expects_results or bool(inside.results)
                    offered.extend(
                        self.matcher.invocations(inside, self._acting(inside, actor), variables, choices=True)
                    )
                if not offered:
                    fail("misplaced", "`any` has nothing to choose from", span)
                return [AnyOf(count, tuple(offered), span)] if count else []
            case declared.RepeatStep(_, None, _, steps, span):
                body = self._block(steps, actor, variables, offset)
                if not body:
                    fail("misplaced", "this loop is empty", span)
                return [*body, Jump(offset)]
            case declared.RepeatStep(variable, low, high, steps, span):
                assert low is not None and high is not None
                first, end = self.matcher.number(low, variables), self.matcher.number(high, variables)
                if (end - first) * max(1, len(steps)) > MAX_STEPS:
                    fail("too-large", f"a scenario has at most {MAX_STEPS:,} steps, written out", span)
                out: list[Instruction] = []
                for value in range(first, end):
                    inner = (
                        Variables({**variables.values, variable: (value, NAT)}) if variable is not None else variables
                    )
                    before = len(self.errors)
                    out.extend(self._block(steps, actor, inner, offset + len(out)))
                    if len(self.errors) > before:
                        break
                return out
        raise AssertionError(step)

    def _acting(self, step: declared.Step, actor: int | None) -> int | None:
        if step.actor is None:
            return actor
        if self.module.actor is None:
            fail("wrong-step", "this model has no acting processes", step.span)
        return self.names.element(self.module.actor.index, step.actor)

    # ------------------------------------------------------------ clauses

    def _clauses(self) -> list[Clause]:
        clauses: list[Clause] = []
        taken: dict[str, Span] = {}
        for syntax, variables, name in self.checks:
            try:
                scope = PROPERTY
                for variable, (value, type_) in variables.values.items():
                    scope = scope.bind(variable, ir.Const(value, _constant_type(type_)))
                condition = self.expressions.condition(syntax.condition, scope)
                shown = name or f"check-{syntax.span.line}"
                clauses.append(Clause("check", shown, _source(syntax.condition), condition, False, {}, syntax.span))
            except Failure as failure:
                self.errors.extend(failure.diagnostics)
        for declaration in self.declarations:
            if isinstance(declaration, declared.ClauseDecl):
                try:
                    for clause in self._clause(declaration):
                        if clause.name in taken:
                            fail(
                                "duplicate-name",
                                f"two clauses are called `{clause.name}`",
                                declaration.span,
                                notes=[("the first is here", taken[clause.name])],
                            )
                        taken[clause.name] = declaration.span
                        clauses.append(clause)
                except Failure as failure:
                    self.errors.extend(failure.diagnostics)
        if not clauses and not self.expects_results:
            clauses = [_law_clause("always", law, {}, law.span) for law in self.module.laws.values()]
        return clauses

    def _clause(self, d: declared.ClauseDecl) -> list[Clause]:
        expected = self._expected(d)
        if isinstance(d.condition, s.Name) and not d.name:
            if d.condition.name in self.module.laws:
                return [_law_clause(d.kind, self.module.laws[d.condition.name], expected, d.span)]
            if d.condition.name == "laws" and self.module.laws:
                return [_law_clause(d.kind, law, expected, d.span) for law in self.module.laws.values()]
        condition = self.expressions.condition(d.condition, PROPERTY)
        name = d.name or f"{d.kind}-{d.span.line}"
        return [Clause(d.kind, name, _source(d.condition), condition, d.quiescent, expected, d.span)]

    def _expected(self, d: declared.ClauseDecl) -> dict[str, str]:
        allowed = _VERDICTS.get(d.kind, _VERDICTS[""])
        expected: dict[str, str] = {}
        for item in d.expect:
            if item.verdict not in allowed:
                fail(
                    "bad-expect",
                    f"a `{d.kind}` clause cannot be `{item.verdict}`",
                    item.span,
                    help=f"it is `{allowed[0]}` or `{allowed[1]}`",
                )
            for kernel in item.kernels or ("",):
                if kernel:
                    find_kernel(self.module, kernel, item.span)
                for name in same_kernel(self.module, kernel):
                    expected[name] = item.verdict
        return expected

    def _built_in(self, clauses: list[Clause], threads: int) -> None:
        if self.expects_results:
            clauses.append(
                Clause("result", "result", "every step has the result that it is given", None, False, {}, None)
            )
        if threads > 1:
            clauses.append(
                Clause("deadlock", "deadlock", "some thread can go on until all have ended", None, False, {}, None)
            )


def _law_clause(kind: str, law: ir.Law, expected: dict[str, str], span: Span) -> Clause:
    return Clause(kind, law.name, law.text, law.condition, law.quiescent, expected, span)


def _constant_type(type_: Type) -> Type:
    return type_


def _source(expr: s.Expr) -> str:
    """The text of an expression as it was typed, on one line."""
    span = expr.span
    return (
        span.source.line(span.line)[span.column - 1 : span.column - 1 + span.length].strip()
        if span.length > 1
        else span.source.line(span.line)[span.column - 1 :].strip()
    )
