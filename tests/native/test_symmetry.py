"""Symmetry changes no verdict and no shortest length, keeps exactly the orbits, and what it finds can be replayed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from hugecheck.diagnostics import Failure, Source
from hugecheck.explore import native
from hugecheck.explore.native.symmetry import Symmetry, find_symmetry
from hugecheck.explore.search import Explored, Limits
from hugecheck.explore.system import System
from hugecheck.ir import liveness
from hugecheck.language.loader import load_scenario, load_scenario_text
from hugecheck.language.scenario import Scenario
from hugecheck.run import build_program
from hugecheck.trace.path import trace_of
from native.agreement import FAST, explored, verdict
from native.programs import Programs

ROOT = Path(__file__).resolve().parents[2]
ON = replace(FAST, symmetry=True)

# Two threads and three boxes that nothing tells apart; the locks name their owners.
ALIKE = """
index box 3
mutex m of box
var full: set of box = {}
var last: box or none = none
var count_of[box]: 0 to 3 = 0
operation move() {
  var b: box = 0
  atomic {
    choose c in box where not c in full
    b = c
  }
  hold b.m {
    atomic { full = full union {b} }
    atomic {
      count_of[b] += 1
      last = b
      full = full minus {b}
    }
  }
}
process p, q { any 2 of { move } }
always sane: (last = none or count_of[last] > 0) and size(full) < 3
never both: (exists b in box: count_of[b] = 3)
"""


def system_of(scenario: Scenario) -> System:
    program = build_program(scenario, frozenset())
    return System(scenario, program, scenario.sizes, liveness.frame(program), merge=True)


def symmetry_of(text: str) -> Symmetry:
    return find_symmetry(system_of(load_scenario_text(Source("alike.hck", text), ROOT)))


def on_and_off(scenario: Scenario, limits: Limits) -> tuple[Explored | None, Explored | None]:
    """Without symmetry and with it. Every finding of the latter is replayed."""

    def with_symmetry(system: System) -> Explored:
        found = native.explore(system, limits, None, ON)
        for finding in [*found.findings.values(), *([found.broken] if found.broken else [])]:
            trace_of(system, finding.path)
        return found

    return explored(scenario, lambda s: native.explore(s, limits, None, FAST)), explored(scenario, with_symmetry)


def test_found() -> None:
    """Threads and elements that are alike are found."""
    symmetry = symmetry_of(ALIKE)
    assert (symmetry.classes, dict(symmetry.free)) == (((0, 1),), {"box": (0, 1, 2)})


@pytest.mark.parametrize(
    ("old", "new", "free"),
    [
        ("size(full) < 3", "not 0 in full", {"box": (1, 2)}),
        ("choose c in box where not c in full", "let c: box = first c in box: not c in full", {}),
        ("last = b\n", "last = b; for d in box { last = d }\n", {}),
        ("last = b\n", "last = (b + 1) % 3\n", {}),
    ],
)
def test_broken(old: str, new: str, free: dict[str, tuple[int, ...]]) -> None:
    """What tells elements apart breaks the symmetry, of the elements that are mentioned or of all."""
    assert old in ALIKE
    assert dict(symmetry_of(ALIKE.replace(old, new)).free) == free


def test_alike() -> None:
    """The states that are left are the orbits: here the group has 2 * 6 elements."""
    off, on = on_and_off(load_scenario_text(Source("alike.hck", ALIKE), ROOT), Limits())
    assert off is not None and on is not None
    assert verdict(off) == verdict(on)
    assert off.states / 12 <= on.states < off.states / 8


@pytest.mark.parametrize(
    ("size", "states", "orbits"), [("T", 35_516, 9_044), ("S", 158_088, 40_290), ("M", 1_305_399, 114_528)]
)
def test_orbits(size: str, states: int, orbits: int) -> None:
    """On the yardstick: the numbers in bench.pml."""
    scenario = load_scenario(ROOT / "models" / "bench" / f"alloc-{size}.hck")
    options = native.Options(workers=2)
    off = native.explore(system_of(scenario), Limits(), None, replace(options, symmetry=False))
    on = native.explore(system_of(scenario), Limits(), None, options)
    assert (off.states, on.states, off.depth) == (states, orbits, on.depth)


@pytest.mark.parametrize("seed", range(int(os.environ.get("HUGECHECK_FUZZ", "1")) * 15))
def test_random_programs(seed: int) -> None:
    """On random programs in which two threads do the same."""
    text = Programs(Random(seed)).model(alike=True)
    try:
        scenario = load_scenario_text(Source("random.hck", text), ROOT)
        off, on = on_and_off(scenario, Limits(depth=None if seed % 4 else 5))
    except (Failure, native.NativeUnavailable):
        pytest.skip("not a model for this")
    assert verdict(off) == verdict(on), text
