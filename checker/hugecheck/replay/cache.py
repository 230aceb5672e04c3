"""Where downloaded kernels and the compiled agent are kept, and how a file gets there whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from .errors import ReplayError


def directory() -> Path:
    """The cache directory of this user: `$HUGECHECK_CACHE`, else by the convention of the platform."""
    named = os.environ.get("HUGECHECK_CACHE")
    if named:
        return Path(named)
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hugecheck"


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` at `path`: a temporary file beside it, then a rename."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".partial-", delete=False) as out:
            temporary = Path(out.name)
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise ReplayError(f"cannot write {path}: {error.strerror}", fix=f"df -h {path.parent}") from error
