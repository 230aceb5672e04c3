"""A trace for people: step, who, operation, result, each counter with its change, and what the change means."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hugecheck.explore.machine import Machine
from hugecheck.ir import program as ir
from hugecheck.trace.path import Trace

_WRAPPED = 1 << 63
_TOP = 1 << 64


def number(value: object) -> str:
    """A counter as text; one that went below zero is written `2^64-1`, as it is easier to read than its twenty digits."""
    assert isinstance(value, int)
    return f"2^64-{_TOP - value}" if value >= _WRAPPED else str(value)


def signed(value: object) -> int:
    """A 64-bit counter with what went below zero as negative."""
    assert isinstance(value, int)
    return value - _TOP if value >= _WRAPPED else value


class Meanings:
    """The sentences of a model for changes of its counters."""

    def __init__(self, module: ir.Module, machine: Machine) -> None:
        self.counters = [o.name for o in module.observes if not o.table]
        functions = machine.code.properties
        self.rules: list[tuple[Callable[..., int], str]] = [
            (functions[f"meaning {n}"], m.text) for n, m in enumerate(module.meanings) if f"meaning {n}" in functions
        ]

    def of(self, before: Mapping[str, object], after: Mapping[str, object]) -> str:
        """The sentence for this change, or nothing."""
        changes = {c: signed(after[c]) - signed(before[c]) for c in self.counters}
        if not any(changes.values()):
            return ""
        for holds, text in self.rules:
            if holds([], *changes.values()):
                for name, change in changes.items():
                    text = text.replace("{" + name + "}", str(abs(change)))
                return text
        return ""


def ledger(trace: Trace, meanings: Meanings) -> list[str]:
    """The lines of the table."""
    rows: list[tuple[str, str, str, str, dict[str, object]]] = []
    if trace.interleaved:
        sections = sorted(((s.number, step, s) for step in trace.steps for s in step.sections), key=lambda x: x[0])
        for row, (_, step, section) in enumerate(sections, 1):
            last = section is step.sections[-1]
            first = section is step.sections[0]
            text = step.text if first else f"  {section.name}"
            rows.append((str(row), step.thread, text, step.result if last else "...", section.after))
    else:
        for row, step in enumerate(trace.steps, 1):
            rows.append((str(row), step.actor or step.thread, step.text, step.result, step.after))
    counters = meanings.counters
    header = ["#", "who", "operation", "result", *counters, ""]
    table = [header]
    before = trace.before
    for line, who, text, result, after in rows:
        cells = []
        for counter in counters:
            change = signed(after[counter]) - signed(before[counter])
            cells.append(number(after[counter]) + (f" ({change:+d})" if change else ""))
        table.append([line, who, text, result, *cells, meanings.of(before, after)])
        before = after
    widths = [max(len(r[c]) for r in table) for c in range(len(header))]
    right = {0, *range(4, 4 + len(counters))}
    lines = []
    for row_ in table:
        cells = [_right(cell, widths[c]) if c in right else cell.ljust(widths[c]) for c, cell in enumerate(row_)]
        lines.append("  ".join(cells).rstrip())
    return lines


def _right(cell: str, width: int) -> str:
    return cell.ljust(width) if "(" in cell else (cell + " " * 5).ljust(width) if width > 6 else cell.rjust(width)
