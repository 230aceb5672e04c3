"""From the path that a search found to the steps of a trace, by executing it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hugecheck.diagnostics import fail
from hugecheck.explore.layout import CONTROL, ModelError
from hugecheck.explore.machine import Choices, Machine
from hugecheck.explore.search import PathStep
from hugecheck.explore.system import Move, System
from hugecheck.explore.system import observe as observe_counters
from hugecheck.trace.spelling import Elements, Spelling

PENDING, SKIPPED, BROKEN = "pending", "skipped", "broken"


@dataclass(slots=True)
class Section:
    """One transition: `number` in the order of the path, the name of the section, the counters after it."""

    number: int
    name: str
    after: dict[str, object]


@dataclass(slots=True)
class TraceStep:
    """One operation. `result`: as recorded, or `pending` (still in progress at the end), `skipped`, `broken` (the model's own contract failed)."""

    thread: str
    actor: str | None
    operation: str
    text: str
    fields: dict[str, object]
    result: str = PENDING
    after: dict[str, object] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trace:
    """`interleaved`: sections of different operations alternate, so the sections are what is worth reading."""

    steps: tuple[TraceStep, ...]
    before: dict[str, object]
    interleaved: bool


def trace_of(system: System, path: Sequence[PathStep]) -> Trace:
    """Execute the path and note what a reader wants to see."""
    scenario, machine = system.scenario, system.machine
    spelling = Spelling(scenario.module, scenario.elements)
    state = system.initial()
    before = observe(machine, state, scenario.elements)
    steps: list[TraceStep] = []
    current: dict[int, TraceStep] = {}
    for number, path_step in enumerate(path, 1):
        move = path_step.move
        if move.check is not None:
            _run(system, state, move, path_step)
            continue
        if move.skip is not None:
            arguments = machine.arguments(state, move.skip.operation, move.skip.arguments)
            step = _step(system, spelling, move, move.skip.operation, arguments)
            step.result, step.after = SKIPPED, observe(machine, state, scenario.elements)
            steps.append(step)
            _run(system, state, move, path_step)
            continue
        if move.call is not None:
            try:
                arguments = machine.arguments(state, move.call.operation, move.call.arguments)
            except ModelError:  # a default cannot be evaluated: the path ends here
                name = move.call.operation
                seen = observe(machine, state, scenario.elements)
                steps.append(TraceStep(system.threads[move.thread].name, None, name, name, {}, BROKEN, seen))
                break
            step = _step(system, spelling, move, move.call.operation, arguments)
            steps.append(step)
            current[move.thread] = step
            name = move.call.operation
        else:
            step = current[move.thread]
            name = machine.program.blocks[state[system.bases[move.thread] + CONTROL]].name
        result = _run(system, state, move, path_step)
        step.after = observe(machine, state, scenario.elements)
        step.sections.append(Section(number, name, step.after))
        if result is not None:
            step.result = result
    interleaved = not system.merged and len({s.thread for s in steps if s.thread != "setup"}) > 1
    return Trace(tuple(steps), before, interleaved)


def observe(machine: Machine, state: list[int], elements: Elements) -> dict[str, object]:
    try:
        return observe_counters(machine, state, elements)
    except ModelError as error:
        fail(
            "out-of-range",
            f"a counter cannot be read: {error.message}",
            error.site,
            help="give it a value in every state",
        )


def _run(system: System, state: list[int], move: Move, path_step: PathStep) -> str | None:
    """Make the move; the name of the result if the operation ended."""
    sections = 0

    def each() -> bool:
        nonlocal sections
        sections += 1
        return path_step.sections is not None and sections >= path_step.sections

    try:
        taken = system.take(state, move, Choices(path_step.choices), each)
    except ModelError:
        return BROKEN
    return system.machine.result_name(taken.result) if taken.result is not None else None


def _step(system: System, spelling: Spelling, move: Move, operation: str, arguments: tuple[int, ...]) -> TraceStep:
    return TraceStep(
        system.threads[move.thread].name,
        spelling.actor(operation, arguments),
        operation,
        spelling.text(operation, arguments),
        spelling.fields(operation, arguments),
    )


def to_json(trace: Trace) -> list[dict[str, object]]:
    """The steps as in spec/trace-format.md; where operations interleave, each with its `thread` and its `sections`."""
    out: list[dict[str, object]] = []
    for step in trace.steps:
        if step.result == SKIPPED:
            continue
        entry: dict[str, object] = {"op": step.operation, **step.fields, "result": step.result, "after": step.after}
        if trace.interleaved:
            entry["thread"] = step.thread
            entry["sections"] = [{"number": s.number, "name": s.name, "after": s.after} for s in step.sections]
        out.append(entry)
    return out
