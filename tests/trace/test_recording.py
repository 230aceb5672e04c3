"""Recordings that are not ones: each gets a clear error with its place, and the others of the call are still judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.cli import call
from support.recordings import good, write


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = good("bad")
    change(document)
    return document


def step(number: int, **fields: object) -> dict[str, Any]:
    """The good recording with fields of one step replaced, or removed where None."""

    def change(document: dict[str, Any]) -> None:
        for name, value in fields.items():
            if value is None:
                del document["steps"][number][name]
            else:
                document["steps"][number][name] = value

    return changed(change)


BAD: dict[str, tuple[object, str]] = {
    "cut off": (json.dumps(good())[:200], "not JSON"),
    "binary": (b"\x00\xff\xfe\x80garbage", "not JSON"),
    "not utf-8": (b'{"id": "\xff"}', "not JSON"),
    "deep": ("[" * 100_000, "not JSON"),
    "a list": ("[]", "a trace is an object, not a list"),
    "a number": ("17", "a trace is an object, not 17"),
    "null": ("null", "a trace is an object, not null"),
    "nan": ('{"id": "x", "steps": [], "nodes": NaN}', "`nodes`"),
    "no id": (changed(lambda d: d.pop("id")), "`id`"),
    "no steps": (changed(lambda d: d.pop("steps")), "`steps`"),
    "steps not a list": (changed(lambda d: d.update(steps={})), "`steps`"),
    "no node": (changed(lambda d: d.update(nodes=0)), "`nodes`"),
    "nodes not a number": (changed(lambda d: d.update(nodes=True)), "`nodes`"),
    "kernel not a text": (changed(lambda d: d.update(kernel=6.1)), "`kernel`"),
    "residue not an object": (changed(lambda d: d.update(residue=[1])), "`residue`"),
    "step not an object": (changed(lambda d: d["steps"].insert(1, "mmap")), "step 2: a step is an object"),
    "no operation": (step(0, op=None), "step 1: a step has `op`"),
    "no result": (step(0, result=None), "step 1: a step has `op` (text), `result`"),
    "no after": (step(2, after=None), "step 3: a step has"),
    "unknown operation": (step(1, op="mmapp"), "step 2: the model has no operation `mmapp`"),
    "unknown field": (step(1, prot="rw"), "step 2: `mmap` has no field `prot`"),
    "missing field": (step(0, n=None), "step 1: `set_nr` needs `n`"),
    "wrong type": (step(0, n="one"), "step 1: `n` is a number"),
    "truth value": (step(0, n=True), "step 1: `n` is a number"),
    "fraction": (step(0, n=1.5), "step 1: `n` is a number"),
    "negative": (step(0, n=-1), "step 1: `n` is a number"),
    "too large": (step(0, n=10**12), "step 1: `n` is a number"),
    "name not a text": (step(1, map=3), "step 2: `map` is a name"),
    "empty name": (step(1, map=""), "step 2: `map` is a name"),
    "unknown flag": (step(1, flags=["huge"]), "step 2: `flags` is a list out of"),
    "flags not a list": (step(1, flags="shared"), "step 2: `flags` is a list out of"),
    "two first processes": (step(2, proc="p1"), "recording starts with one process"),
    "unknown kernel": (changed(lambda d: d.update(kernel="9.9")), "no kernel `9.9`"),
    "no kernel": (changed(lambda d: d.pop("kernel")), "does not say its kernel"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_recording(name: str, tmp_path: Path) -> None:
    """The error names the file and what is wrong; the good recordings around it are judged; the status is 2."""
    line, message = BAD[name]
    path = write(tmp_path / "t.jsonl", good("before"), line, good("after"))
    outcome = call("conform", str(path))
    assert message in outcome.err
    assert "error[" in outcome.err
    assert outcome.out.startswith("2 of 2 recordings agree with the model, 10 steps, 0 of them loose")
    assert outcome.status == 2


@pytest.mark.parametrize("name", [n for n in BAD if "kernel" not in n and "process" not in n])
def test_bad_recording_has_a_place(name: str, tmp_path: Path) -> None:
    """The error says on which line of the file the recording stands."""
    path = write(tmp_path / "t.jsonl", good("before"), BAD[name][0])
    assert f"{path}:2: " in call("conform", str(path)).err


def test_a_process_that_nobody_made(tmp_path: Path) -> None:
    """A name that no step makes and that is no process to start with is a divergence or an error, never a traceback."""
    outcome = call("conform", str(write(tmp_path / "t.jsonl", step(2, map="nobody"))))
    assert outcome.status == 1
    assert "diverges at step 3" in outcome.out


def test_empty_file(tmp_path: Path) -> None:
    """A file without recordings has nothing to judge, and says so."""
    outcome = call("conform", str(write(tmp_path / "t.jsonl")))
    assert outcome.out.startswith("0 of 0 recordings agree")


def test_blank_lines(tmp_path: Path) -> None:
    """Blank lines between recordings do not matter."""
    assert call("conform", str(write(tmp_path / "t.jsonl", "", good(), "   ", ""))).status == 0


@pytest.mark.parametrize("where", ["directory", "missing"])
def test_unreadable(where: str, tmp_path: Path) -> None:
    """A directory or a file that is not there is one error, and the other file is judged."""
    path = tmp_path if where == "directory" else tmp_path / "none.jsonl"
    outcome = call("conform", str(path), str(write(tmp_path / "t.jsonl", good())))
    assert outcome.status == 2
    assert f"cannot read `{path}`" in outcome.err
    assert outcome.out.startswith("1 of 1 recordings agree")


def test_huge_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the limit is refused without being read whole (the limit is 64 MiB; here it is lowered)."""
    monkeypatch.setattr("hugecheck.trace.recording.MAX_LINE", 1024 * 1024)
    outcome = call("conform", str(write(tmp_path / "t.jsonl", good(), b"x" * (1024 * 1024 + 10))))
    assert outcome.status == 2
    assert "t.jsonl:2: the line is longer than 1 MiB" in outcome.err
    assert outcome.out.startswith("1 of 1 recordings agree")


def test_many_steps(tmp_path: Path) -> None:
    """A recording of 20,000 steps is followed."""
    document = good("long")
    document["steps"] = document["steps"] * 4000
    outcome = call("conform", str(write(tmp_path / "t.jsonl", document)))
    assert outcome.status == 0
    assert "20,000 steps, 0 of them loose" in outcome.out
