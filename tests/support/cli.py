"""The command line, in this process and as a user starts it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from hugecheck.cli import run
from support.specs import ROOT


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    out: str
    err: str


def call(*arguments: str) -> Outcome:
    """Run a command in this process. An exception that is no `SystemExit` is a bug and goes through."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = run(arguments)
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
    return Outcome(status, out.getvalue(), err.getvalue())


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start `python -m hugecheck` with its output in pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "hugecheck", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "checker"), **environment},
    )


def shell(*arguments: str, **environment: str) -> Outcome:
    """Run `python -m hugecheck` to its end."""
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)
