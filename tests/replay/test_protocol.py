"""Steps as lines and lines as answers."""

from __future__ import annotations

import pytest

from hugecheck.replay import protocol
from hugecheck.replay.errors import ReplayError
from hugecheck.replay.trace import Step

LINES: list[tuple[Step, str]] = [
    ({"op": "set_nr", "n": 3}, "S set_nr 3"),
    ({"op": "set_nr_node", "node": 1, "n": 2}, "S set_nr_node 1 2"),
    ({"op": "set_nr_mempolicy", "node": 0, "n": 2}, "S set_nr_mempolicy 0 2"),
    ({"op": "set_overcommit", "n": 0}, "S set_overcommit 0"),
    ({"op": "mount", "mnt": "m0"}, "S mount m0 - -"),
    ({"op": "mount", "mnt": "m0", "size": 4, "min_size": 1}, "S mount m0 4 1"),
    ({"op": "umount", "mnt": "m0"}, "S umount m0"),
    ({"op": "create", "file": "f0", "mnt": "m0"}, "S create f0 m0"),
    ({"op": "memfd", "file": "f0"}, "S memfd f0"),
    ({"op": "close", "file": "f0"}, "S close f0"),
    ({"op": "unlink", "file": "f0"}, "S unlink f0"),
    ({"op": "truncate", "file": "f0", "pages": 0}, "S truncate f0 0"),
    ({"op": "fallocate", "file": "f0", "off": 1, "pages": 2}, "S fallocate f0 1 2"),
    ({"op": "punch", "file": "f0", "off": 1, "pages": 2}, "S punch f0 1 2"),
    ({"op": "mmap", "proc": "p0", "map": "a", "off": 0, "pages": 2, "flags": ["shared"]}, "S mmap p0 a - 0 2 s"),
    (
        {"op": "mmap", "proc": "p0", "map": "a", "file": "f0", "off": 1, "pages": 2, "flags": ["private", "noreserve"]},
        "S mmap p0 a f0 1 2 pn",
    ),
    ({"op": "munmap", "proc": "p0", "map": "a", "off": 0, "pages": 1}, "S munmap p0 a 0 1"),
    ({"op": "read", "proc": "p0", "map": "a", "page": 0}, "S read p0 a 0"),
    ({"op": "write", "proc": "p0", "map": "a", "page": 3}, "S write p0 a 3"),
    ({"op": "madv_dontneed", "proc": "p0", "map": "a", "off": 0, "pages": 1}, "S madv_dontneed p0 a 0 1"),
    ({"op": "mprotect", "proc": "p0", "map": "a", "prot": "r"}, "S mprotect p0 a r"),
    ({"op": "mremap", "proc": "p0", "map": "a", "pages": 1}, "S mremap p0 a 1 0"),
    ({"op": "mremap", "proc": "p0", "map": "a", "pages": 1, "move": True}, "S mremap p0 a 1 1"),
    ({"op": "fork", "proc": "p0", "child": "p1"}, "S fork p0 p1"),
    ({"op": "exit", "proc": "p0"}, "S exit p0"),
    ({"op": "shmget", "file": "f0", "pages": 2}, "S shmget f0 2"),
    ({"op": "shmat", "proc": "p0", "map": "a", "file": "f0"}, "S shmat p0 a f0"),
    ({"op": "shmdt", "proc": "p0", "map": "a", "file": "f0"}, "S shmdt p0 a f0"),
    ({"op": "shmrm", "file": "f0"}, "S shmrm f0"),
    ({"op": "cgroup", "cg": "c0", "rsvd_max": 2}, "S cgroup c0 - 2"),
    ({"op": "cgroup_move", "cg": "c0", "proc": "p0"}, "S cgroup_move c0 p0"),
]


@pytest.mark.parametrize(("step", "line"), LINES, ids=[line for _, line in LINES])
def test_a_step_becomes_a_line(step: Step, line: str) -> None:
    """Every operation, every optional field."""
    assert protocol.encode(step) == line


def test_every_operation_has_an_example() -> None:
    """The list above leaves nothing out."""
    assert {step["op"] for step, _ in LINES} == set(protocol.FIELDS)


def test_an_answer_of_the_kernel_is_ignored() -> None:
    """A recorded step can be sent again as it stands."""
    assert protocol.encode({"op": "set_nr", "n": 1, "result": "ok", "after": {}}) == "S set_nr 1"


REFUSED: list[tuple[Step, str]] = [
    ({"op": "reboot"}, "no operation `reboot`"),
    ({}, "no operation `None`"),
    ({"op": "set_nr", "n": -1}, "natural number"),
    ({"op": "set_nr", "n": "1"}, "natural number"),
    ({"op": "set_nr", "n": True}, "natural number"),
    ({"op": "memfd"}, "`file` must be a string"),
    ({"op": "memfd", "file": "a b"}, "no name the agent can use"),
    ({"op": "memfd", "file": "f\nE"}, "no name the agent can use"),
    ({"op": "memfd", "file": "-"}, "no name the agent can use"),
    ({"op": "memfd", "file": "x" * 40}, "no name the agent can use"),
    ({"op": "mmap", "proc": "p0", "map": "a", "off": 0, "pages": 1, "flags": []}, "either shared or private"),
    ({"op": "mmap", "proc": "p0", "map": "a", "off": 0, "pages": 1, "flags": ["locked"]}, "is a list of"),
    ({"op": "mmap", "proc": "p0", "map": "a", "off": 0, "pages": 2000, "flags": ["shared"]}, "at most 1022 pages"),
    ({"op": "mprotect", "proc": "p0", "map": "a", "prot": "x"}, "`prot` is"),
]


@pytest.mark.parametrize(("step", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_nonsense_is_refused(step: Step, message: str) -> None:
    """What the agent would misunderstand never reaches it."""
    with pytest.raises(ReplayError, match=message):
        protocol.encode(step)


def test_counters_come_back() -> None:
    """All of the trace format, with a counter below zero as it is printed."""
    line = "r SIGBUS 5 4 18446744073709551615 1 n 3 2 0 n 2 2 1 m m0 -1 -1 m m1 4 3 c c0 1 2"
    reply = protocol.decode(line)
    assert (reply.head, reply.result) == ("r", "SIGBUS")
    assert reply.after == {
        "total": 5,
        "free": 4,
        "rsvd": 18446744073709551615,
        "surp": 1,
        "nodes": [{"total": 3, "free": 2, "surp": 0}, {"total": 2, "free": 2, "surp": 1}],
        "mounts": {"m0": {"size": -1, "free": -1}, "m1": {"size": 4, "free": 3}},
        "cgroups": {"c0": {"current": 1, "rsvd": 2}},
    }


@pytest.mark.parametrize("line", ["", "r ok", "r ok 1 2 3", "r ok 1 2 3 x", "r ok 1 2 3 4 z 1 2 3"])
def test_garbage_is_an_error(line: str) -> None:
    """Not an exception of Python's."""
    with pytest.raises(ReplayError, match="something unexpected"):
        protocol.decode(line)
