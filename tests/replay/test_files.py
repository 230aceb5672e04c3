"""What is written to disk: whole or not at all."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from hugecheck.replay import agentbuild, cache, trace
from hugecheck.replay.errors import ReplayError
from hugecheck.replay.output import Appender


def test_lines_are_appended(tmp_path: Path) -> None:
    """Each is in the file as soon as it is written."""
    path = tmp_path / "out.jsonl"
    with Appender(path) as out:
        out.write("one\n")
        assert path.read_text() == "one\n"
        out.write("two\n")
    assert path.read_text() == "one\ntwo\n"


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    """The line that did not fit is taken back."""
    path = tmp_path / "out.jsonl"
    child = os.fork()
    if child == 0:  # a limit on the size of files, in a process of its own, is as good as a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        try:
            with Appender(path) as out:
                out.write("whole\n")
                out.write("too long\n")
        except ReplayError as error:
            os._exit(0 if "the traces so far are in it" in str(error) and error.fix else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert path.read_text() == "whole\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="missing: /dev/full")
def test_a_device_that_is_full() -> None:
    """Says so in one line."""
    with pytest.raises(ReplayError, match="No space left on device"), Appender(Path("/dev/full")) as out:
        out.write("one\n")


def test_output_that_cannot_be_opened(tmp_path: Path) -> None:
    """One line with the reason."""
    with pytest.raises(ReplayError, match="cannot write"), Appender(tmp_path / "no" / "such"):
        pass


def test_the_cache_gets_whole_files(tmp_path: Path) -> None:
    """With the mode asked for, and nothing beside them."""
    path = tmp_path / "deep" / "file"
    cache.write(path, b"data", mode=0o755)
    assert path.read_bytes() == b"data"
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert os.listdir(path.parent) == ["file"]


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Our own variable first, then the platform's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HUGECHECK_CACHE", str(tmp_path / "own"))
    assert cache.directory() == tmp_path / "own"
    monkeypatch.delenv("HUGECHECK_CACHE")
    assert cache.directory().name == "hugecheck"


def test_no_compiler_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The one that installs it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ReplayError, match="no C compiler") as caught:
        agentbuild.binary(tmp_path)
    assert "install" in caught.value.fix


def test_a_compiler_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its message is in ours, and nothing is kept."""
    fake = tmp_path / "mycc"
    fake.write_text("#!/bin/sh\necho 'error: no such thing' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("CC", str(fake))
    with pytest.raises(ReplayError, match="no such thing"):
        agentbuild.binary(tmp_path)
    assert not (tmp_path / "agent").exists()


def test_traces_are_read(tmp_path: Path) -> None:
    """What a kernel answered before is left out."""
    path = tmp_path / "in.jsonl"
    step = {"op": "set_nr", "n": 1, "result": "ok", "after": {"total": 1}}
    path.write_text(json.dumps({"id": "t", "nodes": 2, "page_kib": 2048, "steps": [step]}) + "\n\n")
    assert list(trace.read(path)) == [trace.Trace("t", 2, ({"op": "set_nr", "n": 1},))]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "in.jsonl:1: "),
        ("[]", "must be a JSON object"),
        ('{"steps": 1}', "list of objects"),
        ('{"steps": [], "nodes": 3}', "1, 2 or 4 nodes"),
        ('{"steps": [], "page_kib": 1048576}', "2048 KiB pages"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    """By file and number."""
    path = tmp_path / "in.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ReplayError, match=message):
        list(trace.read(path))


def test_memory_grows_with_the_pool() -> None:
    """Room for every page that is asked for, and small where it can be."""
    small = trace.of_steps("s", [{"op": "set_nr", "n": 8}, {"op": "set_overcommit", "n": 2}])
    big = trace.of_steps("b", [{"op": "set_nr", "n": 1000}])
    assert trace.memory_mib(small) <= 512
    assert 2 * 1000 + 256 <= trace.memory_mib(big) <= 8192
