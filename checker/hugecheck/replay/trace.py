"""Traces as they are exchanged: one JSON object a line, see `trace-format.md`.

A step is a plain mapping, as it stands in the file. `Trace` and `Recorded` are thin: what was asked for, and what a
kernel did.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ReplayError

Step = Mapping[str, object]
Counters = Mapping[str, object]

PAGE_KIB = 2048
ENDINGS = ("HANG", "OOPS", "PANIC")
"""Results after which the kernel is no longer what it was: the last step of a trace."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Steps to run. A `result` or `after` of an earlier recording is ignored."""

    id: str
    nodes: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A trace with the answers of a kernel.

    `console` has the lines in which the kernel complained (a warning, an oops, a panic), if it did, and `unsettled` the
    numbers of the steps after which the counters did not come to rest.
    """

    id: str
    kernel: str
    nodes: int
    steps: tuple[Step, ...]
    residue: Counters | None = None
    console: tuple[str, ...] = ()
    unsettled: tuple[int, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The object of the exchange format; fields that say nothing are left out."""
        whole: dict[str, object] = {
            "id": self.id,
            "kernel": self.kernel,
            "nodes": self.nodes,
            "page_kib": PAGE_KIB,
            "steps": list(self.steps),
        }
        if self.residue is not None:
            whole["residue"] = self.residue
        if self.console:
            whole["console"] = list(self.console)
        if self.unsettled:
            whole["unsettled"] = list(self.unsettled)
        return whole

    def to_line(self) -> str:
        return json.dumps(self.to_json(), separators=(",", ":")) + "\n"


def request_of(step: Step) -> dict[str, object]:
    """The step without what an earlier recording answered."""
    return {key: value for key, value in step.items() if key not in ("result", "after")}


def number(step: Step, key: str, default: int | None = None) -> int:
    """A field that must be a natural number."""
    value = step.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ReplayError(f"step {json.dumps(request_of(step))}: `{key}` must be a natural number")
    return value


def text(step: Step, key: str) -> str:
    """A field that must be a string."""
    value = step.get(key)
    if not isinstance(value, str):
        raise ReplayError(f"step {json.dumps(request_of(step))}: `{key}` must be a string")
    return value


def from_json(whole: object) -> Trace:
    """The trace in one parsed line."""
    if not isinstance(whole, dict):
        raise ReplayError("a trace must be a JSON object")
    steps = whole.get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise ReplayError("a trace must have a list of objects `steps`")
    nodes = whole.get("nodes", 1)
    if nodes not in (1, 2, 4):
        raise ReplayError(f"a guest has 1, 2 or 4 nodes, not {nodes!r}")
    if whole.get("page_kib", PAGE_KIB) != PAGE_KIB:
        raise ReplayError(f"only traces of {PAGE_KIB} KiB pages can be run, not of {whole['page_kib']!r}")
    return Trace(str(whole.get("id", "")), nodes, tuple(request_of(step) for step in steps))


def read(path: Path) -> Iterator[Trace]:
    """The traces of a JSON Lines file."""
    try:
        with path.open(encoding="utf-8") as lines:
            for count, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield from_json(json.loads(line))
                    except (ValueError, ReplayError) as error:
                        raise ReplayError(f"{path}:{count}: {error}") from error
    except OSError as error:
        raise ReplayError(f"cannot read {path}: {error.strerror}") from error


def memory_mib(trace: Trace) -> int:
    """How much memory a guest needs so that no huge page of this trace is missing for want of memory.

    Every page there can ever be is asked for by `set_nr`-like writes or as surplus, so their sizes bound it.
    """
    pool: dict[str, int] = {"global": 0}
    surplus = 0
    for step in trace.steps:
        if step["op"] in ("set_nr", "set_nr_node", "set_nr_mempolicy"):
            where = str(step.get("node", "global"))
            pool[where] = max(pool.get(where, 0), number(step, "n"))
        elif step["op"] == "set_overcommit":
            surplus = max(surplus, number(step, "n"))
    pages = max(pool.values()) + surplus
    return sized(trace.nodes, pages)


def sized(nodes: int, pages: int) -> int:
    """Memory for `pages` huge pages on one node and half of it left for ordinary use; the same size for most traces,
    so that they can share a guest."""
    per_node = 256
    while per_node < 3 * pages + 160:
        per_node *= 2
    return 256 + nodes * per_node if nodes > 1 else 2 * per_node


def of_steps(id: str, steps: Iterable[Step], nodes: int = 1) -> Trace:
    """A trace from its steps."""
    return Trace(id, nodes, tuple(request_of(step) for step in steps))
