"""The agent as a static executable, compiled once for each version of its source and compiler."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import cache
from .errors import ReplayError

SOURCES = Path(__file__).parent / "agent"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-static")
COMPILERS = ("cc", "gcc", "clang")


def compiler() -> list[str]:
    """The command of the C compiler: `$CC`, else the first of `cc`, `gcc` and `clang` that is there.

    The guest is an x86-64 machine; elsewhere `$CC` has to be a cross compiler.
    """
    chosen = shlex.split(os.environ.get("CC", ""))
    if not chosen and platform.machine().lower() not in ("x86_64", "amd64"):
        raise ReplayError("the guest agent needs a compiler for x86-64 in $CC", fix="CC=x86_64-linux-gnu-gcc")
    for command in [chosen] if chosen else [[name] for name in COMPILERS]:
        if shutil.which(command[0]):
            return command
    what = f"the compiler `{chosen[0]}` of $CC is not there" if chosen else "no C compiler for the guest agent"
    raise ReplayError(what, fix="apt-get install gcc libc6-dev")


def binary(kept: Path | None = None) -> Path:
    """The path of the compiled agent, from the cache if its source and compiler are the same."""
    command = compiler()
    sources = sorted(SOURCES.glob("*.[ch]"))
    key = hashlib.sha256(repr((command, FLAGS)).encode())
    for source in sources:
        key.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    path = (kept or cache.directory()) / "agent" / key.hexdigest()[:16]
    if not path.exists():
        cache.write(path, _compile(command, [source for source in sources if source.suffix == ".c"]), mode=0o755)
    return path


def _compile(command: list[str], sources: list[Path]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="hugecheck-agent-") as scratch:
        out = Path(scratch) / "agent"
        ran = subprocess.run(
            [*command, *FLAGS, "-o", str(out), *map(str, sources)], capture_output=True, text=True, check=False
        )
        if ran.returncode != 0 or not out.exists():
            said = next((line for line in ran.stderr.splitlines() if "error" in line or "cannot" in line), "")
            raise ReplayError(
                f"the guest agent does not compile with `{shlex.join(command)}`: {said.strip() or 'no message'}",
                fix="apt-get install gcc libc6-dev",
            )
        return out.read_bytes()
