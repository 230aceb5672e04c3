"""Mistakes in specs: each is reported with its id, at its line, and nothing else is.

The corpora `errors/*.hck` hold the mistakes with their expectations in comments; a piece between `# ---` lines is a text of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hugecheck.diagnostics import CATALOGUE, Diagnostic, Failure, Source, render
from hugecheck.explore.search import Limits
from hugecheck.language import checking
from hugecheck.language.loader import load_scenario_text
from hugecheck.language.parser import SYNTAX_ERRORS, parse
from hugecheck.run import run_on
from support import marks
from support.cli import call

HERE = Path(__file__).parent
CORPORA = sorted((HERE / "errors").glob("*.hck"))
PIECES = [(corpus, part) for corpus in CORPORA for part in marks.parts(corpus.read_text())]
_SCENARIO = re.compile(r"^(process|steps|setup|always|never|sometimes|finally)\b", re.MULTILINE)


def diagnose(text: str, name: str = "test.hck") -> list[Diagnostic]:
    """The diagnostics of a text: of a scenario if it has a part of one, run with a small limit; else of a model."""
    source = Source(name, text)
    try:
        if not _SCENARIO.search(text):
            checking.check_sources([source])
            return []
        scenario = load_scenario_text(source, HERE)
        run_on(scenario, "", frozenset(), Limits(states=100))
    except Failure as failure:
        return list(failure.diagnostics)
    return []


@pytest.mark.parametrize(("corpus", "part"), [pytest.param(c, p, id=f"{c.stem}: {p.title}") for c, p in PIECES])
def test_corpus(corpus: Path, part: marks.Part) -> None:
    """Every mistake is reported at its line, and no more."""
    assert marks.expected(part.text), "a piece without a mark tests nothing"
    report = marks.compare(part.text, diagnose(part.text))
    assert report == "", f"{corpus.name}, counted from line {part.first}:\n{report}"


@pytest.mark.parametrize(("corpus", "part"), [pytest.param(c, p, id=f"{c.stem}: {p.title}") for c, p in PIECES])
def test_helpful(corpus: Path, part: marks.Part) -> None:
    """A message stands alone: an id of the catalogue, a short headline in lower case, a place inside the text, no name of ours."""
    for d in diagnose(part.text):
        assert d.id in CATALOGUE
        assert re.match(r"[a-z`0-9-]", d.headline), d.headline
        assert not d.headline.endswith("."), d.headline
        assert len(d.headline) <= 120, d.headline
        assert d.span is not None, d.headline
        line = d.span.source.line(d.span.line)
        assert 1 <= d.span.column <= len(line) + 1, d.headline
        assert len(d.help) <= 200, d.help
        for text in (d.headline, d.label, d.help):
            assert not re.search(r"\b[A-Z]+_[A-Z]+_?[A-Z]*\d*\b(?<!E_ONE)(?<!E_TWO)(?<!E_THREE)", text), text
            assert "__" not in text and "ANON" not in text, text


# ---------------------------------------------------------------- syntax errors by example


@pytest.mark.parametrize(
    ("sentence", "example"), [pytest.param(s, e, id=repr(e)) for s, examples in SYNTAX_ERRORS.items() for e in examples]
)
def test_syntax_sentence(sentence: str, example: str) -> None:
    """Each sentence of the table is what its examples give."""
    with pytest.raises(Failure) as caught:
        parse(Source("example.hck", example))
    assert [(d.id, d.headline) for d in caught.value.diagnostics] == [("syntax", sentence)]


def test_expected_words_are_for_people() -> None:
    """What was expected is said in words: no name of a token reaches the user."""
    for _, part in PIECES:
        for d in diagnose(part.text):
            if d.id == "syntax" and d.help.startswith("expected"):
                words = d.help.removeprefix("expected ").split(" or ")
                assert len(words) <= 7, d.help
                assert all(re.fullmatch(r"`\S+`|[a-z ]+|\.\.\.", w.strip()) for w in words), d.help


# ---------------------------------------------------------------- every id has a test


def _elsewhere() -> dict[str, Callable[[Path], str]]:
    """Ids about files, recordings and options, which no corpus can hold: what shows each."""

    def unreadable(folder: Path) -> str:
        return call("run", str(folder / "none.hck")).err

    def bad_trace(folder: Path) -> str:
        (folder / "t.jsonl").write_text("[]\n")
        return call("conform", str(folder / "t.jsonl"), "--kernel", "6.1").err

    def bad_option(folder: Path) -> str:
        return call("run", "--depth", "no", str(folder)).err

    def no_kernel(folder: Path) -> str:
        (folder / "s.hck").write_text("use linux\nprocess p { set_nr 1 }\nalways total = 0\n")
        return call("run", str(folder / "s.hck")).err

    return {"unreadable": unreadable, "bad-trace": bad_trace, "bad-option": bad_option, "no-kernel": no_kernel}


@pytest.mark.parametrize("id_", CATALOGUE)
def test_every_id_is_shown(id_: str, tmp_path: Path) -> None:
    """No diagnostic is without a test that makes it happen."""
    marked = {name for _, part in PIECES for _, name in marks.expected(part.text)}
    elsewhere = _elsewhere()
    if id_ in elsewhere:
        assert f"error[{id_}]: " in elsewhere[id_](tmp_path)
    elif id_ not in marked:
        others = "".join(p.read_text() for p in HERE.parent.rglob("*.py"))
        assert f'"{id_}"' in others or f"[{id_}]" in others


@pytest.mark.parametrize("id_", CATALOGUE)
def test_every_id_is_explained(id_: str) -> None:
    """`hugecheck help ID` has a sentence for it."""
    outcome = call("help", id_)
    assert outcome.status == 0
    assert re.fullmatch(rf"{id_}: [A-Z`].*\.\n", outcome.out)


def test_ids_are_kebab_case() -> None:
    """An id names the offence in words joined by hyphens."""
    assert [i for i in CATALOGUE if not re.fullmatch(r"[a-z]+(-[a-z]+)*", i)] == []


# ---------------------------------------------------------------- whole messages

RENDERED = {
    "unknown-counter": """\
        use linux
        kernel 6.1
        process app { set_nr 1 }
        never lost: surplus > totl
        """,
    "no-such-page": """\
        use linux
        kernel 6.1
        process app {
          x = mmap 2 private
          writ x[0]
        }
        always total = 0
        """,
    "lock": """\
        spinlock l
        var n: nat = 0 under l
        operation f() { atomic { n += 1 } }
        process p { f }
        always n = 0
        """,
    "syntax": """\
        var n: nat = 0
        always n == 1
        """,
}


def test_rendering(golden: Callable[[Path, str], None]) -> None:
    """The full text of a few messages: headline, place, source line with its underline, where else to look, and a way out."""
    import textwrap

    out = []
    for title, text in RENDERED.items():
        out.append(f"# {title}")
        out += [render(d) + "\n" for d in diagnose(textwrap.dedent(text))]
    golden(HERE / "rendered.txt", "\n".join(out))


def test_long_lines_are_cut_around_the_place() -> None:
    """The excerpt of a line that is too long to print shows the place."""
    text = "var n: nat = 0\nalways " + "n = 0 and " * 60 + "nn = 0\n"
    (diagnostic,) = diagnose(text + "operation f() { }\nprocess p { f }\n")
    lines = render(diagnostic).split("\n")
    assert all(len(line) <= 210 for line in lines)
    source, underline = lines[3], lines[4]
    assert source[underline.index("^") : underline.index("^") + 2] == "nn"
