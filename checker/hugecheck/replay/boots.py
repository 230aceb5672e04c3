"""Booted guests for the asking: the first of its kind boots, later ones start from a snapshot of a booted one.

Restoring takes a tenth of the time of booting, and traces that leave residue need a new guest each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from . import agentbuild
from .errors import ReplayError
from .vm import Machine, Snapshot, Vm


class Boots:
    """Where guests come from. A context manager, as snapshots are files.

    `started` is told of every guest that starts, and whether it was restored. A snapshot is made when a second guest
    of a kind is wanted, so that a session with one guest does not pay for it; with `early`, when the first is.
    """

    def __init__(self, started: Callable[[Machine, bool], None] | None = None, *, early: bool = False) -> None:
        self._agent: bytes | None = None
        self._started = started or (lambda _machine, _restored: None)
        self._early = early
        self._booted: list[Machine] = []
        self._snapshots: list[Snapshot] = []
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the snapshots. Guests that were taken are not concerned."""
        if self._scratch is not None:
            self._scratch.cleanup()
        self._scratch = None
        self._snapshots.clear()

    def take(self, wanted: Machine) -> Vm:
        """A guest that is clean and can do what `wanted` can. The caller closes it."""
        if self._agent is None:
            self._agent = agentbuild.binary().read_bytes()
        for snapshot in self._snapshots:
            if snapshot.machine.covers(wanted):
                self._started(snapshot.machine, True)
                return Vm(snapshot.machine, self._agent, snapshot=snapshot).__enter__()
        again = self._early or any(machine.covers(wanted) for machine in self._booted)
        self._booted.append(wanted)
        self._started(wanted, False)
        vm = Vm(wanted, self._agent).__enter__()
        if again:
            self._keep(vm)
        return vm

    def _keep(self, vm: Vm) -> None:
        try:
            if self._scratch is None:
                self._scratch = tempfile.TemporaryDirectory(prefix="hugecheck-boots-")
            self._snapshots.append(vm.save(Path(self._scratch.name) / f"{len(self._snapshots)}"))
        except (ReplayError, OSError):
            pass  # it only saves time; a guest that can no longer run shows in the next trace
