"""The laws of the Linux model on what real kernels did: those that hold at the end of every recorded step, and those that are known not to.

A law that real histories break is no law of that kernel; `models/linux/laws.hck` says so too. What is listed here as broken was found by evaluating it on
the recordings, and each has its place in kernel-semantics.md (underflow of the promises, `min_size` and surplus pages, failed charges).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest

from hugecheck.diagnostics import Failure
from hugecheck.explore.layout import PoolExhausted
from hugecheck.explore.machine import Choices, Machine
from hugecheck.explore.python import Property
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_model
from hugecheck.trace.follow import Follower, _Follow, _initially, _names
from hugecheck.trace.recording import Recording, read_recordings
from support.recordings import corpus

# Laws that bugs of these releases break, by what the issue tracker and kernel-semantics.md section 21 say: promises without a page behind them
# (`min_size` and surplus pages), promises returned twice, charges of a mount that are not returned.
BREAKABLE = {
    "promise_kept",
    "resv_backed",
    "resv_add_up",
    "resv_not_negative",
    "used_adds_up",
    "used_in_range",
    "rsv_in_range",
}
_MACHINES: dict[object, Machine] = {}


@lru_cache(maxsize=2)
def _follower(kernel: str) -> Follower:
    linux = load_model("linux")
    return Follower(linux, find_kernel(linux, kernel, None))


def broken_laws(recording: Recording, kernel: str) -> set[str]:
    """The laws that do not hold at the end of some step, in the model following the recording."""
    follower = _follower(kernel)
    linux = follower.module
    names = _names(recording, linux)
    sizes = follower._sizes(recording, names)
    properties = [Property(f"law {law.name}", (), law.condition) for law in linux.laws.values()]
    initially = _initially(recording, names, linux)
    while True:
        key = (kernel, *sorted(sizes.items()), *sorted(initially.items()))
        if key not in _MACHINES:
            _MACHINES[key] = Machine(follower.program, sizes, 1, initially, properties)
        machine = _MACHINES[key]
        try:
            return _evaluate(machine, recording, names, list(linux.laws))
        except PoolExhausted as exhausted:
            sizes[exhausted.index] = max(exhausted.size, 2 * sizes[exhausted.index])
            follower.common[exhausted.index] = max(follower.common.get(exhausted.index, 1), sizes[exhausted.index])


def _evaluate(machine: Machine, recording: Recording, names: dict[str, tuple[str, ...]], laws: list[str]) -> set[str]:
    given = _Follow(machine, recording, names, None)._given
    state = machine.initial()
    broken: set[str] = set()
    for step in recording.steps:
        arguments = machine.arguments(state, step.operation, given(step))
        machine.start(state, 0, step.operation, arguments)
        if machine.finish(state, 0, Choices()) is None or step.result == "HANG":
            break
        broken |= {name for name in laws if not machine.code.properties[f"law {name}"](state)}
    return broken


def _some(name: str, every: int) -> list[Recording]:
    found = list(read_recordings(Path(corpus(name)), load_model("linux")))
    recordings = [r for r in found if not isinstance(r, Failure)]
    return recordings[::every]


SUBSETS = [("6.1-directed", 3), ("6.12-directed", 3), ("6.1-random", 60), ("6.12-random", 60)]


@pytest.mark.parametrize(("name", "every"), SUBSETS)
def test_laws(name: str, every: int) -> None:
    """The laws that no known bug breaks hold at the end of every step that is looked at."""
    sound = set(load_model("linux").laws) - BREAKABLE
    assert {"pages_add_up", "surplus_in_pool", "mapcounts"} <= sound
    assert {r.id: b for r in _some(name, every) if (b := broken_laws(r, name.split("-")[0]) & sound)} == {}


@pytest.mark.parametrize("name", ["6.1-directed", "6.12-directed"])
def test_promises_without_pages(name: str) -> None:
    """The law that a free page is behind every promise is broken exactly where the kernel itself showed more promises than free pages."""
    looked_at = 0
    for recording in _some(name, 1):
        seen = [step.after for step in recording.steps if step.result != "HANG"]
        numbers = [(int(str(a["rsvd"])), int(str(a["free"]))) for a in seen]
        shown = any(free < rsvd < 2**63 for rsvd, free in numbers)
        if shown or recording.id.startswith("min-size"):
            looked_at += shown
            assert ("resv_backed" in broken_laws(recording, name.split("-")[0])) == shown, recording.id
    assert looked_at >= 1
