"""Traces on this machine's own kernel: refused unless told, and every setting is put back, whatever happens.

The agent is the same as in a guest, as an ordinary process in namespaces of its own: when it ends, its processes, mounts and segments are
gone. What is left is the pool's size; a second process (`restore`) knows what it was and puts it back as soon as this one lets go of it
or dies. There is no other way to put it back, so the one that is always taken is the one that works after a crash.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from . import agentbuild, trace
from .errors import ReplayError
from .guest import play
from .images import Image, release_of
from .record import fixed
from .trace import PAGE_KIB, Recorded, Trace
from .vm import GuestDiedError, GuestSilentError, Machine, Vm

PAGES_LEFT_MIB = 512
"""Memory that stays for the rest of the machine."""


@dataclass(frozen=True, slots=True)
class System:
    """Where the settings of a machine are. Tests have their own."""

    root: Path = Path("/")
    user: int = -1

    @property
    def is_root(self) -> bool:
        return (os.geteuid() if self.user < 0 else self.user) == 0

    def meminfo(self) -> dict[str, int]:
        try:
            text = (self.root / "proc/meminfo").read_text()
        except OSError as error:
            raise ReplayError(
                f"this machine is no Linux: {error.strerror}", fix="hugecheck record --vm 6.12"
            ) from error
        return {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+)", text, re.MULTILINE)}

    def nodes(self) -> list[Path]:
        found = (self.root / "sys/devices/system/node").glob("node[0-9]*")
        return sorted(found, key=lambda path: int(path.name[4:]))

    def pool_files(self) -> list[Path]:
        """The files that steps may change: each node's size of the pool, or the size, and the overcommit."""
        each = [path / f"hugepages/hugepages-{PAGE_KIB}kB/nr_hugepages" for path in self.nodes()]
        pool = each if len(each) > 1 else [self.root / "proc/sys/vm/nr_hugepages"]
        return [*pool, self.root / "proc/sys/vm/nr_overcommit_hugepages"]


def check(system: System, traces: Iterable[Trace], *, allowed: bool) -> None:
    """Refuse, with the reason, wherever it would not be safe to run these traces here."""
    if not allowed:
        raise ReplayError(
            "`--host` changes the huge page pool of this machine, and a bug of its kernel stays until it is rebooted",
            fix="hugecheck record ... --host --yes-change-this-machine",
        )
    if not system.is_root:
        raise ReplayError("`--host` needs root", fix="sudo hugecheck record ...")
    memory = system.meminfo()
    if memory.get("Hugepagesize") != PAGE_KIB:
        raise ReplayError(f"the huge pages of this machine are not {PAGE_KIB} KiB", fix="hugecheck record --vm 6.12")
    total, free = memory.get("HugePages_Total", 0), memory.get("HugePages_Free", 0)
    if total != free or memory.get("HugePages_Rsvd", 0) or memory.get("HugePages_Surp", 0):
        raise ReplayError(
            f"the pool of this machine is in use: {total - free} pages handed out, {memory.get('HugePages_Rsvd', 0)} promised, "
            f"{memory.get('HugePages_Surp', 0)} surplus",
            fix="grep -l hugetlb /proc/*/maps /proc/*/smaps 2>/dev/null",
        )
    nodes = max(1, len(system.nodes()))
    for one in traces:
        if one.nodes != nodes:
            raise ReplayError(f"`{one.id}` is for {one.nodes} NUMA nodes, and this machine has {nodes}")
        if any(step["op"] in ("cgroup", "cgroup_move") for step in one.steps):
            raise ReplayError(
                f"`{one.id}` makes cgroups, which only happens in a guest", fix="hugecheck record --vm 6.12"
            )
        if trace.memory_mib(one) + PAGES_LEFT_MIB > memory.get("MemAvailable", 0) // 1024:
            raise ReplayError(f"`{one.id}` needs more memory than this machine can spare", fix="free -m")


class Restored:
    """Keeps settings: what they are on entry they are again after exit, also if this process is killed."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = list(files)
        self._keeper: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        try:
            settings = [(str(path), path.read_text().strip()) for path in self._files]
        except OSError as error:
            raise ReplayError(f"cannot read {error.filename}: {error.strerror}") from error
        package = str(Path(__file__).resolve().parents[2])
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.restore"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is not for it
            env={**os.environ, "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])},
        )
        assert self._keeper.stdin is not None and self._keeper.stdout is not None
        try:
            self._keeper.stdin.write(json.dumps(settings) + "\n")
            self._keeper.stdin.flush()
            ready = self._keeper.stdout.readline()
        except OSError:
            ready = ""
        if ready.strip() != "ready":
            raise ReplayError("what should put the settings back does not start; nothing was changed")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        assert self._keeper is not None and self._keeper.stdin is not None and self._keeper.stdout is not None
        self._keeper.stdin.close()
        try:
            status = self._keeper.wait()
        except KeyboardInterrupt:  # once more: it goes on by itself
            status = 0
        self._keeper.stdout.close()
        if status != 0 and kind is None:
            names = " ".join(map(str, self._files))
            raise ReplayError("not every setting could be put back; the pool is not what it was", fix=f"head {names}")


class Host(Vm):
    """This machine in the place of a guest."""

    def __init__(self, nodes: int) -> None:
        release = platform.release()
        super().__init__(Machine(Image(release_of(release), release, Path("/")), nodes), b"")
        self._agent_process: subprocess.Popen[bytes] | None = None
        self._root: tempfile.TemporaryDirectory[str] | None = None
        self._log_seen = 0

    def __enter__(self) -> Self:
        for tool in ("unshare", "dmesg"):
            if not shutil.which(tool):
                raise ReplayError(f"{tool} is not installed", fix="apt-get install util-linux")
        self._root = tempfile.TemporaryDirectory(prefix="hugecheck-host-")
        ours, theirs = socket.socketpair()
        self._channel = ours
        command = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", str(agentbuild.binary())]
        with theirs:
            self._agent_process = subprocess.Popen(
                [*command, "host", self._root.name],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                start_new_session=True,
            )
        try:
            self.new_console()
            self._await_greeting()
        except BaseException:
            self.close()
            raise
        return self

    def new_console(self) -> list[str]:
        """The new lines of the kernel's log."""
        ran = subprocess.run(["dmesg"], capture_output=True, text=True, check=False)
        lines = ran.stdout.splitlines()
        fresh, self._log_seen = lines[self._log_seen :], len(lines)
        return fresh

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def close(self) -> None:
        if self._agent_process is not None:
            self._agent_process.kill()
            self._agent_process.wait()
        if self._channel is not None:
            self._channel.close()
        if self._root is not None:
            with contextlib.suppress(OSError):
                self._root.cleanup()
        self._agent_process = self._channel = self._root = None

    def _explain_death(self) -> None:
        raise GuestDiedError("the agent is gone")


def record(traces: Iterable[Trace], *, allowed: bool, system: System | None = None) -> Iterator[Recorded]:
    """As `record.record`, on this machine. It stops at the first trace that leaves something behind: there is no new guest to be had."""
    wanted = list(traces)
    system = system or System()
    check(system, wanted, allowed=allowed)
    agentbuild.binary()
    files = system.pool_files()
    with Restored(files):
        for path in files:
            path.write_text("0\n")
        if system.meminfo().get("HugePages_Total", 0):
            raise ReplayError("the pool of this machine does not go to 0", fix="grep Huge /proc/meminfo")
        with Host(max(1, len(system.nodes()))) as vm:
            for one in wanted:
                try:
                    played = play(vm, one.id, fixed(one).player())
                except GuestSilentError as error:
                    raise ReplayError("this machine's kernel does not answer any more", fix="reboot") from error
                yield played.recorded
                if not played.clean:
                    raise ReplayError(
                        f"`{one.id}` left this machine's kernel in doubt, so no other trace was run",
                        fix="grep Huge /proc/meminfo",
                    )
