"""Finds a C compiler and turns generated text into a loaded library, kept in the cache under a hash of all that it depends on."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from hugecheck.resources import cache_directory

TIMEOUT = 300
"""seconds that a compiler may take"""
_FLAGS = (
    "-std=gnu11",
    "-D_GNU_SOURCE",
    "-shared",
    "-fPIC",
    "-w",
    "-pthread",
    "-fno-strict-aliasing",
    "-fno-sanitize=all",
)


class CompilerError(Exception):
    """There is no native engine; the text says why."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """`command` begins every call; `identity` changes when the compiler does."""

    command: tuple[str, ...]
    identity: str


@lru_cache(maxsize=1)
def find_compiler() -> Compiler:
    """`$CC`, else cc, gcc, clang, or the compiler in the wheel `ziglang`. Raises `CompilerError`."""
    named = os.environ.get("CC")
    candidates = [tuple(shlex.split(named))] if named else [("cc",), ("gcc",), ("clang",)]
    for command in candidates:
        path = shutil.which(command[0]) if command else None
        if path is not None:
            return Compiler((path, *command[1:]), _identity(Path(path)))
    if named:
        raise CompilerError(f"the C compiler `{named}` (from $CC) is not there")
    if importlib.util.find_spec("ziglang") is not None:
        return Compiler((sys.executable, "-m", "ziglang", "cc"), "ziglang")
    raise CompilerError("there is no C compiler (set $CC, or install `hugecheck[cc]`)")


def _identity(path: Path) -> str:
    found = path.resolve().stat()
    return f"{path.resolve()} {found.st_size} {found.st_mtime_ns}"


def runtime_directory() -> Path:
    """Where the C sources of the runtime are."""
    return Path(str(files("hugecheck.explore") / "runtime"))


@lru_cache(maxsize=1)
def _cpu() -> str:
    """What `-march=native` depends on, so that a cache shared between machines is safe."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(dict.fromkeys(line for line in lines if line.startswith(("model name", "flags"))))
    return platform.processor()


@lru_cache(maxsize=1)
def _runtime_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(runtime_directory().glob("*.h")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build(text: str, level: str = "-O1", extra: tuple[str, ...] = ()) -> Path:
    """The shared object for a generated text, from the cache or made now. Raises `CompilerError`."""
    compiler = find_compiler()
    flags = (level, "-march=native", *_FLAGS, *extra)
    key = "\0".join((text, _runtime_digest(), compiler.identity, *compiler.command, *flags, _cpu(), platform.machine()))
    name = f"engine-{hashlib.sha256(key.encode()).hexdigest()[:32]}.so"
    directory = cache_directory() or _private_directory()
    target = directory / name
    if not target.is_file():
        _compile(compiler, flags, text, target)
    return target


@lru_cache(maxsize=1)
def _private_directory() -> Path:
    """For this process only, when there is no cache."""
    try:
        return Path(tempfile.mkdtemp(prefix="hugecheck-"))
    except OSError as error:
        raise CompilerError(f"there is no place to write to: {error.strerror}") from error


def _compile(compiler: Compiler, flags: tuple[str, ...], text: str, target: Path) -> None:
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    command = [*compiler.command, *flags, "-I", str(runtime_directory()), "-x", "c", "-", "-o", str(temporary)]
    try:
        done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=TIMEOUT, check=False)
        if done.returncode != 0:
            first = next(
                (line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip().split("\n")[0]
            )
            raise CompilerError(f"the C compiler `{compiler.command[0]}` failed: {first[:300]}")
        temporary.replace(target)
    except subprocess.TimeoutExpired as error:
        raise CompilerError(f"the C compiler `{compiler.command[0]}` took more than {TIMEOUT} seconds") from error
    except OSError as error:
        raise CompilerError(f"the C compiler `{compiler.command[0]}` cannot be used: {error.strerror}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def load(path: Path) -> ctypes.CDLL:
    """The library, ready to be called."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise CompilerError(f"the compiled engine cannot be loaded: {error}") from error
