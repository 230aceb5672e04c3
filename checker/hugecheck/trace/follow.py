"""Does the model predict a recording? Follows it step by step, with every state that fits what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hugecheck.diagnostics import Diagnostic, Failure
from hugecheck.explore.layout import ModelError, PoolExhausted
from hugecheck.explore.machine import DISABLED, HANG, Choices, Machine
from hugecheck.explore.system import observe, observe_properties
from hugecheck.ir import liveness, sections, verify
from hugecheck.ir import program as ir
from hugecheck.ir.types import IndexType, IntType, inner
from hugecheck.trace.reasons import refusal
from hugecheck.trace.recording import RecordedStep, Recording

MAX_STATES = 10_000
"""states followed at once; beyond that the recording is given up"""
MAX_POOL = 1_000_000
SMALL_PAGES = 32
NODES = "node"
"""the index type whose size is the number of NUMA nodes of a recording (its field `nodes`)"""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first step that the model does not predict (numbered from 1; the teardown is the step after the last). `state`: the model's state before it."""

    step: int
    operation: str
    expected: Mapping[str, object]
    predicted: tuple[Mapping[str, object], ...]
    state: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Followed:
    """`loose`: steps for which the model allowed more than one result or tuple of counters."""

    recording: Recording
    steps: int
    loose: int
    divergence: Divergence | None


class Follower:
    """Follows recordings on one kernel. Machines are kept for recordings of similar size."""

    def __init__(self, module: ir.Module, switches: frozenset[str]) -> None:
        self.module = module
        self.program = sections.build(module, switches)
        liveness.solve(self.program)
        verify.verify(self.program)
        self.frame = liveness.frame(self.program)
        self.machines: dict[tuple[tuple[str, int], ...], Machine] = {}
        self.common: dict[str, int] = {}
        self.teardown = "teardown" if "teardown" in module.operations else None

    def follow(self, recording: Recording) -> Followed:
        """Follow one recording. Raises `Failure` if it is not one that the model can speak about."""
        names = _names(recording, self.module)
        sizes = self._sizes(recording, names)
        while True:
            machine = self._machine(sizes, _initially(recording, names, self.module))
            try:
                return _Follow(machine, recording, names, self.teardown).run()
            except PoolExhausted as exhausted:
                if exhausted.size > MAX_POOL:
                    raise Failure(
                        (
                            Diagnostic(
                                "too-large", f"`{recording.id}` needs more than {MAX_POOL:,} of `{exhausted.index}`"
                            ),
                        )
                    ) from exhausted
                sizes[exhausted.index] = max(exhausted.size, 2 * sizes[exhausted.index])
                if sizes[exhausted.index] <= SMALL_PAGES:
                    self.common[exhausted.index] = max(self.common.get(exhausted.index, 1), sizes[exhausted.index])

    def _sizes(self, recording: Recording, names: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
        sizes: dict[str, int] = {}
        if recording.nodes != 1 and NODES not in self.module.indexes:
            raise Failure(
                (
                    Diagnostic(
                        "bad-trace",
                        f"{recording.file}: `{recording.id}` was made on {recording.nodes} NUMA nodes, and the model has one",
                        help=f"a model with several has an index type `{NODES}`",
                    ),
                )
            )
        for index in self.module.indexes.values():
            if index.name == NODES:
                sizes[index.name] = recording.nodes
                continue
            match index.kind:
                case "fixed":
                    sizes[index.name] = index.size
                    continue
                case "named":
                    wanted = len(names.get(index.name, ()))
                case "counted":
                    wanted = _largest(recording, index.name, self.module)
                case _:
                    wanted = 1
            if wanted <= SMALL_PAGES:
                self.common[index.name] = max(wanted, self.common.get(index.name, 4))
                wanted = self.common[index.name]
            sizes[index.name] = wanted
        return sizes

    def _machine(self, sizes: dict[str, int], initially: dict[str, int]) -> Machine:
        key = (*sorted(sizes.items()), *sorted((f"initially {k}", v) for k, v in initially.items()))
        if key not in self.machines:
            if len(self.machines) > 16:
                self.machines.clear()
            self.machines[key] = Machine(self.program, sizes, 1, initially, observe_properties(self.module), self.frame)
        return self.machines[key]


class _Follow:
    def __init__(
        self, machine: Machine, recording: Recording, names: Mapping[str, tuple[str, ...]], teardown: str | None
    ) -> None:
        self.machine = machine
        self.recording = recording
        self.names = names
        self.teardown = teardown
        self.loose = 0

    def run(self) -> Followed:
        states = [self.machine.initial()]
        done = 0
        for number, step in enumerate(self.recording.steps, 1):
            expected = {"result": step.result, "after": step.after}
            states, divergence = self._step(states, step.operation, self._given(step), expected, number)
            if divergence is not None:
                return Followed(self.recording, done, self.loose, divergence)
            done += 1
        if self.teardown is not None and not (self.recording.steps and self.recording.steps[-1].result == "HANG"):
            residue = self.recording.residue or _zero(self._shown(self.machine.initial()))
            _, divergence = self._step(
                states, self.teardown, (), {"result": "ok", "after": residue}, len(self.recording.steps) + 1
            )
            return Followed(self.recording, done, self.loose, divergence)
        return Followed(self.recording, done, self.loose, None)

    def _given(self, step: RecordedStep) -> tuple[int | None, ...]:
        out: list[int | None] = []
        for parameter in self.machine.program.operations[step.operation].params:
            value = step.arguments.get(parameter.local.name.rpartition(".")[0])
            if isinstance(value, str):
                type_ = inner(parameter.local.type)
                assert isinstance(type_, IndexType)
                value = self.names[type_.name].index(value)
            out.append(value)
        return tuple(out)

    def _step(
        self,
        states: list[list[int]],
        operation: str,
        given: tuple[int | None, ...],
        expected: Mapping[str, object],
        number: int,
    ) -> tuple[list[list[int]], Divergence | None]:
        """The states after the step that fit `expected`; none: the divergence."""
        outcomes: list[tuple[dict[str, object], list[int]]] = []
        before = self._shown(states[0])
        for state in states:
            outcomes.extend(self._outcomes(state, operation, given))
            if len(outcomes) > MAX_STATES:
                raise Failure(
                    (
                        Diagnostic(
                            "too-large",
                            f"`{self.recording.id}` step {number}: more than {MAX_STATES:,} states fit what was seen",
                        ),
                    )
                )
        distinct: list[dict[str, object]] = []
        for outcome, _ in outcomes:
            if outcome not in distinct:
                distinct.append(outcome)
        if len(distinct) > 1:
            self.loose += 1
        fitting = [state for outcome, state in outcomes if outcome == expected]
        if not fitting:
            return [], Divergence(number, operation, expected, tuple(distinct), before)
        if len(fitting) > 1:
            fitting = [list(s) for s in dict.fromkeys(tuple(s) for s in fitting)]
        return fitting, None

    def _outcomes(
        self, state: list[int], operation: str, given: tuple[int | None, ...]
    ) -> list[tuple[dict[str, object], list[int]]]:
        machine = self.machine
        try:
            arguments = machine.arguments(state, operation, given)
            if machine.refused(state, operation, arguments) is not None:
                return [
                    (
                        {
                            "error": refusal(machine, self.names, state, operation, arguments)
                            or f"`{operation}` does not apply"
                        },
                        state,
                    )
                ]
        except ModelError as error:
            return [({"error": f"{error.kind}: {error.message} ({error.site})"}, state)]
        out: list[tuple[dict[str, object], list[int]]] = []
        pending: list[tuple[int, ...]] = [()]
        while pending:
            choices = Choices(pending.pop())
            after = list(state)
            try:
                machine.start(after, 0, operation, arguments)
                result, _ = machine.finish(after, 0, choices)
            except ModelError as error:
                out.append(({"error": f"{error.kind}: {error.message} ({error.site})"}, after))
                pending.extend(choices.others())
                continue
            pending.extend(choices.others())
            if result == DISABLED:
                if not choices.asked:
                    out.append(({"error": "the operation waits for ever"}, after))
                continue
            try:
                seen = observe(machine, after, self.names)
            except ModelError as error:
                out.append(({"error": f"{error.kind}: {error.message} ({error.site})"}, after))
                continue
            name = "HANG" if result == HANG else machine.results[result]
            out.append(({"result": name, "after": seen}, after))
        return out

    def _shown(self, state: list[int]) -> dict[str, object]:
        return observe(self.machine, state, self.names)


def _zero(shown: Mapping[str, object]) -> dict[str, object]:
    """What is seen when nothing is left: the same counters and lists as at the start, all 0."""
    return {
        name: [_zero(row) for row in value]
        if isinstance(value, list)
        else _zero(value)
        if isinstance(value, dict)
        else 0
        for name, value in shown.items()
    }


def _names(recording: Recording, module: ir.Module) -> dict[str, tuple[str, ...]]:
    """The names of each index type in sorted order."""
    found: dict[str, set[str]] = {}
    for step in recording.steps:
        for parameter in module.operations[step.operation].params:
            value = step.arguments.get(parameter.local.name.rpartition(".")[0])
            type_ = inner(parameter.local.type)
            if isinstance(value, str) and isinstance(type_, IndexType):
                found.setdefault(type_.name, set()).add(value)
    return {index: tuple(sorted(names)) for index, names in found.items()}


def _initially(recording: Recording, names: Mapping[str, tuple[str, ...]], module: ir.Module) -> dict[str, int]:
    """The elements that no step makes. A recording starts with one process."""
    made: dict[str, set[str]] = {}
    for step in recording.steps:
        for parameter in module.operations[step.operation].params:
            value = step.arguments.get(parameter.local.name.rpartition(".")[0])
            type_ = inner(parameter.local.type)
            if parameter.kind == "new" and isinstance(value, str) and isinstance(type_, IndexType):
                made.setdefault(type_.name, set()).add(value)
    out = {}
    for index, known in names.items():
        first = [n for n in known if n not in made.get(index, set())]
        if module.actor is not None and index == module.actor.index and len(first) > 1:
            shown = ", ".join(f"`{n}`" for n in first)
            raise Failure(
                (
                    Diagnostic(
                        "bad-trace",
                        f"{recording.file}: `{recording.id}`: no step makes {shown}, and a recording starts with one process",
                    ),
                )
            )
        out[index] = sum(1 << known.index(n) for n in first)
    return out


def _largest(recording: Recording, index: str, module: ir.Module) -> int:
    """How many elements of a counted index type the steps mention."""
    largest = 1
    for step in recording.steps:
        offset = 0
        for parameter in module.operations[step.operation].params:
            value = step.arguments.get(parameter.local.name.rpartition(".")[0])
            type_ = inner(parameter.local.type)
            if not isinstance(value, int):
                continue
            if type_ == IndexType(index):
                offset = value
                largest = max(largest, value + 1)
            elif isinstance(type_, IntType) and type_.counts == index:
                largest = max(largest, offset + value)
    return largest
