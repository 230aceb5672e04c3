"""Which engine searches: the reference, the native one, or first the one and then the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hugecheck.explore.search import Explored, Limits, Progress, explore
from hugecheck.explore.system import System

SMALL = 20_000
"""so many states the reference engine visits before a compiler is started; about a second"""

AUTO, REFERENCE, NATIVE = "auto", "reference", "native"


@dataclass(frozen=True, slots=True)
class Choice:
    """engine: auto, reference, native. `workers`: threads of the native engine. `symmetry`: it visits one state of those that differ only by a
    renaming. `keep`: a folder for the generated C."""

    engine: str = AUTO
    workers: int = 1
    symmetry: bool = False
    keep: Path | None = None


@dataclass(frozen=True, slots=True)
class Searched:
    """`engine`: the one that gave the result. `note`: why it is not the one that was asked for, or empty."""

    explored: Explored
    engine: str
    note: str = ""
    reductions: str = ""


def search(system: System, limits: Limits, report: Callable[[Progress], None] | None, choice: Choice) -> Searched:
    """Search with the engine of the user's choice. Raises `PoolExhausted` when a pool is too small."""
    if choice.engine == REFERENCE:
        return Searched(explore(system, limits, report), REFERENCE)
    if choice.engine == AUTO:
        if limits.states is not None and limits.states <= SMALL:
            return Searched(explore(system, limits, report), REFERENCE)
        first = explore(system, replace(limits, states=SMALL), report)
        if first.states < SMALL or not first.reason.endswith("states reached"):
            return Searched(first, REFERENCE)
    from hugecheck.explore import native  # imports ctypes, and pays only here

    try:
        options = native.Options(workers=choice.workers, symmetry=choice.symmetry, keep=choice.keep)
        explored = native.explore(system, limits, report, options)
        return Searched(explored, NATIVE, reductions="; ".join(native.reductions(system)) if choice.symmetry else "")
    except native.NativeUnavailable as unavailable:
        note = f"the native engine cannot run this: {unavailable}"
        return Searched(explore(system, limits, report), REFERENCE, note)
