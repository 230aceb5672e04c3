"""Corners of the translation, one at a time: both engines agree, and the answer is the one that is stated here."""

from __future__ import annotations

from pathlib import Path

import pytest

from hugecheck.diagnostics import Source
from hugecheck.explore import native
from hugecheck.explore.search import Explored, Limits
from hugecheck.language.loader import load_scenario_text
from native.agreement import CHECKED, FAST, compare

HERE = Path(__file__).parent


def both(text: str, limits: Limits | None = None, options: native.Options = CHECKED) -> Explored:
    """What both engines say."""
    found = compare(load_scenario_text(Source("case.hck", text), HERE), limits or Limits(), options)
    assert found is not None
    return found


def test_wider_than_guessed() -> None:
    """A value beyond the guessed range makes the field wider; nothing wraps."""
    text = "var n: nat = 1\noperation twice() { atomic { n += n } }\nprocess p { repeat 40 { twice } }\nalways n >= 0"
    found = both(text)
    assert (found.states, found.complete) == (41, True)


def test_beyond_64_bits() -> None:
    """Numbers that C cannot hold are left to the reference engine."""
    text = "var n: int = 1\noperation twice() { atomic { n += n } }\nprocess p { repeat 70 { twice } }\nalways n != 0"
    with pytest.raises(native.NativeUnavailable, match=r"beyond 6[24] bits"):
        both(text)


def test_unsigned_counter() -> None:
    """`u64` of a negative number is larger than any signed one."""
    text = "var n: int = 0\noperation less() { atomic { n -= 1 } }\nprocess p { less }\nnever huge: u64(n) > 999999999999999999"
    assert 0 in both(text).findings


def test_large_set() -> None:
    """Sets over more than 64 elements are left to the reference engine."""
    text = "index thing counted\nvar s: set of thing = {}\noperation put(t: thing) { atomic { s = s union {t} } }\nprocess p { put 70 }\nalways s != {0}"
    with pytest.raises(native.NativeUnavailable, match="71 elements"):
        both(text)


def test_full_set() -> None:
    """A set of 64 elements uses every bit of a word."""
    text = "index thing 64\nvar s: set of thing = {}\noperation put(t: thing) { atomic { s = s union {t} } }\nprocess p { put 63; put 0 }\nalways size(s) < 2"
    assert 0 in both(text).findings


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("x = 1 / (x - x)", "division: division by zero"),
        ("x = 5 % x", "division: remainder of a division by zero"),
        ("x = 9", "range: 9 is not in `0 to 3`"),
        ('assert x = 1 "one"', "assert: one"),
        ("x = o", "none: the value is `none`"),
        ("a[x - 1] = 0", "index: -1 is not an element of `box`"),
    ],
)
def test_broken_contract(statement: str, message: str) -> None:
    """An error of the model is found with the step that shows it."""
    text = (
        f"index box 2\nvar x: 0 to 3 = 0\nvar o: box or none = none\nvar a[box]: int = 0\n"
        f"operation go(y: int) {{ atomic {{ {statement} }} }}\nprocess p {{ go 9 }}\nalways x < 9"
    ).replace("x = 9", "x = y")
    broken = both(text).broken
    assert broken is not None
    assert (broken.message, len(broken.path)) == (message, 1)


def test_error_in_a_clause() -> None:
    """A clause without a value is an error of the model, in the state where it has none."""
    text = "var o: nat or none = 0\noperation drop() { atomic { o = none } }\nprocess p { drop }\nalways o + 1 > 0"
    broken = both(text).broken
    assert broken is not None
    assert broken.message == "none: the value is `none`"


def test_pool_grows() -> None:
    """Both engines ask for the same larger pool."""
    text = "index slot pool\nvar used[slot]: bool = false\noperation take() { atomic { let s = new s in slot: not used[s]; used[s] = true } }\nprocess p { repeat 5 { take } }\nfinally (count s in slot: used[s]) = 5"
    assert both(text).complete


def test_halfway() -> None:
    """A merged operation that blocks half-way leaves a state with a frame that must be stored."""
    text = "var n: 0 to 3 = 0\noperation go() { atomic { n = 1 }; atomic { await n = 2; n = 3 } }\nprocess p { go }\nalways n < 3"
    found = both(text)
    assert found.broken is not None
    assert found.states == 2


def test_hang() -> None:
    """An operation that goes round for ever has the result HANG."""
    text = "var n: 0 to 1 = 0\nenum E { X }\noperation spin() { while true { atomic { n = 1 - n } } }\nprocess p { spin -> ok }\nalways n < 2"
    assert "HANG" in both(text).findings[1].message


def test_limits() -> None:
    """Limits on states and depth stop both engines at the same point."""
    text = "var n: 0 to 7 = 0\nvar k: 0 to 7 = 0\noperation a() { atomic { n = (n + 1) % 8 } }\noperation b() { atomic { k = (k + 1) % 8 } }\nprocess p { loop { a } }\nprocess q { loop { b } }\nalways n < 8"
    assert both(text).states == 64
    assert both(text, Limits(states=20)).reason == "20 states reached"
    cut = both(text, Limits(depth=3))
    assert (cut.reason, cut.cut_by_depth, cut.depth) == ("depth 3 reached", True, 3)


def test_seconds() -> None:
    """A limit on time gives a partial answer."""
    text = "var n: nat = 0\nvar k: nat = 0\noperation a() { atomic { n += 1 } }\noperation b() { atomic { k += 1 } }\nprocess p { loop { a } }\nprocess q { loop { b } }\nalways n >= 0"
    scenario = load_scenario_text(Source("case.hck", text), HERE)
    from native.agreement import explored

    found = explored(scenario, lambda system: native.explore(system, Limits(seconds=0.3), None, FAST))
    assert found is not None
    assert found.reason == "0.3 seconds are over"
    assert not found.complete
