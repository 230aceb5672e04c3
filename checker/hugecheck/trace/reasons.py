"""Why something did not happen: who waits for what in a deadlock, why a step does not apply."""

from __future__ import annotations

from collections.abc import Sequence

from hugecheck.explore.layout import CONTROL, ModelError
from hugecheck.explore.machine import Choices, Machine
from hugecheck.explore.python import emit_waits
from hugecheck.explore.search import PathStep
from hugecheck.explore.system import READY, System
from hugecheck.ir import program as ir
from hugecheck.ir.types import IndexType
from hugecheck.language.scenario import Invocation
from hugecheck.trace.spelling import Elements, Spelling


def never_taken(system: System, call: Invocation, state: list[int] | None) -> str:
    """Why a step never applied. `state`: where it was last refused, None if no execution gets there."""
    machine, elements = system.machine, system.scenario.elements
    if state is None:
        return f"no execution gets to `{call.operation}`"
    arguments = machine.arguments(state, call.operation, call.arguments)
    text = f"`{Spelling(system.scenario.module, elements).text(call.operation, arguments)}` never applies"
    reason = refusal(machine, elements, state, call.operation, arguments)
    return f"{text}: {reason}" if reason else text


def refusal(machine: Machine, elements: Elements, state: list[int], operation: str, arguments: tuple[int, ...]) -> str:
    """The reason of the first `when` that does not hold, filled in; empty if it gives none."""
    number = machine.refused(state, operation, arguments)
    if number is None:
        return ""
    spelling = Spelling(machine.program.module, elements)
    out = []
    for position, piece in enumerate(machine.operations[operation].code.conditions[number].reason):
        if isinstance(piece, str):
            out.append(piece)
        else:
            try:
                value = machine.code.properties[f"reason {operation} {number} {position}"](state, *arguments)
                out.append(str(spelling.value(int(value), piece.type)))
            except ModelError:
                out.append("?")
    return "".join(out)


def waiting(system: System, path: Sequence[PathStep]) -> str:
    """Who waits for what, in the state at the end of a path."""
    state = system.initial()
    for step in path:
        system.take(state, step.move, Choices(step.choices))
    program, layout = system.machine.program, system.layout
    locks = emit_waits(program, layout)
    out = []
    for thread, base in enumerate(system.bases):
        if system.status(state, thread) != READY:
            continue
        name = system.threads[thread].name
        block = program.blocks.get(state[base + CONTROL])
        if block is None:
            out.append(f"`{name}` cannot begin its next operation")
            continue
        first = block.body[0] if block.body else None
        if isinstance(first, ir.Await) and first.lock is not None:
            indices = locks[block.number](state, base)
            shown = _lock(system, first.lock, indices)
            out.append(f"`{name}` waits for {shown}{_holder(system, state, first.lock, indices)}")
        else:
            out.append(f"`{name}` waits in `{block.name}`")
    return "; ".join(out)


def _lock(system: System, lock: str, indices: tuple[int, ...]) -> str:
    if not indices:
        return f"`{lock}`"
    spelling = Spelling(system.scenario.module, system.scenario.elements)
    types = system.scenario.module.locks[lock].indices
    return f"`{lock}[{', '.join(str(spelling.value(i, IndexType(t))) for i, t in zip(indices, types, strict=True))}]`"


def _holder(system: System, state: list[int], lock: str, indices: tuple[int, ...]) -> str:
    layout = system.layout
    name = f"lock.{lock}"
    place = (
        layout.base[name] + sum(i * s for i, s in zip(indices, layout.strides[name], strict=True))
        if name in layout.base
        else None
    )
    owner = state[place] if place is not None else -1
    if owner >= 0:
        return f", held by `{system.threads[owner].name}`"
    return ", held by readers" if f"readers.{lock}" in layout.base else ""
