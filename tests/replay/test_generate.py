"""Random traces, with a kernel that is played by chance."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from hugecheck.replay import protocol
from hugecheck.replay.generate import Generator, Options
from hugecheck.replay.names import Names
from hugecheck.replay.trace import Step


def trace(seed: int, index: int, options: Options | None = None, failures: float = 0.3) -> list[Step]:
    """A random trace on a kernel that refuses at random."""
    chance = random.Random(index)
    generator = Generator(seed, index, options)
    steps: list[Step] = []
    last = None
    while (step := generator.next_step(last)) is not None:
        total, used = chance.randint(0, 6), chance.randint(0, 3)
        after = {"total": total, "free": max(0, total - used), "rsvd": chance.choice((0, 1, 2**64 - 1)), "surp": 0}
        last = {**step, "result": "ENOMEM" if chance.random() < failures else "ok", "after": after}
        steps.append(last)
    return steps


@pytest.mark.parametrize("failures", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(
    "options", [Options(), Options(nodes=2), Options(cgroups=True)], ids=["one", "nodes", "cgroups"]
)
def test_every_name_exists(options: Options, failures: float) -> None:
    """A step on a name that does not exist is never made, and each can be sent."""
    for index in range(150):
        names = Names()
        for step in trace(1, index, options, failures):
            assert names.allows(step), step
            protocol.encode(step)
            names.apply(step)


def test_same_seed_same_trace() -> None:
    """And another seed, or another number, another trace."""
    assert trace(7, 3) == trace(7, 3)
    assert trace(7, 3) != trace(7, 4)
    assert trace(7, 3) != trace(8, 3)


def test_length() -> None:
    """Within the range asked for."""
    assert {len(trace(1, index, Options(steps=(6, 9)))) for index in range(200)} == {6, 7, 8, 9}


def test_every_operation_occurs() -> None:
    """Those of nodes and cgroups where asked for only."""
    plain = Counter(str(step["op"]) for index in range(400) for step in trace(1, index))
    special = {"set_nr_node", "set_nr_mempolicy", "cgroup", "cgroup_move"}
    assert set(plain) == set(protocol.FIELDS) - special
    nodes = {step["op"] for index in range(50) for step in trace(1, index, Options(nodes=2))}
    assert {"set_nr_node", "set_nr_mempolicy"} <= nodes
    cgroups = {step["op"] for index in range(50) for step in trace(1, index, Options(cgroups=True))}
    assert {"cgroup", "cgroup_move"} <= cgroups


def test_mostly_touches_and_mappings() -> None:
    """The mix of the recordings: a third of the steps reads or writes memory, a sixth maps it."""
    found = Counter(str(step["op"]) for index in range(400) for step in trace(1, index))
    share = {op: count / sum(found.values()) for op, count in found.items()}
    assert 0.2 < share["write"] + share["read"] < 0.4
    assert 0.1 < share["mmap"] < 0.25
    assert 0.02 < share["fork"] < 0.08
