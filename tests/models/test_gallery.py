"""The gallery: its table says what its specs pin, names are told once, and the command reports what it runs."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from hugecheck.commands.gallery import README, bug_of, expected_row, flipped, readme
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_model
from support.cli import call
from support.specs import ROOT

GALLERY = ROOT / "models" / "gallery"
SPECS = sorted(GALLERY.glob("*.hck"), key=bug_of)
SHORT = "dontneed-steal"
KERNELS = ["4.19", "5.4", "5.10", "5.15", "6.1", "6.6", "6.12", "6.15", "6.18", "7.0", "mainline"]


def test_readme_is_current() -> None:
    """`README.md` is what `hugecheck gallery --write` would write. The verdicts themselves are checked by test_models.py."""
    assert (GALLERY / README).read_text() == readme([expected_row(spec) for spec in SPECS])


def test_what_is_missing_is_missing() -> None:
    """No bug has a spec and a reason why it has none."""
    missing = set(re.findall(r"^\| `([\w-]+)`", (GALLERY / "NOT-EXPRESSED.md").read_text(), re.MULTILINE))
    assert missing & {bug_of(spec) for spec in SPECS} == set()


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels(kernel: str) -> None:
    """The releases of the gallery's columns are in the table of kernels."""
    assert find_kernel(load_model("linux"), kernel, None)


def test_bugs_come_and_go() -> None:
    """Each bug is there on some kernel; one that has a commit is turned by it."""
    for spec in SPECS:
        row = expected_row(spec)
        if not spec.stem.startswith("race-"):
            assert "violated" in row.verdicts.values(), spec
        if len(set(row.verdicts.values())) > 1 and any(" " in k for k in row.verdicts):
            assert flipped(row), spec


def test_commits_in_the_header() -> None:
    """What turns a row is explained where the row comes from."""
    for spec in SPECS:
        for item in re.findall(r"\b[0-9a-f]{12}\b", " ".join(flipped(expected_row(spec)))):
            assert item in spec.read_text().split("\nuse linux", 1)[0], (spec, item)


def test_command() -> None:
    """One row, as text and as JSON; the document follows its schema."""
    outcome = call("gallery", SHORT)
    assert outcome.status == 0, outcome.out + outcome.err
    assert "df7a6d1f6405" in outcome.out
    document = json.loads(call("gallery", SHORT, "--json").out)
    jsonschema.validate(document, json.loads((ROOT / "spec" / "gallery.schema.json").read_text()))
    (row,) = document["rows"]
    assert row["flipped_by"] == ["df7a6d1f6405"]
    assert row["verdicts"]["6.1"] == "violated"
    assert row["verdicts"]["6.12"] == "holds"
    assert row["verdicts"] == row["expected"]


def test_unknown_bug() -> None:
    """A mistyped name is corrected."""
    outcome = call("gallery", "dontneed-stel")
    assert outcome.status == 2
    assert SHORT in outcome.err


def test_a_part_is_not_written() -> None:
    """The table is only written whole."""
    before = (GALLERY / README).read_text()
    assert call("gallery", SHORT, "--write").status == 2
    assert (GALLERY / README).read_text() == before
