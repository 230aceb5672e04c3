"""Certificates: for each theorem, one SMT-LIB 2 script per obligation. All are unsatisfiable exactly if the theorem's laws prove themselves.

The scripts are made from the model's text and the names of the laws alone, with the same bytes every time. `MANIFEST` lists, for each theorem, the
laws; whoever checks makes the scripts again from the model, compares, and asks a solver of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hugecheck.diagnostics import fail
from hugecheck.ir import program as ir
from hugecheck.prove import terms as t
from hugecheck.prove.system import START, System

MANIFEST = "manifest.json"

SUMS = """; What is used about sums: of a list of numbers that are not negative, the sum is not negative, and not less than any one member, or any two
; at different places. `all` says that no member is negative. Proved by induction over the list.
(set-logic ALL)
(declare-datatypes ((List 0)) (((nil) (cons (head Int) (tail List)))))
(declare-fun sum (List) Int)
(declare-fun all (List) Bool)
(declare-fun at (List Int) Int)
(declare-fun size (List) Int)
(assert (= (sum nil) 0))
(assert (forall ((x Int) (l List)) (! (= (sum (cons x l)) (+ x (sum l))) :pattern ((sum (cons x l))))))
(assert (all nil))
(assert (forall ((x Int) (l List)) (! (= (all (cons x l)) (and (<= 0 x) (all l))) :pattern ((all (cons x l))))))
(assert (= (size nil) 0))
(assert (forall ((x Int) (l List)) (! (= (size (cons x l)) (+ 1 (size l))) :pattern ((size (cons x l))))))
(assert (forall ((x Int) (l List) (n Int)) (! (= (at (cons x l) n) (ite (= n 0) x (at l (- n 1)))) :pattern ((at (cons x l) n)))))
"""


def sum_lemmas() -> list[tuple[str, str]]:
    """The scripts that prove, step by step of an induction over lists, what `System` assumes about totals."""
    length = ("(<= 0 (size {l}))",)
    zero = ("(<= 0 (sum {l}))",)
    one = ("(forall ((i Int)) (=> (and (<= 0 i) (< i (size {l}))) (and (<= 0 (at {l} i)) (<= (at {l} i) (sum {l})))))",)
    two = (
        "(forall ((i Int) (j Int)) (=> (and (<= 0 i) (< i (size {l})) (<= 0 j) (< j (size {l})) (not (= i j)))"
        " (<= (+ (at {l} i) (at {l} j)) (sum {l}))))",
    )
    out: list[tuple[str, str]] = []
    known: list[str] = []
    for name, (claim,) in (("length", length), ("zero", zero), ("one", one), ("two", two)):
        for case, lines in (
            ("base", [f"(assert (not {claim.format(l='nil')}))"]),
            (
                "step",
                [
                    "(declare-const x Int)",
                    "(declare-const l List)",
                    "(assert (all (cons x l)))",
                    *(f"(assert (=> (all {m}) {k.format(l=m)}))" for k in known for m in ("l", "(cons x l)")),
                    f"(assert (=> (all l) {claim.format(l='l')}))",
                    f"(assert (not {claim.format(l='(cons x l)')}))",
                ],
            ),
        ):
            out.append((f"sums-{name}-{case}.smt2", SUMS + "\n".join([*lines, "(check-sat)", ""])))
        known.append(claim)
    return out


@dataclass(frozen=True, slots=True)
class Entry:
    """What a theorem's certificate rests on: enough, with the model's text, to make every script again."""

    theorem: str
    number: int
    laws: tuple[str, ...]


def scripts(module: ir.Module, theorem: ir.Theorem, laws: Sequence[str]) -> list[tuple[str, str]]:
    """File name and text of each obligation. `laws` are the names of the whole inductive set."""
    facts = [f for f in module.facts.values() if f.name in laws]
    system = System(module, theorem.switches, facts, theorem.assumed)
    for law in laws:
        if law not in system.laws:
            fail("bad-certificate", f"the model has no law `{law}`", theorem.span)
    out: list[tuple[str, str]] = []
    head = f"theorem {theorem.name}" + (f" with {', '.join(sorted(theorem.switches))}" if theorem.switches else "")
    head += "\nlaws: " + ", ".join(laws)
    for prepared in system.prepared:
        start = prepared.name == START
        hypotheses = [] if start else [prepared.hypotheses[n] for n in laws]
        goal = t.or_(*(t.not_(prepared.goals[n]) for n in laws))
        what = "the laws hold at the start" if start else f"the laws hold after section {prepared.name}"
        out.append(
            (
                _file("start" if start else f"section {prepared.name}"),
                t.script(f"{head}\n{what}", [*prepared.base, *hypotheses, goal]),
            )
        )
        if theorem.name == ir.CONTRACT:
            wrong = t.or_(*(t.not_(c.condition) for c in prepared.checks))
            text = t.script(f"{head}\nthe checks of section {prepared.name}", [*prepared.base, *hypotheses, wrong])
            out.append((_file(f"checks {prepared.name}"), text))
    if theorem.name != ir.CONTRACT and theorem.name not in laws:
        fail("bad-certificate", f"the laws of the certificate do not contain `{theorem.name}`", theorem.span)
    out += [(_file(name), t.script(f"{head}\n{name}", assertions)) for name, assertions in system.frames()]
    if system.totals:
        out += sum_lemmas()
    return out


def _file(name: str) -> str:
    return re.sub(r"[^\w.]+", "-", name) + ".smt2"


def folder(entry: Entry) -> str:
    return f"{entry.number:02d}-{entry.theorem}"


def write(directory: Path, model: str, made: Mapping[Entry, Sequence[tuple[str, str]]]) -> int:
    """Write the scripts and the manifest; the number of scripts."""
    count = 0
    for entry, files in made.items():
        place = directory / folder(entry)
        place.mkdir(parents=True, exist_ok=True)
        for name, text in files:
            (place / name).write_text(text)
            count += 1
    entries = [{"theorem": e.theorem, "number": e.number, "laws": list(e.laws)} for e in made]
    content = {"schema": "hugecheck.certificate/1", "model": model, "theorems": entries}
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MANIFEST).write_text(json.dumps(content, indent=1) + "\n")
    return count


def read(directory: Path) -> list[Entry]:
    """The entries of a manifest; `Failure` if it is none."""
    try:
        content = json.loads((directory / MANIFEST).read_text())
        return [
            Entry(str(e["theorem"]), int(e["number"]), tuple(str(n) for n in e["laws"])) for e in content["theorems"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        fail("bad-certificate", f"`{directory / MANIFEST}` is not a list of certificates: {error}")
