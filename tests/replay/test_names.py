"""Which names exist when."""

from __future__ import annotations

import pytest

from hugecheck.replay.names import Names
from hugecheck.replay.trace import Step


def names_after(*steps: Step) -> Names:
    """The names after steps that all succeeded unless they say otherwise."""
    names = Names()
    for step in steps:
        assert names.allows(step), step
        names.apply({"result": "ok", **step})
    return names


def mmap(name: str = "a", pages: int = 2, proc: str = "p0", **more: object) -> Step:
    return {"op": "mmap", "proc": proc, "map": name, "off": 0, "pages": pages, "flags": ["shared"], **more}


def touch(name: str = "a", proc: str = "p0") -> Step:
    return {"op": "write", "proc": proc, "map": name, "page": 0}


MOUNT: Step = {"op": "mount", "mnt": "m0"}
CREATE: Step = {"op": "create", "file": "f0", "mnt": "m0"}
CLOSE: Step = {"op": "close", "file": "f0"}
UNLINK: Step = {"op": "unlink", "file": "f0"}
MEMFD: Step = {"op": "memfd", "file": "f0"}
FORK: Step = {"op": "fork", "proc": "p0", "child": "p1"}
SHMGET: Step = {"op": "shmget", "file": "f0", "pages": 2}
SHMAT: Step = {"op": "shmat", "proc": "p0", "map": "a", "file": "f0"}
SHMDT: Step = {"op": "shmdt", "proc": "p0", "map": "a", "file": "f0"}
SHMRM: Step = {"op": "shmrm", "file": "f0"}


def test_a_failed_mmap_makes_no_name() -> None:
    """The name exists from a successful mmap."""
    names = names_after(mmap(result="ENOMEM"))
    assert not names.allows(touch())
    assert names.allows(mmap())


def test_a_mapping_lives_until_all_of_it_is_unmapped() -> None:
    """A hole does not end it; touching the hole is allowed (and gives SIGSEGV)."""
    first: Step = {"op": "munmap", "proc": "p0", "map": "a", "off": 0, "pages": 1}
    second: Step = {"op": "munmap", "proc": "p0", "map": "a", "off": 1, "pages": 1}
    assert names_after(mmap(), first).allows(touch())
    assert not names_after(mmap(), first).allows(mmap())
    gone = names_after(mmap(), first, second)
    assert not gone.allows(touch())
    assert gone.allows(mmap())


def test_a_child_inherits_names_and_keeps_them() -> None:
    """What the parent does later does not concern the child."""
    names = names_after(mmap(), FORK, {"op": "munmap", "proc": "p0", "map": "a", "off": 0, "pages": 2})
    assert names.allows(touch(proc="p1"))
    assert not names.allows(touch(proc="p0"))


def test_a_child_is_always_a_new_name() -> None:
    """Even if the process of that name has ended."""
    names = names_after(FORK, {"op": "exit", "proc": "p1"})
    assert not names.allows(FORK)


def test_an_ended_process_does_nothing() -> None:
    """Neither itself nor its mappings are there."""
    names = names_after(mmap(), {"op": "exit", "proc": "p0"})
    assert not any(map(names.allows, [touch(), FORK, {"op": "exit", "proc": "p0"}]))


def test_a_memfd_is_gone_with_its_descriptor() -> None:
    """Also if it is mapped."""
    names = names_after(MEMFD, mmap(file="f0"), CLOSE)
    assert not names.allows(mmap("b", file="f0"))
    assert names.allows(MEMFD)


def test_a_created_file_needs_both_to_go() -> None:
    """Closed and still linked it can be opened again and unlinked, no more."""
    closed = names_after(MOUNT, CREATE, CLOSE)
    assert closed.allows(CREATE)
    assert closed.allows(UNLINK)
    assert not closed.allows({"op": "truncate", "file": "f0", "pages": 1})
    unlinked = names_after(MOUNT, CREATE, UNLINK)
    assert unlinked.allows({"op": "truncate", "file": "f0", "pages": 1})
    assert not unlinked.allows(CREATE)
    assert names_after(MOUNT, CREATE, UNLINK, CLOSE).files == {}
    assert names_after(MOUNT, CREATE, CLOSE, UNLINK).files == {}


def test_umount_takes_its_files_along() -> None:
    """A failed one takes nothing."""
    assert names_after(MOUNT, CREATE, CLOSE, {"op": "umount", "mnt": "m0"}).files == {}
    assert "f0" in names_after(MOUNT, CREATE, {"op": "umount", "mnt": "m0", "result": "EBUSY"}).files


def test_a_segment_is_gone_with_rmid_and_its_attachment_is_not() -> None:
    """The attached segment lives on, and can be detached."""
    names = names_after(SHMGET, SHMAT, SHMRM)
    assert not names.allows({**SHMAT, "map": "b"})
    assert names.allows(touch())
    assert names.allows(SHMDT)


@pytest.mark.parametrize("step", [mmap(file="f0"), CLOSE, UNLINK, {"op": "truncate", "file": "f0", "pages": 1}])
def test_a_segment_is_no_file(step: Step) -> None:
    """It can be attached and removed only."""
    assert not names_after(SHMGET).allows(step)


def test_a_shrunk_mapping_is_shorter() -> None:
    """The length is that of the last successful mremap."""
    names = names_after(mmap(pages=3), {"op": "mremap", "proc": "p0", "map": "a", "pages": 1})
    assert names.procs["p0"]["a"].length == 1
    assert names.procs["p0"]["a"].alive == {0}


def test_a_refused_limit_still_made_the_cgroup() -> None:
    """The directory is made before the limit is written."""
    names = names_after({"op": "cgroup", "cg": "c0", "max": 0, "result": "EBUSY"})
    assert names.allows({"op": "cgroup_move", "cg": "c0", "proc": "p0"})
