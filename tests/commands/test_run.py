"""`hugecheck run`: exit statuses, JSON, several specs at once, limits, interruption, determinism."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from support.cli import call, shell, start
from support.specs import ROOT

SCHEMA = json.loads((ROOT / "spec" / "run.schema.json").read_text())
REQUIRED = {
    "spec",
    "kernel",
    "clause",
    "text",
    "verdict",
    "expected",
    "as_expected",
    "states",
    "transitions",
    "depth",
    "complete",
    "engine",
    "seconds",
    "trace",
}
MODEL = """
var n: nat = 0
observe n = n "how much"
enum E { FULL }
operation inc(step: nat = 1) written inc [step step] { atomic { if n > 9 { fail FULL }; n += step } }
"""
HOLDS = MODEL + "process p { inc }\nalways c: n <= 1\n"
VIOLATED = MODEL + "process p { inc }\nalways c: n = 0\n"
PINNED = MODEL + "process p { inc }\nalways c: n = 0   expect violated\n"
WRONGLY_PINNED = MODEL + "process p { inc }\nalways c: n <= 1   expect violated\n"
NOT_REACHED = MODEL + "process p { inc }\nsometimes c: n = 2\n"
VACUOUS = MODEL + 'operation never() when n > 5 "n is {n}" { atomic { } }\nprocess p { never; inc }\nalways c: n <= 1\n'
ENDLESS = "var n: nat = 0\noperation inc() { atomic { n += 1 } }\nprocess p { loop { inc } }\nalways c: n >= 0\n"
BAD = MODEL + "process p { inc }\nalways c: m = 0\n"
INTERLEAVED = MODEL + "operation two() { atomic { n += 1 }; atomic { n += 1 } }\nprocess p, q { two }\nnever c: n = 3\n"


@pytest.fixture
def spec(tmp_path: Path) -> Any:
    """Writes specs and gives their names."""

    def write(text: str, name: str = "spec.hck") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def document(*arguments: str) -> dict[str, Any]:
    """The JSON that a run prints, checked against its schema."""
    outcome = call("run", "--json", *arguments)
    loaded: dict[str, Any] = json.loads(outcome.out)
    jsonschema.validate(loaded, SCHEMA)
    return loaded


# ---------------------------------------------------------------- exit statuses


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        (HOLDS, [], 0),
        (PINNED, [], 0),
        (VIOLATED, [], 1),
        (WRONGLY_PINNED, [], 1),
        (NOT_REACHED, [], 1),
        (VACUOUS, [], 1),
        (INTERLEAVED, [], 1),
        (BAD, [], 2),
        ("foo\n", [], 2),
        (HOLDS, ["--kernel", "6.1"], 2),
        (ENDLESS, ["--max-states", "100"], 3),
        (ENDLESS, ["--depth", "5"], 3),
        (ENDLESS, ["--max-seconds", "0.1"], 3),
        (ENDLESS, ["--max-memory", "1"], 3),
        (MODEL + "process p { loop { inc -> ok } }\nalways c: n < 5\n", ["--depth", "6"], 1),
    ],
)
def test_status(text: str, options: list[str], status: int, spec: Any) -> None:
    """0 all as expected, 1 a clause or expectation failed, 2 bad input, 3 gave up."""
    outcome = call("run", spec(text), "--engine", "reference", *options)
    assert outcome.status == status, outcome.out + outcome.err


@pytest.mark.parametrize(
    ("texts", "status"),
    [
        ([HOLDS, HOLDS], 0),
        ([HOLDS, VIOLATED, HOLDS], 1),
        ([HOLDS, BAD, VIOLATED], 2),
        ([HOLDS, BAD, HOLDS], 2),
    ],
)
def test_several_specs(texts: list[str], status: int, spec: Any) -> None:
    """Each spec is judged, whatever is wrong with the others; the status is the worst."""
    names = [spec(t, f"s{n}.hck") for n, t in enumerate(texts)]
    outcome = call("run", *names)
    assert outcome.status == status
    for name, text in zip(names, texts, strict=True):
        assert name in (outcome.err if text == BAD else outcome.out)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--depth", "0", "x.hck"],
        ["--depth", "x", "x.hck"],
        ["--max-states", "-1", "x.hck"],
        ["--max-seconds", "soon", "x.hck"],
        ["--max-seconds", "nan", "x.hck"],
        ["--max-seconds", "-1", "x.hck"],
        ["--frobnicate", "x.hck"],
        ["--kernel"],
    ],
)
def test_bad_options(arguments: list[str]) -> None:
    """Options that make no sense are an error like any other."""
    outcome = call("run", *arguments)
    assert outcome.status == 2
    assert outcome.err.startswith("error[bad-option]: ")


# ---------------------------------------------------------------- files that are no specs


def _binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 10)


def _huge(path: Path) -> None:
    path.write_text("# " + "x" * 9_000_000)


def _long(path: Path) -> None:
    path.write_text("# x\n" * 600_000)


def _nul(path: Path) -> None:
    path.write_text("var x: nat = 0\0\n")


def _directory(path: Path) -> None:
    path.mkdir()


def _empty(path: Path) -> None:
    path.write_text("")


def _forbidden(path: Path) -> None:
    path.write_text(HOLDS)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root can read everything")


@pytest.mark.parametrize(
    ("make", "id_"),
    [
        (None, "unreadable"),
        (_binary, "unreadable"),
        (_directory, "unreadable"),
        (_forbidden, "unreadable"),
        (_huge, "too-large"),
        (_long, "too-large"),
        (_nul, "syntax"),
        (_empty, "no-process"),
    ],
    ids=["missing", "binary", "directory", "forbidden", "huge", "long", "nul", "empty"],
)
def test_files(make: Any, id_: str, tmp_path: Path, spec: Any) -> None:
    """A file that is no spec is one error; the next spec is run."""
    path = tmp_path / "bad.hck"
    if make is not None:
        make(path)
    outcome = call("run", str(path), spec(HOLDS))
    assert outcome.status == 2
    assert outcome.err.count("error[") == 1
    assert outcome.err.startswith(f"error[{id_}]: ")
    assert "1 of 1 verdicts are as expected" in outcome.out


@pytest.mark.parametrize("name", ["-", "x\0y.hck", "é.hck", "a" * 300 + ".hck"])
def test_odd_names(name: str) -> None:
    """Names that no file has."""
    assert call("run", "--", name).status == 2


def test_use_of_a_bad_file(tmp_path: Path, spec: Any) -> None:
    """A mistake in a file that is used is reported at its place there."""
    (tmp_path / "model.hck").write_text("var n: natt = 0\n")
    outcome = call("run", spec('use "model.hck"\nprocess p { f }\nalways true\n'))
    assert outcome.status == 2
    assert re.search(r"--> \S*model\.hck:1:", outcome.err)


def test_use_in_a_circle(tmp_path: Path, spec: Any) -> None:
    """Files that use each other are read once."""
    (tmp_path / "a.hck").write_text('use "b.hck"\nvar n: nat = 0\n')
    (tmp_path / "b.hck").write_text('use "a.hck"\noperation inc() { atomic { n += 1 } }\n')
    assert call("run", spec('use "a.hck"\nprocess p { inc }\nalways n <= 1\n')).status == 0


# ---------------------------------------------------------------- what is printed


def test_json_shape(spec: Any) -> None:
    """The fields that other programs rely on are there, one entry for each clause."""
    found = document(spec(HOLDS + "sometimes d: n = 1\n"))
    assert found["schema"] == "hugecheck.run/1"
    assert [r["clause"] for r in found["results"]] == ["c", "d"]
    assert all(set(r) >= REQUIRED for r in found["results"])
    assert (found["results"][0]["text"], found["results"][0]["verdict"]) == ("n <= 1", "holds")
    assert (found["results"][0]["states"], found["results"][0]["transitions"], found["results"][0]["complete"]) == (
        2,
        1,
        True,
    )


def test_json_trace(spec: Any) -> None:
    """A counterexample is a list of steps as in a recording, each with what is seen after it."""
    (result,) = document(spec(MODEL + "process p { inc step 2; inc }\nalways c: n < 3\n"))["results"]
    assert result["trace"] == [
        {"op": "inc", "step": 2, "result": "ok", "after": {"n": 2}},
        {"op": "inc", "step": 1, "result": "ok", "after": {"n": 3}},
    ]


def test_json_interleaving(spec: Any) -> None:
    """Where sections of two threads alternate, the trace says which and when: the state in the middle is shown."""
    result = next(r for r in document(spec(INTERLEAVED))["results"] if r["clause"] == "c")
    numbers = sorted(s["number"] for step in result["trace"] for s in step["sections"])
    assert numbers == [1, 2, 3]
    assert {step["thread"] for step in result["trace"]} == {"p", "q"}
    assert [
        s["after"]["n"] for s in sorted((s for t in result["trace"] for s in t["sections"]), key=lambda s: s["number"])
    ] == [1, 2, 3]
    assert sorted(step["result"] for step in result["trace"]) == ["ok", "pending"]


def test_json_errors(spec: Any) -> None:
    """What is wrong with one spec stands beside the results of another."""
    found = document(spec(BAD, "bad.hck"), spec(HOLDS))
    assert [(e["id"], e["place"]["line"]) for e in found["errors"]] == [("unknown-name", BAD.count("\n"))]
    assert [r["verdict"] for r in found["results"]] == ["holds"]


def test_json_is_all_there_is(spec: Any) -> None:
    """With `--json` standard output is one object, even when every spec is bad."""
    outcome = call("run", "--json", spec(BAD))
    assert json.loads(outcome.out)["results"] == []
    assert outcome.status == 2


def test_text_says_what_was_covered(spec: Any) -> None:
    """The verdict is never bare: states, completeness, sizes."""
    out = call("run", spec(HOLDS), "--engine", "reference").out
    assert re.search(r"2 states, 1 transitions, depth 1, \d+\.\d\d s; complete", out)
    assert "1 of 1 verdicts are as expected" in out


def test_quiet(spec: Any) -> None:
    """`--quiet` prints verdicts and no counterexample."""
    loud, quiet = call("run", spec(VIOLATED)).out, call("run", "--quiet", spec(VIOLATED)).out
    assert "operation" in loud
    assert "operation" not in quiet
    assert "violated" in quiet


def test_kernels_by_option() -> None:
    """`--kernel` replaces the kernels of the spec, and can be given again; variations are kernels."""
    name = str(ROOT / "models" / "gallery" / "min-size-surplus.hck")
    found = document(name, "--kernel", "6.12", "--kernel", "6.1 with UNMAP_RESTORE")
    assert sorted({r["kernel"] for r in found["results"]}) == ["6.1 with UNMAP_RESTORE", "6.12"]


# ---------------------------------------------------------------- the same again


def _without_times(text: str) -> str:
    return re.sub(r'"seconds": [\d.]+|\d+\.\d\d s', "T", text)


@pytest.mark.parametrize("form", ["text", "json"])
def test_determinism(form: str, spec: Any) -> None:
    """Same input, same bytes, but for times: also with other hash seeds and without what is kept from earlier runs."""
    names = [str(ROOT / "models" / "gallery" / "min-size-surplus-any.hck"), spec(INTERLEAVED)]
    options = ["--json"] if form == "json" else []
    outputs = {
        _without_times(
            shell("run", *options, "--engine", "reference", *names, PYTHONHASHSEED=seed, HUGECHECK_CACHE=cache).out
        )
        for seed, cache in (("0", ""), ("1", ""), ("2", "/nonexistent/cache"))
    }
    assert len(outputs) == 1
    assert "violated" in outputs.pop()


# ---------------------------------------------------------------- ends that are not ordinary


def test_interrupt(spec: Any) -> None:
    """Ctrl-C ends the search with a partial report that claims nothing, and without a traceback."""
    process = start("run", spec(ENDLESS + "sometimes d: n = 3\n"), "--engine", "reference")
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode in (3, 130)
    assert "Traceback" not in out + err
    assert "holds " not in out
    assert "stopped: interrupted" in out
    assert re.search(r"reached +sometimes d", out)


def test_interrupt_stops_the_rest(spec: Any) -> None:
    """After Ctrl-C the specs that follow are not run."""
    process = start("run", spec(ENDLESS), spec(HOLDS, "second.hck"), "--engine", "reference")
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert "second.hck" not in out


def test_broken_pipe(spec: Any) -> None:
    """A reader that goes away is no error of ours."""
    process = start("run", *[spec(VIOLATED, f"{n}.hck") for n in range(20)])
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.wait(timeout=60)
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert process.returncode in (0, 1, 141)


def test_read_only_cache(spec: Any) -> None:
    """Without a place to keep things everything works."""
    outcome = shell("run", spec(HOLDS), HUGECHECK_CACHE="/proc/nowhere")
    assert outcome.status == 0, outcome.err


def test_spoilt_cache(spec: Any, tmp_path: Path) -> None:
    """What is kept from earlier runs may be damaged: it is made again."""
    cache = tmp_path / "cache"
    first = shell("run", spec(HOLDS), HUGECHECK_CACHE=str(cache))
    kept = [p for p in cache.rglob("*") if p.is_file()]
    assert kept
    for path in kept:
        path.write_bytes(b"rubbish")
    second = shell("run", spec(HOLDS), HUGECHECK_CACHE=str(cache))
    assert (first.status, second.status) == (0, 0), second.err
    assert _without_times(first.out) == _without_times(second.out)
