"""Many traces on one kernel: a guest is booted when one is needed, and given up when it can no longer be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .boots import Boots
from .guest import Player, play
from .images import Image
from .trace import Recorded, Trace, memory_mib, sized
from .vm import Machine, Vm

RANDOM_PAGES = 64
"""More huge pages than a random trace can ever have."""


@dataclass(frozen=True, slots=True)
class Script:
    """A trace to be run: given beforehand, or made up while it runs."""

    id: str
    nodes: int
    memory_mib: int
    player: Callable[[], Player]


def fixed(trace: Trace) -> Script:
    """The steps of `trace`, whatever the kernel answers."""

    def player() -> Player:
        rest = iter(trace.steps)
        return lambda _last: next(rest, None)

    return Script(trace.id, trace.nodes, memory_mib(trace), player)


def online(id: str, nodes: int, player: Callable[[], Player]) -> Script:
    """Steps that depend on the answers, such as `generate.Generator`'s."""
    return Script(id, nodes, sized(nodes, RANDOM_PAGES), player)


def record(
    traces: Iterable[Trace],
    image: Image,
    *,
    accel: str = "tcg",
    started: Callable[[Machine, bool], None] | None = None,
    boots: Boots | None = None,
) -> Iterator[Recorded]:
    """Run every trace on the kernel `image`, in the order given.

    A new guest is started where the next trace needs another kind, and after a trace that left the kernel in doubt: a
    residue, a hang, a complaint on the console. Traces of the same kind that follow each other share a guest. `started`
    is told of each guest, and whether it came from a snapshot of a booted one. With `boots` guests come from there, and
    several calls can share its snapshots.
    """
    return run((fixed(trace) for trace in traces), image, accel=accel, started=started, boots=boots)


def run(
    scripts: Iterable[Script],
    image: Image,
    *,
    accel: str = "tcg",
    started: Callable[[Machine, bool], None] | None = None,
    boots: Boots | None = None,
) -> Iterator[Recorded]:
    """As `record`, for scripts. Closing the iterator kills the guest."""
    if boots is None:
        with Boots(started) as own:
            yield from _run(scripts, image, accel, own)
    else:
        yield from _run(scripts, image, accel, boots)


def _run(scripts: Iterable[Script], image: Image, accel: str, boots: Boots) -> Iterator[Recorded]:
    vm: Vm | None = None
    try:
        for script in scripts:
            machine = Machine(image, script.nodes, script.memory_mib, accel)
            if vm is not None and not vm.machine.covers(machine):
                vm.close()
                vm = None
            if vm is None:
                vm = boots.take(machine)
            else:
                vm.resume()
            played = play(vm, script.id, script.player())
            if played.clean:
                vm.pause()
            else:
                vm.close()
                vm = None
            yield played.recorded
    finally:
        if vm is not None:
            vm.close()
