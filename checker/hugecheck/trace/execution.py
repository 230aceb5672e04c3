"""The only execution of a scenario in which nothing is left open: one thread, its steps in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hugecheck.diagnostics import fail
from hugecheck.explore.layout import PoolExhausted
from hugecheck.explore.machine import Choices
from hugecheck.explore.search import PathStep
from hugecheck.explore.system import READY, System
from hugecheck.language.scenario import AnyOf, Scenario
from hugecheck.trace.path import Trace, trace_of

MAX_POOL = 100_000
REPLAY_INSTEAD = "`hugecheck replay` runs one of its counterexamples"


def check_sequential(scenario: Scenario) -> None:
    """A scenario that leaves the order of its steps open is refused with the place of the first that it leaves open."""
    if len(scenario.threads) > 1:
        shown = ", ".join(f"`{t.name}`" for t in scenario.threads)
        fail("not-sequential", f"the steps have no order: {shown} run side by side", help=REPLAY_INSTEAD)
    for thread in scenario.threads:
        for instruction in thread.instructions:
            if isinstance(instruction, AnyOf):
                fail(
                    "not-sequential",
                    f"the steps have no order: any {instruction.count} of {len(instruction.calls)}",
                    instruction.span,
                    "left open",
                    help=REPLAY_INSTEAD,
                )


def only_execution(scenario: Scenario, make: Callable[[Mapping[str, int]], System]) -> Trace:
    """The trace of a scenario for which `check_sequential` holds. `make` gives its system for the sizes of the index types.

    Where the model itself has a choice (which page, which node) it is the first one. The execution ends early where no step
    can be taken.
    """
    check_sequential(scenario)
    sizes = dict(scenario.sizes)
    while True:
        system = make(sizes)
        try:
            return trace_of(system, _path(system))
        except PoolExhausted as exhausted:
            if exhausted.index in scenario.bounded or exhausted.size > MAX_POOL:
                fail(
                    "too-large",
                    f"`{exhausted.index} {sizes[exhausted.index]}` is too small: an execution needs {exhausted.size}",
                )
            sizes[exhausted.index] = max(exhausted.size, 2 * sizes[exhausted.index])


def _path(system: System) -> list[PathStep]:
    state = system.initial()
    path: list[PathStep] = []
    while ready := [thread for thread in system.active(state) if system.status(state, thread) == READY]:
        move = next(system.moves_of(state, ready[0]))
        before, choices = list(state), Choices()
        taken = system.take(state, move, choices)
        if taken.disabled or (state == before and move.check is None):
            break
        path.append(PathStep(move, choices.made()))
    return path
