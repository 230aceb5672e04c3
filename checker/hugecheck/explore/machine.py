"""Executes operations on a state vector: the mechanics that exploring, replaying a path and following a recording share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hugecheck.explore.layout import CONTROL, SLOTS, Layout, ModelError, make_layout
from hugecheck.explore.python import (
    BLOCKED,
    FINISHED,
    GO_ON,
    SUSPENDED,
    Chooser,
    Code,
    Disabled,
    Property,
    emit,
    used_variables,
)
from hugecheck.ir import program as ir
from hugecheck.ir.liveness import Frame, frame
from hugecheck.ir.rewrite import resolve

HANG = -2
"""The result of an operation that goes round in the same states for ever."""

DISABLED, STOPPED = -3, -4

_SECTIONS_BEFORE_CYCLE_CHECK = 256


class Choices:
    """Answers `c(n)`: first what is prescribed, then 0. `asked` holds the numbers of alternatives met."""

    __slots__ = ("asked", "prescribed")

    def __init__(self, prescribed: tuple[int, ...] = ()) -> None:
        self.prescribed = prescribed
        self.asked: list[int] = []

    def __call__(self, n: int) -> int:
        position = len(self.asked)
        self.asked.append(n)
        return self.prescribed[position] if position < len(self.prescribed) else 0

    def repeated(self) -> Choices:
        """The same answers once more."""
        return Choices(self.made())

    def made(self) -> tuple[int, ...]:
        """All answers given, for doing the same again."""
        return (*self.prescribed, *([0] * (len(self.asked) - len(self.prescribed))))

    def others(self) -> list[tuple[int, ...]]:
        """The choice sequences that branch off after what was prescribed."""
        taken = list(self.prescribed) + [0] * (len(self.asked) - len(self.prescribed))
        return [
            (*taken[:position], value)
            for position in range(len(self.prescribed), len(self.asked))
            for value in range(1, self.asked[position])
        ]


@dataclass(frozen=True, slots=True)
class CompiledOperation:
    """`conditions` and `defaults` (by position of the parameter) are functions of the state and all arguments before."""

    code: ir.OperationCode
    slots: tuple[int | None, ...]
    conditions: tuple[Callable[..., int], ...]
    defaults: tuple[Callable[..., int] | None, ...]


class Machine:
    """A program compiled for given sizes. `properties` are compiled with it and found in `self.code.properties`."""

    def __init__(
        self,
        program: ir.Program,
        sizes: Mapping[str, int],
        threads: int,
        initially: Mapping[str, int],
        properties: Iterable[Property],
        frame_: Frame | None = None,
    ) -> None:
        self.program = program
        self.results = program.module.results
        given = [Property(p.name, p.params, resolve(p.value, program.switches)) for p in properties]
        own = [*given, *_operation_properties(program)]
        self.layout: Layout = make_layout(
            program, used_variables(program, own), frame_ or frame(program), sizes, threads, initially
        )
        self.code: Code = emit(program, self.layout, own)
        self.blocks = self.code.blocks
        self.bases = [self.layout.frame_base(thread) for thread in range(threads)]
        self.operations = {name: self._compiled(code) for name, code in program.operations.items()}

    def _compiled(self, code: ir.OperationCode) -> CompiledOperation:
        live = self.program.blocks[code.entry].live
        slots = tuple(
            SLOTS + self.layout.frame.slots[p.local.name] if p.local.name in live else None for p in code.params
        )
        properties = self.code.properties
        conditions = tuple(properties[f"when {code.name} {n}"] for n in range(len(code.conditions)))
        defaults = tuple(properties.get(f"default {code.name} {n}") for n in range(len(code.params)))
        return CompiledOperation(code, slots, conditions, defaults)

    def initial(self) -> list[int]:
        """The state before anything happened."""
        layout = self.layout
        state = [0] * (layout.shared + layout.threads * layout.frame_size)
        for variable in self.program.variables.values():
            base = layout.base.get(variable.name)
            if base is None:
                continue
            count = 1
            for index in variable.indices:
                count *= layout.sizes[index]
            function = self.code.properties[f"initial {variable.name}"]
            last = layout.sizes[variable.indices[-1]] if variable.indices else 1
            try:
                for position in range(count):
                    state[base + position] = function(state, position % last) if variable.indices else function(state)
            except ModelError as error:
                raise ModelError(error.kind, error.message, error.site or variable.span) from error
        return state

    def arguments(self, state: list[int], operation: str, given: tuple[int | None, ...]) -> tuple[int, ...]:
        """All arguments, with defaults evaluated in this state."""
        out: list[int] = []
        for number, value in enumerate(given):
            if value is None:
                default = self.operations[operation].defaults[number]
                assert default is not None, (operation, number)
                value = default(state, *out)
            out.append(value)
        return tuple(out)

    def refused(self, state: list[int], operation: str, arguments: tuple[int, ...]) -> int | None:
        """The number of the first `when` that does not hold, or None if the operation applies."""
        for number, condition in enumerate(self.operations[operation].conditions):
            if not condition(state, *arguments):
                return number
        return None

    def start(self, state: list[int], thread: int, operation: str, arguments: tuple[int, ...]) -> None:
        """Put the thread before the first section of an operation."""
        base = self.bases[thread]
        compiled = self.operations[operation]
        for slot, value in zip(compiled.slots, arguments, strict=True):
            if slot is not None:
                state[base + slot] = value
        state[base + CONTROL] = compiled.code.entry

    def section(self, state: list[int], thread: int, choose: Chooser) -> int:
        """One transition of a thread that is inside an operation; see `explore.python` for the result."""
        base, blocks = self.bases[thread], self.blocks
        outcome = GO_ON
        try:
            while outcome == GO_ON:
                outcome = blocks[state[base]](state, base, thread, choose)  # type: ignore[misc]
        except Disabled:
            return BLOCKED
        return outcome

    def finish(
        self, state: list[int], thread: int, choose: Chooser, each: Callable[[], bool] | None = None
    ) -> tuple[int, int]:
        """Run the thread to the end of its operation, undisturbed. Gives the outcome and the number of sections before it.

        The outcome is the number of the result, `HANG`, `DISABLED` (the section after those cannot happen; the state is garbage), or `STOPPED`
        (`each`, called after each section but the last, has returned True).
        """
        base, blocks = self.bases[thread], self.blocks
        sections, snapshot, power = 0, None, 1
        try:
            while True:
                outcome = GO_ON
                while outcome == GO_ON:
                    outcome = blocks[state[base]](state, base, thread, choose)  # type: ignore[misc]
                if outcome >= FINISHED:
                    return outcome - FINISHED, sections
                if outcome != SUSPENDED:
                    return DISABLED, sections
                sections += 1
                if each is not None and each():
                    return STOPPED, sections
                if sections >= _SECTIONS_BEFORE_CYCLE_CHECK:
                    if snapshot is not None and state == snapshot:
                        return HANG, sections
                    if sections - _SECTIONS_BEFORE_CYCLE_CHECK >= power:
                        snapshot, power = list(state), power * 2
        except Disabled:
            return DISABLED, sections

    def result_name(self, result: int) -> str:
        return "HANG" if result == HANG else self.results[result]


def _operation_properties(program: ir.Program) -> list[Property]:
    """Conditions and defaults of operations, and initial values, as functions."""
    out: list[Property] = []
    for code in program.operations.values():
        params = tuple(p.local for p in code.params)
        for number, when in enumerate(code.conditions):
            out.append(Property(f"when {code.name} {number}", params, when.condition))
            for part, piece in enumerate(when.reason):
                if not isinstance(piece, str):
                    out.append(Property(f"reason {code.name} {number} {part}", params, piece))
        for number, parameter in enumerate(code.params):
            if parameter.default is not None:
                out.append(Property(f"default {code.name} {number}", params[:number], parameter.default))
    for variable in program.variables.values():
        self_ = (ir.Local("self", variable.type),) if variable.indices else ()
        out.append(Property(f"initial {variable.name}", self_, variable.initial))
    return out
