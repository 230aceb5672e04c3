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

from hugecheck.explore.native.compiler import CompilerError
from hugecheck.explore.native.emit import Emitted, emit
from hugecheck.explore.native.engine import Halfway, TooNarrow, start
from hugecheck.explore.native.packing import OutOfRange
from hugecheck.explore.native.ranges import Range, Ranges, Unsupported, make_ranges
from hugecheck.explore.native.symmetry import NONE, find_symmetry
from hugecheck.explore.search import Explored, Limits, Progress
from hugecheck.explore.system import System
from hugecheck.resources import cache_directory

__all__ = ["NativeUnavailable", "Options", "explore"]


class NativeUnavailable(Exception):
    """The native engine cannot run this; the text says why, for the user."""


@dataclass(frozen=True, slots=True)
class Options:
    """`workers`: threads of the search. `symmetry`: keep one of the states that differ in who is who. `level`: how hard the compiler tries. `keep`: a folder in which the generated text is left.
    `extra`: more flags for the compiler."""

    workers: int = 1
    symmetry: bool = True
    level: str = "-O1"
    keep: Path | None = None
    extra: tuple[str, ...] = ()


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
                ranges = ranges.widened(narrow.field.name, narrow.field.range, narrow.value)
            except OutOfRange as narrow:
                ranges = ranges.widened(narrow.field.name, narrow.field.range, narrow.value)
    except (Unsupported, CompilerError) as error:
        raise NativeUnavailable(str(error)) from error
    except KeyboardInterrupt:
        return Explored(reason="interrupted", seconds=time.perf_counter() - started)


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
    with start(system, emitted, limits, options.workers, options.level, options.extra) as search:
        explored = search.run(report, started)
    _remember(system, ranges)
    return explored


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


def _remember(system: System, ranges: Ranges) -> None:
    path = _memory(system)
    if path is not None and ranges.wider and not path.is_file():
        with suppress(OSError):
            path.write_text(json.dumps({name: (r.low, r.high) for name, r in ranges.wider.items()}))


def _memory(system: System) -> Path | None:
    """Where the widened ranges of this system are kept."""
    directory = cache_directory()
    if directory is None:
        return None
    digest = hashlib.sha256(system.machine.code.text.encode())
    digest.update(repr([t.instructions for t in system.threads]).encode())
    return directory / f"ranges-{digest.hexdigest()[:32]}.json"
