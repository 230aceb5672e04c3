"""A scenario on a kernel as a transition system: threads with their instructions over a `Machine`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hugecheck.explore.layout import CONTROL, POSITION, TAKEN
from hugecheck.explore.machine import DISABLED, HANG, STOPPED, Choices, Machine
from hugecheck.explore.python import BLOCKED, FINISHED, Property
from hugecheck.ir import program as ir
from hugecheck.ir.liveness import Frame
from hugecheck.ir.types import INT
from hugecheck.language.scenario import AnyOf, CallStep, Check, Clause, Instruction, Invocation, Jump, Scenario, Thread


@dataclass(frozen=True, slots=True)
class Move:
    """What a thread does next: go on with its operation (all None), start `call`, evaluate check number `check`, or skip `skip`."""

    thread: int
    call: Invocation | None = None
    check: int | None = None
    skip: Invocation | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A move as it was made. `result`: of the operation that ended with it; `disabled`: it could not be made."""

    result: int | None
    disabled: bool
    stopped: bool


NOT_READY, ENDED, READY = 0, 1, 2


class System:
    """Threads of a scenario. The setup, if any, is the last thread and runs alone before the others.

    `merged`: no two threads can interleave, so a move runs a whole operation.
    """

    def __init__(
        self, scenario: Scenario, program: ir.Program, sizes: Mapping[str, int], frame: Frame, *, merge: bool
    ) -> None:
        self.scenario = scenario
        self.threads: tuple[Thread, ...] = (
            *scenario.threads,
            *([scenario.setup] if scenario.setup is not None else []),
        )
        self.setup = len(scenario.threads) if scenario.setup is not None else None
        self.merged = merge and len(scenario.threads) <= 1
        properties = [
            Property(f"clause {n}", (), c.condition) for n, c in enumerate(scenario.clauses) if c.condition is not None
        ]
        properties += observe_properties(scenario.module)
        actor = scenario.module.actor
        if actor is not None:
            properties.append(Property("actor", (actor.variable,), actor.condition))
        self.machine = Machine(program, sizes, len(self.threads), scenario.initially, properties, frame)
        self.layout = self.machine.layout
        self.bases = self.machine.bases
        self.ready = self.machine.code.properties.get("actor")
        self.clauses: dict[int, Callable[[list[int]], int]] = {
            n: self.machine.code.properties[f"clause {n}"]
            for n, c in enumerate(scenario.clauses)
            if c.condition is not None
        }

    def initial(self) -> list[int]:
        state = self.machine.initial()
        if "injected.left" in self.layout.base:
            state[self.layout.base["injected.left"]] = self.scenario.failures
        for thread in range(len(self.threads)):
            self._settle(state, thread, 0)
        return state

    # ------------------------------------------------------------ moves

    def status(self, state: list[int] | tuple[int, ...], thread: int) -> int:
        """READY: has something to do (perhaps blocked); NOT_READY: its actor does not exist (now); ENDED."""
        base = self.bases[thread]
        if state[base + CONTROL]:
            return READY
        if state[base + POSITION] >= len(self.threads[thread].instructions):
            return ENDED
        actor = self.threads[thread].actor
        if actor is not None and self.ready is not None and not self.ready(state, actor):
            return NOT_READY
        return READY

    def in_setup(self, state: list[int] | tuple[int, ...]) -> bool:
        return self.setup is not None and self.status(state, self.setup) != ENDED

    def active(self, state: list[int] | tuple[int, ...]) -> Sequence[int]:
        """The threads whose turn it can be: the setup alone until it has ended."""
        if self.setup is not None and self.status(state, self.setup) != ENDED:
            return (self.setup,)
        return range(len(self.scenario.threads))

    def moves_of(self, state: list[int], thread: int) -> Iterator[Move]:
        """What the thread would do; whether a section is enabled shows when it is made."""
        if self.status(state, thread) != READY:
            return
        base = self.bases[thread]
        if state[base + CONTROL]:
            yield Move(thread)
            return
        match self.threads[thread].instructions[state[base + POSITION]]:
            case CallStep(call):
                yield Move(thread, call=call) if self.applies(state, call) else Move(thread, skip=call)
            case Check(clause, _):
                yield Move(thread, check=clause)
            case AnyOf(_, calls, _):
                offered = [call for call in calls if self.applies(state, call)]
                for call in offered:
                    yield Move(thread, call=call)
                if not offered:
                    yield Move(thread, skip=calls[0])
            case Jump():
                raise AssertionError("a thread never stands at a jump")

    def applies(self, state: list[int], call: Invocation) -> bool:
        machine = self.machine
        if not machine.operations[call.operation].conditions:
            return True
        return machine.refused(state, call.operation, machine.arguments(state, call.operation, call.arguments)) is None

    def take(self, state: list[int], move: Move, choose: Choices, each: Callable[[], bool] | None = None) -> Taken:
        """Make the move on `state`, in place. With `merged`, `each` is called in every state inside the operation and may stop it there."""
        thread, base = move.thread, self.bases[move.thread]
        if move.check is not None or move.skip is not None:
            any_of = isinstance(self.threads[thread].instructions[state[base + POSITION]], AnyOf)
            self._advance(state, thread, over=any_of)
            return Taken(None, False, False)
        machine = self.machine
        if move.call is not None:
            arguments = machine.arguments(state, move.call.operation, move.call.arguments)
            machine.start(state, thread, move.call.operation, arguments)
        if self.merged or thread == self.setup:
            before = list(state)
            result, sections = machine.finish(state, thread, choose, each)
            if result == STOPPED:
                return Taken(None, False, True)
            if result == DISABLED:
                if not sections:
                    return Taken(None, True, False)
                # The thread stands before the section that is disabled now; other choices there may go on.
                state[:] = before
                self._sections(state, thread, choose.repeated(), sections)
                return Taken(None, False, False)
            if result == HANG:
                state[base + CONTROL] = 0
                state[base + POSITION] = len(self.threads[thread].instructions)
                return Taken(HANG, False, False)
        else:
            outcome = machine.section(state, thread, choose)
            if outcome == BLOCKED:
                return Taken(None, True, False)
            if outcome < FINISHED:
                return Taken(None, False, False)
            result = outcome - FINISHED
        self._advance(state, thread, over=False)
        return Taken(result, False, False)

    def _sections(self, state: list[int], thread: int, choose: Choices, count: int) -> None:
        for _ in range(count):
            self.machine.section(state, thread, choose)

    def expected_results(self, state: list[int] | tuple[int, ...], move: Move) -> frozenset[int] | None:
        """The results that the scenario allows for the operation that the thread is in (or starts)."""
        if move.call is not None:
            return move.call.results
        instruction = self.threads[move.thread].instructions[state[self.bases[move.thread] + POSITION]]
        return instruction.call.results if isinstance(instruction, CallStep) else None

    def _advance(self, state: list[int], thread: int, *, over: bool) -> None:
        """Go to the next instruction; within `any` only after `count` steps, or when it is `over`."""
        base = self.bases[thread]
        position = state[base + POSITION]
        instruction: Instruction = self.threads[thread].instructions[position]
        if isinstance(instruction, AnyOf) and not over:
            state[base + TAKEN] += 1
            if state[base + TAKEN] < instruction.count:
                return
        state[base + TAKEN] = 0
        self._settle(state, thread, position + 1)

    def _settle(self, state: list[int], thread: int, position: int) -> None:
        instructions = self.threads[thread].instructions
        while position < len(instructions):
            instruction = instructions[position]
            if not isinstance(instruction, Jump):
                break
            position = instruction.target
        state[self.bases[thread] + POSITION] = position

    # ------------------------------------------------------------ what is seen

    def quiescent(self, state: list[int] | tuple[int, ...]) -> bool:
        return all(state[base + CONTROL] == 0 for base in self.bases)

    def clause(self, number: int) -> Clause:
        return self.scenario.clauses[number]


def observe_properties(module: ir.Module) -> list[Property]:
    """The counters of a model as functions of the state (and of the element, for tables), and the conditions of its `meaning` rules."""
    out = []
    for number, observe in enumerate(module.observes):
        params = (observe.variable,) if observe.variable is not None else ()
        out.append(Property(f"observe {number}", params, observe.value))
        if observe.where is not None:
            out.append(Property(f"where {number}", params, observe.where))
    changes = tuple(ir.Local(o.name, INT) for o in module.observes if not o.table)
    return out + [Property(f"meaning {n}", changes, m.condition) for n, m in enumerate(module.meanings)]


def observe(machine: Machine, state: list[int], elements: Mapping[str, tuple[str, ...]]) -> dict[str, object]:
    """What a trace shows in this state (`after` in spec/trace-format.md): counters, and tables with at least one entry."""
    out: dict[str, object] = {}
    lists: set[str] = set()
    for number, observed in enumerate(machine.program.module.observes):
        value = machine.code.properties[f"observe {number}"]
        if not observed.table:
            out[observed.name] = int(value(state))
            continue
        assert observed.variable is not None
        index = getattr(observed.variable.type, "name", "")
        where = machine.code.properties.get(f"where {number}")
        named = machine.program.module.indexes[index].kind == "named"
        for element, name in enumerate(elements.get(index, ()) if named else range(machine.layout.sizes[index])):
            if where is None or where(state, element):
                table = out.setdefault(observed.table, {})
                assert isinstance(table, dict)
                table.setdefault(name, {})[observed.name] = int(value(state, element))
        if not named and observed.table in out:
            lists.add(observed.table)
    for name in lists:
        table = out[name]
        assert isinstance(table, dict)
        out[name] = list(table.values())
    return out
