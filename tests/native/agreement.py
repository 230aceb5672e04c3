"""Runs both engines on one scenario and says whether they agree on everything, the paths of findings included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hugecheck.explore import native
from hugecheck.explore.layout import PoolExhausted
from hugecheck.explore.search import Explored, Finding, Limits
from hugecheck.explore.search import explore as reference
from hugecheck.explore.system import System
from hugecheck.ir import liveness
from hugecheck.language.kernels import find_kernel
from hugecheck.language.scenario import Scenario
from hugecheck.run import build_program

Engine = Callable[[System], Explored]
MAX_POOL = 40


def explored(scenario: Scenario, engine: Engine, kernel: str = "", *, merge: bool = True) -> Explored | None:
    """What an engine says, with pools as large as it needs; None if a bound is too small."""
    switches = find_kernel(scenario.module, kernel, None) if kernel else frozenset()
    program = build_program(scenario, switches)
    frame = liveness.frame(program)
    sizes = dict(scenario.sizes)
    while True:
        try:
            return engine(System(scenario, program, sizes, frame, merge=merge))
        except PoolExhausted as exhausted:
            if exhausted.index in scenario.bounded or exhausted.size > MAX_POOL:
                return None
            sizes[exhausted.index] = exhausted.size


def summary(result: Explored | None) -> dict[str, object]:
    """All that two engines must agree on."""
    if result is None:
        return {"bound": "too small"}
    return {
        "states": result.states,
        "transitions": result.transitions,
        "depth": result.depth,
        "complete": result.complete,
        "reason": result.reason,
        "cut": result.cut_by_depth,
        "findings": {n: _finding(f) for n, f in sorted(result.findings.items())},
        "broken": _finding(result.broken) if result.broken is not None else None,
        "never": result.never,
    }


def _finding(finding: Finding) -> tuple[object, ...]:
    return (finding.path, finding.message, str(finding.site))


def compare(
    scenario: Scenario, limits: Limits, options: native.Options, kernel: str = "", *, merge: bool = True
) -> Explored | None:
    """Assert that both engines say the same; what they say. Raises `NativeUnavailable`."""
    wanted = explored(scenario, lambda system: reference(system, limits), kernel, merge=merge)
    got = explored(scenario, lambda system: native.explore(system, limits, None, options), kernel, merge=merge)
    assert summary(wanted) == summary(got)
    return wanted


FAST = native.Options(level="-O0", symmetry=False)
"""for programs that are compiled and hardly run"""
CHECKED = replace(FAST, extra=("-fsanitize=undefined", "-fno-sanitize-recover=undefined"))
"""undefined behaviour ends the process"""


def verdict(result: Explored | None) -> dict[str, object]:
    """What reductions must not change: verdicts, and how many steps it takes to show them."""
    if result is None:
        return {"bound": "too small"}
    return {
        "complete": result.complete,
        "reason": result.reason,
        "depth": result.depth,
        "findings": {n: len(f.path) for n, f in sorted(result.findings.items())},
        "broken": (len(result.broken.path), result.broken.message) if result.broken is not None else None,
        "never": [call for call, _ in result.never],
    }
