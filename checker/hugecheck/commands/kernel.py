"""What the commands that run on a real kernel share: their options, the kernel they mean, and progress."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hugecheck.compare.requests import reported
from hugecheck.diagnostics import fail
from hugecheck.replay import agentbuild, images
from hugecheck.replay.errors import ReplayError
from hugecheck.replay.images import Image
from hugecheck.replay.output import Appender
from hugecheck.replay.vm import QEMU


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options that choose the kernel."""
    parser.add_argument("--vm", metavar="RELEASE", help="boot this kernel in QEMU, e.g. 6.12 (`hugecheck vm list`)")
    parser.add_argument("--kernel-image", type=Path, metavar="FILE", help="boot a bzImage of your own instead")
    parser.add_argument(
        "--accel", default="tcg", help="accelerator of QEMU: tcg (default) works everywhere, kvm where it is allowed"
    )
    parser.add_argument(
        "--kernel", metavar="K", help="predict with the model of this kernel (default: of the one that runs)"
    )


def image(options: argparse.Namespace) -> Image:
    """The kernel to boot; a diagnostic with the command to type if it, QEMU or a compiler is missing."""
    if (options.vm is None) == (options.kernel_image is None):
        what = "which kernel?" if options.vm is None else "`--vm` and `--kernel-image` both name a kernel"
        fail("bad-option", what, help=f"`--vm {images.SERIES[0]}`, or `--kernel-image bzImage`")
    with reported():
        chosen = images.inspect(options.kernel_image) if options.kernel_image else images.find(options.vm)
        if not shutil.which(QEMU):
            raise ReplayError(f"{QEMU} is not installed", "apt-get install --no-install-recommends qemu-system-x86")
        agentbuild.compiler()
    return chosen


class Output:
    """A file of traces that comes into being with its first line, so that a command that fails at once spoils nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lines = 0
        self._appender: Appender | None = None

    def write(self, line: str) -> None:
        if self.path is None:
            return
        if self._appender is None:
            self._appender = Appender(self.path).__enter__()
        self._appender.write(line)
        self.lines += 1

    def close(self) -> None:
        if self._appender is not None:
            self._appender.__exit__(None, None, None)


def check_writable(path: Path | None, inputs: Iterable[Path] = ()) -> None:
    """Find out before a kernel boots that the output cannot be written, or is one of the inputs."""
    if path is None:
        return
    if any(path.exists() and one.exists() and path.samefile(one) for one in inputs):
        fail("bad-option", f"`{path}` is also the input", help="`-o` another file")
    if path.is_dir() or not path.absolute().parent.is_dir():
        fail("unreadable", f"cannot write `{path}`: {'it is a directory' if path.is_dir() else 'no such directory'}")


@contextmanager
def writing(path: Path | None) -> Iterator[Output]:
    """The output; what was written stays, whatever happens."""
    out = Output(path)
    try:
        with reported():
            yield out
    finally:
        out.close()


class Progress:
    """One line on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def show(self, text: str) -> None:
        if self._shown:
            print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
