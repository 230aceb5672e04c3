"""Every shipped spec has the verdicts that it says, and the models keep the rules of the house."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hugecheck.language.loader import load_model, load_scenario
from support.cli import call
from support.specs import ROOT

MODELS = ROOT / "models"
FOLDERS = ("seed", "tutorial", "gallery", "bench")
_SCENARIO = re.compile(r"^(process|steps|setup)\b", re.MULTILINE)
SPECS = sorted(p for folder in FOLDERS for p in (MODELS / folder).rglob("*.hck") if _SCENARIO.search(p.read_text()))
"""the rest are models that specs `use`"""
LARGE = re.compile(r"^# size: large", re.MULTILINE)


def _relative(path: Path) -> str:
    return path.relative_to(MODELS).as_posix()


@pytest.mark.parametrize("spec", SPECS, ids=_relative)
def test_verdicts(spec: Path) -> None:
    """All clauses of a shipped spec are as its author says, on every kernel that it names."""
    if LARGE.search(spec.read_text()):
        pytest.skip("marked `# size: large`: a benchmark")
    outcome = call("run", str(spec), "--quiet", "--max-seconds", "100")
    assert outcome.status == 0, outcome.out + outcome.err


@pytest.mark.parametrize("spec", SPECS, ids=_relative)
def test_says_what_it_shows(spec: Path) -> None:
    """A shipped spec begins with one sentence."""
    scenario = load_scenario(spec)
    assert re.fullmatch(r"\S.*[.?!]", scenario.title), scenario.title


def test_titles_differ() -> None:
    """No two specs show the same thing."""
    titles = [load_scenario(spec).title for spec in SPECS]
    assert sorted(titles) == sorted(set(titles))


def test_only_data() -> None:
    """`spec/` and `models/` hold data: no program may hide there."""
    assert [p for folder in ("spec", "models") for p in (ROOT / folder).rglob("*.py")] == []


def test_kernels_of_the_specs_are_in_the_table() -> None:
    """Each kernel that a spec runs on is a row of its model's table."""
    for spec in SPECS:
        scenario = load_scenario(spec)
        rows = {n for k in scenario.module.kernels for n in (k.name, k.alias)}
        assert {name.split(" ")[0] for name in scenario.kernels} <= rows, spec


def _linux_text() -> str:
    """The text of the Linux model without comments and texts."""
    text = "\n".join(p.read_text() for p in sorted((MODELS / "linux").glob("*.hck")))
    return re.sub(r'#[^\n]*|"[^"\n]*"', "", text)


def test_every_switch_is_asked() -> None:
    """A switch that no code asks about describes nothing."""
    asked = set(re.findall(r"\bhas\((\w+)\)", _linux_text()))
    declared = set(load_model("linux").switches)
    assert declared - asked == set()


def test_every_question_is_a_switch() -> None:
    """`has(X)` of an undeclared X is refused by the checker, so the model's questions are all declared."""
    asked = set(re.findall(r"\bhas\((\w+)\)", _linux_text()))
    assert asked - set(load_model("linux").switches) == set()


def test_every_file_of_the_model_is_used() -> None:
    """A file beside `linux.hck` that it does not use would be dead text."""
    used = set(re.findall(r'^use "([^"]+)"', (MODELS / "linux" / "linux.hck").read_text(), re.MULTILINE))
    assert used == {p.name for p in (MODELS / "linux").glob("*.hck")} - {"linux.hck"}


def test_every_function_is_called() -> None:
    """No function of the Linux model is left over."""
    text = _linux_text()
    declared = re.findall(r"\b(?:fn|def)\s+(\w+)\s*\(", text)
    unused = [name for name in declared if len(re.findall(rf"\b{name}\s*\(", text)) < 2]
    assert unused == []


def test_laws_and_counters_have_a_sentence() -> None:
    """A verdict and a ledger explain themselves: each law and each counter has a text."""
    linux = load_model("linux")
    assert [law.name for law in linux.laws.values() if len(law.text.split()) < 4] == []
    assert [o.name for o in linux.observes if not o.table and not o.text] == []


def test_switches_cite_evidence() -> None:
    """A behaviour that only some listed kernels have names the commit that brought it, or the release."""
    linux = load_model("linux")
    common = frozenset.intersection(*(k.switches for k in linux.kernels))
    varying = frozenset().union(*(k.switches for k in linux.kernels)) - common
    assert [n for n in sorted(varying) if not linux.switches[n].commit and not linux.switches[n].release] == []


@pytest.mark.parametrize("kernel", ["6.1", "6.1.192", "6.12", "6.12.113"])
def test_released_kernels(kernel: str) -> None:
    """The kernels of the recordings are rows of the table, by both names."""
    assert kernel in {n for k in load_model("linux").kernels for n in (k.name, k.alias)}
