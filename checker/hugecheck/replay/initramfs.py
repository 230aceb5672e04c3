"""The file system that the guest boots from: a `newc` cpio archive with a console and `/init`."""

from __future__ import annotations

from dataclasses import dataclass

_DIRECTORY, _DEVICE, _FILE = 0o040755, 0o020600, 0o100755
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Entry:
    """One member. `device` is the major and minor number of a character device."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def cpio(entries: list[Entry]) -> bytes:
    """A `newc` archive. Inode numbers are the positions, times are 0: same input, same bytes."""
    archive = bytearray()
    for inode, entry in enumerate([*entries, Entry(_TRAILER, 0)], start=1):
        name = entry.name.encode() + b"\0"
        major, minor = entry.device
        fields = (inode, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, major, minor, len(name), 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        archive += bytes(-len(archive) % 4)
        archive += entry.data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def build(agent: bytes) -> bytes:
    """The initramfs with `agent` as init. The agent makes every other directory itself."""
    return cpio(
        [
            Entry("dev", _DIRECTORY),
            Entry("dev/console", _DEVICE, device=(5, 1)),
            Entry("init", _FILE, agent),
        ]
    )
