"""Shrinking, with a kernel and a model that are functions of this file."""

from __future__ import annotations

from collections.abc import Callable

from hugecheck.fuzz.careful import careful
from hugecheck.fuzz.shrink import Finding, Steps, finding, renamed, shrink
from hugecheck.replay.guest import Player
from hugecheck.replay.trace import Recorded, Step
from hugecheck.trace.follow import Divergence

AFTER = {"total": 0, "free": 0, "rsvd": 0, "surp": 0}


def played(player: Player) -> Recorded:
    """A kernel on which everything succeeds."""
    steps: list[Step] = []
    while (step := player(steps[-1] if steps else None)) is not None:
        steps.append({**step, "result": "ok", "after": AFTER})
    return Recorded("t", "6.12", 1, tuple(steps))


def judge(wrong: Callable[[Steps], int | None]) -> Callable[[Steps], Finding | None]:
    """Runs steps; `wrong` says at which step (from 1) the model would differ."""

    def attempt(steps: Steps) -> Finding | None:
        recorded = played(careful(steps))
        at = wrong(recorded.steps)
        return finding(recorded, Divergence(at, "", {}, (), {})) if at is not None else None

    return attempt


def first(steps: Steps, op: str) -> int | None:
    return next((n for n, step in enumerate(steps, 1) if step["op"] == op), None)


def mmap(map: str, pages: int, proc: str = "p0") -> Step:
    return {"op": "mmap", "proc": proc, "map": map, "off": 0, "pages": pages, "flags": ["private", "noreserve"]}


def touch(map: str, page: int, proc: str = "p0") -> Step:
    return {"op": "write", "proc": proc, "map": map, "page": page}


LONG: Steps = (
    {"op": "set_nr", "n": 5},
    {"op": "set_overcommit", "n": 2},
    {"op": "mount", "mnt": "m0", "size": 4, "min_size": 2},
    {"op": "create", "file": "f0", "mnt": "m0"},
    mmap("a", 3),
    {"op": "fork", "proc": "p0", "child": "p1"},
    touch("a", 1),
    mmap("b", 4, "p1"),
    touch("b", 3, "p1"),
    {"op": "madv_dontneed", "proc": "p1", "map": "b", "off": 2, "pages": 2},
    {"op": "exit", "proc": "p1"},
    {"op": "unlink", "file": "f0"},
    {"op": "umount", "mnt": "m0"},
)


def test_the_shortest_with_the_smallest_numbers() -> None:
    """Exactly these two steps: a mapping, without option, of one page, and giving it back."""
    attempt = judge(lambda steps: first(steps, "madv_dontneed"))
    found = attempt(LONG)
    assert found is not None
    small = shrink(found, attempt)
    assert [dict(s) for s in small.steps] == [
        {"op": "mmap", "proc": "p0", "map": "b", "off": 0, "pages": 1, "flags": ["private"]},
        {"op": "madv_dontneed", "proc": "p0", "map": "b", "off": 0, "pages": 1},
    ]


def test_what_is_needed_stays() -> None:
    """It takes a page that was touched, on a pool of at least three."""

    def wrong(steps: Steps) -> int | None:
        pool = any(s["op"] == "set_nr" and int(str(s["n"])) >= 3 for s in steps)
        return first(steps, "write") if pool else None

    attempt = judge(wrong)
    found = attempt(LONG)
    assert found is not None
    small = shrink(found, attempt)
    assert [s["op"] for s in small.steps] == ["set_nr", "mmap", "write"]
    assert [small.steps[0]["n"], small.steps[1]["pages"], small.steps[2]["page"]] == [3, 1, 0]


def test_the_number_of_runs_is_limited() -> None:
    """The smallest so far is what comes out."""
    runs = 0
    inner = judge(lambda steps: first(steps, "madv_dontneed"))

    def attempt(steps: Steps) -> Finding | None:
        nonlocal runs
        runs += 1
        return inner(steps)

    found = inner(LONG)
    assert found is not None
    small = shrink(found, attempt, tries=3)
    assert runs <= 5
    assert len(small.steps) <= len(found.steps)


def test_an_interrupt_keeps_the_smallest_so_far() -> None:
    """Ctrl-C in the middle."""
    runs = 0
    inner = judge(lambda steps: first(steps, "madv_dontneed"))

    def attempt(steps: Steps) -> Finding | None:
        nonlocal runs
        runs += 1
        if runs > 6:
            raise KeyboardInterrupt
        return inner(steps)

    found = inner(LONG)
    assert found is not None
    small = shrink(found, attempt)
    assert small.divergence is not None
    assert len(small.steps) < len(LONG)


def test_steps_that_make_no_sense_are_passed_over() -> None:
    """On a name that is not there, beyond the end of a mapping, on a mapping with a hole."""
    steps: Steps = (
        touch("a", 0),
        mmap("a", 2),
        touch("a", 2),
        touch("a", 1),
        {"op": "munmap", "proc": "p0", "map": "a", "off": 0, "pages": 1},
        {"op": "mremap", "proc": "p0", "map": "a", "pages": 1},
        {"op": "umount", "mnt": "m0"},
    )
    assert [s["op"] for s in played(careful(steps)).steps] == ["mmap", "write", "munmap"]


def test_names_are_counted_from_0() -> None:
    """In the order in which they are used."""
    steps: Steps = (
        {"op": "create", "file": "f7", "mnt": "m1"},
        {"op": "fork", "proc": "p0", "child": "p3"},
        mmap("a", 1, "p3"),
    )
    assert [(s.get("file"), s.get("mnt"), s.get("proc"), s.get("child")) for s in renamed(steps)] == [
        ("f0", "m0", None, None),
        (None, None, "p0", "p1"),
        (None, None, "p1", None),
    ]
