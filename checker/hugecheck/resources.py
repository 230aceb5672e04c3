"""Where the data of the package lies, and where it may keep what it computed."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path


def data(folder: str) -> Path:
    """The folder `models` or `spec`: inside an installed package, else at the top of the checkout."""
    packaged = Path(str(files("hugecheck"))) / folder
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / folder


@lru_cache(maxsize=1)
def cache_directory() -> Path | None:
    """A writable folder for things that can be computed again (`$HUGECHECK_CACHE`, `$XDG_CACHE_HOME/hugecheck`, `~/.cache/hugecheck`), or None."""
    named = os.environ.get("HUGECHECK_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        directory = Path(named) if named else (Path(base) if base else Path.home() / ".cache") / "hugecheck"
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return directory if os.access(directory, os.W_OK) else None
