"""The commands: each a module with `arguments(parser)` and `run(options) -> exit status`, imported when it is used."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Protocol, cast


class Command(Protocol):
    """What a module of this package offers."""

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "check the clauses of spec files; the shortest counterexample of each that fails"),
    "prove": ("prove", "prove the laws of a model for all sizes, or show where the proof fails"),
    "gallery": ("gallery", "known bugs x kernels, verified, and the commit that makes the difference"),
    "conform": ("conform", "compare the model with recordings of real kernels; the first divergence of each"),
    "record": ("record", "run steps on a real kernel, and write down what it answers"),
    "replay": ("replay", "does a counterexample happen on a real kernel? model and kernel side by side"),
    "emit": ("emit", "write a trace as a reproducer: a C program, a shell script, or an LTP test"),
    "fuzz": ("fuzz", "random sequences on a real kernel and in the model at once; what differs, shrunk"),
    "vm": ("vm", "fetch a kernel to boot, or list those that are there"),
    "show": ("show", "look at a recording, or at the program of a spec or model"),
    "new": ("new", "write a small spec to start from"),
    "help": ("explain_id", "explain a diagnostic by its id, or list them all"),
}
"""name: module, and what the command does"""


def load(name: str) -> Command:
    """The module of a command."""
    return cast(Command, import_module(f"hugecheck.commands.{COMMANDS[name][0]}"))
