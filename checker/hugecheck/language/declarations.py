"""From the declarations of a model's files to a checked `ir.Module`.

Order: types and locks, state, heads of functions, then everything that has a body. Each step sees all names of the steps before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from hugecheck.diagnostics import Diagnostic, Failure, Source, Span, fail, suggest
from hugecheck.ir import program as ir
from hugecheck.ir.flow import falls_through
from hugecheck.ir.types import BOOL, INT, EnumType, IndexType, IntType, OptionalType, SetType, Type
from hugecheck.language import declared
from hugecheck.language.expressions import Expressions
from hugecheck.language.parser import parse
from hugecheck.language.statements import Statements
from hugecheck.language.symbols import FAILURES, FunctionHead, Scope, Symbols

D = TypeVar("D")
PROOF_VERDICTS = ("proved", "refuted", "not_inductive")
PROPERTY = Scope({}, lax=True, counters=True)


def check_model(declarations: Iterable[declared.Declaration]) -> tuple[ir.Module, Symbols]:
    """The module, and the symbols that a scenario's checker goes on with. Raises `Failure` with every independent error."""
    return _Model(tuple(declarations)).check()


class _Model:
    def __init__(self, declarations: tuple[declared.Declaration, ...]) -> None:
        self.declarations = declarations
        self.symbols = Symbols()
        self.expressions = Expressions(self.symbols)
        self.errors: list[Diagnostic] = []
        self.places: dict[tuple[str, str], Span] = {}

    def check(self) -> tuple[ir.Module, Symbols]:
        self._each(declared.EnumDecl, self._enum)
        self._each(declared.ConstDecl, self._const)
        self._each(declared.IndexDecl, self._index)
        self._each(declared.SwitchDecl, self._switch)
        self._each(declared.LockDecl, self._lock)
        self._stop()
        self._each(declared.VariableDecl, self._variable_type)
        self._each(declared.RecordDecl, self._record)
        self._stop()
        self._each(declared.DefDecl, self._def)
        self._each(declared.FunctionDecl, self._head)
        self._stop()
        self._initial_values()
        self._each(declared.DefDecl, self._def_body)
        self._each(declared.ObserveDecl, self._observe)
        self._stop()
        functions: dict[str, ir.Function] = {}
        operations: dict[str, ir.Operation] = {}
        meanings: list[ir.Meaning] = []
        laws: dict[str, ir.Law] = {}
        kernels: list[ir.Kernel] = []
        actors: list[ir.Actor] = []
        self._each(declared.FunctionDecl, lambda d: functions.setdefault(d.name, self._function(d)))
        self._each(declared.ActorDecl, lambda d: actors.append(self._actor(d)))
        self._each(declared.OperationDecl, lambda d: operations.setdefault(d.name, self._operation(d)))
        self._each(declared.MeaningDecl, lambda d: meanings.append(self._meaning(d)))
        self._each(declared.LawDecl, lambda d: laws.setdefault(d.name, self._law(d)))
        facts: dict[str, ir.Fact] = {}
        theorems: list[ir.Theorem] = []
        self._each(declared.FactDecl, lambda d: facts.setdefault(d.name, self._fact(d)))
        laws |= {f.name: ir.Law(f.name, f.text, False, f.condition, f.span) for f in facts.values()}
        self._each(declared.ProveDecl, lambda d: theorems.append(self._theorem(d, facts, {*functions, *operations})))
        self._each(declared.KernelDecl, lambda d: kernels.append(self._kernel(d)))
        self._recursion(functions)
        self._stop()
        y = self.symbols
        module = ir.Module(
            y.enums,
            y.constants,
            y.indexes,
            {**y.variables, FAILURES.name: FAILURES},
            y.locks,
            functions,
            operations,
            tuple(y.observes.values()),
            tuple(meanings),
            laws,
            y.switches,
            tuple(kernels),
            actors[0] if actors else None,
            tuple(y.results),
            facts,
            tuple(theorems),
        )
        return module, y

    def _each(self, kind: type[D], action: Callable[[D], object]) -> None:
        for declaration in self.declarations:
            if isinstance(declaration, kind):
                try:
                    action(declaration)
                except Failure as failure:
                    self.errors.extend(failure.diagnostics)

    def _stop(self) -> None:
        if self.errors:
            raise Failure(tuple(self.errors))

    def _unique(self, space: str, name: str, span: Span) -> None:
        before = self.places.get((space, name))
        if before is not None:
            fail("duplicate-name", f"`{name}` is declared twice", span, notes=[("first here", before)])
        self.places[space, name] = span

    # ------------------------------------------------------------ types and locks

    def _enum(self, d: declared.EnumDecl) -> None:
        self._unique("type", d.name, d.span)
        for member in d.members:
            self._unique("value", member, d.span)
            self.symbols.members[member] = EnumType(d.name)
            self.symbols.results.append(member)
        self.symbols.enums[d.name] = d.members

    def _const(self, d: declared.ConstDecl) -> None:
        self._unique("value", d.name, d.span)
        value = self.symbols.literal(d.value)
        self.symbols.constants[d.name] = ir.Const(value, IntType(value, value))

    def _index(self, d: declared.IndexDecl) -> None:
        self._unique("type", d.name, d.span)
        if d.kind == "fixed" and not 0 < d.size <= 64:
            fail("bad-bound", f"the size of an index type is 1 to 64, not {d.size}", d.span)
        self.symbols.indexes[d.name] = ir.Index(d.name, d.kind, d.size, d.span)

    def _switch(self, d: declared.SwitchDecl) -> None:
        self._unique("switch", d.name, d.span)
        self.symbols.switches[d.name] = ir.Switch(d.name, d.text, d.commit, d.subject, d.release)

    def _kernel(self, d: declared.KernelDecl) -> ir.Kernel:
        self._unique("kernel", d.name, d.span)
        for switch in d.switches:
            if switch not in self.symbols.switches:
                fail(
                    "unknown-switch",
                    f"there is no switch `{switch}`",
                    d.span,
                    help=suggest(switch, self.symbols.switches),
                )
        return ir.Kernel(d.name, d.alias, frozenset(d.switches))

    def _lock(self, d: declared.LockDecl) -> None:
        self._unique("lock", d.name, d.span)
        for index in d.indices:
            self.symbols.index(index, d.span)
        self.symbols.locks[d.name] = ir.Lock(d.name, d.kind, d.indices, d.span)

    # ------------------------------------------------------------ state

    def _check_lock(self, name: str, lock: str | None, indices: tuple[str, ...], span: Span) -> None:
        if lock is None:
            return
        found = self.symbols.locks.get(lock)
        if found is None:
            fail("unknown-name", f"there is no lock `{lock}`", span, help=suggest(lock, self.symbols.locks))
        if found.indices != indices[: len(found.indices)]:
            fail(
                "type-mismatch",
                f"`{lock}` is a lock of {', '.join(found.indices)}, and `{name}` is not indexed so",
                span,
                notes=[("the lock is declared here", found.span)],
            )

    def _variable_type(self, d: declared.VariableDecl) -> None:
        self._unique("value", d.name, d.span)
        self._add_variable(d, d.name, "")

    def _add_variable(self, d: declared.VariableDecl, name: str, record: str) -> None:
        for index in d.indices:
            self.symbols.index(index, d.span)
        self._check_lock(d.name, d.lock, d.indices, d.span)
        type_ = self.symbols.type(d.type)
        placeholder = ir.Const(0, type_)
        self.symbols.variables[name] = ir.Variable(name, d.indices, type_, placeholder, d.lock, d.ghost, record, d.span)

    def _record(self, d: declared.RecordDecl) -> None:
        self._unique("record", d.name, d.span)
        self.symbols.index(d.index, d.span)
        for field in d.fields:
            self._unique(f"field of {d.index}", field.name, field.span)
            name = f"{d.name}.{field.name}"
            self._add_variable(field, name, d.index)
            self.symbols.fields[d.index, field.name] = name

    def _initial_values(self) -> None:
        for declaration in self.declarations:
            match declaration:
                case declared.VariableDecl():
                    named = [(declaration.name, declaration)]
                case declared.RecordDecl():
                    named = [(f"{declaration.name}.{f.name}", f) for f in declaration.fields]
                case _:
                    continue
            for name, field in named:
                try:
                    self._initial(name, field)
                except Failure as failure:
                    self.errors.extend(failure.diagnostics)

    def _initial(self, name: str, d: declared.VariableDecl) -> None:
        old = self.symbols.variables[name]
        names: dict[str, ir.Expr] = {"self": ir.Local("self", IndexType(d.indices[-1]))} if d.indices else {}
        value = self.expressions.check(d.initial, Scope(names, lax=True), old.type)
        if _reads_state(value):
            fail("type-mismatch", "an initial value cannot depend on other state", d.initial.span)
        self.symbols.variables[name] = ir.Variable(
            name, old.indices, old.type, value, old.lock, old.ghost, old.record, old.span
        )

    # ------------------------------------------------------------ functions

    def _def(self, d: declared.DefDecl) -> None:
        self._unique("function", d.name, d.span)
        self.symbols.defs[d.name] = d
        self._params(d.params)
        self.symbols.type(d.type)

    def _params(self, params: tuple[declared.Param, ...]) -> list[tuple[str, Type]]:
        seen: set[str] = set()
        out = []
        for p in params:
            if p.name in seen:
                fail("duplicate-name", f"`{p.name}` is a parameter twice", p.span)
            seen.add(p.name)
            out.append((p.name, self.symbols.type(p.type)))
        return out

    def _def_body(self, d: declared.DefDecl) -> None:
        names: dict[str, ir.Expr] = {n: ir.Local(n, t) for n, t in self._params(d.params)}
        self.expressions.check(d.body, Scope(names, lax=True), self.symbols.type(d.type))

    def _head(self, d: declared.FunctionDecl) -> None:
        self._unique("function", d.name, d.span)
        for error in d.errors:
            if error not in self.symbols.members:
                fail("unknown-name", f"there is no error `{error}`", d.span, help=suggest(error, self.symbols.members))
        returns = self.symbols.type(d.type) if d.type is not None else None
        self.symbols.heads[d.name] = FunctionHead(d, tuple(self._params(d.params)), returns, d.errors)

    def _function(self, d: declared.FunctionDecl) -> ir.Function:
        head = self.symbols.heads[d.name]
        params = tuple(self.expressions.local(n, t) for n, t in head.params)
        scope = Scope({n: p for (n, _), p in zip(head.params, params, strict=True)})
        for mode, ref in d.holding:
            held = self.expressions.held(mode, ref, scope)
            scope = scope.holding(held, section=held.mode == "spin")
        body = Statements(self.expressions, head, d.name).block(d.body, scope)
        if head.returns is not None and falls_through(body):
            fail("missing-return", f"`{d.name}` returns a `{head.returns}`, and it can end without `return`", d.span)
        return ir.Function(d.name, params, head.returns, head.errors, body, d.span)

    def _operation(self, d: declared.OperationDecl) -> ir.Operation:
        self._unique("operation", d.name, d.span)
        types = self._params(d.params)
        params = tuple(self.expressions.local(n, t) for n, t in types)
        scope = Scope({n: p for (n, _), p in zip(types, params, strict=True)})
        lax = Scope(scope.locals, lax=True)
        checked = []
        for syntax, local in zip(d.params, params, strict=True):
            default = (
                self.expressions.check(syntax.default, lax, local.type)
                if syntax.default is not None
                else _implied(local.type)
            )
            checked.append(ir.Parameter(local, syntax.kind, default))
        names = {n for n, _ in types}
        patterns = tuple(tuple(self._pattern_item(i, names) for i in p) for p in d.patterns)
        conditions = tuple(
            ir.When(self.expressions.condition(w.condition, lax), self._reason(w, lax)) for w in d.conditions
        )
        body = Statements(self.expressions, None, d.name).block(d.body, scope)
        return ir.Operation(d.name, tuple(checked), patterns, conditions, body, d.span)

    def _reason(self, when: declared.When, scope: Scope) -> tuple[str | ir.Expr, ...]:
        """The text of a reason, with each `{expression}` in it checked."""
        parts: list[str | ir.Expr] = []
        for number, piece in enumerate(re.split(r"[{}]", when.reason)):
            if number % 2 == 0:
                parts.append(piece)
                continue
            parsed = parse(Source(when.span.source.name, f"const _ = {piece}")).declarations[0]
            assert isinstance(parsed, declared.ConstDecl)
            try:
                parts.append(self.expressions.check(parsed.value, scope))
            except Failure as failure:
                fail(failure.diagnostics[0].id, f"in the reason: {failure.diagnostics[0].headline}", when.span)
        return tuple(parts)

    @staticmethod
    def _pattern_item(item: declared.PatternItem, names: set[str]) -> ir.PatternItem:
        wanted = {
            "index": (item.first, item.second),
            "slice": (item.first, item.second, item.third),
            "option": (item.second or item.first,),
        }
        for name in wanted.get(item.kind, ()):
            if name not in names:
                fail(
                    "unknown-name",
                    f"`{name}` is not a parameter of this operation",
                    item.span,
                    help=suggest(name, names),
                )
        return ir.PatternItem(item.kind, item.first, item.second, item.third)

    def _recursion(self, functions: dict[str, ir.Function]) -> None:
        done: set[str] = set()

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                cycle = " -> ".join([*path[path.index(name) :], name])
                self.errors.append(Diagnostic("recursion", f"`{name}` calls itself: {cycle}", functions[name].span))
                done.add(name)
            if name in done or name not in functions:
                return
            for callee in sorted(_callees(functions[name].body)):
                visit(callee, (*path, name))
            done.add(name)

        for name in functions:
            visit(name, ())

    # ------------------------------------------------------------ what is seen

    def _observe(self, d: declared.ObserveDecl) -> None:
        key = f"{d.table}.{d.name}" if d.table else d.name
        self._unique("counter", key, d.span)
        if not d.table:
            self.symbols.observes[key] = ir.Observe(
                d.name, "", None, None, self.expressions.check(d.value, Scope({}, lax=True), INT), d.text
            )
            return
        self.symbols.index(d.index, d.span)
        local = self.expressions.local(d.variable, IndexType(d.index))
        scope = Scope({d.variable: local}, lax=True)
        where = self.expressions.condition(d.where, scope) if d.where is not None else None
        self.symbols.observes[key] = ir.Observe(
            d.name, d.table, local, where, self.expressions.check(d.value, scope, INT), d.text
        )

    def _meaning(self, d: declared.MeaningDecl) -> ir.Meaning:
        names: dict[str, ir.Expr] = {
            o.name: ir.Local(o.name, INT) for o in self.symbols.observes.values() if not o.table
        }
        return ir.Meaning(self.expressions.condition(d.condition, Scope(names, lax=True)), d.text)

    def _law(self, d: declared.LawDecl) -> ir.Law:
        self._unique("law", d.name, d.span)
        return ir.Law(d.name, d.text, d.quiescent, self.expressions.condition(d.condition, PROPERTY), d.span)

    def _fact(self, d: declared.FactDecl) -> ir.Fact:
        self._unique("law", d.name, d.span)
        return ir.Fact(d.kind, d.name, d.text, self.expressions.condition(d.condition, PROPERTY), d.span)

    def _theorem(self, d: declared.ProveDecl, facts: dict[str, ir.Fact], sections: set[str]) -> ir.Theorem:
        for name in (d.name, *(d.using or ())):
            if name not in facts and name != ir.CONTRACT:
                fail(
                    "unknown-name",
                    f"there is no invariant or lemma `{name}`",
                    d.span,
                    help=suggest(name, [*facts, ir.CONTRACT]),
                )
        for switch in d.switches:
            if switch not in self.symbols.switches:
                fail(
                    "unknown-switch",
                    f"there is no switch `{switch}`",
                    d.span,
                    help=suggest(switch, self.symbols.switches),
                )
        if d.verdict not in PROOF_VERDICTS:
            fail(
                "bad-expect", f"`{d.verdict}` is no verdict on a proof", d.span, help=suggest(d.verdict, PROOF_VERDICTS)
            )
        for section in d.sections:
            if section not in sections:
                fail(
                    "unknown-name",
                    f"there is no operation or function `{section}`",
                    d.span,
                    help=suggest(section, sections),
                )
        assumed = self.expressions.condition(d.assumed, PROPERTY) if d.assumed is not None else None
        return ir.Theorem(d.name, frozenset(d.switches), d.using, assumed, d.verdict, d.sections, d.span)

    def _actor(self, d: declared.ActorDecl) -> ir.Actor:
        self._unique("actor", "actor", d.span)
        self.symbols.index(d.index, d.span)
        local = self.expressions.local(d.variable, IndexType(d.index))
        return ir.Actor(d.index, local, self.expressions.check(d.condition, Scope({d.variable: local}, lax=True), BOOL))


def _implied(type_: Type) -> ir.Expr | None:
    """What a parameter is when neither the step nor a default gives it: `none`, an empty set, `false`."""
    if isinstance(type_, OptionalType):
        return ir.Const(-1, type_)
    if isinstance(type_, SetType) or type_ == BOOL:
        return ir.Const(0, type_)
    return None


def _reads_state(expr: ir.Expr) -> bool:
    match expr:
        case ir.Load(variable, _, _):
            return not variable.startswith("initially.")
        case ir.Apply(_, arguments, _):
            return any(_reads_state(a) for a in arguments)
        case ir.Convert(value, _, _):
            return _reads_state(value)
        case ir.Conditional(a, b, c, _):
            return _reads_state(a) or _reads_state(b) or _reads_state(c)
        case ir.Quantified():
            return True
        case _:
            return False


def _callees(block: ir.Block_) -> set[str]:
    out: set[str] = set()
    for statement in block:
        match statement:
            case ir.Call():
                out.add(statement.function)
                out |= _callees(statement.handler or ())
            case ir.If(_, a, b):
                out |= _callees(a) | _callees(b)
            case ir.While(_, body) | ir.For(_, _, _, body) | ir.Atomic(_, body, _):
                out |= _callees(body)
            case ir.Hold():
                out |= _callees(statement.body) | _callees(statement.otherwise)
            case ir.Either(branches):
                for branch in branches:
                    out |= _callees(branch)
            case _:
                pass
    return out
