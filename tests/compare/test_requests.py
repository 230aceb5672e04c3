"""From specs, recordings and results to steps that a kernel can be asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hugecheck.compare.requests import Request, counterexample, from_recordings, from_scenario, model_kernel, portable
from hugecheck.diagnostics import Failure
from hugecheck.language.loader import load_model
from support.cli import call
from support.specs import ROOT

GALLERY = ROOT / "models/gallery"
SPEC = """"What is found."
use linux
kernel 6.12
setup { set_nr 1 }
process app {
  x = mmap 1 private
  write x[0]
}
never used: free < total    expect violated
"""


def ids(failure: pytest.ExceptionInfo[Failure]) -> list[str]:
    return [d.id for d in failure.value.diagnostics]


def test_a_fixed_sequence() -> None:
    """Setup and steps in order; the process is `p0`."""
    request = from_scenario(GALLERY / "min-size-surplus.hck", "6.1")
    assert [s["op"] for s in request.steps] == [
        *("set_nr", "mount", "set_nr", "create", "mmap", "write", "munmap", "truncate")
    ]
    assert {s["proc"] for s in request.steps if "proc" in s} == {"p0"}
    assert request.steps[-1]["after"] == {
        "total": 0,
        "free": 0,
        "rsvd": 1,
        "surp": 0,
        "mounts": {"m": {"size": -1, "free": -1}},
    }
    assert request.trace.steps[0] == {"op": "set_nr", "n": 1}


@pytest.mark.parametrize("name", ["race-fault-vs-truncate", "min-size-surplus-any"])
def test_steps_without_an_order_are_refused(name: str) -> None:
    """Several threads, or `any`: the message says what to do instead."""
    with pytest.raises(Failure) as failure:
        from_scenario(GALLERY / f"{name}.hck", None)
    assert ids(failure) == ["not-sequential"]
    assert "hugecheck replay" in failure.value.diagnostics[0].help


def test_a_counterexample_of_a_search() -> None:
    """`any` is no hindrance: the shortest way is a sequence."""
    (request,) = counterexample(GALLERY / "min-size-surplus-any.hck", "6.12", None, None)
    assert [s["op"] for s in request.steps] == ["set_overcommit", "mount", "create", "fallocate", "truncate"]
    assert request.claim is not None
    assert str(request.claim) == "never promised_without_page: rsvd > free"
    afters = [s["after"] for s in request.steps]
    assert request.claim.seen(afters) == 5  # type: ignore[arg-type]
    assert request.claim.seen(afters[:-1]) is None  # type: ignore[arg-type]


def test_overlapping_calls_are_refused() -> None:
    """A kernel cannot be told to switch in the middle."""
    with pytest.raises(Failure) as failure:
        counterexample(GALLERY / "race-fault-vs-truncate.hck", "6.12", None, None)
    assert ids(failure) == ["not-sequential"]


def test_results_of_run(tmp_path: Path) -> None:
    """The output of `run --json` gives the same as the spec."""
    spec, results = tmp_path / "a.hck", tmp_path / "a.json"
    spec.write_text(SPEC)
    results.write_text(call("run", str(spec), "--json").out)
    (found,) = counterexample(results, None, None, None)
    (searched,) = counterexample(spec, None, None, None)
    assert found.steps == searched.steps
    assert str(found.claim) == "never used: free < total"
    with pytest.raises(Failure) as failure:
        counterexample(results, None, "nothing", None)
    assert ids(failure) == ["no-counterexample"]
    results.write_text('{"schema": 1}')
    with pytest.raises(Failure) as failure:
        counterexample(results, None, None, None)
    assert ids(failure) == ["bad-trace"]


def test_recordings(tmp_path: Path) -> None:
    """By id; a line that is cut off has its place."""
    module = load_model("linux")
    file = tmp_path / "a.jsonl"
    step = {"op": "set_nr", "n": 1, "result": "ok", "after": {}}
    file.write_text("".join(json.dumps({"id": name, "steps": [step]}) + "\n" for name in "ab"))
    assert [r.id for r in from_recordings(file, module)] == ["a", "b"]
    assert [r.id for r in from_recordings(file, module, "b")] == ["b"]
    with pytest.raises(Failure):
        list(from_recordings(file, module, "c"))
    file.write_text('{"id": "a", "steps": [')
    with pytest.raises(Failure, match=r"a\.jsonl:1: .*"):
        list(from_recordings(file, module))


def test_processes_are_forked_first() -> None:
    """A scenario that starts with two of them; a child that is called as the first would be gets another name."""
    module = load_model("linux")
    steps = [
        {"op": "exit", "proc": "b"},
        {"op": "fork", "proc": "a", "child": "p0"},
        {"op": "exit", "proc": "p0"},
    ]
    assert [
        {k: v for k, v in s.items() if k not in ("result", "after")} for s in portable(steps, module, ("a", "b"))
    ] == [
        {"op": "fork", "proc": "p0", "child": "b"},
        {"op": "exit", "proc": "b"},
        {"op": "fork", "proc": "p0", "child": "p1"},
        {"op": "exit", "proc": "p1"},
    ]


def test_the_kernel_of_a_release() -> None:
    """A later number of a series is predicted by the series."""
    module = load_model("linux")
    assert model_kernel(module, "6.1.999") == model_kernel(module, "6.1")
    with pytest.raises(Failure):
        model_kernel(module, "2.6.32")


def test_a_step_that_no_guest_can_make() -> None:
    """Found out before a kernel boots."""
    steps = ({"op": "demote", "n": 1},)
    with pytest.raises(Failure) as failure:
        Request("a", 1, steps, "", load_model("linux")).trace  # noqa: B018
    assert ids(failure) == ["real-kernel"]
