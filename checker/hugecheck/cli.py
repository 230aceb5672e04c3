"""The command line: one parser, one module per command, one place that turns failures into an exit status.

Exit status: 0 everything as expected; 1 a clause or an expectation failed; 2 bad input; 3 gave up (time, memory, bound); 70 a bug of hugecheck.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from hugecheck import __version__
from hugecheck.commands import COMMANDS, load
from hugecheck.commands.status import EXIT_BAD_INPUT, EXIT_BUG
from hugecheck.diagnostics import Diagnostic, Failure, render


class _Parser(argparse.ArgumentParser):
    """Reports mistakes of the command line like every other mistake."""

    def error(self, message: str) -> NoReturn:
        print(
            render(Diagnostic("bad-option", message, help=f"`{self.prog} --help` lists what there is")), file=sys.stderr
        )
        raise SystemExit(EXIT_BAD_INPUT)


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit status."""
    if not arguments or arguments[0] not in COMMANDS:
        _overview().parse_args(arguments)
    name = arguments[0]
    command = load(name)
    parser = _Parser(prog=f"hugecheck {name}", description=COMMANDS[name][1], allow_abbrev=False)
    command.arguments(parser)
    options = parser.parse_args(arguments[1:])
    try:
        return command.run(options)
    except Failure as failure:
        for diagnostic in failure.diagnostics:
            print(render(diagnostic), file=sys.stderr)
        return EXIT_BAD_INPUT


def _overview() -> argparse.ArgumentParser:
    """The parser for everything that is not a command: `--help`, `--version`, mistakes."""
    listing = "\n".join(f"  {name:<9} {summary}" for name, (_, summary) in COMMANDS.items())
    parser = _Parser(
        prog="hugecheck",
        description="Checks models of how Linux accounts for huge pages.",
        allow_abbrev=False,
        epilog=f"commands:\n{listing}\n\n`hugecheck COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hugecheck {__version__}")
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND")
    return parser


def main() -> NoReturn:
    """Entry point of the `hugecheck` script."""
    sys.setrecursionlimit(20_000)
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    except Exception:  # our own bug: the report must not look like a result
        print(_bug_report(), file=sys.stderr)
        status = EXIT_BUG
    raise SystemExit(status)


def _bug_report() -> str:
    frames = traceback.extract_tb(sys.exc_info()[2])
    where = " < ".join(f"{os.path.basename(f.filename)}:{f.lineno} {f.name}" for f in reversed(frames[-4:]))
    return (
        f"hugecheck {__version__} has a bug: {sys.exc_info()[1]!r}\n"
        f"  at {where}\n  command: hugecheck {' '.join(sys.argv[1:])}\n"
        "Please report these lines together with the spec."
    )
