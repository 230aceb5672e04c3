"""`hugecheck vm`: the kernels that `record`, `replay` and `fuzz` can boot."""

from __future__ import annotations

import argparse

from hugecheck.commands.status import EXIT_OK
from hugecheck.compare.requests import reported
from hugecheck.diagnostics import fail
from hugecheck.replay import images
from hugecheck.replay.images import Image


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("fetch", "list"), help="download a kernel, or list those that are there")
    parser.add_argument("release", nargs="?", metavar="RELEASE", help="fetch: such as 6.12, or exactly 6.12.113")


def run(options: argparse.Namespace) -> int:
    with reported():
        if options.what == "fetch":
            if options.release is None:
                fail("bad-option", "which kernel?", help=f"`hugecheck vm fetch {images.SERIES[0]}`")
            _show(images.fetch(options.release))
            return EXIT_OK
        if options.release is not None:
            fail("bad-option", "`vm list` takes no release")
        found = images.available()
        for image in found:
            _show(image)
        if not found:
            fail("real-kernel", "no kernel was fetched yet", help=f"`hugecheck vm fetch {images.SERIES[0]}`")
    return EXIT_OK


def _show(image: Image) -> None:
    print(f"{image.release:<10} {image.path}")
