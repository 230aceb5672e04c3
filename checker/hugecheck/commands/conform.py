"""`hugecheck conform`: does the model predict what was recorded on real kernels?"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from hugecheck.commands.status import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK, worst
from hugecheck.compare.requests import model_kernel
from hugecheck.diagnostics import Diagnostic, Failure, fail, render, to_json
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_model
from hugecheck.trace.follow import Divergence, Followed, Follower
from hugecheck.trace.recording import read_recordings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "traces", nargs="+", metavar="TRACES", help="a .jsonl file of recordings (spec/trace-format.md)"
    )
    parser.add_argument(
        "--kernel",
        metavar="K",
        help="predict with the model of this kernel; without it, of the kernel that each recording names, or of its series",
    )
    parser.add_argument("--model", default="linux", metavar="M", help="the model (default: linux)")
    parser.add_argument("--json", action="store_true", help="print one JSON object (spec/conform.schema.json)")


def run(options: argparse.Namespace) -> int:
    module = load_model(options.model)
    followers: dict[str, Follower] = {}
    if options.kernel:
        followers[options.kernel] = Follower(module, find_kernel(module, options.kernel, None))
    errors: list[Diagnostic] = []
    followed: list[tuple[str, Followed]] = []
    for path in options.traces:
        for recording in read_recordings(Path(path), module):
            try:
                if isinstance(recording, Failure):
                    raise recording
                kernel = options.kernel or recording.kernel
                if not kernel:
                    fail("bad-trace", f"{path}: `{recording.id}` does not say its kernel", help="give `--kernel K`")
                if kernel not in followers:
                    named = kernel if options.kernel else model_kernel(module, kernel)
                    followers[kernel] = Follower(module, find_kernel(module, named, None))
                followed.append((path, followers[kernel].follow(recording)))
            except Failure as failure:
                errors.extend(failure.diagnostics)
                if not options.json:
                    print("\n".join(render(d) for d in failure.diagnostics), file=sys.stderr)
                continue
            if not options.json and followed[-1][1].divergence is not None:
                print("\n".join(_text(path, followed[-1][1])), flush=True)
    diverged = [(path, f) for path, f in followed if f.divergence is not None]
    agree, steps, loose = (
        len(followed) - len(diverged),
        sum(f.steps for _, f in followed),
        sum(f.loose for _, f in followed),
    )
    if options.json:
        document = {
            "schema": "hugecheck.conform/1",
            "kernel": options.kernel or ", ".join(sorted(followers)),
            "traces": len(followed),
            "agree": agree,
            "steps": steps,
            "loose_steps": loose,
            "divergences": [_entry(path, f) for path, f in diverged],
            "errors": [to_json(d) for d in errors],
        }
        print(json.dumps(document, indent=1))
    else:
        print(f"{agree} of {len(followed)} recordings agree with the model, {steps:,} steps, {loose} of them loose")
        if errors:
            print(f"{len(errors)} could not be judged", file=sys.stderr)
    return worst([EXIT_FAILED if diverged else EXIT_OK, EXIT_BAD_INPUT if errors else EXIT_OK])


def _entry(path: str, followed: Followed) -> dict[str, object]:
    divergence = followed.divergence
    assert divergence is not None
    return {
        "file": path,
        "id": followed.recording.id,
        "step": divergence.step,
        "op": divergence.operation,
        "expected": divergence.expected,
        "predicted": list(divergence.predicted),
        "state": divergence.state,
    }


def _text(path: str, followed: Followed) -> list[str]:
    divergence = followed.divergence
    assert divergence is not None
    recording = followed.recording
    out = [f"{path}: `{recording.id}` diverges at step {divergence.step}, {_step(followed, divergence)}"]
    out.append(f"  before     {_shown(divergence.state)}")
    out.append(f"  recorded   {_outcome(divergence.expected)}")
    out += [f"  predicted  {_outcome(p)}" for p in divergence.predicted]
    return out


def _step(followed: Followed, divergence: Divergence) -> str:
    steps = followed.recording.steps
    if divergence.step > len(steps):
        return "the teardown after the last step"
    given = " ".join(f"{k}={v}" for k, v in steps[divergence.step - 1].arguments.items())
    return f"{divergence.operation} {given}"


def _outcome(outcome: Mapping[str, object]) -> str:
    if "error" in outcome:
        return str(outcome["error"])
    after = outcome["after"]
    assert isinstance(after, Mapping)
    return f"{outcome['result']:<8} {_shown(after)}"


def _shown(counters: Mapping[str, object]) -> str:
    return ", ".join(f"{k} {json.dumps(v) if isinstance(v, dict | list) else v}" for k, v in counters.items())
