"""Following recordings: real ones agree, a changed one diverges where it was changed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from hugecheck.diagnostics import Failure
from hugecheck.trace.follow import Follower
from hugecheck.trace.recording import Recording, parse_recording
from support import recordings
from support.cli import call
from support.specs import module

# ---------------------------------------------------------------- the corpus


@pytest.mark.parametrize("name", recordings.CORPUS)
def test_corpus(name: str) -> None:
    """Every recording of a real kernel is predicted exactly, the teardown included, and no step is loose."""
    path = recordings.corpus(name)
    lines = [line for line in path.read_text().split("\n") if line.strip()]
    outcome = call("conform", str(path), "--kernel", name.split("-")[0], "--json")
    document = json.loads(outcome.out)
    assert document["divergences"] == []
    assert document["errors"] == []
    assert outcome.status == 0
    assert (document["traces"], document["agree"], document["loose_steps"]) == (len(lines), len(lines), 0)
    assert document["steps"] == sum(len(json.loads(line)["steps"]) for line in lines)


@pytest.mark.parametrize("name", ["6.1-directed", "6.12-directed"])
def test_corpus_with_a_changed_counter(name: str, tmp_path: Path) -> None:
    """A recording in which one counter is off by one diverges at that step: the model is not content with everything."""
    lines = [json.loads(line) for line in recordings.corpus(name).read_text().split("\n") if line.strip()]
    wanted, changed = [], []
    for number, document in enumerate(lines):
        at = (number * 7) % len(document["steps"])
        counter = ("total", "free", "rsvd", "surp")[number % 4]
        document["steps"][at]["after"][counter] += 1
        changed.append(document)
        wanted.append((document["id"], at + 1))
    outcome = call("conform", str(recordings.write(tmp_path / "t.jsonl", *changed)), "--json")
    found = [(d["id"], d["step"]) for d in json.loads(outcome.out)["divergences"]]
    assert found == wanted
    assert outcome.status == 1


@pytest.mark.parametrize("name", ["6.12-directed"])
def test_the_other_kernel_is_another(name: str) -> None:
    """The kernels differ: some recordings of 6.12 are not what 6.1 would do."""
    outcome = call("conform", str(recordings.corpus(name)), "--kernel", "6.1", "--json")
    assert 0 < len(json.loads(outcome.out)["divergences"]) < json.loads(outcome.out)["traces"]


# ---------------------------------------------------------------- one recording


def _changed(step: int, **fields: object) -> dict[str, Any]:
    document = copy.deepcopy(recordings.good("changed"))
    document["steps"][step].update(fields)
    return document


@pytest.mark.parametrize(
    ("document", "step"),
    [
        (_changed(0, after=recordings.after(2, 1)), 1),
        (_changed(1, after=recordings.after(1, 1, 0)), 2),
        (_changed(2, result="SIGBUS"), 3),
        (_changed(3, result="EINVAL"), 4),
        (_changed(4, after=recordings.after(0, 0, 0, 1)), 5),
        (_changed(4, after={"total": 0, "free": 0, "rsvd": 0}), 5),
        (_changed(4, after={**recordings.after(0, 0), "more": 0}), 5),
        (_changed(2, page=1), 3),
    ],
)
def test_divergence(document: dict[str, Any], step: int, tmp_path: Path) -> None:
    """The first step that is not as predicted is reported, with both sides and the state before."""
    outcome = call("conform", str(recordings.write(tmp_path / "t.jsonl", document)), "--json")
    (found,) = json.loads(outcome.out)["divergences"]
    assert (found["id"], found["step"], found["op"]) == ("changed", step, document["steps"][step - 1]["op"])
    assert found["expected"] == {k: document["steps"][step - 1][k] for k in ("result", "after")}
    assert found["predicted"]
    before = document["steps"][step - 2]["after"] if step > 1 else recordings.after(0, 0)
    assert found["state"] == before
    assert outcome.status == 1


def test_divergence_text(tmp_path: Path) -> None:
    """The text shows step, operation, what was recorded and what is predicted."""
    path = recordings.write(tmp_path / "t.jsonl", _changed(2, after=recordings.after(1, 1)))
    lines = call("conform", str(path)).out.split("\n")
    assert lines[0].startswith(f"{path}: `changed` diverges at step 3, write ")
    assert [line.split()[0] for line in lines[1:4]] == ["before", "recorded", "predicted"]
    assert "free 1" in lines[2]
    assert "free 0" in lines[3]


def test_residue(tmp_path: Path) -> None:
    """What is left after the teardown is predicted too: a residue that is not there is a divergence after the last step."""
    document = {**recordings.good("residue"), "residue": recordings.after(0, 0, 1)}
    outcome = call("conform", str(recordings.write(tmp_path / "t.jsonl", document)), "--json")
    (found,) = json.loads(outcome.out)["divergences"]
    assert (found["step"], found["op"]) == (6, "teardown")


def test_leak_needs_its_residue(tmp_path: Path) -> None:
    """A recording whose kernel leaked diverges if its residue is taken away."""
    lines = [json.loads(line) for line in recordings.corpus("6.1-leak").read_text().split("\n") if line.strip()]
    leaking = [d for d in lines if any(d.get("residue", {}).values())]
    assert leaking, "the corpus has recordings that leak"
    for document in leaking:
        del document["residue"]
    outcome = call("conform", str(recordings.write(tmp_path / "t.jsonl", *leaking)), "--json")
    assert len(json.loads(outcome.out)["divergences"]) == len(leaking)


# ---------------------------------------------------------------- looseness, on a model that is loose

LOOSE = """
index proc named
actor proc when true as p
enum E { NO }
var n: nat = 0
var hidden: nat = 0
observe n = n
operation toss() { atomic { either { n += 1 } or { n += 2 } } }
operation hide() { atomic { choose k in 0..3; hidden = k } }
operation open() { atomic { n += hidden; hidden = 0 } }
operation may() { atomic { either { return } or { fail NO } } }
operation sure() { atomic { n += 1 } }
operation stuck() { atomic { await false } }
operation round() { while true { atomic { n = n } } }
operation only() when n = 99 "n is {n}" { atomic { } }
operation wrong() { atomic { assert n = 99 "n is 99" } }
"""


def follow(*steps: tuple[str, str, int]) -> tuple[int, int, int | None]:
    """Steps followed, loose steps, and the number of the step that diverges."""
    found = _follower().follow(_recording(*steps))
    return found.steps, found.loose, found.divergence.step if found.divergence else None


def _follower() -> Follower:
    return Follower(module(LOOSE), frozenset())


def _recording(*steps: tuple[str, str, int]) -> Recording:
    document = {"id": "t", "steps": [{"op": op, "result": r, "after": {"n": n}} for op, r, n in steps]}
    return parse_recording(json.dumps(document).encode(), "t", "t:1", module(LOOSE))


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([("sure", "ok", 1), ("sure", "ok", 2)], (2, 0, None)),
        ([("toss", "ok", 1)], (1, 1, None)),
        ([("toss", "ok", 2), ("toss", "ok", 3), ("sure", "ok", 4)], (3, 2, None)),
        ([("toss", "ok", 3)], (0, 1, 1)),
        ([("may", "NO", 0), ("may", "ok", 0)], (2, 2, None)),
        # What nobody sees is not loose; only where it comes to light.
        ([("hide", "ok", 0)], (1, 0, None)),
        ([("hide", "ok", 0), ("open", "ok", 2), ("open", "ok", 2)], (3, 1, None)),
        ([("hide", "ok", 0), ("open", "ok", 3)], (1, 1, 2)),
        ([("sure", "ok", 1), ("only", "ok", 1)], (1, 0, 2)),
        ([("stuck", "ok", 0)], (0, 0, 1)),
        ([("round", "HANG", 0)], (1, 0, None)),
        ([("round", "ok", 0)], (0, 0, 1)),
        ([("wrong", "ok", 0)], (0, 0, 1)),
    ],
)
def test_loose(steps: list[tuple[str, str, int]], wanted: tuple[int, int, int | None]) -> None:
    """A step counts as loose when the model allows more than one result or tuple of counters; all that fit are followed."""
    assert follow(*steps) == wanted


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (("only", "ok", 0), "n is 0"),
        (("stuck", "ok", 0), "the operation waits for ever"),
        (("wrong", "ok", 0), "assert: n is 99"),
    ],
)
def test_why_nothing_fits(step: tuple[str, str, int], message: str) -> None:
    """Where the model has no outcome at all it says why."""
    divergence = _follower().follow(_recording(step)).divergence
    assert divergence is not None
    assert [str(p["error"]).split(" (")[0] for p in divergence.predicted] == [message]


def test_too_many_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording that fits more states than can be followed is given up, not judged."""
    monkeypatch.setattr("hugecheck.trace.follow.MAX_STATES", 5)
    with pytest.raises(Failure) as caught:
        follow(("hide", "ok", 0), ("hide", "ok", 0))
    assert [d.id for d in caught.value.diagnostics] == ["too-large"]
