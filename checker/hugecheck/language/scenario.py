"""A checked scenario: what the threads do, which names there are, and what must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

from hugecheck.diagnostics import Span
from hugecheck.ir import program as ir


@final
@dataclass(frozen=True, slots=True)
class Invocation:
    """One operation with its arguments: in the order of its parameters, None where the default is evaluated at the start of the step.

    `results`: the results that the step may have; None if any.
    """

    operation: str
    arguments: tuple[int | None, ...]
    results: frozenset[int] | None
    span: Span


@final
@dataclass(frozen=True, slots=True)
class CallStep:
    call: Invocation


@final
@dataclass(frozen=True, slots=True)
class AnyOf:
    """Up to `count` of these, in every order."""

    count: int
    calls: tuple[Invocation, ...]
    span: Span


@final
@dataclass(frozen=True, slots=True)
class Check:
    """clause: position in `Scenario.clauses`"""

    clause: int
    span: Span


@final
@dataclass(frozen=True, slots=True)
class Jump:
    target: int


Instruction: TypeAlias = CallStep | AnyOf | Check | Jump


@final
@dataclass(frozen=True, slots=True)
class Thread:
    """`actor` is the element that the thread acts as, None for `steps` and `setup`."""

    name: str
    actor: int | None
    instructions: tuple[Instruction, ...]


@final
@dataclass(frozen=True, slots=True)
class Clause:
    """kind: always, never, sometimes, finally, check, result, deadlock, contract. `expected`: verdict for each kernel name given, "" for all others."""

    kind: str
    name: str
    text: str
    condition: ir.Expr | None
    quiescent: bool
    expected: Mapping[str, str]
    span: Span | None

    def expected_on(self, kernel: str) -> str:
        """The verdict that the scenario's author expects on this kernel."""
        if kernel in self.expected:
            return self.expected[kernel]
        return self.expected.get("", "reached" if self.kind == "sometimes" else "holds")


@final
@dataclass(frozen=True, slots=True)
class Scenario:
    """`sizes`: of the index types that are known from the text; `elements`: the names of the elements of `named` index types; `initially`: bit sets
    of those that exist from the start. `failures`: how many the model may inject. `setup` runs before `threads`."""

    title: str
    module: ir.Module
    kernels: tuple[str, ...]
    sizes: Mapping[str, int]
    bounded: frozenset[str]
    elements: Mapping[str, tuple[str, ...]]
    initially: Mapping[str, int]
    failures: int
    setup: Thread | None
    threads: tuple[Thread, ...]
    clauses: tuple[Clause, ...]
    digest: str = ""
    """of all text that the scenario comes from, its models included; empty when it was not loaded from files"""

    def operations(self) -> frozenset[str]:
        """The operations that some thread may take."""
        out: set[str] = set()
        for thread in (*self.threads, *([self.setup] if self.setup else [])):
            for instruction in thread.instructions:
                if isinstance(instruction, CallStep):
                    out.add(instruction.call.operation)
                elif isinstance(instruction, AnyOf):
                    out.update(c.operation for c in instruction.calls)
        return frozenset(out)
