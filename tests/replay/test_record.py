"""Guests: short traces on each kernel that is there."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hugecheck.replay import __main__ as entry
from hugecheck.replay import agentbuild, images
from hugecheck.replay.boots import Boots
from hugecheck.replay.errors import ReplayError
from hugecheck.replay.generate import Generator, Options
from hugecheck.replay.names import Names
from hugecheck.replay.record import Recorder, fixed, online, record, run
from hugecheck.replay.trace import Recorded, Step, of_steps
from hugecheck.replay.vm import Machine, Vm


def steps(text: str) -> list[Step]:
    """Steps from their protocol lines, each with what the kernel must answer behind `->`."""
    return [step for step, _ in map(parsed, text.strip().splitlines())]


def parsed(line: str) -> tuple[Step, str]:
    words, _, answer = line.strip().partition(" -> ")
    fields = words.split()
    step: dict[str, object] = {"op": fields[0]}
    for field in fields[1:]:
        key, _, value = field.partition("=")
        step[key] = int(value) if value.isdigit() else value.split("+") if key == "flags" else value
    return step, answer


def answers(recorded: Recorded) -> list[str]:
    out = []
    for step in recorded.steps:
        after = step["after"]
        assert isinstance(after, dict)
        out.append(" ".join([str(step["result"]), *(str(after[key]) for key in ("total", "free", "rsvd", "surp"))]))
    return out


RESIDUE = """
set_nr n=5 -> ok 5 5 0 0
mount mnt=m0 size=2 min_size=1 -> ok 5 5 1 0
create file=f0 mnt=m0 -> ok 5 5 1 0
mmap proc=p0 map=a file=f0 off=0 pages=2 flags=private+noreserve -> ok 5 5 1 0
write proc=p0 map=a page=0 -> ok 5 4 1 0
munmap proc=p0 map=a off=0 pages=2 -> ok 5 5 2 0
close file=f0 -> ok 5 5 2 0
umount mnt=m0 -> ok 5 5 1 0
set_nr n=0 -> ok 1 1 1 1
"""

FORK = """
set_nr n=2 -> ok 2 2 0 0
mmap proc=p0 map=a off=0 pages=2 flags=private -> ok 2 2 2 0
write proc=p0 map=a page=0 -> ok 2 1 1 0
fork proc=p0 child=p1 -> ok 2 1 1 0
write proc=p1 map=a page=0 -> SIGBUS 2 1 1 0
exit proc=p1 -> ok 2 1 1 0
write proc=p0 map=a page=0 -> ok 2 1 1 0
munmap proc=p0 map=a off=0 pages=1 -> ok 2 2 1 0
write proc=p0 map=a page=0 -> SIGSEGV 2 2 1 0
exit proc=p0 -> ok 2 2 0 0
"""

HANG = """
set_nr n=1 -> ok 1 1 0 0
mmap proc=p0 map=a off=0 pages=1 flags=private -> ok 1 1 1 0
write proc=p0 map=a page=0 -> ok 1 0 0 0
fork proc=p0 child=p1 -> ok 1 0 0 0
mremap proc=p1 map=a pages=1 move=1 -> ok 1 0 0 0
write proc=p0 map=a page=0 -> HANG 1 0 0 0
"""

SEGMENT = """
set_nr n=2 -> ok 2 2 0 0
shmget file=s0 pages=1 -> ok 2 2 1 0
shmat proc=p0 map=a file=s0 -> ok 2 2 1 0
write proc=p0 map=a page=0 -> ok 2 1 0 0
shmrm file=s0 -> ok 2 1 0 0
shmdt proc=p0 map=a file=s0 -> ok 2 2 0 0
"""
"""Small traces whose answers are the same on every kernel that replay is tested on."""


def test_small_traces(kernel: images.Image) -> None:
    """Residue, signals, a hang: each as expected, each without a trace of the one before."""
    texts = {"residue": RESIDUE, "fork": FORK, "hang": HANG, "shm": SEGMENT}
    started: list[bool] = []
    traces = [of_steps(id, steps(text)) for id, text in texts.items()]
    with Boots(lambda _, restored: started.append(restored)) as own:
        recorded = list(record(traces, kernel, boots=own))
    for trace, text in zip(recorded, texts.values(), strict=True):
        assert answers(trace) == [answer for _, answer in map(parsed, text.strip().splitlines())], trace.id
        assert trace.kernel == kernel.release
        assert trace.console == () and trace.unsettled == ()
    assert [trace.id for trace in recorded if trace.residue is not None] == ["residue"]
    assert started == [False, False, True]  # the residue and the hang each cost a guest


def test_nodes(kernel: images.Image, boots: Boots) -> None:
    """Each node has its counters, and every trace starts its round at node 0."""
    trace = of_steps("nodes", steps("set_nr n=1\nset_nr_node node=1 n=2\nset_nr_mempolicy node=1 n=1"), nodes=2)
    recorded = list(record([trace, trace], kernel, boots=boots))
    assert recorded[0] == recorded[1]
    after = [step["after"] for step in recorded[0].steps]
    assert all(step["result"] == "ok" for step in recorded[0].steps)
    totals = [[node["total"] for node in reading["nodes"]] for reading in after]  # type: ignore[index]
    assert totals == [[1, 0], [1, 2], [1, 0]]


def test_cgroups_and_mounts(kernel: images.Image, boots: Boots) -> None:
    """Charges and file systems are read in pages."""
    text = """
    set_nr n=4
    mount mnt=m0 size=3
    create file=f0 mnt=m0
    cgroup cg=c0 max=1
    cgroup_move cg=c0 proc=p0
    mmap proc=p0 map=a file=f0 off=0 pages=2 flags=shared
    write proc=p0 map=a page=0
    write proc=p0 map=a page=1
    """
    (recorded,) = record([of_steps("cgroup", steps(text))], kernel, boots=boots)
    assert [step["result"] for step in recorded.steps][-2:] == ["ok", "SIGBUS"]
    after = recorded.steps[-1]["after"]
    assert isinstance(after, dict)
    assert after["mounts"] == {"m0": {"size": 3, "free": 1}}
    assert after["cgroups"] == {"c0": {"current": 1, "rsvd": 2}}
    assert recorded.residue is None


def test_random_traces(kernel: images.Image, boots: Boots) -> None:
    """Recorded twice they are the same, on a used guest as on a new one; no step is on a name that does not exist."""

    def once(numbers: Iterator[int] | range) -> list[Recorded]:
        scripts = (online(str(i), 1, lambda i=i: Generator(5, i, Options(steps=(6, 10))).next_step) for i in numbers)  # type: ignore[misc]
        return list(run(scripts, kernel, boots=boots))

    first = once(range(6))
    assert first[3:] == once(range(3, 6))
    for trace in first:
        names = Names()
        for step in trace.steps:
            assert names.allows(step)
            names.apply(step)


def test_a_bad_step_spoils_only_its_trace(newest: images.Image, boots: Boots) -> None:
    """The step is named, and the next trace starts on a clean kernel."""
    with Recorder(newest, boots=boots) as recorder:
        with pytest.raises(ReplayError, match="a name that does not exist"):
            recorder.play(fixed(of_steps("bad", steps("set_nr n=2\nread proc=p0 map=a page=0"))))
        recorded = recorder.play(fixed(of_steps("good", steps("set_overcommit n=0"))))
    assert answers(recorded) == ["ok 0 0 0 0"]


def test_qemu_killed_in_the_middle(newest: images.Image, boots: Boots, tmp_path: Path) -> None:
    """A clear error, no process left behind, and what was recorded before is kept."""
    trace = of_steps("t", steps(SEGMENT))
    stream = record([trace, trace], newest, boots=boots)
    done = [next(stream)]
    (qemu,) = children()
    os.kill(qemu, signal.SIGKILL)
    with pytest.raises(ReplayError, match="QEMU was killed by SIGKILL"):
        done.append(next(stream))
    assert len(done) == 1
    assert children() == []


def test_nothing_is_left_running(newest: images.Image, boots: Boots) -> None:
    """A recording that is abandoned takes its guest along."""
    stream = record(itertools.repeat(of_steps("t", steps("set_nr n=1"))), newest, boots=boots)
    next(stream)
    assert len(children()) == 1
    stream.close()  # type: ignore[attr-defined]
    assert children() == []


def test_an_idle_guest_costs_nothing(newest: images.Image, boots: Boots) -> None:
    """Between traces the guest stands still."""
    stream = record(itertools.repeat(of_steps("t", steps("set_nr n=1"))), newest, boots=boots)
    next(stream)
    (qemu,) = children()
    before = cpu_ticks(qemu)
    time.sleep(0.5)
    assert cpu_ticks(qemu) - before <= 2
    next(stream)
    stream.close()  # type: ignore[attr-defined]


def test_a_kernel_that_does_not_boot(newest: images.Image, tmp_path: Path) -> None:
    """Its header is right and the rest is not: one line, and no guest left."""
    data = bytearray(newest.path.read_bytes())
    data[0x8000:] = bytes(len(data) - 0x8000)
    broken = tmp_path / "bzImage"
    broken.write_bytes(data)
    with (
        pytest.raises(ReplayError, match="does not boot"),
        Vm(Machine(images.inspect(broken)), agentbuild.binary().read_bytes(), boot_seconds=5),
    ):
        pass
    assert children() == []


def test_qemu_missing(newest: images.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it."""
    agent = agentbuild.binary().read_bytes()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ReplayError, match="not installed") as caught, Vm(Machine(newest), agent):
        pass
    assert "qemu-system-x86" in caught.value.fix


def test_the_entry_records_a_file_again(newest: images.Image, tmp_path: Path) -> None:
    """What was recorded comes out the same, to the byte."""
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    image = ["--kernel-image", str(newest.path)]
    assert entry.main(["random", "--count", "3", "--seed", "11", "-o", str(first), *image]) == 0
    assert entry.main(["record", str(first), "-o", str(second), *image]) == 0
    assert first.read_text() == second.read_text()
    assert len(first.read_text().splitlines()) == 3


def test_the_entry_reports_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, one command, exit status 2."""
    assert entry.main(["random", "--kernel-image", str(tmp_path / "none"), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: cannot read the kernel image")
    assert not (tmp_path / "out").exists()


def children() -> list[int]:
    """The QEMU processes that this one has started and that are not gone."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            name = (process / "comm").read_text()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and name.startswith("qemu") and fields[0] != "Z":
            found.append(int(process.name))
    return found


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
