"""Whatever the text, the tool answers: a verdict, or diagnostics with a place. Never a traceback.

`HUGECHECK_FUZZ=N` asks for N times as many examples.
"""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from hugecheck.diagnostics import CATALOGUE, Diagnostic, Failure, Source, render
from hugecheck.explore.search import Limits
from hugecheck.language import checking
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import _closure, _uses
from hugecheck.run import run_on
from support import sentences
from support.cli import call
from support.specs import ROOT

HERE = Path(__file__).parent
FACTOR = int(os.environ.get("HUGECHECK_FUZZ", "1"))
CRASHERS = sorted(p for p in (HERE / "crashers").iterdir() if p.suffix == ".hck")
SHIPPED = sorted([p for p in (ROOT / "models").rglob("*.hck") if p.stat().st_size < 20_000], key=lambda p: p.as_posix())
EXAMPLES = re.findall(r"^```hck\n(.*?)^```$", (ROOT / "spec" / "language.md").read_text(), re.MULTILINE | re.DOTALL)
SHORT = Limits(states=60, seconds=2.0, depth=12)
ABOUT_FILES = {"unreadable", "no-kernel", "bad-option"}


def examples(number: int) -> settings:
    """Settings for a test with so many examples in the normal run. They are always the same there."""
    return settings(
        max_examples=number * FACTOR,
        deadline=None,
        database=None,
        derandomize=FACTOR == 1,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def judge(text: str, folder: Path = HERE) -> list[Diagnostic]:
    """Parse, check and run a text a little; what is wrong with it. Anything but a `Failure` goes through."""
    source = Source("fuzz.hck", text)
    try:
        file = checking.parse(source)
        used = _closure(_uses(source, folder))
        if checking.declares_model(file) or not used:
            module, symbols = checking.check_sources([*used, source])
        else:
            module, symbols = checking.check_sources(used)
        scenario = checking.check_whole(source, file, module, symbols)
        for kernel in scenario.kernels[:1] or ("",):
            switches = find_kernel(scenario.module, kernel, None) if kernel else frozenset()
            run_on(scenario, kernel, switches, SHORT)
    except Failure as failure:
        return list(failure.diagnostics)
    return []


def check(text: str, folder: Path = HERE) -> None:
    """The promise of this file about one text."""
    try:
        found = judge(text, folder)
    except Failure:
        raise AssertionError("a failure without diagnostics") from None
    except RecursionError:
        raise AssertionError("recursion") from None
    for d in found:
        assert d.id in CATALOGUE
        assert d.span is not None or d.id in ABOUT_FILES, render(d)
        if d.span is not None:
            lines = d.span.source.text.split("\n")
            assert 1 <= d.span.line <= len(lines), d
            assert 1 <= d.span.column <= len(lines[d.span.line - 1]) + 1, d
        assert render(d).startswith(f"error[{d.id}]: ")


@pytest.mark.parametrize("path", CRASHERS, ids=lambda p: p.stem)
def test_what_once_hurt(path: Path) -> None:
    """Inputs that once ended in a traceback are answered, in this process and by the command."""
    check(path.read_text())
    outcome = call("run", str(path), "--max-states", "100", "--max-seconds", "5")
    assert outcome.status in (0, 1, 2, 3)
    assert "Traceback" not in outcome.out + outcome.err


# ---------------------------------------------------------------- from the grammar


# What the sentences' names may mean.
PROLOGUE = """
enum up { red, green }
const e = 2
index f 2
index n named
index ok pool
spinlock k
mutex h
var a: nat = 0
var b[f]: int = 0
record R of n { c: bool = false }
fn b(a: nat) { atomic k { } }
operation c(a: nat = 1) { atomic { b[0] = a } }
process d { c }
always a = 0
"""


@pytest.mark.parametrize("start", sentences.starts())
def test_sentences_of_the_grammar(start: str) -> None:
    """What follows the grammar gets through the parser or is refused with a place; so does all that the checker makes of it."""

    @examples(25)
    @given(st.integers(0, 1 << 40), st.integers(4, 40))
    def holds(seed: int, budget: int) -> None:
        text = sentences.sentence(start, random.Random(seed), budget)
        check(text)
        check(PROLOGUE + text + "\n")

    holds()


def test_sentences_are_sentences() -> None:
    """The generator speaks the language: most of what it says is no syntax error."""
    rng = random.Random(1)
    texts = [sentences.sentence("operation", rng, 25) + "\n" for _ in range(100)]
    assert sum(all(d.id != "syntax" for d in judge(t)) for t in texts) > 60


# ---------------------------------------------------------------- mutations of what is shipped

_TOKEN = re.compile(r'"[^"\n]*"|\w+|[^\w\s]|\s+')


def mutate(text: str, rng: random.Random) -> str:
    """Delete, repeat, swap or replace a few tokens, lines or characters."""
    for _ in range(rng.randint(1, 3)):
        kind = rng.choice(("token", "token", "token", "line", "character"))
        pieces = (
            _TOKEN.findall(text) if kind == "token" else text.splitlines(True) if kind == "line" else list(text)
        ) or [""]
        i, j = rng.randrange(len(pieces)), rng.randrange(len(pieces))
        match rng.randrange(5):
            case 0:
                del pieces[i]
            case 1:
                pieces.insert(j, pieces[i])
            case 2:
                pieces[i], pieces[j] = pieces[j], pieces[i]
            case 3:
                pieces[i] = pieces[j]
            case _:
                pieces[i] = rng.choice(
                    (
                        "none",
                        "0",
                        "-1",
                        "99999999999",
                        "{}",
                        "x",
                        "true",
                        "(",
                        "}",
                        "in",
                        "atomic",
                        "\x00",
                        "é",
                        "\t",
                        "=",
                    )
                )
        text = "".join(pieces)
    return text


@examples(500)
@given(st.integers(0, len(EXAMPLES) - 1), st.integers(0, 1 << 40))
def test_mutated_examples(number: int, seed: int) -> None:
    """Mutations of the examples of the reference, which use every form of the language."""
    check(mutate(EXAMPLES[number], random.Random(seed)))


CORPUS = [p.split("\n", 1)[-1] for f in sorted((HERE / "errors").glob("*.hck")) for p in f.read_text().split("# ---")]


@examples(150)
@given(st.integers(0, len(CORPUS) - 1), st.integers(0, 1 << 40))
def test_mutated_mistakes(number: int, seed: int) -> None:
    """Mutations of the corpora of mistakes."""
    check(mutate(CORPUS[number], random.Random(seed)))


_MODEL_FILES = [p for p in SHIPPED if p.parent.name == "linux"]
_SPECS = [p for p in SHIPPED if p.parent.name != "linux"]


@examples(12)
@given(st.data())
def test_mutated_specs(data: DataObject) -> None:
    """Mutations of the shipped specs, over the Linux model."""
    path = data.draw(st.sampled_from(_SPECS))
    check(mutate(path.read_text(), random.Random(data.draw(st.integers(0, 1 << 40)))), path.parent)


@examples(20)
@given(st.data())
def test_mutated_model(data: DataObject) -> None:
    """Mutations of a file of the Linux model, checked alone: its names are mostly unknown, and all are reported."""
    path = data.draw(st.sampled_from(_MODEL_FILES))
    check(mutate(path.read_text(), random.Random(data.draw(st.integers(0, 1 << 40)))), path.parent)


# ---------------------------------------------------------------- any text


@examples(100)
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    """Any text at all, alone and inside an operation."""
    check(text)
    check("operation f() { atomic { " + text + " } }\nprocess p { f }\nalways true\n")


@examples(60)
@given(st.lists(st.sampled_from(sorted({t for e in EXAMPLES for t in _TOKEN.findall(e)})), max_size=25))
def test_any_tokens(tokens: list[str]) -> None:
    """Tokens of the language in any order."""
    check(" ".join(tokens))
