"""Statements: syntax to typed IR, with the rules about locks, sections, errors and assignments."""

from __future__ import annotations

from typing import assert_never

from hugecheck.diagnostics import Span, fail, suggest
from hugecheck.ir import program as ir
from hugecheck.ir.flow import falls_through
from hugecheck.ir.types import BOOL, INT, IndexType, IntType, Type, inner
from hugecheck.language import syntax as s
from hugecheck.language.expressions import Expressions
from hugecheck.language.symbols import FAILURES, RESULT, FunctionHead, HeldLock, Scope

_MODES = {"spinlock": ("", "spin"), "mutex": ("", "mutex")}


class Statements:
    """Checks the body of one function or operation. `operation`: `fail` and `return` end a step."""

    def __init__(self, expressions: Expressions, head: FunctionHead | None, name: str) -> None:
        self.expressions = expressions
        self.symbols = expressions.symbols
        self.head = head
        self.name = name

    def block(self, block: s.Block, scope: Scope) -> ir.Block_:
        out: list[ir.Statement] = []
        for statement in block:
            scope = self._statement(statement, scope, out)
        return tuple(out)

    def _statement(self, statement: s.Statement, scope: Scope, out: list[ir.Statement]) -> Scope:
        """Append the checked statement to `out`; the scope after it is returned."""
        x = self.expressions
        match statement:
            case s.Let():
                return self._let(statement, scope, out)
            case s.Assign():
                self._assign(statement, scope, out)
            case s.CallStatement(call, handler, span):
                out.append(self._call(call, None, handler, scope, span))
            case s.If(condition, then, otherwise, _):
                out.append(
                    ir.If(x.condition(condition, scope), self.block(then, scope), self.block(otherwise or (), scope))
                )
            case s.While(condition, body, _):
                out.append(ir.While(x.condition(condition, scope), self.block(body, scope.in_loop())))
            case s.For():
                out.append(self._for(statement, scope))
            case s.Break(span) | s.Continue(span):
                if not scope.loop:
                    fail("misplaced", "`break` and `continue` stand inside a loop", span)
                out.append(ir.Break() if isinstance(statement, s.Break) else ir.Continue())
            case s.Return(value, span):
                out.append(ir.Return(self._returned(value, scope, span)))
            case s.Fail(error, span):
                out.append(ir.Fail(self._error(error, scope, span)))
            case s.Reset(name, span):
                element = x.check(s.Name(name, span), scope)
                if not isinstance(element.type, IndexType):
                    fail("type-mismatch", f"`{name}` has no record to reset", span)
                for (index, _), variable in self.symbols.fields.items():
                    if index == element.type.name:
                        x.require_lock(self.symbols.variables[variable], (element,), scope, span, write=True)
                out.append(ir.Reset(element.type.name, element))
            case s.Assert(kind, condition, reason, span):
                loose = Scope(
                    scope.locals, scope.mutable, scope.held, True, kind == "requires" or scope.lax, scope.loop
                )
                out.append(
                    ir.Assert(kind, x.condition(condition, loose if kind == "requires" else scope), reason, span)
                )
            case s.Choose(variable, domain, where, _):
                over, type_ = x.domain(domain, scope)
                local = x.local(variable, type_)
                inside = scope.bind(variable, local)
                out.append(ir.Choose(local, over, x.condition(where, inside) if where is not None else None))
                return inside
            case s.Either(branches, _):
                out.append(ir.Either(tuple(self.block(b, scope) for b in branches)))
            case s.Inject(_, block, _):
                left = ir.Load(FAILURES.name, (), FAILURES.type)
                one_less = ir.Store(
                    FAILURES.name, (), ir.Apply("sub", (left, ir.Const(1, FAILURES.type)), FAILURES.type)
                )
                happens = (one_less, *self.block(block, scope))
                possible = ir.Apply("gt", (left, ir.Const(0, FAILURES.type)), BOOL)
                out.append(ir.If(possible, (ir.Either(((), happens)),), ()))
            case s.Await(_, span):
                fail("misplaced", "`await` must be the first statement of an atomic block", span)
            case s.Atomic():
                out.append(self._atomic(statement, scope))
            case s.Hold():
                out.append(self._hold(statement, scope))
            case _ as never:
                assert_never(never)
        return scope

    # ------------------------------------------------------------ locals and assignments

    def _let(self, statement: s.Let, scope: Scope, out: list[ir.Statement]) -> Scope:
        x = self.expressions
        wanted = self.symbols.type(statement.type) if statement.type is not None else None
        value = statement.value
        if isinstance(value, s.Call) and value.function in self.symbols.heads:
            returns = self.symbols.heads[value.function].returns
            if returns is None:
                fail("type-mismatch", f"`{value.function}` gives no value", value.span)
            result = x.local(statement.name, wanted or returns)
            call = self._call(value, x.local(statement.name, returns), statement.handler, scope, statement.span)
            out.append(call)
            assert call.target is not None
            out.append(ir.SetLocal(result, x.fit(call.target, result.type, statement.span)))
            return scope.bind(statement.name, result, mutable=statement.mutable)
        self._no_handler(statement.handler, value)
        checked = x.check(value, scope, wanted)
        local = x.local(statement.name, wanted or self._widened(checked.type))
        out.append(ir.SetLocal(local, checked))
        return scope.bind(statement.name, local, mutable=statement.mutable)

    @staticmethod
    def _widened(type_: Type) -> Type:
        """The type of a local without a written type: numbers are `int`, so that it can be assigned others."""
        return INT if isinstance(type_, IntType) else type_

    def _assign(self, statement: s.Assign, scope: Scope, out: list[ir.Statement]) -> None:
        x = self.expressions
        target, span = statement.target, statement.span
        value = statement.value
        if isinstance(value, s.Call) and value.function in self.symbols.heads:
            returns = self.symbols.heads[value.function].returns
            if returns is None:
                fail("type-mismatch", f"`{value.function}` gives no value", value.span)
            temporary = x.local(value.function, returns)
            out.append(self._call(value, temporary, statement.handler, scope, span))
            right: ir.Expr = temporary
        else:
            self._no_handler(statement.handler, value)
            right = ir.Const(0, INT)
        indices: tuple[ir.Expr, ...] = ()
        match target:
            case s.Name(name, _) if name in scope.locals:
                local = scope.locals[name]
                if not isinstance(local, ir.Local) or name not in scope.mutable:
                    fail(
                        "not-assignable",
                        f"`{name}` cannot be assigned",
                        span,
                        help=f"declare it with `var {name} = ...`",
                    )
                out.append(ir.SetLocal(local, self._right(statement, local, right, local.type, scope)))
                return
            case s.Name(name, _):
                found = self.symbols.variables.get(name)
                if found is None or found.record or found.indices:
                    x.check(target, scope)
                    fail("not-assignable", f"`{name}` cannot be assigned", span)
                variable = found
            case s.Member(base, field, _):
                owner = x.check(base, scope)
                variable = x.field(owner, field, span)
                indices = (x.fit(owner, inner(owner.type), span),)
            case s.Element():
                variable, indices = x.element_indices(target, scope)
            case _:
                fail("not-assignable", "this cannot be assigned", span)
        x.require_lock(variable, indices, scope, span, write=True)
        load = ir.Load(variable.name, indices, variable.type)
        out.append(ir.Store(variable.name, indices, self._right(statement, load, right, variable.type, scope)))

    def _right(self, statement: s.Assign, old: ir.Expr, called: ir.Expr, type_: Type, scope: Scope) -> ir.Expr:
        """The value to store: `called` if the right side was a call of a function."""
        x = self.expressions
        is_call = isinstance(statement.value, s.Call) and statement.value.function in self.symbols.heads
        if statement.operator == "=":
            return x.fit(called, type_, statement.span) if is_call else x.check(statement.value, scope, type_)
        value = x.fit(called, INT, statement.span) if is_call else x.check(statement.value, scope, INT)
        before = x.fit(old, INT, statement.span)
        changed = ir.Apply("add" if statement.operator == "+=" else "sub", (before, value), INT)
        return x.fit(changed, type_, statement.span)

    def _no_handler(self, handler: s.Handler | None, value: s.Expr) -> None:
        if handler is not None:
            fail(
                "needless-else",
                "only the call of a function can fail",
                handler.span,
                notes=[("this is the value", value.span)],
            )

    # ------------------------------------------------------------ calls, results

    def _call(
        self, call: s.Call, target: ir.Local | None, handler: s.Handler | None, scope: Scope, span: Span
    ) -> ir.Call:
        x, head = self.expressions, self.symbols.heads.get(call.function)
        if head is None:
            kind = (
                "a `def` function has no effect as a statement"
                if call.function in self.symbols.defs
                else f"there is no function `{call.function}`"
            )
            fail("unknown-name", kind, call.span, help=suggest(call.function, self.symbols.heads))
        if len(call.arguments) != len(head.params):
            fail(
                "wrong-arguments",
                f"`{call.function}` takes {len(head.params)} arguments, not {len(call.arguments)}",
                call.span,
                notes=[("declared here", head.syntax.span)],
            )
        arguments = tuple(x.check(a, scope, t) for a, (_, t) in zip(call.arguments, head.params, strict=True))
        inside = Scope({n: a for (n, _), a in zip(head.params, arguments, strict=True)}, lax=True)
        for mode, ref in head.syntax.holding:
            needed = x.held(mode, ref, inside)
            enough = (needed.mode, "write") if needed.mode == "read" else (needed.mode,)
            if not any(h.name == needed.name and h.indices == needed.indices and h.mode in enough for h in scope.held):
                fail(
                    "lock-not-held",
                    f"`{call.function}` must be called with `{ref.name}` held",
                    call.span,
                    notes=[("it says so here", ref.span)],
                    help=f"call it inside `atomic {ref.name} {{ ... }}` or `hold {ref.name} {{ ... }}`",
                )
        if head.errors and handler is None:
            fail(
                "unhandled-error",
                f"`{call.function}` can fail with {', '.join(f'`{e}`' for e in head.errors)}",
                call.span,
                notes=[("declared here", head.syntax.span)],
                help="say what then happens: `else e { ... }`",
            )
        if handler is None:
            return ir.Call(call.function, arguments, target, None, None, span)
        if not head.errors:
            fail(
                "needless-else",
                f"`{call.function}` cannot fail",
                handler.span,
                notes=[("declared here", head.syntax.span)],
            )
        error = x.local(handler.variable, RESULT) if handler.variable is not None else None
        body_scope = (
            scope.bind(handler.variable, error) if handler.variable is not None and error is not None else scope
        )
        body = self.block(handler.block, body_scope)
        if target is not None and falls_through(body):
            fail("else-falls-through", "this block must end with `return`, `fail`, `break` or `continue`", handler.span)
        return ir.Call(call.function, arguments, target, error, body, span)

    def _returned(self, value: s.Expr | None, scope: Scope, span: Span) -> ir.Expr | None:
        returns = self.head.returns if self.head is not None else None
        if value is None:
            if returns is not None:
                fail("type-mismatch", f"`{self.name}` returns a `{returns}`", span, help="write `return VALUE`")
            return None
        if returns is None:
            fail("type-mismatch", f"`{self.name}` returns no value", span)
        return self.expressions.check(value, scope, returns)

    def _error(self, name: str, scope: Scope, span: Span) -> ir.Expr:
        if name in scope.locals:
            return self.expressions.fit(scope.locals[name], RESULT, span)
        if name not in self.symbols.members:
            fail("unknown-name", f"there is no error `{name}`", span, help=suggest(name, self.symbols.members))
        if self.head is not None and name not in self.head.errors:
            fail(
                "undeclared-error",
                f"`{self.name}` does not say that it can fail with `{name}`",
                span,
                notes=[("its head is here", self.head.syntax.span)],
                help=f"add `fails {name}` to its head",
            )
        return ir.Const(self.symbols.number(RESULT, name), RESULT)

    # ------------------------------------------------------------ loops and sections

    def _for(self, statement: s.For, scope: Scope) -> ir.For:
        x = self.expressions
        domain, type_ = x.domain(statement.domain, scope)
        local = x.local(statement.variable, type_)
        inside = scope.bind(statement.variable, local).in_loop()
        where = x.condition(statement.where, inside) if statement.where is not None else None
        return ir.For(local, domain, where, self.block(statement.body, inside))

    def _atomic(self, statement: s.Atomic, scope: Scope) -> ir.Atomic:
        held, shown = None, ""
        if statement.lock is not None:
            lock, indices = self.expressions.lock(statement.lock, scope)
            if lock.kind != "spinlock":
                fail(
                    "wrong-lock-kind",
                    f"`{lock.name}` is a {lock.kind}, and `atomic` takes a spinlock",
                    statement.lock.span,
                    notes=[("declared here", lock.span)],
                    help=f"use `hold {'write ' if lock.kind == 'rwsem' else ''}{lock.name} {{ ... }}`",
                )
            held, shown = HeldLock(lock.name, indices, "spin"), f" <{lock.name}>"
        inside = scope.holding(held, section=True)
        body = statement.body
        out: list[ir.Statement] = []
        if body and isinstance(body[0], s.Await):
            if scope.section:
                fail("misplaced", "`await` cannot wait inside another section", body[0].span)
            out.append(ir.Await(self.expressions.condition(body[0].condition, inside), None, (), body[0].span))
            body = body[1:]
        label = f"{self.name}: {statement.label}" if statement.label else self.name
        return ir.Atomic(label + shown, (*out, *self.block(body, inside)), statement.span)

    def _hold(self, statement: s.Hold, scope: Scope) -> ir.Hold:
        if scope.section:
            fail(
                "hold-in-section",
                f"`{statement.lock.name}` may sleep and cannot be taken inside an atomic section",
                statement.span,
            )
        lock, indices = self.expressions.lock(statement.lock, scope)
        wanted = {"spinlock": "atomic", "mutex": "hold", "rwsem": "hold read` or `hold write"}[lock.kind]
        if lock.kind == "spinlock" or (lock.kind == "rwsem") != bool(statement.mode):
            fail(
                "wrong-lock-kind",
                f"`{lock.name}` is a {lock.kind}",
                statement.lock.span,
                notes=[("declared here", lock.span)],
                help=f"take it with `{wanted}`",
            )
        if (statement.otherwise is not None) != statement.attempt:
            fail(
                "misplaced",
                "`else` belongs to `try hold`",
                statement.span,
                help="write `try hold ... { ... } else { ... }`",
            )
        mode = statement.mode or "mutex"
        inside = scope.holding(HeldLock(lock.name, indices, mode), section=False)
        otherwise = self.block(statement.otherwise, scope) if statement.otherwise is not None else ()
        return ir.Hold(
            lock.name, indices, mode, statement.attempt, self.block(statement.body, inside), otherwise, statement.span
        )
