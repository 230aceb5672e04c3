"""Judging a clause by counters alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from hugecheck.compare.claim import claim_of
from hugecheck.emit.condition import bare, c_expression
from hugecheck.language.loader import load_scenario

SPEC = """"."
use linux
kernel 6.12
setup {{ set_nr 1 }}
process app {{ x = mmap 1 private }}
{clause}
"""


@pytest.mark.parametrize(
    ("clause", "rsvds", "step"),
    [
        ("never a: rsvd > free", [0, 2, 0], 2),
        ("never a: rsvd > free", [0, 1, 0], None),
        ("always a: rsvd <= free", [0, 0, 2], 3),
        ("sometimes a: rsvd = 1", [1, 2, 0], 1),
        ("finally a: rsvd = 0", [1, 2, 0], None),
        ("finally a: rsvd = 0", [0, 0, 1], 3),
        ("never a: rsvd = u64(-1)", [0, (1 << 64) - 1], 2),
    ],
)
def test_where_it_shows(tmp_path: Path, clause: str, rsvds: list[int], step: int | None) -> None:
    """The first step whose counters show it; a `finally` only at the end."""
    (tmp_path / "a.hck").write_text(SPEC.format(clause=clause))
    scenario = load_scenario(tmp_path / "a.hck")
    claim = claim_of(scenario.clauses[0], scenario.module)
    assert claim.holds is not None
    assert claim.seen([{"total": 1, "free": 1, "rsvd": rsvd, "surp": 0} for rsvd in rsvds]) == step


def test_what_counters_do_not_tell(tmp_path: Path) -> None:
    """A clause over the state of the model."""
    (tmp_path / "a.hck").write_text(SPEC.format(clause="never a: is_mapped(app, x)"))
    scenario = load_scenario(tmp_path / "a.hck")
    assert claim_of(scenario.clauses[0], scenario.module).holds is None


def test_in_c(tmp_path: Path) -> None:
    """The condition with the counters as variables."""
    text = "never a: rsvd > free and not (total - surp = 3 or rsvd = u64(-1))"
    (tmp_path / "a.hck").write_text(SPEC.format(clause=text))
    scenario = load_scenario(tmp_path / "a.hck")
    condition = claim_of(scenario.clauses[0], scenario.module).condition
    assert condition is not None
    expression = c_expression(condition)
    assert expression is not None
    assert bare(expression).startswith("(rsvd > free) && !(((total - surp) == 3) || (rsvd == (__int128)(unsigned long)")
