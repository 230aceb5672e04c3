"""Guests for tests: a kernel, or a skip that names what is missing, and programs that are run as the init of a guest."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from hugecheck.replay import agentbuild, cache, images, initramfs
from hugecheck.replay.errors import ReplayError
from hugecheck.replay.vm import QEMU, Machine
from hugecheck.replay.vm import arguments as qemu_arguments


def missing(what: str) -> NoReturn:
    """Skip this test for want of `what`, or fail it where nothing may be missing (`HUGECHECK_REQUIRE_VM=1`)."""
    if os.environ.get("HUGECHECK_REQUIRE_VM") == "1":
        pytest.fail(f"missing: {what}")
    pytest.skip(f"missing: {what}")


def users_cache() -> Path:
    """Where the user keeps kernels; the tests' own cache is empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HUGECHECK_CACHE", raising=False)
        return cache.directory()


def kernel(release: str) -> images.Image:
    """The kernel, with everything to boot it."""
    if not shutil.which(QEMU):
        missing(QEMU)
    try:
        agentbuild.compiler()
        return images.find(release, users_cache())
    except ReplayError as error:
        missing(str(error))


def compiled(source: str, folder: Path, *flags: str) -> Path:
    """A C program as a static executable, without a single warning."""
    try:
        command = agentbuild.compiler()
    except ReplayError as error:
        missing(str(error))
    (folder / "program.c").write_text(source)
    ran = subprocess.run(
        [*command, "-O1", "-Wall", "-Wextra", "-Werror", "-static", *flags, "-o", "program", "program.c"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return folder / "program"


INIT = """
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	char path[32];
	int status = 0;
	pid_t child;

	mkdir("/proc", 0555);
	mount("none", "/proc", "proc", 0, NULL);
	for (int n = 0;; n++) {
		snprintf(path, sizeof(path), "/program%d", n);
		if (access(path, X_OK))
			break;
		printf("== %d\\n", n);
		fflush(stdout);
		child = fork();
		if (child == 0) {
			execl(path, path, NULL);
			_exit(127);
		}
		while (wait(&status) != child)
			;
		printf("== exit %d\\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		fflush(stdout);
	}
	reboot(RB_POWER_OFF);
}
"""


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    lines: list[str]


def run_all(programs: Sequence[Path], image: images.Image, folder: Path) -> list[Ran]:
    """Run programs one after the other in one guest; what each wrote (without the kernel's own lines), and its exit status."""
    inside = [initramfs.Entry(f"program{n}", 0o100755, program.read_bytes()) for n, program in enumerate(programs)]
    init = folder / "init"
    init.mkdir()
    archive = initramfs.cpio(
        [
            initramfs.Entry("dev", 0o040755),
            initramfs.Entry("dev/console", 0o020600, device=(5, 1)),
            initramfs.Entry("init", 0o100755, compiled(INIT, init).read_bytes()),
            *inside,
        ]
    )
    whole = "\n".join(line for line in boot(archive, image) if not re.match(r"\[ *\d+\.\d+\]", line))
    found = re.findall(r"^== \d+\n(.*?)^== exit (\d+)$", whole, re.MULTILINE | re.DOTALL)
    assert len(found) == len(programs), whole[-2000:]
    return [Ran(int(status), text.splitlines()) for text, status in found]


def run_as_init(program: Path, image: images.Image) -> list[str]:
    """The lines on the console of a guest that runs the program and nothing else."""
    return boot(initramfs.build(program.read_bytes()), image)


def boot(archive: bytes, image: images.Image, seconds: float = 300.0) -> list[str]:
    """The console of a guest that starts from an initramfs and powers off by itself."""
    with tempfile.TemporaryDirectory() as scratch:
        initrd, console = Path(scratch) / "initrd", Path(scratch) / "console"
        initrd.write_bytes(archive)
        pairs = [socket.socketpair(), socket.socketpair()]
        ports = [theirs.fileno() for _, theirs in pairs]
        try:
            subprocess.run(
                qemu_arguments(Machine(image, memory_mib=1024), initrd, console, ports[0], ports[1]),
                pass_fds=ports,
                stdin=subprocess.DEVNULL,
                timeout=seconds,
                check=True,
            )
        finally:
            for ours, theirs in pairs:
                ours.close()
                theirs.close()
        return console.read_text(errors="replace").replace("\r", "").splitlines()
