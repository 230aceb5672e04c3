"""Lines of C with their indentation, and names that nothing else has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager


class Writer:
    """Collects lines; `captured` collects them apart, to be put somewhere later or thrown away."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0
        self._names = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def fresh(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        before, self.lines = self.lines, []
        try:
            yield self.lines
        finally:
            self.lines = before

    @contextmanager
    def block(self, head: str, tail: str = "}") -> Iterator[None]:
        """The lines written inside stand between `head {` and `tail`."""
        self.line(f"{head} {{" if head else "{")
        self.depth += 1
        yield
        self.depth -= 1
        self.line(tail)


def comment(text: str) -> str:
    """Text of a specification as a comment: nothing in it can end the comment or go on to the next line."""
    return "/* " + re.sub(r"[^A-Za-z0-9_ .,:<>@-]", " ", text).strip()[:80] + " */"
