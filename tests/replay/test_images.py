"""Kernel images: what they are, which one is meant, how they are fetched."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

from hugecheck.replay import images
from hugecheck.replay.errors import ReplayError

BANNER = "6.12.113+deb12-cloud-amd64 (builder@host) #1 SMP Debian 6.12.113-1 (2026-10-18)"


def bzimage(banner: str = BANNER) -> bytes:
    """The smallest file that says it is a bzImage."""
    head = bytearray(0x600)
    head[0x1F1] = 2
    struct.pack_into("<I", head, 0x1F4, 16)
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x20E, 0x300 - 0x200)
    head[0x300 : 0x300 + len(banner)] = banner.encode()
    return bytes(head) + bytes(16 * 16)


def keep(cache: Path, version: str, data: bytes) -> Path:
    path = cache / "kernels" / version / "bzImage"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("banner", "release"),
    [
        ("6.1.0-56-cloud-amd64 (a@b) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)", "6.1.192"),
        (BANNER, "6.12.113"),
        ("6.18.0-rc3-g1234567 (me@here) #4 SMP", "6.18.0"),
        ("6.18.0", "6.18.0"),
        ("", "unknown"),
    ],
)
def test_the_upstream_release_is_found(banner: str, release: str) -> None:
    """Debian's own name of a kernel is not the release it was built from."""
    assert images.release_of(banner) == release


def test_an_image_says_what_it_is(tmp_path: Path) -> None:
    """Release and version line stand in its header."""
    path = tmp_path / "bzImage"
    path.write_bytes(bzimage())
    assert images.inspect(path) == images.Image("6.12.113", BANNER, path)


@pytest.mark.parametrize(
    ("data", "message"),
    [(bzimage()[:-1], "truncated"), (b"", "not a kernel image"), (b"x" * 4096, "not a kernel image")],
)
def test_a_damaged_image_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    """In one line, with the file's name."""
    path = tmp_path / "bzImage"
    path.write_bytes(data)
    with pytest.raises(ReplayError, match=message) as caught:
        images.inspect(path)
    assert "\n" not in str(caught.value)
    assert caught.value.fix


def test_a_missing_image_names_the_command(tmp_path: Path) -> None:
    """The command that fetches it."""
    with pytest.raises(ReplayError, match=r"no kernel image for 6\.12") as caught:
        images.find("6.12", tmp_path)
    assert "fetch 6.12" in caught.value.fix


def test_the_newest_that_fits_is_found(tmp_path: Path) -> None:
    """6.1 is not 6.12, and 113 is more than 99."""
    for version in ("6.12.99-1", "6.12.113-1", "6.1.192-2"):
        keep(tmp_path, version, bzimage(f"x Debian {version} (date)"))
    assert images.find("6.12", tmp_path).release == "6.12.113"
    assert images.find("6.12.99", tmp_path).release == "6.12.99"
    assert images.find("6.1", tmp_path).release == "6.1.192"
    assert [image.release for image in images.available(tmp_path)] == ["6.12.113", "6.12.99", "6.1.192"]


def test_a_damaged_image_in_the_cache_is_named(tmp_path: Path) -> None:
    """Not called missing."""
    keep(tmp_path, "6.12.113-1", bzimage()[:-1])
    with pytest.raises(ReplayError, match="truncated"):
        images.find("6.12", tmp_path)


MADISON = """\
linux-image-6.12.9+deb12-cloud-amd64-unsigned | 6.12.9-1~deb12u1 | mirror bookworm/main amd64 Packages
linux-image-6.12.113+deb12-cloud-amd64 | 6.12.113-1~deb12u1 | mirror bookworm/main amd64 Packages
linux-image-6.12.113+deb12-cloud-amd64-unsigned | 6.12.113-1~deb12u1 | mirror bookworm/main amd64 Packages
     linux | 6.12.200-1 | mirror bookworm/main Sources
"""


def package(path: Path) -> None:
    """A Debian package with a kernel in it."""
    root = path.parent / "root"
    (root / "boot").mkdir(parents=True)
    (root / "DEBIAN").mkdir()
    (root / "boot" / "vmlinuz-6.12.113+deb12-cloud-amd64").write_bytes(bzimage())
    control = "Package: k\nVersion: 6.12.113-1~deb12u1\nArchitecture: amd64\nMaintainer: nobody\nDescription: none\n"
    (root / "DEBIAN" / "control").write_text(control)
    subprocess.run(["dpkg-deb", "--build", str(root), str(path)], check=True, capture_output=True)
    shutil.rmtree(root)


class Apt:
    """Stands in for apt: answers, and a package to download."""

    def __init__(self, known: bool = True) -> None:
        self.known = known
        self.downloads: list[str] = []

    def __call__(self, command: list[str], where: Path | None) -> str:
        if command[:2] == ["apt-cache", "search"]:
            return "linux-image-6.12.9+deb12-cloud-amd64-unsigned - Linux\n" if self.known else ""
        if command[:2] == ["apt-cache", "madison"]:
            return MADISON
        assert command[:2] == ["apt-get", "download"]
        assert where is not None
        self.downloads.append(command[2])
        package(where / "kernel.deb")
        return ""


def test_the_newest_package_is_chosen() -> None:
    """By version and not by name; the unsigned one of two alike; a source package is none."""
    found = images.packages("6.12", Apt())
    name = "linux-image-6.12.113+deb12-cloud-amd64-unsigned"
    assert images.choose(found, "6.12") == images.Package(name, "6.12.113-1~deb12u1")
    assert images.choose(found, "6.12.9").release == "6.12.9"
    with pytest.raises(ReplayError, match=r"no cloud kernel 6\.12\.10") as caught:
        images.choose(found, "6.12.10")
    assert caught.value.fix == "apt-get update"


def test_an_unknown_series_says_so() -> None:
    """apt's lists may be old or empty."""
    with pytest.raises(ReplayError, match="knows no cloud kernel"):
        images.packages("6.12", Apt(known=False))


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="missing: dpkg-deb")
def test_fetch_keeps_the_kernel_only(tmp_path: Path) -> None:
    """And does nothing when it is there already."""
    apt = Apt()
    image = images.fetch("6.12", tmp_path, apt)
    assert image.release == "6.12.113"
    assert [path.name for path in (tmp_path / "kernels").rglob("*") if path.is_file()] == ["bzImage"]
    assert images.fetch("6.12", tmp_path, apt) == image
    assert len(apt.downloads) == 1


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="missing: dpkg-deb")
def test_a_broken_package_leaves_nothing(tmp_path: Path) -> None:
    """No image, no temporary file."""

    def run(command: list[str], where: Path | None) -> str:
        if command[0] != "apt-get":
            return Apt()(command, where)
        assert where is not None
        archive = io.BytesIO()
        tarfile.open(fileobj=archive, mode="w").close()
        (where / "kernel.deb").write_bytes(archive.getvalue())
        return ""

    with pytest.raises(ReplayError):
        images.fetch("6.12", tmp_path, run)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
