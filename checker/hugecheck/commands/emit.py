"""`hugecheck emit`: a trace as a reproducer that needs nothing of ours."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hugecheck.commands import kernel
from hugecheck.commands.status import EXIT_OK
from hugecheck.compare.beside import elements, step_text
from hugecheck.compare.predict import as_recording, predict
from hugecheck.compare.requests import Request, counterexample, reported
from hugecheck.diagnostics import fail
from hugecheck.emit.program import program_of
from hugecheck.emit.render import Reproducer, as_c, as_ltp, as_sh, check_steps
from hugecheck.explore.machine import Machine
from hugecheck.explore.system import observe_properties
from hugecheck.ir import sections
from hugecheck.language.kernels import find_kernel
from hugecheck.replay import cache
from hugecheck.replay.trace import Recorded, Step
from hugecheck.trace.follow import Follower
from hugecheck.trace.ledger import Meanings, ledger
from hugecheck.trace.path import Trace, TraceStep
from hugecheck.trace.recording import RecordedStep, parse_step

FORMS = {"c": as_c, "sh": as_sh, "ltp": as_ltp}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        type=Path,
        metavar="TRACE",
        help="a .jsonl of traces, the output of `hugecheck run --json`, or a .hck spec, of which the first counterexample is taken",
    )
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--c", dest="form", action="store_const", const="c", help="a C program with KTAP output")
    form.add_argument(
        "--sh", dest="form", action="store_const", const="sh", help="a shell script that compiles and runs it"
    )
    form.add_argument(
        "--ltp", dest="form", action="store_const", const="ltp", help="a test case for the Linux Test Project"
    )
    parser.add_argument("--clause", metavar="NAME", help="the counterexample of this clause")
    parser.add_argument("--id", metavar="ID", help="the trace with this id")
    parser.add_argument("--kernel", metavar="K", help="the kernel on which a spec is searched (default: its first)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there instead of printing it")


def run(options: argparse.Namespace) -> int:
    kernel.check_writable(options.output, [options.what])
    requests = counterexample(options.what, options.kernel, options.clause, options.id)
    if len(requests) > 1:
        ids = ", ".join(f"`{r.id}`" for r in requests[:8])
        fail("bad-option", f"`{options.what}` has {len(requests)} traces", help=f"`--id` chooses one: {ids}, ...")
    with reported():
        text = FORMS[options.form](_reproducer(requests[0]))
    if options.output is None:
        sys.stdout.write(text)
        return EXIT_OK
    with reported():
        cache.write(options.output, text.encode(), mode=0o755 if options.form == "sh" else 0o644)
    print(f"wrote {options.output}")
    return EXIT_OK


def _reproducer(request: Request) -> Reproducer:
    module = request.module
    steps = _whole(request)
    recorded = [parse_step(step, f"`{request.id}` step {n}", module) for n, step in enumerate(steps, 1)]
    names = elements(recorded, module)
    shown = [step_text(step, module, names) for step in recorded]
    counters = [o.name for o in module.observes if not o.table]
    program = program_of(request.id, steps, [text for _, text in shown], counters)
    check_steps(program, request.nodes, request.id)
    meanings = Meanings(
        module,
        Machine(
            sections.build(module, frozenset(), ()), dict.fromkeys(module.indexes, 1), 1, {}, observe_properties(module)
        ),
    )
    table = ledger(_trace(recorded, shown, counters), meanings)
    on = (
        f"the model of Linux {request.kernel}"
        if request.claim is not None
        else f"Linux {request.kernel or '(unknown)'}"
    )
    made = f"Made by `hugecheck emit`. What is expected after each step is what {on} does."
    return Reproducer(request.id, made, program, table, request.claim)


def _whole(request: Request) -> list[Step]:
    """The steps, the last one to its end: a program sees counters only after a call."""
    if request.steps and request.steps[-1].get("result") == "pending":
        follower = Follower(request.module, find_kernel(request.module, request.kernel, None))
        recorded = Recorded(request.id, request.kernel, request.nodes, request.steps)
        said = predict(follower, as_recording(recorded, request.module)).steps
        if len(said) == len(request.steps):
            last = {**request.steps[-1], "result": said[-1].result, "after": dict(said[-1].after)}
            steps: list[Step] = [*request.steps[:-1], last]
            claim = request.claim
            if claim is None or claim.holds is None or claim.seen([s.after for s in said]) is not None:
                return steps
        fail(
            "not-emittable",
            f"`{request.id}`: it shows only inside the last call, and a program sees counters after it",
            help="`hugecheck run` prints it",
        )
    return list(request.steps)


def _trace(steps: list[RecordedStep], shown: list[tuple[str, str]], counters: list[str]) -> Trace:
    rows = []
    for step, (who, text) in zip(steps, shown, strict=True):
        after: dict[str, object] = {c: step.after.get(c, 0) for c in counters}
        rows.append(TraceStep("", who, step.operation, text, {}, step.result, after))
    return Trace(tuple(rows), dict.fromkeys(counters, 0), False)
