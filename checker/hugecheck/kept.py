"""Results of earlier runs, in the cache directory: checked models and scenarios, programs, compiled Python.

Each lies under a hash of all that it depends on, our own code included, and whatever is wrong with a kept result, it can be made again.
"""

from __future__ import annotations

import hashlib
import marshal
import pickle
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

from hugecheck import __version__
from hugecheck.diagnostics import Source
from hugecheck.resources import cache_directory, data

T = TypeVar("T")


def digest(sources: Iterable[Source]) -> str:
    """A hash of these texts and their names."""
    out = hashlib.sha256()
    for source in sources:
        out.update(f"\0{source.name}\0{source.text}".encode())
    return out.hexdigest()


def kept(kind: str, key: str, make: Callable[[], T]) -> T:
    """The result of `make`, which depends on nothing but `key` and our code."""
    return _kept(kind, key, make, pickle.loads, pickle.dumps)


def kept_code(text: str, make: Callable[[], CodeType]) -> CodeType:
    """The result of `make`: the text, compiled by this version of Python."""
    return _kept("code", f"{sys.implementation.cache_tag} {text}", make, marshal.loads, marshal.dumps)


def _kept(kind: str, key: str, make: Callable[[], T], load: Callable[[bytes], Any], dump: Callable[[Any], bytes]) -> T:
    directory = cache_directory()
    if directory is None:
        return make()
    name = hashlib.sha256(f"{__version__} {_code_stamp()} {key}".encode()).hexdigest()[:32]
    path = directory / f"{kind}-{name}"
    with suppress(Exception):
        found: T = load(path.read_bytes())
        return found
    result = make()
    with suppress(OSError):
        temporary = path.with_suffix(f".{id(path)}.tmp")
        temporary.write_bytes(dump(result))
        temporary.replace(path)
    return result


@lru_cache(maxsize=1)
def _code_stamp() -> str:
    """Changes whenever the code that makes what is kept, or the grammar, changes."""
    package = Path(__file__).resolve().parent
    files = [
        *sorted((package / "language").glob("*.py")),
        *sorted((package / "ir").glob("*.py")),
        data("spec") / "grammar.lark",
    ]
    return " ".join(f"{f.name}:{f.stat().st_mtime_ns}:{f.stat().st_size}" for f in files)
