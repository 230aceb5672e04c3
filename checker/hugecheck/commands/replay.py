"""`hugecheck replay`: does a counterexample happen on a real kernel?

Exit status: 0 it happens as the model says; 1 kernel and model differ, or it does not happen; 3 the counters cannot show it.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hugecheck.commands import kernel
from hugecheck.commands.kernel import Progress
from hugecheck.commands.status import EXIT_FAILED, EXIT_GAVE_UP, EXIT_OK, worst
from hugecheck.compare.beside import beside
from hugecheck.compare.claim import Claim
from hugecheck.compare.predict import Prediction, as_recording, predict
from hugecheck.compare.requests import Request, counterexample, model_kernel
from hugecheck.diagnostics import fail
from hugecheck.explore.machine import Machine
from hugecheck.explore.system import observe_properties
from hugecheck.ir import program as ir
from hugecheck.ir import sections
from hugecheck.language.kernels import find_kernel
from hugecheck.replay.boots import Boots
from hugecheck.replay.images import Image
from hugecheck.replay.record import Recorder, fixed
from hugecheck.replay.trace import Recorded
from hugecheck.trace.follow import Follower
from hugecheck.trace.ledger import Meanings

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Run:
    """One run on the kernel. `step`: where the claim shows in its counters, None if nowhere; `agrees`: with the model, in every step."""

    recorded: Recorded
    prediction: Prediction
    step: int | None
    agrees: bool

    @property
    def outcome(self) -> object:
        return [(s["result"], s.get("after")) for s in self.recorded.steps], self.recorded.residue


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        type=Path,
        metavar="COUNTEREXAMPLE",
        help="a .jsonl of traces, the output of `hugecheck run --json`, or a .hck spec, of which the first counterexample is taken",
    )
    parser.add_argument("--clause", metavar="NAME", help="the counterexample of this clause")
    parser.add_argument("--id", metavar="ID", help="only the trace with this id")
    parser.add_argument(
        "-n", type=_positive, default=1, metavar="N", help="repeat it N times, for what happens only sometimes"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="keep what was recorded (.jsonl)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    kernel.arguments(parser)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def run(options: argparse.Namespace) -> int:
    image = kernel.image(options)
    kernel.check_writable(options.output, [options.what])
    requests = counterexample(options.what, _searched(options, image), options.clause, options.id)
    traces = [request.trace for request in requests]
    module = requests[0].module
    name = options.kernel or model_kernel(module, image.release)
    follower = Follower(module, find_kernel(module, name, None))
    program = sections.build(module, frozenset(), ())
    meanings = Meanings(module, Machine(program, dict.fromkeys(module.indexes, 1), 1, {}, observe_properties(module)))
    statuses: list[int] = []
    entries: list[dict[str, object]] = []
    progress = Progress()
    with (
        kernel.writing(options.output) as out,
        Boots() as boots,
        Recorder(image, accel=options.accel, boots=boots) as recorder,
    ):
        for request, asked in zip(requests, traces, strict=True):
            runs: list[Run] = []
            interrupted = False
            try:
                for number in range(1, options.n + 1):
                    progress.show(f"{request.id}: run {number} of {options.n}")
                    trace = asked if options.n == 1 else replace(asked, id=f"{request.id}-{number}")
                    recorded = recorder.play(fixed(trace))
                    out.write(recorded.to_line())
                    runs.append(_judged(request, recorded, follower))
            except KeyboardInterrupt:
                interrupted = True
            progress.clear()
            if runs:
                statuses.append(_status(request.claim, runs))
                if options.json:
                    entries.append(_entry(request, runs, name))
                else:
                    print("\n".join(_text(request, runs, meanings, module, name)), flush=True)
            if interrupted:
                print(f"interrupted after {len(runs)} of {options.n} runs")
                return INTERRUPTED
    if options.json:
        print(
            json.dumps(
                {"schema": "hugecheck.replay/1", "kernel": image.release, "model": name, "results": entries}, indent=1
            )
        )
    return worst(statuses)


def _searched(options: argparse.Namespace, image: Image) -> str | None:
    """The kernel on which a spec is searched: the one given, or the one that runs."""
    if options.what.suffix != ".hck" or options.kernel:
        return str(options.kernel) if options.kernel and options.what.suffix == ".hck" else None
    from hugecheck.language.loader import load_scenario

    module = load_scenario(options.what).module
    if not module.kernels:
        fail("no-kernel", "the model of this spec has no kernel table, so it does not speak of a real kernel")
    return model_kernel(module, image.release)


def _judged(request: Request, recorded: Recorded, follower: Follower) -> Run:
    recording = as_recording(recorded, request.module)
    prediction = predict(follower, recording)
    claim = request.claim
    step = None
    if claim is not None and claim.holds is not None:
        step = claim.seen([s.after for s in recording.steps])
    return Run(recorded, prediction, step, prediction.divergence is None)


def _visible(claim: Claim, runs: list[Run]) -> bool:
    """Whether the model's own counters after whole calls show it: what is only true inside a call cannot be seen."""
    return any(claim.seen([s.after for s in one.prediction.steps]) is not None for one in runs)


def _status(claim: Claim | None, runs: list[Run]) -> int:
    if claim is not None and claim.holds is not None:
        if all(one.step is not None and one.agrees for one in runs):
            return EXIT_OK
        if all(one.step is None and one.agrees for one in runs) and not _visible(claim, runs):
            return EXIT_GAVE_UP
        return EXIT_FAILED
    return EXIT_OK if all(one.agrees for one in runs) else EXIT_FAILED


def _text(request: Request, runs: list[Run], meanings: Meanings, module: ir.Module, model: str) -> list[str]:
    shown = _chosen(runs)
    release = shown.recorded.kernel
    out = [f"{request.id}" + (f": {request.claim}" if request.claim else ""), ""]
    out += [f"  {line}" for line in beside(shown.prediction, meanings, module, f"kernel {release}", f"model {model}")]
    out.append("")
    out += [f"  {line}" for line in _verdict(request.claim, runs, release, model)]
    if len(runs) > 1:
        kinds = Counter(json.dumps(one.outcome) for one in runs)
        out.append(f"  {len(runs)} runs, {len(kinds)} different outcome{'s' if len(kinds) > 1 else ''}")
    if shown.recorded.console:
        out += ["  the kernel said:", *(f"    {line}" for line in shown.recorded.console[:20])]
    return out


def _chosen(runs: list[Run]) -> Run:
    """The run to show: one in which it happens, else one that differs, else the first."""
    ranked = sorted(runs, key=lambda one: (one.step is None, one.agrees))
    return ranked[0]


def _verdict(claim: Claim | None, runs: list[Run], release: str, model: str) -> list[str]:
    agree = sum(one.agrees for one in runs)
    first = next((one for one in runs if not one.agrees), None)
    agreement = f"every result and counter is as the model of {model} predicts"
    if first is not None and first.prediction.divergence is not None:
        step = first.prediction.divergence.step
        where = f"step {step}" if step <= len(first.recorded.steps) else "the teardown"
        agreement = f"the model of {model} predicts something else at {where}"
    agreement += f" ({agree} of {len(runs)} runs agree)" if len(runs) > 1 else ""
    if claim is None:
        return [agreement]
    what = "reached" if claim.kind == "sometimes" else "violated"
    if claim.holds is None:
        how = f"happens as far as can be seen from outside: {agreement}" if agree else f"cannot be judged: {agreement}"
        return [f"`{claim.name}` speaks of more than counters; it {how}"]
    happened = [one for one in runs if one.step is not None]
    if happened:
        times = f" in {len(happened)} of {len(runs)} runs" if len(runs) > 1 else ""
        return [f"{what} on kernel {release}{times}: `{claim.text}` after step {happened[0].step}; {agreement}"]
    if not _visible(claim, runs):
        return [
            f"not seen on kernel {release}: it shows only inside a call, and counters are read after calls; {agreement}"
        ]
    return [f"not {what} on kernel {release}: `{claim.text}` after no step; {agreement}"]


def _entry(request: Request, runs: list[Run], model: str) -> dict[str, object]:
    claim = request.claim
    shown = _chosen(runs)
    predicted: list[Mapping[str, object]] = [{"result": s.result, "after": s.after} for s in shown.prediction.steps]
    return {
        "id": request.id,
        "clause": claim.name if claim is not None else "",
        "runs": len(runs),
        "happened": sum(one.step is not None for one in runs)
        if claim is not None and claim.holds is not None
        else None,
        "agree": sum(one.agrees for one in runs),
        "model": model,
        "recorded": shown.recorded.to_json(),
        "predicted": predicted,
    }
