"""`hugecheck show`: a recording as a ledger, or the program that a spec or a model compiles to."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hugecheck.commands.status import EXIT_BAD_INPUT, EXIT_OK
from hugecheck.diagnostics import Failure, fail, render
from hugecheck.explore.machine import Machine
from hugecheck.explore.system import observe_properties
from hugecheck.ir import liveness, sections, verify
from hugecheck.ir.pprint import program_text
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_model, load_scenario
from hugecheck.run import build_program
from hugecheck.trace.ledger import Meanings, ledger
from hugecheck.trace.path import Trace, TraceStep
from hugecheck.trace.recording import Recording, read_recordings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="WHAT", help="a .jsonl file, a .hck file, or the name of a model")
    parser.add_argument("--ir", action="store_true", help="print the intermediate form (spec or model)")
    parser.add_argument("--id", metavar="ID", help="only the recording with this id")
    parser.add_argument("--kernel", metavar="K", help="the kernel whose behaviour is compiled in (--ir)")


def run(options: argparse.Namespace) -> int:
    path = Path(options.what)
    if path.suffix in (".jsonl", ".json"):
        return _recordings(path, options.id)
    if not options.ir:
        fail("bad-option", "what of it is to be shown?", help="`--ir` prints the program")
    if path.suffix == ".hck":
        scenario = load_scenario(path)
        kernel = options.kernel or (scenario.kernels[0] if scenario.kernels else "")
        switches = find_kernel(scenario.module, kernel, None) if kernel else frozenset()
        print(program_text(build_program(scenario, switches)), end="")
        return EXIT_OK
    module = load_model(options.what)
    kernel = options.kernel or (module.kernels[-1].name if module.kernels else "")
    program = sections.build(module, find_kernel(module, kernel, None) if kernel else frozenset())
    liveness.solve(program)
    verify.verify(program)
    print(program_text(program), end="")
    return EXIT_OK


def _recordings(path: Path, wanted: str | None) -> int:
    module = load_model("linux")
    program = sections.build(module, frozenset(), ())
    machine = Machine(program, dict.fromkeys(module.indexes, 1), 1, {}, observe_properties(module))
    meanings = Meanings(module, machine)
    status, found = EXIT_OK, False
    for recording in read_recordings(path, module):
        if isinstance(recording, Failure):
            print("\n".join(render(d) for d in recording.diagnostics))
            status = EXIT_BAD_INPUT
        elif wanted in (None, recording.id):
            found = True
            print(f"{recording.id} (kernel {recording.kernel})")
            print("\n".join(f"  {line}" for line in ledger(_trace(recording, meanings.counters), meanings)))
            if recording.residue:
                print(f"  left after the teardown: {json.dumps(recording.residue)}")
    if wanted is not None and not found:
        fail("bad-option", f"`{path}` has no recording `{wanted}`")
    return status


def _trace(recording: Recording, counters: list[str]) -> Trace:
    steps = []
    for step in recording.steps:
        actor = step.arguments.get("proc")
        shown = " ".join(f"{k} {v}" for k, v in step.arguments.items() if k != "proc")
        after: dict[str, object] = {c: step.after.get(c, 0) for c in counters}
        steps.append(
            TraceStep(
                "",
                str(actor) if actor is not None else "",
                step.operation,
                f"{step.operation} {shown}",
                {},
                step.result,
                after,
            )
        )
    return Trace(tuple(steps), dict.fromkeys(counters, 0), False)
