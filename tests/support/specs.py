"""From a text to what the engine says about it."""

from __future__ import annotations

import textwrap
from pathlib import Path

from hugecheck.diagnostics import Source
from hugecheck.explore.search import Limits
from hugecheck.ir import program as ir
from hugecheck.language import checking
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_scenario_text
from hugecheck.language.scenario import Scenario
from hugecheck.run import ClauseResult, KernelResult, build_program, run_on

ROOT = Path(__file__).resolve().parents[2]
NO_LIMITS = Limits()


def scenario(text: str, name: str = "test.hck") -> Scenario:
    """The checked scenario in a text (`use "file"` is relative to the project's root)."""
    return load_scenario_text(Source(name, textwrap.dedent(text)), ROOT)


def module(text: str, name: str = "test.hck") -> ir.Module:
    """The checked model in a text."""
    return checking.check_sources([Source(name, textwrap.dedent(text))])[0]


def program(text: str, switches: frozenset[str] = frozenset()) -> ir.Program:
    """The verified program of a scenario's text."""
    return build_program(scenario(text), switches)


def run(text: str, kernel: str = "", *, limits: Limits = NO_LIMITS, merge: bool = True) -> KernelResult:
    """What the engine says about a text, on one kernel."""
    loaded = scenario(text)
    switches = find_kernel(loaded.module, kernel, None) if kernel else frozenset()
    return run_on(loaded, kernel, switches, limits, merge=merge)


def verdicts(result: KernelResult) -> dict[str, str]:
    """The verdict of each clause by its name."""
    return {clause.name: clause.verdict for clause in result.clauses}


def clause(result: KernelResult, name: str) -> ClauseResult:
    """The result of the clause of that name."""
    return next(c for c in result.clauses if c.name == name)


def steps(result: ClauseResult) -> list[str]:
    """The steps of a counterexample as they are typed, with their results."""
    assert result.trace is not None
    return [f"{s.thread}: {s.text} -> {s.result}" for s in result.trace.steps]


def counts(text: str, *, merge: bool = False) -> tuple[int, int, int]:
    """States, transitions and depth of the whole state space. By default every section is a transition."""
    explored = run(text, merge=merge).explored
    assert explored.complete, explored.reason
    return explored.states, explored.transitions, explored.depth
