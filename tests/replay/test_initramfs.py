"""The cpio archive that the guest boots from."""

from __future__ import annotations

from hugecheck.replay.initramfs import Entry, build, cpio


def members(archive: bytes) -> list[tuple[str, int, bytes]]:
    """A reader of its own, after the format's description: names, modes and contents."""
    out: list[tuple[str, int, bytes]] = []
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        start = (at + 110 + name_size + 3) // 4 * 4
        at = (start + size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return out
        out.append((name, mode, archive[start : start + size]))


def test_members_come_back() -> None:
    """Names, modes and contents survive, whatever their lengths."""
    entries = [Entry("n" * length, 0o100644, b"x" * length) for length in range(1, 9)]
    assert [(entry.name, entry.mode, entry.data) for entry in entries] == members(cpio(entries))


def test_init_is_the_agent() -> None:
    """The guest gets a console and the agent as /init."""
    found = {name: (mode, data) for name, mode, data in members(build(b"agent"))}
    assert found["init"] == (0o100755, b"agent")
    assert found["dev/console"][0] == 0o020600


def test_same_input_same_bytes() -> None:
    """Nothing of the time or the machine gets in."""
    assert build(b"agent") == build(b"agent")
    assert len(build(b"agent")) % 4 == 0
