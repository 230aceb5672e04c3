"""Output that is never half a line: traces are appended whole, and a write that failed is taken back."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from .errors import ReplayError


class Appender:
    """A JSON Lines file being written. What the file held before is gone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._size = 0

    def __enter__(self) -> Self:
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as error:
            raise ReplayError(f"cannot write {self._path}: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        os.close(self._file)

    def write(self, line: str) -> None:
        """Append a whole line. If that fails the file ends with the line before."""
        data = line.encode()
        try:
            sent = 0
            while sent < len(data):
                sent += os.write(self._file, data[sent:])
        except OSError as error:
            with contextlib.suppress(OSError):  # not a regular file: nothing to take back
                os.ftruncate(self._file, self._size)
            raise ReplayError(
                f"cannot write {self._path}: {error.strerror}; the traces so far are in it", fix=f"df -h {self._path}"
            ) from error
        self._size += len(data)
