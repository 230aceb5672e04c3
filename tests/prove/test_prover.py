"""What the prover says about small texts: wrap, vacuity, what is refused, giving up, assumptions, and the same bytes every time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hugecheck.diagnostics import Failure
from hugecheck.prove import solver
from hugecheck.prove.theorems import Prover, Result
from support.cli import call
from support.specs import ROOT, module


def prove(text: str, *, ask_explorer: bool = True) -> dict[str, Result]:
    """The results by theorem."""
    return {r.theorem.name: r for r in Prover(module(text), ask_explorer=ask_explorer).results()}


def verdicts(text: str, *, ask_explorer: bool = True) -> dict[str, str]:
    return {n: r.verdict for n, r in prove(text, ask_explorer=ask_explorer).items()}


WRAP = """
var total: nat = 0
var surplus: nat = 0
var free: nat = 0
var promised: nat = 0
operation grow() {{ atomic {{ if total < 1000 {{ total += 1; free += 1 }} }} }}
operation promise() {{ atomic {{ if promised < free {{ promised += 1 }} }} }}
operation borrow() {{ atomic {{ if surplus < 5 {{ surplus += 1 }} }} }}
operation shrink() {{ atomic {{
  if {0} > promised and free > 0 {{ free -= 1; total -= 1 }}
}} }}
invariant kept "every promised page is free": promised <= free
lemma together: free = total
"""


def test_the_wrap_matters() -> None:
    """With plain integers the law is proved; the kernel's numbers wrap, and it is false. An encoder that forgets `u64` fails here."""
    assert verdicts(WRAP.format("total - surplus"))["kept"] == "proved"
    wrapped = prove(WRAP.format("u64(total - surplus)"))["kept"]
    assert wrapped.verdict == "refuted"
    assert wrapped.sections == ("shrink",)


def test_u64_is_exact() -> None:
    """Never negative, the same where nothing wraps, and congruent where something does."""
    result = verdicts("""
    var a: int = 0
    var same: bool = true
    operation set(n: int) { atomic { a = u64(n); same = u64(u64(n) + 1) = u64(n + 1) and (n < 0 or n > 999 or u64(n) = n) } }
    invariant range: a >= 0
    invariant congruent: same
    """)
    assert result == {"range": "proved", "congruent": "proved", "contract": "proved"}


def test_a_value_that_leaves_its_type_is_a_broken_contract() -> None:
    results = prove("""
    var n: nat = 3
    operation take(k: nat) { atomic { n -= k } }
    invariant any: n <= 3
    """)
    assert results["any"].verdict == "proved"
    assert results["contract"].verdict == "refuted"
    assert results["contract"].sections == ("take",)


def test_assert_is_an_obligation_and_requires_a_guard() -> None:
    text = """
    spinlock l
    var n: nat = 0 under l
    fn give() holding l {{ requires n < 10; n += 1 }}
    operation take() {{ atomic l {{ if n > 0 {{ n -= 1 }}; assert n < {0} }} }}
    invariant few: n <= 10
    """
    assert verdicts(text.format(10)) == {"few": "proved", "contract": "proved"}
    assert verdicts(text.format(9)) == {"few": "proved", "contract": "refuted"}


def test_requires_of_a_called_function_must_be_shown() -> None:
    text = """
    spinlock l
    var n: nat = 0 under l
    fn take() holding l {{ requires n > 0; n -= 1 }}
    operation one() {{ atomic l {{ {0} }} }}
    operation add() {{ atomic l {{ n += 1 }} }}
    invariant natural: n >= 0
    """
    assert verdicts(text.format("if n > 0 { take() }"))["contract"] == "proved"
    assert verdicts(text.format("take()"))["contract"] == "refuted"


def test_not_inductive_is_not_refuted() -> None:
    """The law is true, and the counterexample to its induction cannot be reached: nobody says `refuted`."""
    text = """
    var a: nat = 0
    var b: nat = 0
    operation step() { atomic { a += 1; b += 1 } }
    operation probe() { atomic { if a != b { a = 0; b = 7 } } }
    invariant same: a >= b
    """
    result = prove(text)["same"]
    assert result.verdict == "not inductive" and result.trace is None
    assert result.counterexample is not None and result.counterexample.section == "probe"
    assert verdicts(text + "lemma equal: a = b\n")["same"] == "proved"


def test_a_section_that_cannot_happen_is_vacuous() -> None:
    result = prove("""
    var n: nat = 0
    operation never() when n > 5 { atomic { n += 1 } }
    operation up() { atomic { if n < 3 { n += 1 } } }
    invariant small: n <= 3
    """)["small"]
    assert result.verdict == "vacuous"
    assert "never" in result.message


def test_assuming() -> None:
    """A theorem under an assumption about every state; without it the law is false."""
    text = """
    var n: nat = 0
    var m: nat = 0
    operation up() {{ atomic {{ n += 1 }} }}
    operation copy() {{ atomic {{ m = n }} }}
    invariant small: m <= 5
    prove small {0}
    """
    assert verdicts(text.format("assuming always n <= 5"))["small"] == "proved"
    assert verdicts(text.format(""))["small"] == "refuted"
    assert verdicts(text.format("assuming always n <= 6"))["small"] == "refuted"


def test_a_broken_start() -> None:
    result = prove("""
    var n: nat = 7
    operation up() { atomic { n += 1 } }
    invariant small: n > 7
    """)["small"]
    assert result.verdict == "refuted" and result.sections == ("start",)


def test_fixed_index_types_loops_and_choices() -> None:
    text = """
    index seat 3
    enum Colour { red, green, blue }
    var taken[seat]: bool = false
    var who[seat]: seat or none = none
    var colour: Colour = red
    var n: nat = 0
    operation sit() { atomic { choose s in seat where not taken[s]; taken[s] = true; who[s] = s; n += 1 } }
    operation leave() { atomic { for s in seat { if taken[s] and s = 1 { taken[s] = false; n -= 1 } } } }
    operation paint() { atomic { either { colour = green } or { if colour = green { colour = blue } } } }
    invariant counted: n = count s in seat: taken[s]
    invariant bounded: n <= 3
    invariant own: forall s in seat: who[s] = none or who[s] = s
    """
    assert set(verdicts(text).values()) == {"proved"}
    assert verdicts(text + "invariant never_blue: colour != blue\n")["never_blue"] == "refuted"


def test_two_elements_may_be_one() -> None:
    """A section with two parameters of an index type: the proof must consider that they are the same."""
    text = """
    index box named
    record Box of box {{ n: nat = 1 }}
    operation move(a: box, b: box) {{ atomic {{ let x = a.n; let y = b.n; {0} a.n = 0; b.n = x + y }} }}
    operation seen(a: box) {{ atomic {{ assert a.n >= 0 }} }}
    invariant kept: (sum b in box: b.n) = size(box)
    """
    assert verdicts(text.format(""))["kept"] == "refuted"
    assert verdicts(text.format("if a = b { return };"))["kept"] == "proved"


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ("n = n * m", "product of two"),
        ("n = n / m", "divide only by a constant"),
        ("while n > 0 { n -= 1 }", "`while`"),
        ("for i in 0..n { m += 1 }", "no constant bounds"),
        ("s = s union {1}", "set cannot"),
        ("if forall i in thing: i.x > 0 { n = 1 }", "cannot stand here"),
    ],
)
def test_what_is_refused(statements: str, words: str) -> None:
    """With the place and a way out."""
    text = f"""
    index thing named
    record Thing of thing {{ x: nat = 0 }}
    index three 3
    var n: nat = 0
    var m: nat = 0
    var s: set of three = {{}}
    operation f() {{ atomic {{ {statements} }} }}
    invariant any: n >= 0
    """
    with pytest.raises(Failure) as failure:
        prove(text)
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.id == "not-provable"
    assert words in diagnostic.headline
    assert diagnostic.help and diagnostic.span is not None


def test_several_sections_are_refused() -> None:
    with pytest.raises(Failure) as failure:
        prove("""
        var n: nat = 0
        operation f() { atomic "one" { n += 1 }; atomic "two" { n -= 1 } }
        invariant any: n >= 0
        """)
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.id == "not-provable" and "several sections" in diagnostic.headline
    assert diagnostic.span is not None and diagnostic.span.line == 3


def test_giving_up_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without steps to spend the solver knows nothing, and the verdict says so."""
    monkeypatch.setattr(solver, "STEPS", 1)
    path = ROOT / "models" / "prove" / "buffer.hck"
    outcome = call("prove", str(path), "--no-trace")
    assert "proved  " not in outcome.out
    assert "unknown" in outcome.out and "gave up" in outcome.out
    assert outcome.status in (1, 3)


def test_expectations_are_pinned(tmp_path: Path) -> None:
    spec = tmp_path / "x.hck"
    text = "var n: nat = 0\noperation up() { atomic { n += 1 } }\ninvariant small: n <= 1\nprove small expect "
    for expectation, status in (
        ("refuted", 0),
        ("refuted by up", 0),
        ("proved", 1),
        ("not_inductive", 1),
        ("refuted by down", 2),
        ("violated", 2),
    ):
        spec.write_text(text + expectation + "\n")
        assert call("prove", str(spec)).status == status, expectation


def test_nothing_to_prove(tmp_path: Path) -> None:
    spec = tmp_path / "x.hck"
    spec.write_text("var n: nat = 0\noperation up() { atomic { n += 1 } }\n")
    outcome = call("prove", str(spec))
    assert outcome.status == 2 and "no-theorem" in outcome.err


def test_the_same_bytes(tmp_path: Path) -> None:
    """Certificates do not depend on the hash seed of the process."""
    contents = []
    for seed in ("1", "2"):
        target = tmp_path / seed
        command = [sys.executable, "-m", "hugecheck", "prove", "models/prove/quota.hck", "--no-trace", "--certificates"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "checker"), "PYTHONHASHSEED": seed}
        done = subprocess.run([*command, str(target)], cwd=ROOT, env=environment, capture_output=True, check=False)
        assert done.returncode == 1, done.stderr  # one refutation is not looked for
        contents.append({p.relative_to(target): p.read_bytes() for p in sorted(target.rglob("*")) if p.is_file()})
    assert contents[0] == contents[1] and len(contents[0]) > 20


def test_without_a_second_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cvc5", None)
    outcome = call("prove", str(ROOT / "models" / "prove" / "buffer.hck"), "--no-trace", "--recheck")
    assert outcome.status == 2 and "error[no-solver]" in outcome.err


def test_certificates_that_are_none(tmp_path: Path) -> None:
    pytest.importorskip("cvc5")
    model = str(ROOT / "models" / "prove" / "buffer.hck")
    for content in (
        None,
        "",
        "[]",
        '{"theorems": [{"theorem": "x"}]}',
        '{"theorems": [{"theorem": "x", "number": 1, "laws": []}]}',
    ):
        if content is not None:
            (tmp_path / "manifest.json").write_text(content)
        outcome = call("prove", model, "--recheck", "--certificates", str(tmp_path))
        assert outcome.status == 2 and "error[bad-certificate]" in outcome.err
