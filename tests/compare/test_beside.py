"""Kernel and model in one table."""

from __future__ import annotations

import pytest

from hugecheck.compare.beside import DIFFERS, beside
from hugecheck.compare.predict import as_recording, diverges, predict
from hugecheck.explore.machine import Machine
from hugecheck.explore.system import observe_properties
from hugecheck.ir import program as ir
from hugecheck.ir import sections
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_model
from hugecheck.replay.trace import Recorded, Step
from hugecheck.trace.follow import Follower
from hugecheck.trace.ledger import Meanings


@pytest.fixture(scope="module")
def module() -> ir.Module:
    return load_model("linux")


@pytest.fixture(scope="module")
def follower(module: ir.Module) -> Follower:
    return Follower(module, find_kernel(module, "6.12", None))


def recorded(*steps: tuple[Step, tuple[int, int, int, int]]) -> Recorded:
    answered = tuple(
        {"result": "ok", **step, "after": dict(zip(("total", "free", "rsvd", "surp"), after, strict=True))}
        for step, after in steps
    )
    return Recorded("t", "6.12.113", 1, answered)


MMAP: Step = {"op": "mmap", "proc": "p0", "map": "a", "off": 0, "pages": 1, "flags": ["private"]}
WRITE: Step = {"op": "write", "proc": "p0", "map": "a", "page": 0}
EXIT: Step = {"op": "exit", "proc": "p0"}
GOOD = recorded(
    ({"op": "set_nr", "n": 1}, (1, 1, 0, 0)), (MMAP, (1, 1, 1, 0)), (WRITE, (1, 0, 0, 0)), (EXIT, (1, 1, 0, 0))
)
BAD = recorded(
    ({"op": "set_nr", "n": 1}, (1, 1, 0, 0)), (MMAP, (1, 1, 0, 0)), (WRITE, (1, 0, 0, 0)), (EXIT, (1, 1, 0, 0))
)


def test_agreement(follower: Follower, module: ir.Module) -> None:
    """The model's answers are the kernel's."""
    prediction = predict(follower, as_recording(GOOD, module))
    assert prediction.divergence is None
    assert prediction.steps == prediction.recording.steps
    assert diverges(follower, GOOD) is None


def test_after_a_divergence_the_model_goes_on(follower: Follower, module: ir.Module) -> None:
    """From the state that it expected."""
    prediction = predict(follower, as_recording(BAD, module))
    assert prediction.divergence is not None
    assert prediction.divergence.step == 2
    assert [s.after["rsvd"] for s in prediction.recording.steps] == [0, 0, 0, 0]
    assert [s.after["rsvd"] for s in prediction.steps] == [0, 1, 0, 0]


def test_the_table(follower: Follower, module: ir.Module) -> None:
    """A line for each step, and a mark where they differ."""
    program = sections.build(module, frozenset(), ())
    machine = Machine(program, dict.fromkeys(module.indexes, 1), 1, {}, observe_properties(module))
    lines = beside(predict(follower, as_recording(BAD, module)), Meanings(module, machine), module, "kernel", "model")
    assert [DIFFERS in line for line in lines] == [False, False, False, True, False, False]
    assert " ".join(lines[4].split()) == "3 p0 write a[0] ok 1 0 (-1) 0 0 | ok 1 0 0 0 handed out without a promise: 1"
