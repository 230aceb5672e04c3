"""The command line as a whole, and the small commands."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from hugecheck.commands import COMMANDS
from hugecheck.diagnostics import CATALOGUE
from support import recordings
from support.cli import call, shell
from support.specs import ROOT


@pytest.mark.parametrize("arguments", [["frobnicate"], [], ["-x"], ["run", "x.hck", "--frob"], ["help", "no-such-id"]])
def test_bad_commands(arguments: list[str]) -> None:
    """A command that is none is bad input, and the message says where to look."""
    outcome = call(*arguments)
    assert outcome.status == 2
    assert outcome.err.startswith("error[bad-option]: ")
    assert "help: " in outcome.err


def test_overview() -> None:
    """`--help` lists every command, `--version` says which this is."""
    outcome = call("--help")
    assert outcome.status == 0
    assert all(f"  {name}" in outcome.out for name in COMMANDS)
    assert call("--version").out.startswith("hugecheck ")


@pytest.mark.parametrize("name", COMMANDS)
def test_command_help(name: str) -> None:
    """Each command explains its options."""
    outcome = call(name, "--help")
    assert outcome.status == 0
    assert outcome.out.startswith(f"usage: hugecheck {name}")


def test_help_lists_all() -> None:
    """`hugecheck help` lists all diagnostics."""
    out = call("help").out
    assert [line.split()[0] for line in out.strip().split("\n")] == list(CATALOGUE)


def test_bug_report(tmp_path: Path) -> None:
    """A bug of our own is told apart from a result: status 70, version, command, and a request to report it."""
    bug = tmp_path / "sitecustomize.py"
    bug.write_text("import hugecheck.commands as c\ndef load(name): raise ZeroDivisionError('boom')\nc.load = load\n")
    import os
    import subprocess
    import sys

    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT / 'checker'}"}
    done = subprocess.run(
        [sys.executable, "-m", "hugecheck", "run", "x.hck"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 70
    assert "has a bug: ZeroDivisionError('boom')" in done.stderr
    assert "command: hugecheck run x.hck" in done.stderr
    assert "Please report" in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- new


def test_new_then_run(tmp_path: Path) -> None:
    """A spec that `new` writes runs, with all verdicts as expected."""
    path = tmp_path / "mine.hck"
    assert call("new", str(path)).status == 0
    outcome = call("run", str(path))
    assert outcome.status == 0, outcome.out + outcome.err


def test_new_keeps_what_is_there(tmp_path: Path) -> None:
    """`new` overwrites nothing."""
    path = tmp_path / "mine.hck"
    path.write_text("precious")
    outcome = call("new", str(path))
    assert (outcome.status, path.read_text()) == (2, "precious")
    assert outcome.err.startswith("error[unreadable]: ")


def test_new_needs_its_folder(tmp_path: Path) -> None:
    """`new` in a folder that is not there is an error."""
    assert call("new", str(tmp_path / "none" / "mine.hck")).status == 2


# ---------------------------------------------------------------- show


def test_show_a_recording(tmp_path: Path) -> None:
    """A recording is shown as a ledger: each step, each counter with its change."""
    path = recordings.write(tmp_path / "t.jsonl", recordings.good("one"), recordings.good("two"))
    outcome = call("show", str(path), "--id", "two")
    assert outcome.status == 0
    assert outcome.out.startswith("two (kernel 6.1.192)\n")
    assert "one (" not in outcome.out
    lines = outcome.out.split("\n")
    assert len([line for line in lines if " ok " in line]) == 5
    assert "1 (+1)" in next(line for line in lines if "set_nr" in line)


def test_show_without_the_recording(tmp_path: Path) -> None:
    """An id that the file does not have is an error."""
    path = recordings.write(tmp_path / "t.jsonl", recordings.good("one"))
    assert call("show", str(path), "--id", "none").status == 2


@pytest.mark.parametrize("what", ["linux", "models/gallery/min-size-surplus.hck"])
def test_show_ir(what: str) -> None:
    """The program of a model or spec can be printed."""
    outcome = call("show", "--ir", str(ROOT / what) if "/" in what else what)
    assert outcome.status == 0
    assert "\nsection " in outcome.out
    assert "has(" not in outcome.out


@pytest.mark.parametrize("arguments", [["nonesuch", "--ir"], ["none.hck", "--ir"], ["none.jsonl"], ["linux"]])
def test_show_nothing(arguments: list[str]) -> None:
    """What is not there cannot be shown."""
    outcome = call("show", *arguments)
    assert outcome.status == 2
    assert "error[" in outcome.err + outcome.out


# ---------------------------------------------------------------- conform


def test_conform_json(tmp_path: Path) -> None:
    """The document follows its schema, with an error, a divergence and an agreement in it."""
    bad = recordings.good("bad")
    bad["steps"][0]["after"]["total"] = 7
    path = recordings.write(tmp_path / "t.jsonl", recordings.good(), bad, "nothing")
    outcome = call("conform", str(path), "--kernel", "6.1", "--json")
    document = json.loads(outcome.out)
    jsonschema.validate(document, json.loads((ROOT / "spec" / "conform.schema.json").read_text()))
    assert (document["kernel"], document["traces"], document["agree"]) == ("6.1", 2, 1)
    assert [d["id"] for d in document["divergences"]] == ["bad"]
    assert len(document["errors"]) == 1
    assert outcome.status == 2


@pytest.mark.parametrize("arguments", [["--kernel", "9.9"], ["--model", "nonesuch"]])
def test_conform_with_what(arguments: list[str], tmp_path: Path) -> None:
    """An unknown kernel or model is bad input."""
    path = recordings.write(tmp_path / "t.jsonl", recordings.good())
    assert call("conform", str(path), *arguments).status == 2


def test_schemas_are_schemas() -> None:
    """The shipped schemas are valid themselves, and closed: a new field must be described."""
    for path in (ROOT / "spec").glob("*.schema.json"):
        schema = json.loads(path.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["additionalProperties"] is False


def test_no_models_needed_for_help() -> None:
    """`help` imports neither parser nor engine: it answers at once."""
    outcome = shell("help", "syntax")
    assert outcome.out.startswith("syntax: ")
