"""A second meaning of models: walks the statements of an `ir.Module` with a stack of what is left to do.

It shares no code with `ir.sections`, `ir.liveness` and `explore`: it applies the rules of spec/language.md section 3.6 to the text as it was
checked. Slow, and without pools; for small models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hugecheck.ir import program as ir
from hugecheck.language.scenario import CallStep, Scenario

Shared = dict[tuple[Any, ...], int]
Frame = tuple[Any, ...]
FRESH, ACQUIRED, DONE = "fresh", "acquired", "done"


class Blocked(Exception):
    """The transition cannot happen."""


class _More(Exception):
    """A choice beyond those that were prescribed: this many alternatives."""

    def __init__(self, count: int) -> None:
        self.count = count


@dataclass
class Thread:
    """What a thread has left to do: frames, innermost last; its locals; the next instruction."""

    stack: list[Frame] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    position: int = 0
    result: int = 0

    def copy(self) -> Thread:
        return Thread(list(self.stack), dict(self.names), self.position, self.result)

    def key(self) -> Any:
        frames = tuple(
            (f[0], *(id(x) if isinstance(x, tuple) and x and not isinstance(x[0], int) else x for x in f[1:]))
            for f in self.stack
        )
        return (frames, tuple(sorted(self.names.items())) if self.stack else (), self.position)


class Naive:
    """All interleavings of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.module = scenario.module
        self.shared: Shared = {}
        self.choices: list[int] = []
        self.asked = 0

    # ------------------------------------------------------------ exploring

    def reachable(self, limit: int = 20_000) -> set[tuple[tuple[tuple[Any, ...], int], ...]] | None:
        """The valuations of the shared variables in all reachable states, or None when there are too many."""
        first = (self._initial(), [Thread() for _ in self.scenario.threads])
        seen = {self._key(*first)}
        found = {tuple(sorted(first[0].items()))}
        pending = [first]
        while pending:
            shared, threads = pending.pop()
            for number in range(len(threads)):
                for after in self._transitions(shared, threads, number):
                    key = self._key(*after)
                    if key not in seen:
                        seen.add(key)
                        found.add(tuple(sorted(after[0].items())))
                        pending.append(after)
            if len(seen) > limit:
                return None
        return found

    def _key(self, shared: Shared, threads: list[Thread]) -> Any:
        return (tuple(sorted(shared.items())), tuple(t.key() for t in threads))

    def _initial(self) -> Shared:
        shared: Shared = {}
        for variable in self.module.variables.values():
            for indices in self._all(variable.indices):
                names = {"self": indices[-1]} if indices else {}
                self.shared = shared
                shared[variable.name, *indices] = self.eval(variable.initial, names)
        return shared

    def _all(self, indices: tuple[str, ...]) -> Iterator[tuple[int, ...]]:
        if not indices:
            yield ()
            return
        for rest in self._all(indices[1:]):
            for first in range(self.scenario.sizes[indices[0]]):
                yield (first, *rest)

    def _transitions(self, shared: Shared, threads: list[Thread], number: int) -> Iterator[tuple[Shared, list[Thread]]]:
        pending: list[list[int]] = [[]]
        while pending:
            self.choices, self.asked = pending.pop(), 0
            self.shared = dict(shared)
            copies = [t.copy() for t in threads]
            try:
                moved = self._step(copies[number], number)
            except Blocked:
                continue
            except _More as more:
                pending += [[*self.choices, n] for n in range(more.count)]
                continue
            if moved:
                yield self.shared, copies

    def choose(self, count: int) -> int:
        """The next prescribed choice."""
        if self.asked == len(self.choices):
            raise _More(count)
        self.asked += 1
        return self.choices[self.asked - 1]

    # ------------------------------------------------------------ one transition

    def _step(self, thread: Thread, number: int) -> bool:
        if not thread.stack:
            instructions = self.scenario.threads[number].instructions
            if thread.position == len(instructions):
                return False
            instruction = instructions[thread.position]
            assert isinstance(instruction, CallStep)
            operation = self.module.operations[instruction.call.operation]
            for parameter, value in zip(operation.params, instruction.call.arguments, strict=True):
                assert value is not None
                thread.names[parameter.local.name] = value
            thread.stack = [("operation",), ("seq", operation.body, 0)]
        status, section = FRESH, 0
        while True:
            frame = thread.stack.pop()
            match frame:
                case ("operation",):
                    thread.names.clear()
                    thread.position += 1
                    return True
                case ("end",):
                    section -= 1
                    status = DONE if section == 0 else status
                case ("release", lock, indices, mode):
                    self._release(lock, indices, mode)
                case ("call", call):
                    self._returned(thread, call, None, 0)
                case ("while", statement):
                    if self.eval(statement.condition, thread.names):
                        thread.stack += [frame, ("seq", statement.body, 0)]
                case ("for", statement, left):
                    if left:
                        thread.stack.append(("for", statement, left[1:]))
                        thread.names[statement.local.name] = left[0]
                        if statement.where is None or self.eval(statement.where, thread.names):
                            thread.stack.append(("seq", statement.body, 0))
                case ("seq", statements, position):
                    if position == len(statements):
                        continue
                    statement = statements[position]
                    outside = section == 0
                    waits = (
                        isinstance(statement, ir.Atomic)
                        and bool(statement.body)
                        and isinstance(statement.body[0], ir.Await)
                    )
                    if (outside and (isinstance(statement, ir.Hold) and status != FRESH)) or (
                        outside
                        and isinstance(statement, ir.Atomic)
                        and (status == DONE or (status == ACQUIRED and waits))
                    ):
                        thread.stack.append(frame)
                        return True
                    thread.stack.append(("seq", statements, position + 1))
                    status, section = self._statement(thread, number, statement, status, section)

    def _statement(
        self, thread: Thread, number: int, statement: ir.Statement, status: str, section: int
    ) -> tuple[str, int]:
        names, push = thread.names, thread.stack.append
        match statement:
            case ir.SetLocal(local, value):
                names[local.name] = self.eval(value, names)
            case ir.Store(variable, indices, value):
                where = tuple(self.eval(i, names) for i in indices)
                self.shared[variable, *where] = self.eval(value, names)
            case ir.If(condition, then, otherwise):
                push(("seq", then if self.eval(condition, names) else otherwise, 0))
            case ir.While():
                push(("while", statement))
            case ir.For(_, domain, _, _):
                push(("for", statement, tuple(self.domain(domain, names))))
            case ir.Break() | ir.Continue():
                before, section = section, self._unwind(thread, section, lambda f: f[0] in ("while", "for"))
                status = DONE if before and not section else status
                if isinstance(statement, ir.Break):
                    thread.stack.pop()
            case ir.Choose(local, domain, where_):
                options = []
                for value_ in self.domain(domain, names):
                    names[local.name] = value_
                    if where_ is None or self.eval(where_, names):
                        options.append(value_)
                if not options:
                    raise Blocked
                names[local.name] = options[self.choose(len(options))]
            case ir.Either(branches):
                push(("seq", branches[self.choose(len(branches))], 0))
            case ir.Await(condition, _, _, _):
                if not self.eval(condition, names):
                    raise Blocked
            case ir.Assert(_, condition, _, _):
                assert self.eval(condition, names)
            case ir.Atomic(_, body, _):
                push(("end",))
                push(("seq", body, 0))
                return status, section + 1
            case ir.Hold(lock, indices, mode, attempt, body, otherwise, _):
                which = tuple(self.eval(i, names) for i in indices)
                if self._free(lock, which, mode):
                    self._acquire(lock, which, mode, number)
                    push(("release", lock, which, mode))
                    push(("seq", body, 0))
                    return ACQUIRED, section
                if not attempt:
                    raise Blocked
                push(("seq", otherwise, 0))
                return DONE, section
            case ir.Return(value_e):
                returned = self.eval(value_e, names) if value_e is not None else None
                return self._leave(thread, status, section, returned, 0)
            case ir.Fail(error):
                return self._leave(thread, status, section, None, self.eval(error, names))
            case ir.Call(name, arguments, _, _, _, _):
                function = self.module.functions[name]
                values = [self.eval(a, names) for a in arguments]
                for local, given in zip(function.params, values, strict=True):
                    names[local.name] = given
                push(("call", statement))
                push(("seq", function.body, 0))
            case _:
                raise AssertionError(statement)
        return status, section

    def _unwind(self, thread: Thread, section: int, stop: Callable[[Frame], bool]) -> int:
        """Leave what is inside the nearest frame with `stop`: end sections, release locks."""
        while not stop(thread.stack[-1]):
            frame = thread.stack.pop()
            if frame[0] == "end":
                section -= 1
            elif frame[0] == "release":
                self._release(*frame[1:])
        return section

    def _leave(self, thread: Thread, status: str, section: int, value: int | None, error: int) -> tuple[str, int]:
        before = section
        section = self._unwind(thread, section, lambda f: f[0] in ("call", "operation"))
        if before and not section:
            status = DONE
        frame = thread.stack[-1]
        if frame[0] == "call":
            thread.stack.pop()
            self._returned(thread, frame[1], value, error)
        return status, section

    def _returned(self, thread: Thread, call: ir.Call, value: int | None, error: int) -> None:
        if call.target is not None:
            thread.names[call.target.name] = value if value is not None else 0
        if call.error is not None:
            thread.names[call.error.name] = error
        if error and call.handler is not None:
            thread.stack.append(("seq", call.handler, 0))

    # ------------------------------------------------------------ locks

    def _free(self, lock: str, indices: tuple[int, ...], mode: str) -> bool:
        held = self.shared.get((f"lock {lock}", *indices), 0)
        readers = self.shared.get((f"readers {lock}", *indices), 0)
        return not held and (mode != "write" or not readers)

    def _acquire(self, lock: str, indices: tuple[int, ...], mode: str, number: int) -> None:
        if mode == "read":
            self._count(lock, indices, 1)
        else:
            self.shared[f"lock {lock}", *indices] = number + 1

    def _release(self, lock: str, indices: tuple[int, ...], mode: str) -> None:
        if mode == "read":
            self._count(lock, indices, -1)
        else:
            del self.shared[f"lock {lock}", *indices]

    def _count(self, lock: str, indices: tuple[int, ...], change: int) -> None:
        key = (f"readers {lock}", *indices)
        self.shared[key] = self.shared.get(key, 0) + change
        if not self.shared[key]:
            del self.shared[key]

    # ------------------------------------------------------------ expressions

    def domain(self, domain: ir.Domain, names: dict[str, int]) -> list[int]:
        match domain:
            case ir.IndexDomain(index):
                return list(range(self.scenario.sizes[index]))
            case ir.Interval(low, high):
                return list(range(self.eval(low, names), self.eval(high, names)))
            case ir.Members(of):
                mask = self.eval(of, names)
                return [n for n in range(mask.bit_length()) if mask >> n & 1]

    def eval(self, expr: ir.Expr, names: dict[str, int]) -> int:
        """The value of an expression; every operator is written out here."""
        match expr:
            case ir.Const(value, _):
                return value
            case ir.Local(name, _):
                return names[name]
            case ir.Load(variable, indices, _):
                return self.shared[variable, *(self.eval(i, names) for i in indices)]
            case ir.Convert(value, _, _):
                return self.eval(value, names)
            case ir.Conditional(condition, then, otherwise, _):
                return self.eval(then if self.eval(condition, names) else otherwise, names)
            case ir.Apply("and", (a, b), _):
                return int(bool(self.eval(a, names)) and bool(self.eval(b, names)))
            case ir.Apply("or", (a, b), _):
                return int(bool(self.eval(a, names)) or bool(self.eval(b, names)))
            case ir.Apply("implies", (a, b), _):
                return int(not self.eval(a, names) or bool(self.eval(b, names)))
            case ir.Apply(operator, arguments, _):
                return int(_MEANING[operator](*(self.eval(a, names) for a in arguments)))
            case ir.Quantified(kind, variable_, domain, body, _):
                values = [(n, self.eval(body, {**names, variable_.name: n})) for n in self.domain(domain, names)]
                match kind:
                    case "forall":
                        return int(all(v for _, v in values))
                    case "exists":
                        return int(any(v for _, v in values))
                    case "count":
                        return sum(1 for _, v in values if v)
                    case "sum":
                        return sum(v for _, v in values)
                    case "first":
                        return next((n for n, v in values if v), -1)
        raise AssertionError(expr)


_MEANING: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "neg": lambda a: -a,
    "min": min,
    "max": max,
    "u64": lambda a: a % 2**64,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "not": lambda a: not a,
    "union": lambda a, b: a | b,
    "inter": lambda a, b: a & b,
    "minus": lambda a, b: a - (a & b),
    "in": lambda a, b: b // 2**a % 2,
    "size": lambda a: bin(a).count("1"),
    "single": lambda a: 2**a,
    "interval": lambda a, b: sum(2**n for n in range(a, b)),
}
