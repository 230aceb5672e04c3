"""The native explorer: the system as generated C, compiled and run. It answers exactly what `explore.search.explore` answers.

`explore` has the same shape and raises `NativeUnavailable` where it cannot help (no compiler, sets beyond 64 elements, ...); the reference engine then
takes over. The order of the modules: ranges -> packing -> expressions -> statements -> emit -> compiler -> engine.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hugecheck.explore.native.compiler import Compilation, CompilerError, build, load, target_of
from hugecheck.explore.native.emit import Emitted, emit
from hugecheck.explore.native.engine import Checkpoint, Halfway, Search, TooNarrow
from hugecheck.explore.native.packing import OutOfRange
from hugecheck.explore.native.ranges import Range, Ranges, Unsupported, make_ranges
from hugecheck.explore.native.symmetry import NONE, find_symmetry
from hugecheck.explore.search import Explored, Limits, Progress
from hugecheck.explore.system import System
from hugecheck.resources import cache_directory

__all__ = ["NativeUnavailable", "Options", "explore", "reductions"]


_FIRST, _BEST = "-O0", "-O1"
"""-O0 is compiled in half the time and runs half as fast"""


class NativeUnavailable(Exception):
    """The native engine cannot run this; the text says why, for the user."""


@dataclass(frozen=True, slots=True)
class Options:
    """`workers`: threads of the search. `symmetry`: keep one of the states that differ in who is who. `level`: how hard the compiler tries
    (empty: hardly at first, and again if the search goes on for a while). `keep`: a folder in which the generated text is left.
    `extra`: more flags for the compiler.
    `checkpoints`: a folder in which the search is saved every `every` seconds and when a limit ends it; a search that was saved there goes on."""

    workers: int = 1
    symmetry: bool = True
    level: str = "-O1"
    keep: Path | None = None
    extra: tuple[str, ...] = ()
    checkpoints: Path | None = None
    every: float = 60.0


def explore(
    system: System, limits: Limits, report: Callable[[Progress], None] | None = None, options: Options | None = None
) -> Explored:
    """Visit every reachable state, or as many as the limits allow; see `explore.search.explore`.

    Raises `PoolExhausted` when a pool is too small and `NativeUnavailable` when the reference engine has to do it.
    """
    options = options or Options()
    started = time.perf_counter()
    try:
        ranges = _first_ranges(system)
        halfway = False
        while True:
            try:
                return _attempt(system, ranges, halfway, limits, report, options, started)
            except Halfway:
                halfway = True
            except TooNarrow as narrow:
                ranges = _widened(system, ranges, narrow)
            except OutOfRange as narrow:
                ranges = _widened(system, ranges, narrow)
    except (Unsupported, CompilerError) as error:
        raise NativeUnavailable(str(error)) from error
    except KeyboardInterrupt:
        return Explored(reason="interrupted", seconds=time.perf_counter() - started)


def reductions(system: System) -> tuple[str, ...]:
    """In words, what `Options.symmetry` makes use of in this system."""
    symmetry = find_symmetry(system)
    threads = [", ".join(f"`{system.threads[t].name}`" for t in alike) for alike in symmetry.classes]
    elements = [f"{len(free)} of {system.layout.sizes[index]} of `{index}`" for index, free in symmetry.free.items()]
    return tuple(f"alike: {what}" for what in [*threads, *elements])


def _attempt(
    system: System,
    ranges: Ranges,
    halfway: bool,
    limits: Limits,
    report: Callable[[Progress], None] | None,
    options: Options,
    started: float,
) -> Explored:
    symmetry = find_symmetry(system) if options.symmetry else NONE
    emitted = emit(system, ranges, symmetry, halfway=halfway)
    if options.keep is not None:
        _keep(emitted, options.keep)
    best = target_of(emitted.text, _BEST, options.extra)
    level = options.level or (_BEST if best.is_file() else _FIRST)
    library = load(build(emitted.text, level, options.extra))

    def better() -> Compilation:
        return Compilation(emitted.text, _BEST, options.extra)

    upgrade = better if not options.level and level != _BEST else None
    with Search(system, emitted, library, limits, options.workers, _checkpoint(emitted, options)) as search:
        return search.run(report, started, upgrade)


def _checkpoint(emitted: Emitted, options: Options) -> Checkpoint | None:
    """Where this very search is saved. A folder that cannot be made is as good as none."""
    if options.checkpoints is None:
        return None
    with suppress(OSError):
        options.checkpoints.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(emitted.text.encode()).digest()
    path = options.checkpoints / f"{digest.hex()[:24]}.search"
    return Checkpoint(path, options.every, int.from_bytes(digest[:8], "big"))


def _keep(emitted: Emitted, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(emitted.text.encode()).hexdigest()[:12]
    (folder / f"engine-{name}.c").write_text(emitted.text, encoding="utf-8")


# ---------------------------------------------------------------- what earlier runs have shown about ranges


def _first_ranges(system: System) -> Ranges:
    scenario = system.scenario
    conditions = tuple(c.condition for c in scenario.clauses if c.condition is not None)
    ranges = make_ranges(system.machine.program, system.threads, system.layout.sizes, conditions)
    path = _memory(system)
    if path is not None and path.is_file():
        with suppress(OSError, ValueError, TypeError):
            wider = {
                str(name): Range(int(low), int(high)) for name, (low, high) in json.loads(path.read_text()).items()
            }
            return replace(ranges, wider=wider)
    return ranges


def _widened(system: System, ranges: Ranges, narrow: TooNarrow | OutOfRange) -> Ranges:
    """Room for the value that had none, for this run and later ones."""
    wider = ranges.widened(narrow.field.name, narrow.field.range, narrow.value)
    path = _memory(system)
    if path is not None:
        with suppress(OSError):
            path.write_text(json.dumps({name: (r.low, r.high) for name, r in wider.wider.items()}))
    return wider


def _memory(system: System) -> Path | None:
    """Where the widened ranges of this system are kept."""
    directory = cache_directory()
    if directory is None:
        return None
    digest = hashlib.sha256(system.machine.code.text.encode())
    digest.update(repr([t.instructions for t in system.threads]).encode())
    return directory / f"ranges-{digest.hexdigest()[:32]}.json"
