"""Kernel images: what a bzImage says of itself, and Debian's kernels fetched without installing them.

A kernel is asked for by the release it was built from: `6.12` is the newest 6.12 there is, `6.12.113` that one. Fetched
images live under the cache directory, one folder per package version.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from . import cache
from .errors import ReplayError

SERIES = ("6.12", "6.1")
"""The releases replay is tested on, newest first."""

Run = Callable[[list[str], Path | None], str]
"""Runs a command in a directory and returns its standard output."""


@dataclass(frozen=True, slots=True)
class Image:
    """A kernel that can be booted. `release` is the upstream release, `banner` the version line inside the image."""

    release: str
    banner: str
    path: Path


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package with a kernel in it. The signed and the unsigned one hold the same kernel."""

    name: str
    version: str

    @property
    def release(self) -> str:
        """The upstream release: the version up to the first dash."""
        return self.version.rpartition(":")[2].partition("-")[0]


def order(release: str) -> tuple[int, ...]:
    """A sort key for releases and package versions: 6.9 before 6.12."""
    return tuple(int(part) for part in re.findall(r"\d+", release))


def matches(wanted: str, release: str) -> bool:
    """Whether `release` is what was asked for: the same, or a later number of the same series."""
    return release == wanted or release.startswith(wanted + ".")


def release_of(banner: str) -> str:
    """The upstream release in a version line. Distributions put it beside a name of their own."""
    found = re.search(r"Debian (\d+(?:\.\d+)+)", banner) or re.search(r"\d+(?:\.\d+)+", banner)
    if found is None:
        return "unknown"
    return found.group(found.lastindex or 0)


def inspect(path: Path) -> Image:
    """The image at `path`, checked as far as its header allows: it is a bzImage and it is all there."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(0x10000)
    except OSError as error:
        raise ReplayError(f"cannot read the kernel image {path}: {error.strerror}") from error
    if len(head) < 0x250 or head[0x202:0x206] != b"HdrS":
        raise ReplayError(f"{path} is not a kernel image (a bzImage for x86)", fix="make bzImage")
    sectors, paragraphs = head[0x1F1] or 4, struct.unpack_from("<I", head, 0x1F4)[0]
    expected = (sectors + 1) * 512 + paragraphs * 16
    if size < expected:
        raise ReplayError(f"the kernel image {path} is truncated: {size} of {expected} bytes", fix=f"rm {path}")
    start = struct.unpack_from("<H", head, 0x20E)[0] + 0x200
    banner = head[start : head.index(b"\0", start)].decode(errors="replace")
    return Image(release_of(banner), banner, path)


def available(kept: Path | None = None) -> list[Image]:
    """The images fetched so far, newest first. A damaged one is left out."""
    found = []
    for path in _folder(kept).glob("*/bzImage"):
        try:
            found.append((order(path.parent.name), inspect(path)))
        except ReplayError:
            continue
    return [image for _, image in sorted(found, key=lambda pair: pair[0], reverse=True)]


def find(wanted: str, kept: Path | None = None) -> Image:
    """The newest fetched image of the release `wanted`."""
    for image in available(kept):
        if matches(wanted, image.release):
            return image
    for path in sorted(_folder(kept).glob("*/bzImage")):
        if matches(wanted, path.parent.name.partition("-")[0]):
            inspect(path)  # it is there, so say what is wrong with it
    raise ReplayError(f"no kernel image for {wanted}", fix=f"hugecheck vm fetch {wanted}")


def fetch(wanted: str, kept: Path | None = None, run: Run | None = None) -> Image:
    """Download the newest Debian cloud kernel of the release `wanted`, unless it is there already."""
    run = run or _run
    package = choose(packages(wanted, run), wanted)
    target = _folder(kept) / package.version / "bzImage"
    if target.exists():
        try:
            return inspect(target)
        except ReplayError:
            target.unlink()
    _folder(kept).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_folder(kept), prefix=".fetch-") as scratch:
        run(["apt-get", "download", f"{package.name}={package.version}"], Path(scratch))
        archives = list(Path(scratch).glob("*.deb"))
        if len(archives) != 1:
            raise ReplayError(f"`apt-get download {package.name}` left no package behind", fix="apt-get update")
        kernel = Path(scratch) / "bzImage"
        _unpack_kernel(archives[0], kernel)
        inspect(kernel)
        target.parent.mkdir(parents=True, exist_ok=True)
        kernel.replace(target)
    return inspect(target)


def packages(wanted: str, run: Run) -> list[Package]:
    """Debian's cloud kernels of the series that `wanted` belongs to."""
    series = ".".join(wanted.split(".")[:2])
    names = [
        line.split()[0] for line in run(["apt-cache", "search", "--names-only", _pattern(series)], None).splitlines()
    ]
    if not names:
        raise ReplayError(f"apt knows no cloud kernel of {series}", fix="apt-get update")
    return _parse_madison(run(["apt-cache", "madison", *sorted(names)], None).splitlines())


def choose(among: Iterable[Package], wanted: str) -> Package:
    """The newest package that fits; the unsigned one of two alike, as it needs nothing else."""
    fitting = [package for package in among if matches(wanted, package.release)]
    if not fitting:
        raise ReplayError(f"apt knows no cloud kernel {wanted}", fix="apt-get update")
    return max(fitting, key=lambda package: (order(package.version), package.name.endswith("-unsigned")))


def _pattern(series: str) -> str:
    dotted = re.escape(series)
    return rf"^linux-image-{dotted}\.[0-9]+(-[0-9]+|\+[a-z0-9]+)?-cloud-amd64(-unsigned)?$"


def _parse_madison(lines: Iterable[str]) -> list[Package]:
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [Package(row[0], row[1]) for row in cells if len(row) >= 3 and row[2].endswith("Packages")]


def _folder(kept: Path | None) -> Path:
    return (kept or cache.directory()) / "kernels"


def _unpack_kernel(archive: Path, target: Path) -> None:
    """Write the `boot/vmlinuz-*` of a package to `target`; nothing else is unpacked."""
    if not shutil.which("dpkg-deb"):
        raise ReplayError("dpkg-deb is needed to unpack a kernel package", fix="apt-get install dpkg")
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as unpacker:
        assert unpacker.stdout is not None
        try:
            with tarfile.open(fileobj=unpacker.stdout, mode="r|") as members:
                for member in members:
                    if re.fullmatch(r"(\./)?boot/vmlinuz-.*", member.name):
                        data = members.extractfile(member)
                        if data is not None:
                            cache.write(target, data.read())
                            return
        except (tarfile.TarError, EOFError) as error:
            raise ReplayError(f"the package {archive.name} is damaged: {error}", fix="df -h") from error
        finally:
            unpacker.kill()
    raise ReplayError(f"the package {archive.name} holds no kernel")


def _run(command: list[str], where: Path | None) -> str:
    if not shutil.which(command[0]):
        raise ReplayError(
            f"{command[0]} is not there: Debian's kernels can only be fetched on a Debian-like system",
            fix="hugecheck record --kernel-image path/to/bzImage",
        )
    ran = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        said = ran.stderr.strip().splitlines()
        raise ReplayError(
            f"`{' '.join(command[:2])}` failed: {said[-1] if said else 'no message'}", fix="apt-get update"
        )
    return ran.stdout
