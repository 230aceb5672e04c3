"""Many traces on one kernel: a guest is booted when one is needed, and given up when it can no longer be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from .boots import Boots
from .guest import Player, play
from .images import Image
from .trace import Recorded, Trace, memory_mib, sized
from .vm import Machine, Vm

RANDOM_PAGES = 32
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


class Recorder:
    """Runs traces one after the other, each on a clean kernel. A context manager; leaving it kills the guest.

    A new guest is started where a trace needs another kind, and after a trace that left the kernel in doubt: a residue, a
    hang, a complaint on the console. Between traces the guest stands still. With `boots` guests come from there, and
    several recorders can share its snapshots.
    """

    def __init__(self, image: Image, *, accel: str = "tcg", boots: Boots | None = None) -> None:
        self._image = image
        self._accel = accel
        self._boots = boots or Boots()
        self._shared = boots is not None
        self._vm: Vm | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._give_up()
        if not self._shared:
            self._boots.close()

    def play(self, script: Script) -> Recorded:
        """Run one trace. After an exception the next call starts with a new guest."""
        machine = Machine(self._image, script.nodes, script.memory_mib, self._accel)
        if self._vm is not None and not self._vm.machine.covers(machine):
            self._give_up()
        if self._vm is None:
            self._vm = self._boots.take(machine)
        else:
            self._vm.resume()
        clean = False
        try:
            played = play(self._vm, script.id, script.player())
            clean = played.clean
        finally:
            if clean:
                self._vm.pause()
            else:
                self._give_up()
        return played.recorded

    def _give_up(self) -> None:
        if self._vm is not None:
            self._vm.close()
        self._vm = None


def record(
    traces: Iterable[Trace], image: Image, *, accel: str = "tcg", boots: Boots | None = None
) -> Iterator[Recorded]:
    """Run every trace on the kernel `image`, in the order given; those of a kind that follow each other share a guest."""
    return run((fixed(trace) for trace in traces), image, accel=accel, boots=boots)


def run(
    scripts: Iterable[Script], image: Image, *, accel: str = "tcg", boots: Boots | None = None
) -> Iterator[Recorded]:
    """As `record`, for scripts. A script is asked for when the one before is done. Closing the iterator kills the guest."""
    with Recorder(image, accel=accel, boots=boots) as recorder:
        for script in scripts:
            yield recorder.play(script)
