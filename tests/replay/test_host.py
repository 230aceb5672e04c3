"""`--host`: refusals, and settings that come back whatever happens. Nothing here touches the machine: its files are in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hugecheck.replay import host
from hugecheck.replay.errors import ReplayError
from hugecheck.replay.host import Restored, System, check
from hugecheck.replay.restore import put_back
from hugecheck.replay.trace import of_steps

TRACE = of_steps("t", [{"op": "set_nr", "n": 1}])


def machine(
    root: Path, *, total: int = 0, free: int = 0, rsvd: int = 0, surp: int = 0, size: int = 2048, user: int = 0
) -> System:
    """A machine whose files are in a folder."""
    (root / "proc/sys/vm").mkdir(parents=True)
    (root / "sys/devices/system/node/node0").mkdir(parents=True)
    (root / "proc/meminfo").write_text(
        f"MemAvailable: 8000000 kB\nHugePages_Total: {total}\nHugePages_Free: {free}\nHugePages_Rsvd: {rsvd}\n"
        f"HugePages_Surp: {surp}\nHugepagesize: {size} kB\n"
    )
    (root / "proc/sys/vm/nr_hugepages").write_text(f"{total}\n")
    (root / "proc/sys/vm/nr_overcommit_hugepages").write_text("3\n")
    return System(root, user)


def test_it_has_to_be_said_twice(tmp_path: Path) -> None:
    """Nothing is looked at before that."""
    with pytest.raises(ReplayError, match="changes the huge page pool") as refused:
        check(System(tmp_path / "nowhere"), [TRACE], allowed=False)
    assert "--yes-change-this-machine" in refused.value.fix


@pytest.mark.parametrize(
    ("of", "why"),
    [
        ({"user": 1000}, "needs root"),
        ({"size": 1048576}, "are not 2048 KiB"),
        ({"total": 4, "free": 3}, "in use: 1 pages handed out"),
        ({"total": 4, "free": 4, "rsvd": 2}, "2 promised"),
        ({"total": 1, "free": 1, "surp": 1}, "1 surplus"),
    ],
)
def test_refusals(tmp_path: Path, of: dict[str, int], why: str) -> None:
    """A pool in use, pages of another size, and who is not root."""
    with pytest.raises(ReplayError, match=why):
        check(machine(tmp_path, **of), [TRACE], allowed=True)


def test_traces_that_are_not_for_this_machine(tmp_path: Path) -> None:
    """More nodes than it has, cgroups, and more memory than it can spare."""
    system = machine(tmp_path, total=2, free=2)
    check(system, [TRACE], allowed=True)
    for trace, why in (
        (of_steps("t", [], 2), "2 NUMA nodes, and this machine has 1"),
        (of_steps("t", [{"op": "cgroup", "cg": "c0"}]), "makes cgroups"),
        (of_steps("t", [{"op": "set_nr", "n": 100_000}]), "more memory"),
    ):
        with pytest.raises(ReplayError, match=why):
            check(system, [trace], allowed=True)


def test_each_node_has_its_pool(tmp_path: Path) -> None:
    """On several nodes the sum is not enough to put back."""
    system = machine(tmp_path)
    assert [p.name for p in system.pool_files()] == ["nr_hugepages", "nr_overcommit_hugepages"]
    (tmp_path / "sys/devices/system/node/node1").mkdir()
    assert [p.relative_to(tmp_path).parts[4] for p in system.pool_files()[:2]] == ["node0", "node1"]
    assert len(system.pool_files()) == 3


def test_settings_come_back(tmp_path: Path) -> None:
    """After the end, and after an exception."""
    files = machine(tmp_path, total=4, free=4).pool_files()
    with Restored(files):
        for path in files:
            path.write_text("9\n")
    assert [path.read_text() for path in files] == ["4\n", "3\n"]
    with pytest.raises(KeyboardInterrupt), Restored(files):
        files[0].write_text("9\n")
        raise KeyboardInterrupt
    assert files[0].read_text() == "4\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_settings_come_back_after_a_crash(tmp_path: Path, number: int) -> None:
    """Also when the process that changed them has no time to do anything."""
    files = machine(tmp_path, total=4, free=4).pool_files()
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom hugecheck.replay.host import Restored\n"
        f"files = [Path(p) for p in {[str(p) for p in files]!r}]\n"
        "with Restored(files):\n"
        "    [p.write_text('9\\n') for p in files]\n"
        "    print('changed', flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(host.__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "changed\n"
        assert files[0].read_text() == "9\n"
        process.send_signal(number)
        process.wait(30)
    end = time.monotonic() + 30
    while [path.read_text() for path in files] != ["4\n", "3\n"]:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_cannot_be_put_back_is_named(tmp_path: Path) -> None:
    """A file that does not take the value."""
    (tmp_path / "good").write_text("1\n")
    assert put_back([(tmp_path / "good", "2"), (tmp_path / "no/such", "2")], seconds=0) == [tmp_path / "no/such"]
    assert (tmp_path / "good").read_text() == "2\n"


def test_nothing_is_changed_when_the_settings_cannot_be_read(tmp_path: Path) -> None:
    """Before the first change."""
    with pytest.raises(ReplayError, match="cannot read"), Restored([tmp_path / "none"]):
        pytest.fail("not reached")
