"""One trace on a booted guest, step by step."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from . import protocol
from .errors import ReplayError
from .images import release_of
from .trace import ENDINGS, Counters, Recorded, Step, request_of
from .vm import GuestDiedError, GuestSilentError, Vm

HANG_MS = 10_000
"""A call that has not returned after this long, by the guest's clock, hangs."""

CONSOLE_LINES = 60

Player = Callable[[Step | None], Step | None]
"""Says the next step when told the last one with its answer (none before the first), or none at the end."""

_COMPLAINT = re.compile(
    r"cut here|WARNING:|BUG:|Oops|general protection|Kernel panic|soft lockup|blocked for more than|rcu: INFO|"
    r"Call Trace|Out of memory|oom-kill"
)


@dataclass(frozen=True, slots=True)
class Played:
    """A recorded trace, and whether the guest can be used for another."""

    recorded: Recorded
    clean: bool


def play(vm: Vm, id: str, player: Player) -> Played:
    """Run one trace and tear it down. The guest must be clean; every step is checked before it is sent."""
    steps: list[Step] = []
    unsettled: list[int] = []
    _expect(vm.ask(protocol.begin(vm.machine.nodes, HANG_MS)), "t ok")
    last: Step | None = None
    while (wanted := player(last)) is not None:
        last, settled = _step(vm, wanted)
        steps.append(last)
        if not settled:
            unsettled.append(len(steps))
        if last["result"] in ENDINGS:
            break
    residue, torn_down = _teardown(vm, last)
    said = _complaints(vm.new_console())
    recorded = Recorded(
        id=id,
        kernel=release_of(vm.greeting),
        nodes=vm.machine.nodes,
        steps=tuple(steps),
        residue=residue,
        console=said,
        unsettled=tuple(unsettled),
    )
    return Played(recorded, clean=torn_down and residue is None and not said)


def _step(vm: Vm, wanted: Step) -> tuple[Step, bool]:
    line = protocol.encode(wanted)
    request = request_of(wanted)
    try:
        reply = protocol.decode(vm.ask(line))
    except GuestSilentError:
        return {**request, "result": "HANG"}, True
    except GuestDiedError:
        return {**request, "result": "PANIC"}, True
    if reply.head not in ("r", "u"):
        raise ReplayError(f"the agent answered `{reply.head}` to `{line}`")
    if reply.result == "BAD":
        raise ReplayError(f"the agent cannot run `{line[2:]}`: a name that does not exist, or too many of them")
    return {**request, "result": reply.result, "after": reply.after}, reply.head == "r"


def _teardown(vm: Vm, last: Step | None) -> tuple[Counters | None, bool]:
    """The residue, if a teardown could be made, and whether it could. After an ending nothing is left to tear down."""
    if last is not None and last["result"] in ENDINGS:
        return None, False
    try:
        reply = protocol.decode(vm.ask(protocol.END))
    except GuestDiedError:
        return None, False
    zero = all(reply.after[counter] == 0 for counter in ("total", "free", "rsvd", "surp"))
    return None if zero else reply.after, reply.result == "ok"


def _complaints(console: list[str]) -> tuple[str, ...]:
    if not any(_COMPLAINT.search(line) for line in console):
        return ()
    return tuple(console[-CONSOLE_LINES:])


def _expect(answer: str, expected: str) -> None:
    if answer != expected:
        raise ReplayError(f"the agent answered {answer!r} instead of {expected!r}")
