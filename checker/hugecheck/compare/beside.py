"""A recording as a ledger with the model beside the kernel: step, who, operation, then result and counters of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hugecheck.compare.predict import Prediction
from hugecheck.ir import program as ir
from hugecheck.ir.types import IndexType, OptionalType, inner
from hugecheck.trace.ledger import Meanings, number, signed
from hugecheck.trace.recording import RecordedStep
from hugecheck.trace.spelling import Elements, Spelling

DIFFERS = "<-- differs"


def beside(prediction: Prediction, meanings: Meanings, module: ir.Module, kernel: str, model: str) -> list[str]:
    """The lines of the table. `kernel` and `model` name the two, as heads of their columns."""
    seen, said = prediction.recording.steps, prediction.steps
    names = elements(seen, module)
    spelling = Spelling(module, names)
    counters = meanings.counters
    head = ["#", "who", "operation", "result", *counters, "|", "result", *counters, ""]
    rows = []
    before: dict[str, object] = dict.fromkeys(counters, 0)
    for line, step in enumerate(seen, 1):
        mine = said[line - 1] if line <= len(said) else None
        real = {c: step.after.get(c, before[c]) for c in counters}
        cells = [_change(real[c], before[c]) for c in counters]
        if mine is None:
            other = ["?", *("?" for _ in counters)]
        else:
            other = [mine.result, *(number(mine.after.get(c, 0)) for c in counters)]
        agree = mine is not None and (step.result, step.after) == (mine.result, mine.after)
        note = meanings.of(before, real) if agree else f"{DIFFERS}{_tables(step.after, mine, counters)}"
        arguments = given(step, module, names)
        who = spelling.actor(step.operation, arguments) or ""
        rows.append([str(line), who, spelling.text(step.operation, arguments), step.result, *cells, "|", *other, note])
        before = real
    left, right = prediction.recording.residue, prediction.residue
    if left or right:
        zero: dict[str, object] = dict.fromkeys(counters, 0)
        cells = [_change((left or zero).get(c, 0), before[c]) for c in counters]
        other = ["", *(number((right or zero).get(c, 0)) for c in counters)]
        note = "" if (left or zero) == (right or zero) else DIFFERS
        rows.append(["", "", "(left after the teardown)", "", *cells, "|", *other, note])
    widths = [max(len(row[c]) for row in [head, *rows]) for c in range(len(head))]
    numeric = {0, *range(4, 4 + len(counters)), *range(6 + len(counters), 6 + 2 * len(counters))}
    start = sum(widths[:3]) + 6
    middle = sum(widths[3 : 4 + len(counters)]) + 2 * (1 + len(counters))
    banner = " " * start + f"{kernel}".ljust(middle) + f"|  {model}"
    lines = [banner.rstrip()]
    for row in [head, *rows]:
        lines.append("  ".join(_pad(cell, widths[c], c in numeric) for c, cell in enumerate(row)).rstrip())
    return lines


def elements(steps: Sequence[RecordedStep], module: ir.Module) -> Elements:
    """The names of each index type that the steps mention, sorted."""
    found: dict[str, set[str]] = {}
    for step in steps:
        for parameter in module.operations[step.operation].params:
            value = step.arguments.get(parameter.local.name.rpartition(".")[0])
            type_ = inner(parameter.local.type)
            if isinstance(value, str) and isinstance(type_, IndexType):
                found.setdefault(type_.name, set()).add(value)
    return {index: tuple(sorted(names)) for index, names in found.items()}


def given(step: RecordedStep, module: ir.Module, names: Elements) -> tuple[int, ...]:
    """The arguments of a step by position; one that is left out as `none`, false or 0."""
    out = []
    for parameter in module.operations[step.operation].params:
        value = step.arguments.get(parameter.local.name.rpartition(".")[0])
        type_ = parameter.local.type
        if isinstance(value, str):
            index = inner(type_)
            assert isinstance(index, IndexType)
            value = names[index.name].index(value)
        out.append(value if value is not None else -1 if isinstance(type_, OptionalType) else 0)
    return tuple(out)


def step_text(step: RecordedStep, module: ir.Module, names: Elements) -> tuple[str, str]:
    """Who makes a step, and the step as a scenario's author would type it."""
    spelling, arguments = Spelling(module, names), given(step, module, names)
    return spelling.actor(step.operation, arguments) or "", spelling.text(step.operation, arguments)


def _change(after: object, before: object) -> str:
    change = signed(after) - signed(before)
    return number(after) + (f" ({change:+d})" if change else "")


def _tables(seen: Mapping[str, object], said: RecordedStep | None, counters: Sequence[str]) -> str:
    """What differs beyond the counters that have a column."""
    if said is None:
        return ": the model has no such step"
    names = [n for n in {**seen, **said.after} if n not in counters and seen.get(n) != said.after.get(n)]
    shown = [f"{n}: kernel {seen.get(n, 'none')}, model {said.after.get(n, 'none')}" for n in names]
    return f" ({'; '.join(shown)})" if shown else ""


def _pad(cell: str, width: int, numeric: bool) -> str:
    if not numeric or "(" in cell:
        return cell.ljust(width)
    return (cell + " " * 5).ljust(width) if width > 6 else cell.rjust(width)
