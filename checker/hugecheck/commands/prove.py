"""`hugecheck prove`: are the laws of a model true for every size?"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from hugecheck.commands.status import EXIT_FAILED, EXIT_GAVE_UP, EXIT_OK, worst
from hugecheck.diagnostics import fail
from hugecheck.ir import program as ir
from hugecheck.language.loader import load_model, load_model_file
from hugecheck.prove import certificate, recheck
from hugecheck.prove.counterexample import lines
from hugecheck.prove.reach import ATTEMPTS, TRANSITIONS
from hugecheck.prove.theorems import NOT_INDUCTIVE, PROVED, Prover, Result, theorems_of


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a .hck file with `invariant`s, or the name of a model")
    parser.add_argument("--certificates", type=Path, metavar="DIR", help="write an SMT-LIB 2 script per obligation")
    parser.add_argument(
        "--recheck",
        action="store_true",
        help="check every obligation with cvc5; with --certificates, those there against the model, and nothing is searched",
    )
    parser.add_argument("--no-trace", action="store_true", help="do not ask the explorer for executions")
    parser.add_argument("--json", action="store_true", help="print one JSON object (spec/prove.schema.json)")
    parser.add_argument("--quiet", action="store_true", help="verdicts only, no counterexamples")


def run(options: argparse.Namespace) -> int:
    path = Path(options.model)
    module = load_model_file(path) if path.suffix == ".hck" else load_model(options.model)
    if options.recheck and options.certificates is not None:
        return _recheck_stored(module, options)
    started = time.process_time()
    results: list[Result] = []
    wrong: dict[int, list[str]] = {}
    made: dict[certificate.Entry, list[tuple[str, str]]] = {}
    for result in Prover(module, ask_explorer=not options.no_trace).results():
        results.append(result)
        if result.verdict == PROVED and (options.certificates is not None or options.recheck):
            entry = certificate.Entry(result.theorem.name, result.number, result.needs)
            made[entry] = certificate.scripts(module, result.theorem, result.needs)
            if options.recheck:
                wrong[result.number] = recheck.recheck(made[entry], None)
        if not options.json:
            print(
                "\n".join(_text(result, wrong.get(result.number), quiet=options.quiet, asked=not options.no_trace)),
                flush=True,
            )
    if options.certificates is not None:
        certificate.write(options.certificates, options.model, made)
    statuses = [_status(r, wrong.get(r.number)) for r in results]
    scripts = sum(len(files) for files in made.values())
    if options.json:
        print(
            json.dumps(
                {"schema": "hugecheck.prove/1", "results": [_entry(r, wrong.get(r.number)) for r in results]}, indent=1
            )
        )
    else:
        good = sum(r.as_expected for r in results)
        print(f"{good} of {len(results)} verdicts are as expected; {time.process_time() - started:.2f} s of CPU time")
        if options.recheck:
            bad = sum(len(w) for w in wrong.values())
            print(f"cvc5 {recheck.version()}: {scripts - bad} of {scripts} obligations confirmed")
        if options.certificates is not None:
            print(f"{scripts} obligations written to {options.certificates}")
    return worst(statuses)


def _status(result: Result, wrong: list[str] | None) -> int:
    if wrong:
        return EXIT_FAILED
    if result.gave_up and not result.as_expected:
        return EXIT_GAVE_UP
    return EXIT_OK if result.as_expected else EXIT_FAILED


def _text(result: Result, wrong: list[str] | None, *, quiet: bool, asked: bool) -> list[str]:
    theorem = result.theorem
    conditions = f" with {', '.join(sorted(theorem.switches))}" if theorem.switches else ""
    conditions += " under its assumption" if theorem.assumed is not None else ""
    head = f"{result.verdict:<14} {theorem.name}{conditions}" + (f": {result.text}" if result.text else "")
    if result.verdict == PROVED:
        head += f"   ({'; '.join([f'{result.seconds:.2f} s', *_needs(result)])})"
    if not result.as_expected:
        by = f" by {', '.join(theorem.sections)}" if theorem.sections else ""
        head += f"   <-- expected: {result.expected}{by}"
    out = [head]
    if result.sections:
        out.append(f"               fails in {', '.join(result.sections)}")
    if result.message:
        out.append(f"               {result.message}")
    out += [f"               {w}" for w in wrong or ()]
    if quiet:
        return out
    if result.trace is not None:
        out += [f"    {line}" for line in _trace(result)]
    elif result.counterexample is not None:
        out += [f"    {line}" for line in lines(result.counterexample)]
    if result.verdict == NOT_INDUCTIVE:
        if not asked:
            out.append("    Whether that state can be reached was not asked (--no-trace).")
            return out
        most = max(v for _, v in ATTEMPTS)
        out.append(
            f"    Whether that state can be reached is not known: the explorer broke the law nowhere in {len(ATTEMPTS)} searches of about"
            f" {TRANSITIONS:,} transitions, with arguments up to {most}."
        )
        out.append("    A `lemma` that excludes it would help.")
    return out


def _needs(result: Result) -> list[str]:
    """What the proof rests on, in short; the object of --json has all names."""
    others = [n for n in result.needs if n != result.theorem.name]
    types = sum(n.startswith("type ") for n in others)
    signs = sum(n.startswith("sign ") for n in others)
    named = [n for n in others if " " not in n]
    named += [f"{types} type{'s' if types > 1 else ''}"] if types else []
    named += [f"{signs} sum{'s' if signs > 1 else ''}"] if signs else []
    return [f"needs {', '.join(named)}"] if named else []


def _trace(result: Result) -> list[str]:
    assert result.trace is not None
    rows = []
    for number, (text, status, changes) in enumerate(result.trace.steps, 1):
        shown = ", ".join(f"{n} {a} -> {b}" for n, a, b in changes)
        rows.append((f"{number}  {text}", status, shown))
    width = max((len(r[0]) for r in rows), default=0)
    second = max((len(r[1]) for r in rows), default=0)
    out = [f"{a:<{width}}  {b:<{second}}  {c}".rstrip() for a, b, c in rows]
    return [*out, result.trace.message] if result.trace.message else out


def _entry(result: Result, wrong: list[str] | None) -> dict[str, object]:
    theorem, example = result.theorem, result.counterexample
    return {
        "theorem": theorem.name,
        "text": result.text,
        "with": sorted(theorem.switches),
        "assuming": theorem.assumed is not None,
        "verdict": result.verdict,
        "expected": result.expected,
        "as_expected": result.as_expected,
        "needs": list(result.needs),
        "sections": list(result.sections),
        "message": result.message,
        "never_enabled": list(result.never),
        "counterexample": None
        if example is None
        else {
            "law": example.law,
            "section": example.section,
            "parameters": dict(example.parameters),
            "state": [{"name": r.name, "before": r.before, "after": r.after} for r in example.rows],
        },
        "trace": None
        if result.trace is None
        else [
            {"step": text, "result": status, "changes": {n: [a, b] for n, a, b in changes}}
            for text, status, changes in result.trace.steps
        ],
        "rechecked": None if wrong is None else not wrong,
        "recheck_errors": wrong or [],
        "queries": result.queries,
        "seconds": round(result.seconds, 3),
    }


def _recheck_stored(module: ir.Module, options: argparse.Namespace) -> int:
    """The stored certificates: nothing of them is trusted but the names of the laws, which are a hint."""
    theorems = dict(enumerate(theorems_of(module), 1))
    entries = {e.number: e for e in certificate.read(options.certificates)}
    count = bad = 0
    report: list[dict[str, object]] = []
    for number, theorem in theorems.items():
        entry = entries.pop(number, None)
        if entry is None:
            if theorem.verdict == PROVED:
                bad += 1
                report.append({"theorem": theorem.name, "wrong": ["no certificate"]})
            continue
        if entry.theorem != theorem.name:
            fail(
                "bad-certificate", f"certificate {number} is for `{entry.theorem}`, not `{theorem.name}`", theorem.span
            )
        files = certificate.scripts(module, theorem, entry.laws)
        wrong = recheck.recheck(files, options.certificates / certificate.folder(entry))
        count += len(files)
        bad += len(wrong)
        report.append({"theorem": theorem.name, "obligations": len(files), "wrong": wrong})
    for entry in entries.values():
        bad += 1
        report.append({"theorem": entry.theorem, "wrong": ["the model does not state this theorem"]})
    if options.json:
        print(json.dumps({"schema": "hugecheck.recheck/1", "cvc5": recheck.version(), "theorems": report}, indent=1))
    else:
        for line in report:
            wrong_here = line["wrong"]
            assert isinstance(wrong_here, list)
            print(f"{'rejected' if wrong_here else 'confirmed':<14} {line['theorem']}")
            for text in wrong_here:
                print(f"               {text}")
        print(f"cvc5 {recheck.version()}: {count} obligations made from the model, {bad} things wrong")
    return EXIT_FAILED if bad else EXIT_OK
