"""`python -m hugecheck.replay`: a thin entry for developers.

  record IN.jsonl --vm 6.12 -o OUT.jsonl     run the traces of a file again
  random --vm 6.1 --count 1000 --seed 7 -o OUT.jsonl
  fetch 6.1                                  download a kernel
  list                                       the kernels that are there

Traces are appended to the output one whole line at a time: whatever happens, those recorded so far are kept.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import images, trace
from .boots import Boots
from .errors import ReplayError
from .generate import Generator, Options
from .output import Appender
from .record import Script, fixed, online, run


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 something is missing or wrong, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "fetch":
            _show(images.fetch(options.release))
        elif options.command == "list":
            for image in images.available():
                _show(image)
        else:
            _record(options)
    except ReplayError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.fix:
            print(f"help: {error.fix}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def random_scripts(seed: int, first: int, count: int, options: Options) -> Iterator[Script]:
    """`count` scripts of random traces. Trace `i` of a seed is always the same, if the kernel answers the same."""
    for index in range(first, first + count):
        yield online(
            f"s{seed}-{index:05d}",
            options.nodes,
            lambda index=index: Generator(seed, index, options).next_step,  # type: ignore[misc]
        )


def _record(options: argparse.Namespace) -> None:
    image = images.inspect(options.kernel_image) if options.kernel_image else images.find(options.vm)
    restarts: list[bool] = []
    started, steps, traces = time.monotonic(), 0, 0
    with Appender(options.output) as out, Boots(lambda _, restored: restarts.append(restored)) as guests:
        for recorded in run(_scripts(options), image, accel=options.accel, boots=guests):
            out.write(recorded.to_line())
            traces, steps = traces + 1, steps + len(recorded.steps)
            if sys.stderr.isatty():
                print(f"\r{traces} traces, {steps} steps", end="", file=sys.stderr)
    seconds = time.monotonic() - started
    print(
        f"{traces} traces, {steps} steps on {image.release} in {seconds:.1f} s "
        f"({steps / max(seconds, 0.001):.0f} steps/s), {restarts.count(False)} boots, {restarts.count(True)} restored",
        file=sys.stderr,
    )


def _scripts(options: argparse.Namespace) -> Iterable[Script]:
    if options.command == "random":
        kind = Options(nodes=options.nodes, cgroups=options.cgroups)
        return random_scripts(options.seed, options.first, options.count, kind)
    whole = list(trace.read(options.input))
    chosen = itertools.islice(whole, options.first, None if options.count is None else options.first + options.count)
    return (fixed(one) for one in chosen)


def _show(image: images.Image) -> None:
    print(f"{image.release}\t{image.path}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hugecheck.replay", description="Run traces on real kernels.")
    commands = parser.add_subparsers(dest="command", required=True)
    again = commands.add_parser("record", help="run the traces of a file")
    again.add_argument("input", type=Path)
    again.add_argument("--count", type=int, help="at most this many")
    fresh = commands.add_parser("random", help="run random traces")
    fresh.add_argument("--count", type=int, default=100)
    fresh.add_argument("--seed", type=int, default=0)
    fresh.add_argument("--nodes", type=int, choices=(1, 2, 4), default=1)
    fresh.add_argument("--cgroups", action="store_true")
    for command in (again, fresh):
        command.add_argument("--first", type=int, default=0, help="number of the first trace")
        command.add_argument("--vm", default="6.12", help="the release of a fetched kernel")
        command.add_argument("--kernel-image", type=Path, help="a bzImage of your own instead")
        command.add_argument("--accel", default="tcg")
        command.add_argument("-o", "--output", type=Path, required=True)
    fetch = commands.add_parser("fetch", help="download a kernel")
    fetch.add_argument("release", help="such as 6.12 or 6.12.113")
    commands.add_parser("list", help="the kernels that are there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
