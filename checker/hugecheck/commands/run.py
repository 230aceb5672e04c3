"""`hugecheck run`: does what a spec says hold?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from hugecheck.commands.status import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_GAVE_UP, EXIT_OK, worst
from hugecheck.diagnostics import Diagnostic, Failure, fail, render, to_json
from hugecheck.explore.engines import NATIVE, Choice
from hugecheck.explore.search import Limits, Progress
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_scenario
from hugecheck.language.scenario import Scenario
from hugecheck.run import ClauseResult, KernelResult, run_scenario
from hugecheck.trace.ledger import ledger
from hugecheck.trace.path import SKIPPED
from hugecheck.trace.path import to_json as trace_json


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("specs", nargs="+", metavar="SPEC", help="a .hck file")
    parser.add_argument(
        "--kernel",
        action="append",
        metavar="K",
        help='run on this kernel (again for more), e.g. 6.12 or "6.12 without df7a6d1f6405"',
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object (spec/run.schema.json)")
    parser.add_argument("--depth", type=_positive, metavar="N", help="explore at most N transitions deep")
    parser.add_argument("--max-states", type=_positive, metavar="N", help="give up after N states")
    parser.add_argument("--max-seconds", type=_seconds, metavar="S", help="give up after S seconds for each kernel")
    parser.add_argument(
        "--max-memory", type=_positive, metavar="MIB", help="give up when the process uses this much memory"
    )
    parser.add_argument(
        "--no-merge",
        action="store_true",
        help="with a single thread too, make every atomic section a transition of its own",
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "reference", "native"),
        default="auto",
        help="reference: Python; native: generated C; auto: native for what turns out to be large (default)",
    )
    parser.add_argument("--threads", type=_positive, default=1, metavar="N", help="threads of the native engine")
    parser.add_argument(
        "--symmetry", action="store_true", help="native engine: one state for all that differ only by a renaming"
    )
    parser.add_argument("--keep-c", type=Path, metavar="DIR", help="leave the generated C in this folder")
    parser.add_argument("--quiet", action="store_true", help="verdicts only, no counterexamples")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a positive number")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is not a positive number of seconds")
    return seconds


def run(options: argparse.Namespace) -> int:
    limits = Limits(options.depth, options.max_states, options.max_seconds, options.max_memory)
    engine = Choice(options.engine, options.threads, options.symmetry, options.keep_c)
    statuses: list[int] = []
    results: list[dict[str, object]] = []
    errors: list[Diagnostic] = []
    counts = [0, 0]
    for spec in options.specs:
        try:
            scenario = load_scenario(Path(spec))
            kernels = _kernels(scenario, options.kernel)
            if not options.json:
                print(f"{spec}: {scenario.title}" if scenario.title else spec)
            report = _report if sys.stderr.isatty() else None
            for result in run_scenario(
                scenario, kernels, limits, merge=not options.no_merge, engine=engine, report=report
            ):
                if report is not None:
                    print("\r\033[K", end="", file=sys.stderr)
                statuses.append(_status(result))
                counts[0] += sum(c.as_expected for c in result.clauses)
                counts[1] += len(result.clauses)
                if options.json:
                    results.extend(_entry(spec, result, clause) for clause in result.clauses)
                else:
                    print("\n".join(_text(result, quiet=options.quiet)), flush=True)
                if result.explored.reason == "interrupted":
                    break
        except Failure as failure:
            statuses.append(EXIT_BAD_INPUT)
            errors.extend(failure.diagnostics)
            if not options.json:
                print("\n".join(render(d) for d in failure.diagnostics), file=sys.stderr)
            continue
        if statuses and result.explored.reason == "interrupted":
            break
    if options.json:
        print(
            json.dumps(
                {"schema": "hugecheck.run/1", "results": results, "errors": [to_json(d) for d in errors]}, indent=1
            )
        )
    elif counts[1]:
        print(f"{counts[0]} of {counts[1]} verdicts are as expected")
    return worst(statuses)


def _kernels(scenario: Scenario, asked: list[str] | None) -> tuple[str, ...]:
    kernels = tuple(asked) if asked else scenario.kernels
    for kernel in kernels:
        find_kernel(scenario.module, kernel, None)
    if not kernels and scenario.module.kernels:
        known = ", ".join(k.alias for k in scenario.module.kernels)
        fail(
            "no-kernel",
            "nothing says on which kernel to run",
            help=f"add a line `kernel {known}` to the spec, or `--kernel K`",
        )
    return kernels


def _status(result: KernelResult) -> int:
    if any(not c.as_expected and not c.gave_up for c in result.clauses):
        return EXIT_FAILED
    return (
        EXIT_GAVE_UP if any(c.gave_up for c in result.clauses) or result.explored.reason == "interrupted" else EXIT_OK
    )


def _entry(spec: str, result: KernelResult, clause: ClauseResult) -> dict[str, object]:
    explored = result.explored
    return {
        "spec": spec,
        "kernel": result.kernel,
        "kind": clause.kind,
        "clause": clause.name,
        "text": clause.text,
        "verdict": clause.verdict,
        "expected": clause.expected,
        "as_expected": clause.as_expected,
        "message": clause.message,
        "place": clause.place,
        "states": explored.states,
        "transitions": explored.transitions,
        "depth": explored.depth,
        "complete": explored.complete,
        "stopped": explored.reason,
        "covered": result.sizes,
        "merged": result.merged,
        "engine": result.engine,
        "note": result.note,
        "reductions": result.reductions,
        "seconds": round(explored.seconds, 3),
        "trace": trace_json(clause.trace) if clause.trace is not None else [],
    }


def _text(result: KernelResult, *, quiet: bool) -> list[str]:
    explored = result.explored
    out = [f"\nkernel {result.kernel}" if result.kernel else ""]
    for clause in result.clauses:
        out.append(f"  {clause.verdict:<12} {_label(clause)}")
        if not clause.as_expected:
            out[-1] += f"   <-- expected: {clause.expected}"
        if clause.message:
            out.append(f"               {clause.message}" + (f" ({clause.place})" if clause.place else ""))
        if clause.trace is not None and not quiet:
            steps = sum(s.result != SKIPPED for s in clause.trace.steps)
            out += [
                "",
                *(f"    {line}" for line in ledger(clause.trace, result.meanings)),
                f"    ({steps} operations)",
                "",
            ]
    covered = ", ".join(f"{name} {size}" for name, size in sorted(result.sizes.items()))
    out.append(
        f"  {explored.states:,} states, {explored.transitions:,} transitions, depth {explored.depth}, {explored.seconds:.2f} s; "
        + ("complete" if explored.complete else f"stopped: {explored.reason}")
        + ("; native engine" if result.engine == NATIVE else "")
    )
    if result.reductions:
        out.append(f"  reduced by: {result.reductions}")
    if result.note:
        out.append(f"  note: {result.note}")
    if covered:
        out.append(f"  covered: {covered}" + ("; a whole operation is one transition" if result.merged else ""))
    return out


def _label(clause: ClauseResult) -> str:
    name = "" if clause.name in (clause.kind, clause.text) else f" {clause.name}"
    return f"{clause.kind}{name}: {clause.text}"


def _report(progress: Progress) -> None:
    rate = progress.states / progress.seconds if progress.seconds else 0
    print(
        f"\r{progress.states:,} states, {progress.transitions:,} transitions, depth {progress.depth}, frontier {progress.frontier:,}, {rate:,.0f} states/s\033[K",
        end="",
        file=sys.stderr,
        flush=True,
    )
