"""`hugecheck new`: a spec to start from."""

from __future__ import annotations

import argparse
from pathlib import Path

from hugecheck.commands.status import EXIT_OK
from hugecheck.diagnostics import fail

TEMPLATE = """"What this spec shows, in one sentence."
use linux
kernel 6.1, 6.12

setup { set_nr 2 }

process app {
  x = mmap 2 private        # two anonymous pages: both are promised
  write x[0] -> ok          # one promise becomes a page
  check one_left: rsvd = 1
  munmap x
}

always    enough: rsvd <= free
sometimes in_use: free < total
finally   clean:  rsvd = 0
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.hck", help="the file to write; it must not exist")


def run(options: argparse.Namespace) -> int:
    path = Path(options.file)
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(TEMPLATE)
    except OSError as error:
        fail("unreadable", f"cannot write `{path}`: {error.strerror}")
    print(f"wrote {path}; try `hugecheck run {path}`")
    return EXIT_OK
