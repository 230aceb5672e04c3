"""Where everything is in a state vector, for given sizes of the index types and a number of threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from hugecheck.diagnostics import Span
from hugecheck.ir import program as ir
from hugecheck.ir.liveness import Frame

# Positions in a thread's frame; the slots of its locals follow.
CONTROL, POSITION, TAKEN, SLOTS = 0, 1, 2, 3


@dataclass(slots=True)
class PoolExhausted(Exception):
    """An index type that may grow needs at least `size` elements: start again with more."""

    index: str
    size: int


@dataclass(slots=True)
class ModelError(Exception):
    """The model itself is wrong in the state at hand. kind: assert, requires, range, none, index, division"""

    kind: str
    message: str
    site: Span | None


@dataclass(frozen=True, slots=True)
class Layout:
    """`base` and `strides` give the place of each variable; `sizes` the number of elements of each index type."""

    sizes: Mapping[str, int]
    base: Mapping[str, int]
    strides: Mapping[str, tuple[int, ...]]
    shared: int
    """number of entries before the first thread's frame"""
    frame: Frame
    threads: int
    initially: Mapping[str, int]
    """for each index type the set of elements that exist from the start"""

    @property
    def frame_size(self) -> int:
        return SLOTS + self.frame.size

    def frame_base(self, thread: int) -> int:
        return self.shared + thread * self.frame_size


def make_layout(
    program: ir.Program,
    used: frozenset[str],
    frame: Frame,
    sizes: Mapping[str, int],
    threads: int,
    initially: Mapping[str, int],
) -> Layout:
    """Place the used variables one after the other, then a frame for each thread."""
    base: dict[str, int] = {}
    strides: dict[str, tuple[int, ...]] = {}
    position = 0
    for variable in program.variables.values():
        if variable.name not in used:
            continue
        base[variable.name] = position
        steps: list[int] = []
        size = 1
        for index in reversed(variable.indices):
            steps.append(size)
            size *= sizes[index]
        strides[variable.name] = tuple(reversed(steps))
        position += size
    return Layout(dict(sizes), base, strides, position, frame, threads, dict(initially))


def bad_index(value: int, index: str, growing: bool, site: Span | None) -> NoReturn:
    """An integer is not an element of an index type."""
    if growing and value >= 0:
        raise PoolExhausted(index, value + 1)
    raise ModelError("index", f"{value} is not an element of `{index}`", site)
