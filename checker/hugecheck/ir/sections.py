"""Cuts operations and functions into atomic sections: `ir.Module` to `ir.Program`.

Structured code is translated with its continuation at hand (`After`): what is left to do when a statement is over. A continuation that is reached
from several places, or where another thread may step in, becomes a block. Where threads can switch is section 3.6 of spec/language.md:

- before an `atomic` block, unless nothing has happened since the last such place, or only a lock was taken;
- before a `hold`, unless nothing has happened since the last such place.

`State` is what has happened: FRESH (nothing), ACQUIRED (a lock was taken), DONE (a section was executed).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from hugecheck.diagnostics import Span, fail
from hugecheck.ir import program as ir
from hugecheck.ir.flow import falls_through
from hugecheck.ir.rewrite import blocks, resolve, rewrite_domain
from hugecheck.ir.types import BOOL, INT, NAT, EnumType, IntType, Type

FRESH, ACQUIRED, DONE = 0, 1, 2
RESULT = EnumType("result")
THREAD = IntType(-1)
OK = ir.Const(0, RESULT)


# ---------------------------------------------------------------- continuations


@dataclass(frozen=True, slots=True)
class Loop:
    """Where `break` and `continue` go."""

    after: After
    again: After


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of a statement: inside a section or not, the innermost loop."""

    section: bool
    loop: Loop | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """The statements from `position` on, then `after`."""

    statements: ir.Block_
    position: int
    context: Context
    after: After


@dataclass(frozen=True, slots=True, eq=False)
class EndSection:
    after: After


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    lock: str
    indices: tuple[ir.Expr, ...]
    mode: str
    after: After


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """The same continuation, reached from several places: a block of its own."""

    after: After


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The head of a loop."""

    condition: ir.Expr
    body: ir.Block_
    step: ir.Block_
    context: Context
    after: After


@dataclass(frozen=True, slots=True, eq=False)
class Exit:
    """The end of the operation (`function` None) or of a function made of blocks; `error` is what it ends with."""

    function: ir.Function | None
    error: ir.Expr


@dataclass(frozen=True, slots=True, eq=False)
class Begin:
    """An `atomic` or `hold` before which another thread may step in."""

    statement: ir.Atomic | ir.Hold
    context: Context
    after: After


After: TypeAlias = Rest | EndSection | Release | Shared | Head | Exit | Begin


def build(module: ir.Module, switches: frozenset[str], operations: Iterable[str] | None = None) -> ir.Program:
    """The program of the named operations (all if None) on a kernel with these switches.

    Raises `Failure` for what cannot be in a section (a sleeping lock, an `await`), and for an operation too long to be cut.
    """
    builder = _Builder(module, switches)
    for name in module.operations if operations is None else operations:
        try:
            builder.operation(module.operations[name])
        except RecursionError:
            span = module.operations[name].span
            fail(
                "too-large",
                f"`{name}` has too many sections in a row",
                span,
                help="write a loop, or several operations",
            )
    return builder.program


class _Builder:
    def __init__(self, module: ir.Module, switches: frozenset[str]) -> None:
        self.module = module
        self.switches = switches
        variables = {**module.variables, **_lock_variables(module)}
        self.program = ir.Program(module, switches, variables, {}, {}, {})
        self.owner = ""
        self.made: dict[tuple[int, int], int] = {}
        self.kept: list[After] = []
        self.variants: dict[tuple[str, int], int] = {}
        self.sectioned: dict[str, bool] = {}
        self.temporaries = 0

    def fresh(self, name: str, type_: Type) -> ir.Local:
        self.temporaries += 1
        return ir.Local(f"{name}.t{self.temporaries}", type_)

    # ------------------------------------------------------------ blocks

    def operation(self, operation: ir.Operation) -> None:
        self.owner = operation.name
        start = Rest(operation.body, 0, Context(False), Exit(None, OK))
        entry = self.block(start, FRESH, yields=False)
        conditions = tuple(
            ir.When(self.resolve(w.condition), tuple(r if isinstance(r, str) else self.resolve(r) for r in w.reason))
            for w in operation.conditions
        )
        params = tuple(
            ir.Parameter(p.local, p.kind, self.resolve(p.default) if p.default is not None else None)
            for p in operation.params
        )
        self.program.operations[operation.name] = ir.OperationCode(operation.name, entry, params, conditions)

    def block(self, after: After, state: int, *, yields: bool, name: str = "", site: Span | None = None) -> int:
        """The number of the block for a continuation; made when it is first asked for."""
        key = (id(after), state)
        if key in self.made:
            return self.made[key]
        number = len(self.program.blocks) + 1
        block = ir.Block(number, yields, name or self.owner, self.owner, site)
        self.program.blocks[number] = block
        self.made[key] = number
        self.kept.append(after)
        block.body = tuple(self.code(after, state, at_head=True))
        return number

    def code(self, after: After, state: int, *, at_head: bool = False) -> list[ir.Statement]:
        """The statements that do what is left to do."""
        match after:
            case Rest():
                return self.rest(after, state)
            case EndSection(then):
                return self.code(then, DONE)
            case Release(lock, indices, mode, then):
                return [*self.release(lock, indices, mode), *self.code(then, state)]
            case Shared(then):
                if isinstance(then, Exit | Shared):
                    return self.code(then, state)
                return [ir.Goto(self.block(then, state, yields=False))]
            case Head():
                return self.head(after, state) if at_head else [ir.Goto(self.block(after, state, yields=False))]
            case Begin():
                return self.begin(after)
            case Exit(None, error):
                return [ir.Finish(error)]
            case Exit(function, error):
                assert function is not None
                out: list[ir.Statement] = []
                if function.errors:
                    out.append(ir.SetLocal(error_local(function.name), error))
                return [*out, ir.Leave(function.name)]
            case _ as never:
                assert_never(never)

    def rest(self, rest: Rest, state: int) -> list[ir.Statement]:
        out: list[ir.Statement] = []
        context = rest.context
        for position in range(rest.position, len(rest.statements)):
            statement = rest.statements[position]
            if self.simple(statement, context):
                out.extend(self.flat((statement,), in_section=context.section))
                continue
            last = position + 1 == len(rest.statements)
            then = rest.after if last else Rest(rest.statements, position + 1, context, rest.after)
            return out + self.statement(statement, context, then, state)
        return out + self.code(rest.after, state)

    # ------------------------------------------------------------ statements with a continuation

    def statement(self, statement: ir.Statement, context: Context, then: After, state: int) -> list[ir.Statement]:
        match statement:
            case ir.If(condition, a, b):
                test = self.resolve(condition)
                if isinstance(test, ir.Const):
                    return self.code(Rest(a if test.value else b, 0, context, then), state)
                joined = falls_through(a) and falls_through(b)
                after = Shared(then) if joined else then
                return [
                    ir.If(
                        test,
                        tuple(self.code(Rest(a, 0, context, after), state)),
                        tuple(self.code(Rest(b, 0, context, after), state)),
                    )
                ]
            case ir.While(condition, body):
                return self.code(Head(self.resolve(condition), body, (), context, Shared(then)), state)
            case ir.For():
                return self.loop(statement, context, then, state)
            case ir.Break() | ir.Continue():
                assert context.loop is not None
                target = context.loop.after if isinstance(statement, ir.Break) else context.loop.again
                return self.code(_unwound(then, target), state)
            case ir.Either(branches):
                after = Shared(then)
                return self.pick([self.code(Rest(b, 0, context, after), state) for b in branches])
            case ir.Return(value):
                return self.leave(value, None, then, state)
            case ir.Fail(error):
                return self.leave(None, error, then, state)
            case ir.Atomic(_, body, site):
                if context.section:
                    _refuse_await(body)
                    return self.code(Rest(body, 0, context, then), state)
                waits = bool(body) and isinstance(body[0], ir.Await)
                begin = Begin(statement, context, then)
                if state == DONE or (state == ACQUIRED and waits):
                    return [ir.Goto(self.block(begin, FRESH, yields=True, name=statement.label, site=site))]
                return self.begin(begin)
            case ir.Hold(lock, _, _, _, _, _, site):
                if context.section:
                    fail(
                        "hold-in-section",
                        f"`{lock}` may sleep, and this function is called inside an atomic section",
                        site,
                    )
                begin = Begin(statement, context, then)
                if state != FRESH:
                    return [
                        ir.Goto(self.block(begin, FRESH, yields=True, name=f"{self.owner}: take {lock}", site=site))
                    ]
                return self.begin(begin)
            case ir.Call():
                return self.call(statement, context, then, state)
            case _:
                raise AssertionError(statement)

    def pick(self, branches: list[list[ir.Statement]]) -> list[ir.Statement]:
        """Any one of the branches."""
        choice = self.fresh("either", NAT)
        code = branches[-1]
        for number in range(len(branches) - 2, -1, -1):
            test = ir.Apply("eq", (choice, ir.Const(number, NAT)), BOOL)
            code = [ir.If(test, tuple(branches[number]), tuple(code))]
        return [ir.Choose(choice, ir.Interval(ir.Const(0, NAT), ir.Const(len(branches), NAT)), None), *code]

    def begin(self, begin: Begin) -> list[ir.Statement]:
        statement = begin.statement
        if isinstance(statement, ir.Atomic):
            body = statement.body
            out: list[ir.Statement] = []
            if body and isinstance(body[0], ir.Await):
                out.append(ir.Await(self.resolve(body[0].condition), None, (), body[0].site))
                body = body[1:]
            inside = Context(True, begin.context.loop)
            return out + self.code(Rest(body, 0, inside, EndSection(begin.after)), DONE)
        indices = tuple(self.resolve(i) for i in statement.indices)
        free = _lock_free(statement.lock, indices, statement.mode)
        after = Shared(begin.after) if statement.attempt else begin.after
        taken = [
            *_acquire(statement.lock, indices, statement.mode),
            *self.code(
                Rest(statement.body, 0, begin.context, Release(statement.lock, indices, statement.mode, after)),
                ACQUIRED,
            ),
        ]
        if not statement.attempt:
            return [ir.Await(free, statement.lock, indices, statement.site), *taken]
        return [ir.If(free, tuple(taken), tuple(self.code(Rest(statement.otherwise, 0, begin.context, after), DONE)))]

    def release(self, lock: str, indices: tuple[ir.Expr, ...], mode: str) -> list[ir.Statement]:
        if mode == "read":
            name = f"readers.{lock}"
            return [ir.Store(name, indices, ir.Apply("sub", (ir.Load(name, indices, NAT), ir.Const(1, NAT)), NAT))]
        return [ir.Store(f"lock.{lock}", indices, ir.Const(-1, THREAD))]

    def head(self, head: Head, state: int) -> list[ir.Statement]:
        again: After = head if not head.step else Rest(head.step, 0, Context(head.context.section), head)
        back = Shared(again)
        inside = Context(head.context.section, Loop(head.after, back))
        body = self.code(Rest(head.body, 0, inside, back), state)
        if isinstance(head.condition, ir.Const) and head.condition.value:
            return body
        return [ir.If(head.condition, tuple(body), tuple(self.code(head.after, state)))]

    def loop(self, loop: ir.For, context: Context, then: After, state: int) -> list[ir.Statement]:
        """A `for` whose body has sections: an explicit counter, or the set of what is left."""
        local, domain = loop.local, rewrite_domain(loop.domain, self.resolve_one)
        body = loop.body
        if loop.where is not None:
            body = (ir.If(loop.where, body, ()),)
        if isinstance(domain, ir.Members):
            left = ir.Local(f"left.{local.name}", domain.of.type)
            some = ir.Apply("ne", (left, ir.Const(0, domain.of.type)), BOOL)
            take = ir.SetLocal(local, ir.Apply("lowest", (left,), local.type))
            drop = ir.SetLocal(left, ir.Apply("minus", (left, ir.Apply("single", (local,), left.type)), left.type))
            return [
                ir.SetLocal(left, domain.of),
                *self.code(Head(some, (take, drop, *body), (), context, Shared(then)), state),
            ]
        end = ir.Local(f"end.{local.name}", INT)
        low, high = (
            (ir.Const(0, NAT), ir.IndexSize(domain.index, NAT))
            if isinstance(domain, ir.IndexDomain)
            else (domain.low, domain.high)
        )
        step = ir.SetLocal(local, ir.Apply("add", (local, ir.Const(1, NAT)), local.type))
        more = ir.Apply("lt", (local, end), BOOL)
        return [
            ir.SetLocal(local, low),
            ir.SetLocal(end, high),
            *self.code(Head(more, body, (step,), context, Shared(then)), state),
        ]

    def leave(self, value: ir.Expr | None, error: ir.Expr | None, then: After, state: int) -> list[ir.Statement]:
        exit_ = _exit(then)
        out: list[ir.Statement] = []
        function = exit_.function
        if function is not None and function.returns is not None:
            given = self.resolve(value) if value is not None else ir.Const(0, function.returns)
            out.append(ir.SetLocal(result_local(function.name, function.returns), given))
        return out + self.code(
            _unwound(then, Exit(exit_.function, self.resolve(error) if error is not None else OK)), state
        )

    def call(self, call: ir.Call, context: Context, then: After, state: int) -> list[ir.Statement]:
        function = self.module.functions[call.function]
        if context.section or not self.has_sections(function.name):
            return self.code(Rest(self.flat_call(call), 0, context, then), state)
        if call.handler is not None:
            error = call.error or self.fresh("error", RESULT)
            handle = ir.If(ir.Apply("ne", (error, OK), BOOL), call.handler, ())
            then = Rest((ir.SetLocal(error, error_local(function.name)), handle), 0, context, then)
        if call.target is not None:
            then = Rest((ir.SetLocal(call.target, result_local(function.name, call.target.type)),), 0, context, then)
        back = self.block(then, DONE, yields=False)
        arguments = [ir.SetLocal(p, self.resolve(a)) for p, a in zip(function.params, call.arguments, strict=True)]
        return [*arguments, ir.Enter(function.name, self.variant(function, state), back)]

    def variant(self, function: ir.Function, state: int) -> int:
        """The entry of a function made of blocks, called in this state."""
        key = (function.name, state)
        if key not in self.variants:
            owner, self.owner = self.owner, function.name
            start = Rest(function.body, 0, Context(False), Exit(function, OK))
            self.variants[key] = self.block(start, state, yields=False)
            self.owner = owner
        return self.variants[key]

    # ------------------------------------------------------------ what needs no continuation

    def has_sections(self, name: str) -> bool:
        """Whether the function contains a section or a lock, itself or through others."""
        if name not in self.sectioned:
            self.sectioned[name] = False
            self.sectioned[name] = any(self._sections_in(s) for s in self.module.functions[name].body)
        return self.sectioned[name]

    def _sections_in(self, statement: ir.Statement) -> bool:
        match statement:
            case ir.Atomic() | ir.Hold():
                return True
            case ir.Call():
                return self.has_sections(statement.function) or any(
                    self._sections_in(s) for s in statement.handler or ()
                )
            case _:
                return any(self._sections_in(s) for block in blocks(statement) for s in block)

    def simple(self, statement: ir.Statement, context: Context, *, in_loop: bool = False) -> bool:
        """Whether the statement neither ends, suspends nor leaves what is around it."""
        match statement:
            case ir.Return() | ir.Fail() | ir.Hold() | ir.Goto() | ir.Enter() | ir.Leave() | ir.Finish() | ir.Either():
                return False
            case ir.Break() | ir.Continue():
                return in_loop
            case ir.Atomic():
                return context.section and all(self.simple(s, context, in_loop=in_loop) for s in statement.body)
            case ir.Call():
                if not context.section and self.has_sections(statement.function):
                    return False
                return all(self.simple(s, context, in_loop=in_loop) for s in statement.handler or ())
            case ir.While() | ir.For():
                return all(self.simple(s, context, in_loop=True) for s in statement.body)
            case _:
                return all(self.simple(s, context, in_loop=in_loop) for b in blocks(statement) for s in b)

    def flat(self, block: ir.Block_, *, in_section: bool) -> list[ir.Statement]:
        """The statements as they stand in a block: switches resolved, nested sections joined, calls made flat."""
        out: list[ir.Statement] = []
        for statement in block:
            match statement:
                case ir.SetLocal(local, value):
                    out.append(ir.SetLocal(local, self.resolve(value)))
                case ir.Store(variable, indices, value):
                    out.append(ir.Store(variable, tuple(self.resolve(i) for i in indices), self.resolve(value)))
                case ir.If(condition, a, b):
                    test = self.resolve(condition)
                    if isinstance(test, ir.Const):
                        out.extend(self.flat(a if test.value else b, in_section=in_section))
                    else:
                        out.append(
                            ir.If(
                                test,
                                tuple(self.flat(a, in_section=in_section)),
                                tuple(self.flat(b, in_section=in_section)),
                            )
                        )
                case ir.While(condition, body):
                    out.append(ir.While(self.resolve(condition), tuple(self.flat(body, in_section=in_section))))
                case ir.For(local, domain, where, body):
                    test_ = self.resolve(where) if where is not None else None
                    out.append(
                        ir.For(
                            local,
                            rewrite_domain(domain, self.resolve_one),
                            test_,
                            tuple(self.flat(body, in_section=in_section)),
                        )
                    )
                case ir.Assert(kind, condition, reason, site):
                    out.append(ir.Assert(kind, self.resolve(condition), reason, site))
                case ir.Reset(index, element):
                    out.append(ir.Reset(index, self.resolve(element)))
                case ir.Choose(local, domain, where):
                    test_ = self.resolve(where) if where is not None else None
                    out.append(ir.Choose(local, rewrite_domain(domain, self.resolve_one), test_))
                case ir.Atomic(_, body, _):
                    if in_section:
                        _refuse_await(body)
                    out.extend(self.flat(body, in_section=True))
                case ir.Call():
                    out.extend(self.flat_statements(statement, in_section=in_section))
                case ir.Hold(lock, _, _, _, _, _, site):
                    fail(
                        "hold-in-section",
                        f"`{lock}` may sleep, and this function is called inside an atomic section",
                        site,
                    )
                case ir.Either(branches):
                    out.extend(self.pick([self.flat(b, in_section=in_section) for b in branches]))
                case ir.Return(value):
                    out.append(ir.Return(self.resolve(value) if value is not None else None))
                case ir.Fail(error):
                    out.append(ir.Fail(self.resolve(error)))
                case _:
                    out.append(statement)
        return out

    def flat_statements(self, call: ir.Call, *, in_section: bool) -> list[ir.Statement]:
        made = self.flat_call(call)
        return [made[0], *self.flat(made[1:], in_section=in_section)]

    def flat_call(self, call: ir.Call) -> ir.Block_:
        """A call within a section: the flat function, and the handler as an ordinary `if`."""
        function = self.module.functions[call.function]
        name = self.flat_function(function)
        arguments = tuple(self.resolve(a) for a in call.arguments)
        if call.handler is None:
            return (ir.Call(name, arguments, call.target, call.error, None, call.site),)
        error = call.error or self.fresh("error", RESULT)
        handle = ir.If(ir.Apply("ne", (error, OK), BOOL), call.handler, ())
        return (ir.Call(name, arguments, call.target, error, None, call.site), handle)

    def flat_function(self, function: ir.Function) -> str:
        if function.name not in self.program.flats:
            params, returns, fails = function.params, function.returns, bool(function.errors)
            self.program.flats[function.name] = ir.FlatFunction(function.name, params, returns, fails, ())
            body = tuple(self.flat(function.body, in_section=True))
            self.program.flats[function.name] = ir.FlatFunction(function.name, params, returns, fails, body)
        return function.name

    def resolve(self, expr: ir.Expr) -> ir.Expr:
        return resolve(expr, self.switches) if self.module.switches else expr

    def resolve_one(self, expr: ir.Expr) -> ir.Expr:
        return ir.Const(int(expr.switch in self.switches), BOOL) if isinstance(expr, ir.Has) else expr


def _refuse_await(body: ir.Block_) -> None:
    if body and isinstance(body[0], ir.Await):
        fail("misplaced", "this function is called inside an atomic section, where nothing can wait", body[0].site)


def error_local(function: str) -> ir.Local:
    return ir.Local(f"error@{function}", RESULT)


def return_local(function: str) -> ir.Local:
    """Holds the block at which `Leave` goes on."""
    return ir.Local(f"return@{function}", NAT)


def result_local(function: str, type_: Type) -> ir.Local:
    return ir.Local(f"result@{function}", type_)


def _exit(after: After) -> Exit:
    while not isinstance(after, Exit):
        after = after.after
    return after


def _unwound(after: After, target: After) -> After:
    """What leaving to `target` still has to do: end sections and release locks on the way."""
    if after is target or isinstance(after, Exit):
        return target
    match after:
        case EndSection(then):
            return EndSection(_unwound(then, target))
        case Release(lock, indices, mode, then):
            return Release(lock, indices, mode, _unwound(then, target))
        case _:
            return _unwound(after.after, target)


# ---------------------------------------------------------------- locks as variables


def _lock_variables(module: ir.Module) -> dict[str, ir.Variable]:
    out: dict[str, ir.Variable] = {}
    for lock in module.locks.values():
        if lock.kind == "spinlock":
            continue
        name = f"lock.{lock.name}"
        out[name] = ir.Variable(name, lock.indices, THREAD, ir.Const(-1, THREAD), None, False, "", lock.span)
        if lock.kind == "rwsem":
            name = f"readers.{lock.name}"
            out[name] = ir.Variable(name, lock.indices, NAT, ir.Const(0, NAT), None, False, "", lock.span)
    return out


def _lock_free(lock: str, indices: tuple[ir.Expr, ...], mode: str) -> ir.Expr:
    none = ir.Apply("eq", (ir.Load(f"lock.{lock}", indices, THREAD), ir.Const(-1, THREAD)), BOOL)
    if mode != "write":
        return none
    unread = ir.Apply("eq", (ir.Load(f"readers.{lock}", indices, NAT), ir.Const(0, NAT)), BOOL)
    return ir.Apply("and", (none, unread), BOOL)


def _acquire(lock: str, indices: tuple[ir.Expr, ...], mode: str) -> list[ir.Statement]:
    if mode == "read":
        name = f"readers.{lock}"
        return [ir.Store(name, indices, ir.Apply("add", (ir.Load(name, indices, NAT), ir.Const(1, NAT)), NAT))]
    return [ir.Store(f"lock.{lock}", indices, ir.ThreadId(THREAD))]
