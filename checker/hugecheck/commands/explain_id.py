"""`hugecheck help ID`: what a diagnostic means."""

from __future__ import annotations

import argparse

from hugecheck.commands.status import EXIT_OK
from hugecheck.diagnostics import CATALOGUE, fail, suggest


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="such as unknown-name; without it, all of them")


def run(options: argparse.Namespace) -> int:
    if options.id is None:
        for name, text in CATALOGUE.items():
            print(f"{name:<20} {text}")
    elif options.id in CATALOGUE:
        print(f"{options.id}: {CATALOGUE[options.id]}")
    else:
        fail("bad-option", f"there is no diagnostic `{options.id}`", help=suggest(options.id, CATALOGUE))
    return EXIT_OK
