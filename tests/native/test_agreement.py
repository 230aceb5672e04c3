"""The native engine says what the reference engine says: counts, verdicts, the very same paths."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hugecheck.diagnostics import Failure, Source
from hugecheck.explore import native
from hugecheck.explore.native.compiler import CompilerError, find_compiler
from hugecheck.explore.search import Limits
from hugecheck.language.loader import load_scenario, load_scenario_text
from native.agreement import CHECKED, FAST, compare
from native.programs import Programs

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = int(os.environ.get("HUGECHECK_FUZZ", "1")) * 25
SPECS = sorted(p for folder in ("tutorial", "gallery", "seed") for p in (ROOT / "models" / folder).glob("*.hck"))


def compiler_is_missing() -> bool:
    try:
        find_compiler()
    except CompilerError:
        return True
    return False


pytestmark = pytest.mark.skipif(compiler_is_missing(), reason="there is no C compiler")


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.sampled_from([None, 3, 6]), st.booleans(), st.sampled_from([1, 2]))
def test_random_programs(random: Random, depth: int | None, merge: bool, workers: int) -> None:
    """On random programs with errors of every kind, with one worker and two, whole and cut by depth."""
    text = Programs(random).model()
    limits = Limits(states=4000, depth=depth)
    options = replace(FAST, workers=workers)
    try:
        compare(load_scenario_text(Source("random.hck", text), ROOT), limits, options, merge=merge)
    except Failure as failure:
        raise AssertionError(f"{failure}\n{text}") from failure
    except native.NativeUnavailable:
        pass
    except AssertionError as error:
        raise AssertionError(f"{error}\n{text}") from error


@pytest.mark.parametrize("seed", range(EXAMPLES // 5))
def test_no_undefined_behaviour(seed: int) -> None:
    """Programs run under the sanitizer for undefined behaviour."""
    scenario = load_scenario_text(Source("random.hck", Programs(Random(seed)).model()), ROOT)
    compare(scenario, Limits(states=2000), CHECKED)


@pytest.mark.parametrize("path", SPECS[:: 1 if EXAMPLES > 25 else 9], ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_shipped_specs(path: Path) -> None:
    """On the specs that are shipped (one in nine, all with HUGECHECK_FUZZ), on each of their kernels."""
    scenario = load_scenario(path)
    for kernel in scenario.kernels or ("",):
        try:
            compare(scenario, Limits(states=3000), FAST, kernel)
        except native.NativeUnavailable as reason:
            assert "64" in str(reason)
