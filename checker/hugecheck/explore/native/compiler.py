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


def target_of(text: str, level: str, extra: tuple[str, ...] = ()) -> Path:
    """Where the shared object for a generated text is, or is to be. Raises `CompilerError`."""
    compiler = find_compiler()
    flags = _flags(level, extra)
    key = "\0".join((text, _runtime_digest(), compiler.identity, *compiler.command, *flags, _cpu(), platform.machine()))
    directory = cache_directory() or _private_directory()
    return directory / f"engine-{hashlib.sha256(key.encode()).hexdigest()[:32]}.so"


def build(text: str, level: str = "-O1", extra: tuple[str, ...] = ()) -> Path:
    """The shared object for a generated text, from the cache or made now. Raises `CompilerError`."""
    target = target_of(text, level, extra)
    if not target.is_file():
        Compilation(text, level, extra).wait()
    return target


def _flags(level: str, extra: tuple[str, ...]) -> tuple[str, ...]:
    return (level, "-march=native", *_FLAGS, *extra)


class Compilation:
    """A compiler at work, in a process of its own. `library` is None until it is done; `cancel` when nobody waits for it any more."""

    def __init__(self, text: str, level: str, extra: tuple[str, ...] = ()) -> None:
        self.compiler = find_compiler()
        self.target = target_of(text, level, extra)
        self.source = self.target.with_suffix(f".{os.getpid()}.c")
        self.object = self.target.with_suffix(f".{os.getpid()}.tmp")
        command = [*self.compiler.command, *_flags(level, extra), "-I", str(runtime_directory())]
        try:
            self.source.write_text(text, encoding="utf-8")
            self.process = subprocess.Popen(
                [*command, str(self.source), "-o", str(self.object)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            self._clean()
            raise CompilerError(
                f"the C compiler `{self.compiler.command[0]}` cannot be used: {error.strerror}"
            ) from error

    def wait(self) -> Path:
        """The shared object, when it is ready. Raises `CompilerError`."""
        name = self.compiler.command[0]
        try:
            _, errors = self.process.communicate(timeout=TIMEOUT)
            if self.process.returncode != 0:
                lines = errors.strip().split("\n")
                raise CompilerError(
                    f"the C compiler `{name}` failed: {next((e for e in lines if 'error' in e), lines[0])[:300]}"
                )
            self.object.replace(self.target)
        except subprocess.TimeoutExpired as error:
            raise CompilerError(f"the C compiler `{name}` took more than {TIMEOUT} seconds") from error
        except OSError as error:
            raise CompilerError(f"what the C compiler `{name}` made cannot be kept: {error.strerror}") from error
        finally:
            self.cancel()
        return self.target

    def ready(self) -> bool:
        return self.process.poll() is not None

    def cancel(self) -> None:
        """End it, if it still works, and leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        self._clean()

    def _clean(self) -> None:
        for path in (self.source, self.object):
            with suppress(OSError):
                path.unlink()


@lru_cache(maxsize=1)
def _private_directory() -> Path:
    """For this process only, when there is no cache."""
    try:
        return Path(tempfile.mkdtemp(prefix="hugecheck-"))
    except OSError as error:
        raise CompilerError(f"there is no place to write to: {error.strerror}") from error


def load(path: Path) -> ctypes.CDLL:
    """The library, ready to be called."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise CompilerError(f"the compiled engine cannot be loaded: {error}") from error
