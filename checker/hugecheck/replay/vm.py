"""One QEMU process: started, booted to the agent's greeting, talked to, and always killed.

Without KVM a guest runs under `-icount shift=4,sleep=off`: its clock counts instructions, and whenever it has nothing
to do the clock jumps to the next timer. The agent's 20 ms between two readings are then 20 ms for every worker and
timer of the guest, and cost the host next to nothing.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from . import initramfs
from .errors import ReplayError
from .images import Image
from .monitor import Monitor
from .protocol import VERSION

QEMU = "qemu-system-x86_64"
BOOT_SECONDS = 90.0
REPLY_SECONDS = 60.0
COMMAND_LINE = (
    "console=ttyS0 loglevel=5 panic=-1 nokaslr mitigations=off init_on_alloc=0 audit=0 no_timer_check tsc=reliable "
    "lpj=4000000 cryptomgr.notests rcupdate.rcu_expedited=1 random.trust_cpu=on"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a guest looks like. Node 0 has the only CPU; the others are memory."""

    image: Image
    nodes: int = 1
    memory_mib: int = 512
    accel: str = "tcg"

    def covers(self, wanted: Machine) -> bool:
        """Whether what can run on `wanted` can run on this one."""
        return self.memory_mib >= wanted.memory_mib and replace(self, memory_mib=0) == replace(wanted, memory_mib=0)


class GuestDiedError(Exception):
    """The guest is gone: it panicked, or it stopped answering. Not an error of ours but something the kernel did."""


class GuestSilentError(GuestDiedError):
    """The guest did not answer in time: the kernel hangs with nobody left to say so."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A booted guest in a file, before its first trace."""

    machine: Machine
    greeting: str
    path: Path


def arguments(machine: Machine, initrd: Path, console: Path, channel: int, monitor: int) -> list[str]:
    """The command line of QEMU. `channel` is the file descriptor that becomes the second serial port."""
    command = [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-smp", "1"]
    command += ["-accel", machine.accel, "-m", f"{machine.memory_mib}M"]
    if machine.accel == "tcg":
        command += ["-icount", "shift=4,sleep=off"]
    command += ["-kernel", str(machine.image.path), "-initrd", str(initrd), "-append", COMMAND_LINE]
    command += ["-serial", f"file:{console}", "-chardev", f"socket,fd={channel},id=agent", "-serial", "chardev:agent"]
    command += ["-chardev", f"socket,fd={monitor},id=monitor", "-mon", "chardev=monitor,mode=control"]
    if machine.nodes > 1:
        share = machine.memory_mib // machine.nodes
        for node in range(machine.nodes):
            size = machine.memory_mib - share * (machine.nodes - 1) if node == 0 else share
            command += ["-object", f"memory-backend-ram,id=ram{node},size={size}M"]
            command += ["-numa", f"node,nodeid={node},memdev=ram{node}" + (",cpus=0" if node == 0 else "")]
    return command


class Vm:
    """A booted guest. A context manager: whatever happens inside, QEMU is gone and its files with it on exit."""

    def __init__(
        self, machine: Machine, agent: bytes, *, snapshot: Snapshot | None = None, boot_seconds: float = BOOT_SECONDS
    ) -> None:
        self.machine = machine
        self.greeting = ""
        self._agent = agent
        self._snapshot = snapshot
        self._boot_seconds = boot_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._channel: socket.socket | None = None
        self._monitor: Monitor | None = None
        self._unread = b""
        self._console_seen = 0

    def __enter__(self) -> Self:
        if not shutil.which(QEMU):
            raise ReplayError(f"{QEMU} is not installed", fix="apt-get install --no-install-recommends qemu-system-x86")
        try:
            self._start()
            if self._snapshot is not None:
                assert self._monitor is not None
                self._monitor.await_restored()
                self.greeting = self._snapshot.greeting
            else:
                self._await_greeting()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def save(self, path: Path) -> Snapshot:
        """Keep this guest in a file. To be called before its first trace, or the next guests inherit its past."""
        assert self._monitor is not None
        self._monitor.save(path)
        return Snapshot(self.machine, self.greeting, path)

    def ask(self, line: str, seconds: float = REPLY_SECONDS) -> str:
        """Send one line and return the line that answers it."""
        assert self._channel is not None
        try:
            self._channel.sendall(line.encode() + b"\n")
        except OSError:
            self._explain_death()
        return self._read_line(time.monotonic() + seconds)

    def pause(self) -> None:
        """Stop the process, so that an idle guest costs nothing: its clock would race ahead."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def new_console(self) -> list[str]:
        """The lines on the kernel's console since the last call."""
        try:
            whole = self._file("console").read_text(errors="replace")
        except OSError:
            return []
        fresh, self._console_seen = whole[self._console_seen :], len(whole)
        return fresh.replace("\r", "").splitlines()

    def close(self) -> None:
        """Kill QEMU and remove its files. Harmless when repeated."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stderr is not None:
                self._process.stderr.close()
        if self._channel is not None:
            self._channel.close()
        if self._monitor is not None:
            self._monitor.close()
        if self._scratch is not None:
            self._scratch.cleanup()
        self._process = self._channel = self._monitor = self._scratch = None

    def _file(self, name: str) -> Path:
        assert self._scratch is not None
        return Path(self._scratch.name) / name

    def _start(self) -> None:
        try:
            self._scratch = tempfile.TemporaryDirectory(prefix="hugecheck-vm-")
            self._file("initrd").write_bytes(initramfs.build(self._agent))
        except OSError as error:
            raise ReplayError(f"cannot write the guest's initramfs: {error.strerror}", fix="df -h /tmp") from error
        channel, serial = socket.socketpair()
        monitor, control = socket.socketpair()
        self._channel, self._monitor = channel, Monitor(monitor)
        ports = serial.fileno(), control.fileno()
        command = arguments(self.machine, self._file("initrd"), self._file("console"), *ports)
        if self._snapshot is not None:
            command += ["-incoming", f"exec:cat {shlex.quote(str(self._snapshot.path))}"]
        if shutil.which("setpriv"):  # Linux: QEMU is killed when this process dies, even by SIGKILL
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=ports,
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        finally:
            serial.close()
            control.close()

    def _await_greeting(self) -> None:
        end = time.monotonic() + self._boot_seconds
        try:
            while True:
                words = self._read_line(end).split(maxsplit=2)
                if len(words) == 3 and words[0] == "hello":
                    break
        except GuestDiedError as death:
            last = " / ".join(self.new_console()[-3:]) or "nothing on the console"
            raise ReplayError(f"the kernel {self.machine.image.path} does not boot ({last})") from death
        if int(words[1]) != VERSION:
            raise ReplayError("the guest agent speaks another version of the protocol")
        self.greeting = words[2]
        self.new_console()  # what was said while booting concerns no trace

    def _read_line(self, end: float) -> str:
        assert self._channel is not None
        while b"\n" not in self._unread:
            self._channel.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self._channel.recv(65536)
            except TimeoutError:
                raise GuestSilentError("the guest does not answer") from None
            except OSError:
                data = b""
            if not data:
                self._explain_death()
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode(errors="replace").strip()

    def _explain_death(self) -> None:
        """QEMU closed the channel: the guest's doing if it exited by itself, else somebody else's."""
        assert self._process is not None
        try:
            status = self._process.wait(10)
        except subprocess.TimeoutExpired:
            raise GuestDiedError("QEMU closed the channel to the guest") from None
        if status == 0:
            raise GuestDiedError("the guest went down")
        said = self._process.stderr.read().decode(errors="replace").strip() if self._process.stderr else ""
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"
        detail = f": {said.splitlines()[-1]}" if said else ""
        raise ReplayError(f"QEMU {how}{detail}", fix="run the same command again")

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
