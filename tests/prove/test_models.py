"""The models of `models/prove`: their theorems as expected, confirmed by a second solver; and no part of a proof can be taken away."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from hugecheck.ir import program as ir
from hugecheck.language.loader import load_model_file
from hugecheck.prove import certificate
from hugecheck.prove.induction import Induction
from hugecheck.prove.system import System
from hugecheck.prove.theorems import PROVED, Prover, Result
from support.cli import call
from support.specs import ROOT, module

MODELS = sorted((ROOT / "models" / "prove").glob("*.hck"))
COUNTERS = ROOT / "models" / "prove" / "hugetlb-counters.hck"

# What is false, and stays false whatever else is assumed to be inductive (a variable that the sections change, at its first value).
FALSE_LAWS = {
    "hugetlb-counters": (
        "resv_huge_pages < free_huge_pages",
        "resv_huge_pages = 0",
        "nr_huge_pages <= 5",
        "forall m in mount: m.rsv = max(0, m.min - charges(m))",
    ),
    "semaphore": ("inside < places", "inside = 0", "forall p in proc: not p.entered"),
    "buffer": ("full < capacity", "filling = 0", "capacity <= 5"),
    "quota": ("(sum u in user: u.used) < capacity", "forall u in user: u.used = 0"),
}


@pytest.fixture(scope="module")
def proofs() -> dict[str, list[Result]]:
    """The results on every model, without asking the explorer."""
    return {p.stem: list(Prover(load_model_file(p), ask_explorer=False).results()) for p in MODELS}


def test_there_are_models() -> None:
    """Three that have nothing to do with huge pages, and the counters."""
    assert {p.stem for p in MODELS} == set(FALSE_LAWS)


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_as_expected_and_confirmed(path: Path) -> None:
    """Every verdict is the one that the model pins, and cvc5 confirms every obligation of every proof."""
    pytest.importorskip("cvc5")
    outcome = call("prove", str(path), "--recheck", "--json")
    assert outcome.status == 0, outcome.out + outcome.err
    report = json.loads(outcome.out)
    jsonschema.validate(report, json.loads((ROOT / "spec" / "prove.schema.json").read_text()))
    results = report["results"]
    assert all(r["rechecked"] for r in results if r["verdict"] == "proved")
    assert all(not r["never_enabled"] for r in results)


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_no_conjunct_can_be_left_out(path: Path, proofs: dict[str, list[Result]]) -> None:
    """Without any one of the laws that a proof says it needs, what is left does not prove the theorem."""
    loaded = load_model_file(path)
    for result in proofs[path.stem]:
        if result.verdict != PROVED or result.theorem.name == ir.CONTRACT:
            continue
        facts = [f for f in loaded.facts.values() if f.name in result.needs]
        induction = Induction(System(loaded, result.theorem.switches, facts, result.theorem.assumed))
        assert induction.inductive(result.needs)
        for left_out in result.needs:
            rest = [n for n in result.needs if n != left_out]
            if result.theorem.name in rest:
                assert not induction.inductive(rest), (result.theorem.name, left_out)


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_false_laws_are_rejected(path: Path, proofs: dict[str, list[Result]]) -> None:
    """A false law is not proved, and added to the laws of a proof it makes the set not inductive."""
    text = path.read_text()
    for law in FALSE_LAWS[path.stem]:
        loaded = module(text + f"\ninvariant tampered: {law}\n", str(path))
        result = next(r for r in proofs[path.stem] if r.verdict == PROVED and r.theorem.name != ir.CONTRACT)
        names = {*result.needs, "tampered"}
        facts = [f for f in loaded.facts.values() if f.name in names]
        induction = Induction(System(loaded, result.theorem.switches, facts, None))
        assert not induction.inductive([*result.needs, "tampered"]), law
        assert "tampered" not in induction.houdini(induction.system.laws).kept, law


def test_stored_certificates(tmp_path: Path) -> None:
    """What is stored is made again from the model: changed bytes, a missing file and a missing law are found."""
    pytest.importorskip("cvc5")
    path = str(ROOT / "models" / "prove" / "quota.hck")
    assert (
        call("prove", path, "--no-trace", "--quiet", "--certificates", str(tmp_path)).status == 1
    )  # no trace: not refuted
    again = ("prove", path, "--recheck", "--certificates", str(tmp_path))
    assert call(*again).status == 0
    script = next(tmp_path.glob("*-fits/section-write.smt2"))
    kept = script.read_text()
    script.write_text(kept.replace("(check-sat)", "(assert false)\n(check-sat)"))
    outcome = call(*again)
    assert outcome.status == 1 and "not what the model gives" in outcome.out
    script.unlink()
    outcome = call(*again)
    assert outcome.status == 1 and "not among the certificates" in outcome.out
    script.write_text(kept)
    manifest = tmp_path / certificate.MANIFEST
    content = json.loads(manifest.read_text())
    whole = json.dumps(content)
    fits = next(e for e in content["theorems"] if e["theorem"] == "fits")
    fits["laws"] = [n for n in fits["laws"] if n != "booked"]
    manifest.write_text(json.dumps(content))
    outcome = call(*again)
    assert outcome.status == 1 and "cvc5 says sat" in outcome.out
    fits["laws"] = [n for n in fits["laws"] if n != "fits"]
    manifest.write_text(json.dumps(content))
    assert call(*again).status == 2
    manifest.write_text(whole)
    assert call(*again).status == 0


def test_the_counters_name_the_bug(proofs: dict[str, list[Result]]) -> None:
    """The law falls in one section only, in a state with a surplus page that comes back with its promise; the correction makes it true."""
    results = [r for r in proofs["hugetlb-counters"] if r.theorem.name == "promised_is_free"]
    good, bad = sorted(results, key=lambda r: not r.theorem.switches)
    assert good.verdict == PROVED
    assert bad.sections == ("free_huge_folio",)
    assert bad.counterexample is not None
    state = {r.name: (r.before, r.after) for r in bad.counterexample.rows}
    assert state["surplus_huge_pages"] == ("1", "0")
    assert bad.counterexample.parameters == (("restore", "true"),)
