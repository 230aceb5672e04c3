"""The one exception of this package: a line that says what is wrong and a command that puts it right."""

from __future__ import annotations


class ReplayError(Exception):
    """Something outside the kernel under test is missing or broken.

    `str()` is the one-line message. `fix` is a command to type, or an empty string where there is none.
    """

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix
