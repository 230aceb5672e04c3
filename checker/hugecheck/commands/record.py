"""`hugecheck record`: run steps on a real kernel, and write down what it answers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from hugecheck.commands import kernel
from hugecheck.commands.kernel import Output, Progress
from hugecheck.commands.status import EXIT_BAD_INPUT, EXIT_OK
from hugecheck.compare.requests import Request, from_recordings, from_scenario
from hugecheck.diagnostics import fail
from hugecheck.language.loader import load_model
from hugecheck.replay import host
from hugecheck.replay.boots import Boots
from hugecheck.replay.record import record
from hugecheck.replay.trace import Recorded, Trace

INTERRUPTED = 130


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        type=Path,
        metavar="SPEC|TRACES",
        help="a .hck spec with a fixed sequence of steps, or a .jsonl of traces",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="where the traces go (.jsonl)")
    parser.add_argument("--id", metavar="ID", help="only the trace with this id")
    kernel.arguments(parser)
    parser.add_argument("--host", action="store_true", help="run on this machine's kernel; changes its huge page pool")
    parser.add_argument("--yes-change-this-machine", action="store_true", help="says that `--host` is meant")


def run(options: argparse.Namespace) -> int:
    requests = _requests(options)
    kernel.check_writable(options.output, [options.what])
    traces = [request.trace for request in requests]
    progress, recorded, steps = Progress(), 0, 0
    boots: list[bool] = []
    release = ""
    with kernel.writing(options.output) as out:
        try:
            for one in _recorded(options, traces, boots):
                out.write(one.to_line())
                recorded, steps, release = recorded + 1, steps + len(one.steps), one.kernel
                progress.show(f"{recorded} of {len(traces)} traces, {steps} steps")
        except KeyboardInterrupt:
            progress.clear()
            print(f"interrupted: {_kept(out)}")
            return INTERRUPTED
        except BaseException:
            progress.clear()
            if out.lines:
                print(_kept(out))
            raise
    progress.clear()
    rate = steps / max(progress.seconds, 0.001)
    where = f", {boots.count(False)} boots, {boots.count(True)} restored" if not options.host else ""
    print(f"{recorded} traces, {steps} steps on {release} in {progress.seconds:.1f} s ({rate:.0f} steps/s){where}")
    return EXIT_OK if recorded == len(traces) else EXIT_BAD_INPUT


def _kept(out: Output) -> str:
    return f"{out.lines} traces are in {out.path}" if out.lines else "nothing was recorded"


def _recorded(options: argparse.Namespace, traces: list[Trace], boots: list[bool]) -> Iterator[Recorded]:
    if options.host:
        if options.vm is not None or options.kernel_image is not None:
            fail("bad-option", "`--host` runs on this machine's kernel, not on another one")
        yield from host.record(traces, allowed=options.yes_change_this_machine)
        return
    image = kernel.image(options)
    with Boots(lambda _, restored: boots.append(restored)) as guests:
        yield from record(traces, image, accel=options.accel, boots=guests)


def _requests(options: argparse.Namespace) -> list[Request]:
    match options.what.suffix:
        case ".hck":
            if options.id is not None:
                fail("bad-option", "a spec has no ids", help="`--id` chooses one of several traces")
            return [from_scenario(options.what, options.kernel)]
        case ".jsonl":
            return list(from_recordings(options.what, load_model("linux"), options.id))
        case _:
            fail("bad-option", f"`{options.what}` is no .hck spec and no .jsonl of traces")
