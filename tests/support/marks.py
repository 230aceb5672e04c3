"""Expectations in comments: `# error: [id]` on the line that it concerns, and sections of a file split by `# ---`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hugecheck.diagnostics import Diagnostic

_MARK = re.compile(r"#\s*error:\s*\[([a-z-]+)\](?:\s*\[([a-z-]+)\])?")
_SPLIT = re.compile(r"^# ---(?: (.*))?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece between two separators; lines are counted from `first`."""

    title: str
    first: int
    text: str


def parts(text: str) -> Iterator[Part]:
    """The pieces of a corpus. What stands before the first separator, if anything but comments, is one too."""
    start, title = 0, ""
    for match in [*_SPLIT.finditer(text), None]:
        end = match.start() if match else len(text)
        piece = text[start:end]
        if any(line and not line.startswith("#") for line in piece.split("\n")):
            first = text.count("\n", 0, start) + 1
            yield Part(title or f"line {first}", first, piece)
        if match:
            start, title = match.end() + 1, match.group(1) or ""


def expected(text: str) -> list[tuple[int, str]]:
    """(line, id) of each mark. A mark that has a line of its own concerns the line before."""
    out: list[tuple[int, str]] = []
    previous = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.lstrip().startswith("#"):
            previous = number
        for match in _MARK.finditer(line):
            out.extend((previous, name) for name in match.groups() if name)
    return out


def compare(text: str, found: list[Diagnostic]) -> str:
    """What is reported but not marked, and what is marked but not reported; empty if nothing."""
    wanted = sorted(expected(text))
    got = sorted((d.span.line if d.span else 0, d.id) for d in found)
    texts = {(d.span.line if d.span else 0, d.id): d.headline for d in found}
    out = [f"line {line}: unexpected [{id_}] {texts[line, id_]}" for line, id_ in _without(got, wanted)]
    out += [f"line {line}: missing [{id_}]" for line, id_ in _without(wanted, got)]
    return "\n".join(out)


def _without(some: list[tuple[int, str]], others: list[tuple[int, str]]) -> list[tuple[int, str]]:
    left = list(others)
    out = []
    for item in some:
        if item in left:
            left.remove(item)
        else:
            out.append(item)
    return out
