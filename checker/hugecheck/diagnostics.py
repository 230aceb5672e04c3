"""Diagnostics are values; this module is the only place that turns them into text.

A pass returns or collects `Diagnostic`s. `Failure` carries them through a stage that cannot go on. Python exceptions other than
`Failure` are bugs of hugecheck itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class Source:
    """One text and the name by which messages call it."""

    name: str
    text: str

    def line(self, number: int) -> str:
        lines = self.text.split("\n")
        return lines[number - 1] if 0 < number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a source: 1-based line and column, and the number of characters to underline (within that line)."""

    source: Source
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What is wrong, where, and the way out.

    `id` is a key of `CATALOGUE`; `label` is the short text below the underline; `notes` show other places ("declared here").
    """

    id: str
    headline: str
    span: Span | None = None
    label: str = ""
    notes: tuple[tuple[str, Span | None], ...] = ()
    help: str = ""


@dataclass(slots=True)
class Failure(Exception):
    """The stage could not give a result; `diagnostics` say why. Never empty."""

    diagnostics: Sequence[Diagnostic] = field(default_factory=tuple)

    def __str__(self) -> str:
        return "\n".join(one_line(d) for d in self.diagnostics)


def fail(
    id: str,
    headline: str,
    span: Span | None = None,
    label: str = "",
    *,
    notes: Iterable[tuple[str, Span | None]] = (),
    help: str = "",
) -> NoReturn:
    """Stop the stage with a single diagnostic."""
    raise Failure((Diagnostic(id, headline, span, label, tuple(notes), help),))


def suggest(name: str, known: Iterable[str]) -> str:
    """ "did you mean", or the list of what there is when it is short."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    if not names:
        return "none is declared"
    shown = ", ".join(f"`{n}`" for n in names[:12])
    return f"there is {shown}" + (", ..." if len(names) > 12 else "")


CATALOGUE: dict[str, str] = {
    "syntax": "The text does not follow the grammar. The message says what was expected at that place; spec/language.md has the whole language.",
    "unknown-name": "A name is used that nothing declares: a misspelling, or a missing `use`.",
    "unknown-type": "A type is used that nothing declares. Types are bool, int, nat, `a to b`, enums, index types, `set of T` and `T or none`.",
    "unknown-field": "No record of this index type has that field.",
    "unknown-operation": "A step names an operation that the model does not have.",
    "unknown-kernel": "The kernel is not in the model's table. `kernel V as A { ... }` declares one.",
    "unknown-switch": "No `switch` of that name or commit is declared.",
    "unknown-model": '`use NAME` finds no model of that name, or `use "FILE"` no such file.',
    "duplicate-name": "Two declarations have the same name where only one may.",
    "type-mismatch": "An expression has another type than its place needs.",
    "out-of-range": "A value lies outside the range of the place it is put in.",
    "not-assignable": "Only variables, fields, array elements and locals made with `var` can be assigned.",
    "lock-not-held": "State that a lock protects is used where that lock is not held. Use it inside `atomic LOCK { }` or `hold LOCK { }`, or say `holding LOCK` at the function.",
    "not-in-section": "Shared state is used outside every atomic section. What stands between two sections is local.",
    "wrong-lock-kind": "A spinlock is taken with `atomic`, a mutex with `hold`, an rwsem with `hold read` or `hold write`.",
    "hold-in-section": "A sleeping lock cannot be taken inside an atomic section.",
    "unhandled-error": "The called function can fail and the call does not say what happens then.",
    "undeclared-error": "A function fails with an error that its head does not list after `fails`.",
    "needless-else": "The called function cannot fail, so `else` never runs.",
    "else-falls-through": "The `else` block of `let x = f() else { }` must leave: x has no value after it.",
    "missing-return": "A function that returns a value must do so on every path.",
    "recursion": "Functions may not call themselves, directly or through others.",
    "call-in-expression": "A function made of sections is a statement of its own; only `def` functions can stand inside an expression.",
    "wrong-arguments": "A call or a step does not give what the declaration asks for.",
    "wrong-step": "A step is not written as the operation's `written` patterns say.",
    "misplaced": "A statement stands where it has no meaning.",
    "bad-bound": "A bound must name an index type of the model and a positive size.",
    "bad-expect": "`expect` names a verdict that this kind of clause cannot have, or a kernel that the scenario does not run on.",
    "no-clause": "The scenario states nothing, so running it could not show anything.",
    "no-process": "The scenario has no process, so there is nothing to explore.",
    "too-large": "The text asks for more than the tool can hold.",
    "unreadable": "A file could not be read.",
    "bad-trace": "A recording is not in the format of spec/trace-format.md.",
    "bad-option": "The command line does not make sense.",
    "not-sequential": "A real kernel can be told what to do one call after the other, and nothing else. A spec with a fixed sequence of steps, or a counterexample in which no two calls overlap, is such a sequence.",
    "no-counterexample": "There is no trace to run: no clause was decided by one.",
    "not-emittable": "A reproducer is a program of its own: it needs whole calls with their results and counters, one NUMA node, and no cgroups.",
    "real-kernel": "Something that running on a real kernel needs is missing or went wrong. The help line has the command that puts it right.",
    "not-provable": "The prover cannot take this. It proves laws of operations that are one atomic section each, over whole numbers with linear arithmetic; spec/language.md section 5 has the limits and the ways around them.",
    "no-theorem": "The model does not say what is to be proved: no `prove`, and no `invariant`.",
    "bad-certificate": "A certificate does not belong to this model, or cannot be read. `hugecheck prove FILE --certificates DIR` writes them anew.",
    "no-solver": "A solver that this needs is not installed.",
    "no-kernel": "The model has a kernel table and nothing says which kernel to use.",
}


def one_line(diagnostic: Diagnostic) -> str:
    """`file:line:column: error[id]: headline`, for editors and lists."""
    place = f"{diagnostic.span}: " if diagnostic.span else ""
    return f"{place}error[{diagnostic.id}]: {diagnostic.headline}"


def render(diagnostic: Diagnostic) -> str:
    """The full text: headline, place, source line with an underline, notes and the way out."""
    out = [f"error[{diagnostic.id}]: {diagnostic.headline}"]
    if diagnostic.span is not None:
        out += _excerpt(diagnostic.span, diagnostic.label)
    for text, span in diagnostic.notes:
        out.append(f"info: {text}" + (f"\n  --> {span}" if span else ""))
    if diagnostic.help:
        out.append(f"help: {diagnostic.help}")
    return "\n".join(out)


def to_json(diagnostic: Diagnostic) -> dict[str, object]:
    """The same as a JSON object: id, message, place, help."""
    span = diagnostic.span
    place = {"file": span.source.name, "line": span.line, "column": span.column} if span else None
    return {"id": diagnostic.id, "message": diagnostic.headline, "place": place, "help": diagnostic.help}


def _excerpt(span: Span, label: str) -> list[str]:
    gutter = " " * len(str(span.line))
    text = span.source.line(span.line).replace("\t", " ")
    column = span.column
    if len(text) > 200 and column > 120:
        cut = column - 60
        text, column = "..." + text[cut:], column - cut + 3
    if len(text) > 200:
        text = text[:197] + "..."
    width = max(1, min(span.length, len(text) - column + 1))
    underline = " " * (column - 1) + "^" * width
    return [
        f"{gutter}--> {span}",
        f"{gutter} |",
        f"{span.line} | {text}",
        f"{gutter} | {underline}{' ' + label if label else ''}".rstrip(),
    ]
