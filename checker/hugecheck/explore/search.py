"""Breadth-first search over all reachable states of a `System`, with exact states and shortest counterexamples."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hugecheck.diagnostics import Span, fail
from hugecheck.explore.layout import ModelError
from hugecheck.explore.machine import Choices
from hugecheck.explore.system import ENDED, NOT_READY, Move, System
from hugecheck.language.scenario import AnyOf, CallStep, Invocation


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. `memory` in MiB of the whole process; `depth` in transitions."""

    depth: int | None = None
    states: int | None = None
    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    states: int
    transitions: int
    depth: int
    frontier: int
    seconds: float


@dataclass(frozen=True, slots=True)
class PathStep:
    """A move with its choices. `sections`: stop after so many sections inside a merged operation; None for the whole move."""

    move: Move
    choices: tuple[int, ...]
    sections: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What decided a clause: the path to it, and a message where the clause alone does not say it all."""

    path: tuple[PathStep, ...]
    message: str = ""
    site: Span | None = None


@dataclass(slots=True)
class Explored:
    """`complete`: every reachable state was visited; else `reason` says what stopped the search. `findings` by clause number, `broken`: a contract
    or range that the model itself breaks. `never`: steps that were never taken, with the state in which they were last refused."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    complete: bool = False
    reason: str = ""
    cut_by_depth: bool = False
    findings: dict[int, Finding] = field(default_factory=dict)
    broken: Finding | None = None
    never: list[tuple[Invocation, tuple[int, ...] | None]] = field(default_factory=list)
    seconds: float = 0.0


class _Stop(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason


def explore(system: System, limits: Limits, report: Callable[[Progress], None] | None = None) -> Explored:
    """Visit every reachable state, or as many as the limits allow. Ctrl-C ends the search with what it found so far.

    Raises `PoolExhausted` when a pool is too small.
    """
    return _Search(system, limits, report).run()


class _Search:
    def __init__(self, system: System, limits: Limits, report: Callable[[Progress], None] | None) -> None:
        self.system = system
        self.limits = limits
        self.report = report
        self.result = Explored()
        self.seen: dict[tuple[int, ...], int] = {}
        self.parents: list[tuple[int, PathStep] | None] = []
        self.started = time.perf_counter()
        self.ticks = 0
        self.faulty = False
        clauses = system.scenario.clauses
        self.invariants = [
            (n, system.clauses[n], c.kind != "never" and c.kind != "sometimes", c.quiescent)
            for n, c in enumerate(clauses)
            if c.kind in ("always", "never", "sometimes")
        ]
        self.unrest = any(not only_quiescent for _, _, _, only_quiescent in self.invariants)
        """whether states within an operation matter"""
        self.finals = [(n, system.clauses[n]) for n, c in enumerate(clauses) if c.kind == "finally"]
        self.open = {n for n, c in enumerate(clauses) if c.kind not in ("deadlock", "result")}
        self.can_fail = any(c.kind not in ("sometimes", "deadlock") for c in clauses)
        """whether deciding all clauses takes a counterexample; examples alone do not end the search for deadlocks"""
        self.result_clause = next((n for n, c in enumerate(clauses) if c.kind == "result"), None)
        self.deadlock_clause = next((n for n, c in enumerate(clauses) if c.kind == "deadlock"), None)
        if self.result_clause is not None:
            self.open.add(self.result_clause)
        self.started_steps: set[Span] = set()
        self.refused: dict[Span, tuple[Invocation, tuple[int, ...]]] = {}

    def run(self) -> Explored:
        try:
            self._search()
            self.result.complete = not self.result.reason
        except _Stop as stop:
            self.result.reason = stop.reason
        except KeyboardInterrupt:
            self.result.reason = "interrupted"
        except MemoryError:
            self.seen.clear()
            self.result.reason = "out of memory"
        self.result.states = len(self.parents)
        self.result.seconds = time.perf_counter() - self.started
        if self.result.complete:
            self.result.never = self._never_taken()
        return self.result

    # ------------------------------------------------------------ the search

    def _search(self) -> None:
        try:
            initial = tuple(self.system.initial())
        except ModelError as error:
            fail("out-of-range", f"an initial value is not possible: {error.message}", error.site)
        self._visit(initial, None)
        frontier = [initial]
        depth = 0
        while frontier:
            if self.limits.depth is not None and depth >= self.limits.depth:
                if any(self._has_successor(state) for state in frontier):
                    self.result.cut_by_depth = True
                    raise _Stop(f"depth {depth} reached")
                break
            following: list[tuple[int, ...]] = []
            for state in frontier:
                self._check_limits(depth, len(frontier))
                self._expand(state, following)
                if not self.open and self.can_fail:
                    self.result.depth = depth + 1
                    raise _Stop("every clause is decided")
            frontier = following
            if frontier:
                depth += 1
                self.result.depth = depth

    def _has_successor(self, state: tuple[int, ...]) -> bool:
        system = self.system
        for move in self._moves(state, self.seen[state]):
            if move.check is not None or move.skip is not None:
                return True
            pending: list[tuple[int, ...]] = [()]
            while pending:
                choices = Choices(pending.pop())
                try:
                    if not system.take(list(state), move, choices).disabled:
                        return True
                except ModelError:
                    return True
                pending.extend(choices.others())
        return False

    def _expand(self, state: tuple[int, ...], following: list[tuple[int, ...]]) -> None:
        number = self.seen[state]
        enabled = False
        for move in self._moves(state, number):
            if move.check is not None:
                self._check(move, state, number)
            if move.call is not None:
                self.started_steps.add(move.call.span)
            elif move.skip is not None:
                self.refused[move.skip.span] = (move.skip, state)
            pending: list[tuple[int, ...]] = [()]
            while pending:
                choices = Choices(pending.pop())
                after = list(state)
                try:
                    taken = self._take(after, move, choices, number)
                except ModelError as error:
                    pending.extend(reversed(choices.others()))
                    enabled = True
                    self.result.transitions += 1
                    self._broken((*self._path(number), PathStep(move, choices.made())), error)
                    continue
                pending.extend(reversed(choices.others()))
                if not taken:
                    continue
                enabled = True
                self.result.transitions += 1
                key = tuple(after)
                if key not in self.seen:
                    self._visit(key, (number, PathStep(move, choices.made())))
                    following.append(key)
        if not enabled and not self.faulty:
            self._terminal(state, number)

    def _moves(self, state: tuple[int, ...], number: int) -> list[Move]:
        """What the threads would do. A thread whose condition or default is an error of the model does nothing."""
        moves: list[Move] = []
        self.faulty = False
        for thread in self.system.active(state):
            try:
                moves.extend(self.system.moves_of(list(state), thread))
            except ModelError as error:
                self.faulty = True
                self._broken(self._path(number), error)
        return moves

    def _check(self, move: Move, state: tuple[int, ...], number: int) -> None:
        assert move.check is not None
        try:
            if not self.system.clauses[move.check](list(state)):
                self._found(move.check, number, PathStep(move, ()))
        except ModelError as error:
            self._broken(self._path(number), error)

    def _broken(self, path: tuple[PathStep, ...], error: ModelError) -> None:
        if self.result.broken is None:
            self.result.broken = Finding(path, f"{error.kind}: {error.message}", error.site)

    def _take(self, after: list[int], move: Move, choices: Choices, number: int) -> bool:
        """Make the move; False if it is disabled. Clauses are evaluated in the states inside a merged operation."""
        system = self.system
        expected = system.expected_results(after, move) if move.check is None and move.skip is None else None
        sections = 0
        inner: dict[int, PathStep] = {}

        def here() -> tuple[PathStep, ...]:
            return (*self._path(number), PathStep(move, choices.made(), sections))

        def inside() -> bool:
            nonlocal sections
            sections += 1
            for clause in self._violated(after, here, quiescent=False):
                inner.setdefault(clause, PathStep(move, choices.made(), sections))
            return False

        taken = system.take(after, move, choices, inside if self.unrest else None)
        if taken.disabled:
            return False
        if inner:
            still = set(self._violated(after, here, quiescent=True))
            for clause, step in inner.items():
                if clause not in still:
                    self._found(clause, number, step)
        if (
            expected is not None
            and taken.result is not None
            and taken.result not in expected
            and self.result_clause is not None
        ):
            name = system.machine.result_name(taken.result)
            wanted = " or ".join(system.machine.result_name(r) for r in sorted(expected))
            self._found(
                self.result_clause, number, PathStep(move, choices.made()), f"the result is {name}, not {wanted}"
            )
        return True

    def _visit(self, state: tuple[int, ...], parent: tuple[int, PathStep] | None) -> None:
        self.seen[state] = len(self.parents)
        self.parents.append(parent)
        number = len(self.parents) - 1
        quiescent = self.system.quiescent(state)
        for clause in self._violated(list(state), lambda: self._path(number), quiescent=quiescent):
            self._found(clause, number, None)

    def _violated(self, state: list[int], path: Callable[[], tuple[PathStep, ...]], *, quiescent: bool) -> list[int]:
        """The undecided clauses that this state decides: violates, or for `sometimes` reaches. `path` leads to it."""
        out: list[int] = []
        for clause, holds, wanted, only_quiescent in self.invariants:
            if clause in self.open and (quiescent or not only_quiescent):
                try:
                    if bool(holds(state)) != wanted:
                        out.append(clause)
                except ModelError as error:
                    self._broken(path(), error)
        return out

    def _terminal(self, state: tuple[int, ...], number: int) -> None:
        system = self.system
        statuses = [system.status(state, t) for t in range(len(system.threads))]
        if all(status in (ENDED, NOT_READY) for status in statuses):
            for clause, holds in self.finals:
                try:
                    if clause in self.open and not holds(list(state)):
                        self._found(clause, number, None)
                except ModelError as error:
                    self._broken(self._path(number), error)
        elif self.deadlock_clause is not None:
            self._found(self.deadlock_clause, number, None)
        elif self.result.broken is None:
            self.result.broken = Finding(self._path(number), "deadlock: the only thread waits for ever")

    def _found(self, clause: int, number: int, step: PathStep | None, message: str = "") -> None:
        if clause in self.result.findings:
            return
        path = self._path(number)
        self.result.findings[clause] = Finding((*path, step) if step is not None else path, message)
        self.open.discard(clause)

    def _path(self, number: int) -> tuple[PathStep, ...]:
        steps: list[PathStep] = []
        parent = self.parents[number]
        while parent is not None:
            steps.append(parent[1])
            parent = self.parents[parent[0]]
        return tuple(reversed(steps))

    # ------------------------------------------------------------ limits

    def _check_limits(self, depth: int, frontier: int) -> None:
        states = len(self.parents)
        limits = self.limits
        if limits.states is not None and states >= limits.states:
            raise _Stop(f"{limits.states:,} states reached")
        self.ticks += 1
        if self.ticks % 64:
            return
        elapsed = time.perf_counter() - self.started
        if limits.seconds is not None and elapsed > limits.seconds:
            raise _Stop(f"{limits.seconds:g} seconds are over")
        if limits.memory is not None and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > limits.memory * 1024:
            raise _Stop(f"{limits.memory:,} MiB of memory are used")
        if self.report is not None:
            self.report(Progress(states, self.result.transitions, depth, frontier, elapsed))

    def _never_taken(self) -> list[tuple[Invocation, tuple[int, ...] | None]]:
        never: list[tuple[Invocation, tuple[int, ...] | None]] = []
        seen: set[Span] = set(self.started_steps)
        for call in all_calls(self.system):
            if call.span not in seen:
                seen.add(call.span)
                refused = self.refused.get(call.span)
                never.append((call, refused[1] if refused is not None else None))
        return never


def all_calls(system: System) -> list[Invocation]:
    """Every invocation in the threads, in the order of the text."""
    out: list[Invocation] = []
    for thread in system.threads:
        for instruction in thread.instructions:
            match instruction:
                case CallStep(call):
                    out.append(call)
                case AnyOf(_, calls, _):
                    out.extend(calls)
                case _:
                    pass
    return out
