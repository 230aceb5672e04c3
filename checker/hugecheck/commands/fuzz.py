"""`hugecheck fuzz`: random sequences on a real kernel and in the model at once; every difference is shrunk and saved.

Exit status: 0 no difference, 1 differences.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

from hugecheck.commands import kernel
from hugecheck.commands.kernel import Progress
from hugecheck.commands.status import EXIT_FAILED, EXIT_OK
from hugecheck.compare.beside import beside
from hugecheck.compare.predict import as_recording, predict
from hugecheck.compare.requests import model_kernel
from hugecheck.explore.machine import Machine
from hugecheck.explore.system import observe_properties
from hugecheck.fuzz.search import Statistics, search
from hugecheck.ir import sections
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_model
from hugecheck.replay.boots import Boots
from hugecheck.replay.generate import Options
from hugecheck.replay.guest import Player
from hugecheck.replay.record import Recorder, online
from hugecheck.replay.trace import Recorded
from hugecheck.trace.follow import Follower
from hugecheck.trace.ledger import Meanings

INTERRUPTED = 130


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=300.0, metavar="S", help="look for so long (default: 300)")
    parser.add_argument("--traces", type=int, metavar="N", help="look at N traces at most")
    parser.add_argument("--seed", type=int, metavar="N", help="the same sequences again (default: new ones)")
    parser.add_argument("--nodes", type=int, choices=(1, 2, 4), default=1, help="NUMA nodes of the guest")
    parser.add_argument("--cgroups", action="store_true", help="with cgroups and their limits")
    parser.add_argument("--max-found", type=int, default=10, metavar="N", help="stop after N differences (default: 10)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="keep the shrunk traces (.jsonl)")
    kernel.arguments(parser)


def run(options: argparse.Namespace) -> int:
    image = kernel.image(options)
    kernel.check_writable(options.output)
    module = load_model("linux")
    name = options.kernel or model_kernel(module, image.release)
    follower = Follower(module, find_kernel(module, name, None))
    program = sections.build(module, frozenset(), ())
    meanings = Meanings(module, Machine(program, dict.fromkeys(module.indexes, 1), 1, {}, observe_properties(module)))
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    print(f"kernel {image.release}, model {name}, seed {seed}", flush=True)
    statistics, progress, found = Statistics(), Progress(), 0
    end = time.monotonic() + options.seconds
    boots: list[bool] = []

    def more() -> bool:
        enough = options.traces is not None and statistics.traces >= options.traces
        return not enough and found < options.max_found and time.monotonic() < end

    def report(doing: str) -> None:
        progress.show(f"{statistics.traces} traces, {statistics.steps} steps, {found} differences; {doing}")

    kind = Options(nodes=options.nodes, cgroups=options.cgroups)
    with (
        kernel.writing(options.output) as out,
        Boots(lambda _, restored: boots.append(restored)) as guests,
        Recorder(image, accel=options.accel, boots=guests) as recorder,
    ):

        def play(id: str, nodes: int, player: Callable[[], Player]) -> Recorded:
            return recorder.play(online(id, nodes, player))

        try:
            for one in search(seed, kind, play, follower, more, statistics, report):
                found += 1
                out.write(one.recorded.to_line())
                progress.clear()
                prediction = predict(follower, as_recording(one.recorded, module))
                heads = (f"kernel {one.recorded.kernel}", f"model {name}")
                print(f"\n{one.recorded.id}: {len(one.steps)} steps on which they differ")
                print("\n".join(f"  {line}" for line in beside(prediction, meanings, module, *heads)), flush=True)
        except KeyboardInterrupt:
            statistics.interrupted = True
    progress.clear()
    seconds = max(progress.seconds, 0.001)
    saved = f", saved in {options.output}" if options.output is not None and found else ""
    print(
        f"\n{statistics.traces} traces, {statistics.steps} steps, {found} differences{saved}"
        + (f" ({statistics.again} more like them)" if statistics.again else "")
    )
    for id, line in statistics.complaints[:5]:
        print(f"  the kernel complained in {id}: {line}")
    print(
        f"  {seconds:.1f} s, {statistics.runs} runs, {statistics.steps / seconds:.0f} new steps/s, "
        f"{boots.count(False)} boots, {boots.count(True)} restored"
    )
    if statistics.interrupted:
        print("interrupted")
        return INTERRUPTED
    return EXIT_FAILED if found else EXIT_OK
