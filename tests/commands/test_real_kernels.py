"""`record`, `replay`, `fuzz` and `vm`: what is refused and why, and short runs in a guest."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from support import guests
from support.cli import Outcome, call, start
from support.specs import ROOT

SPEC = str(ROOT / "models/gallery/min-size-surplus.hck")
ANY = str(ROOT / "models/gallery/min-size-surplus-any.hck")
RACE = str(ROOT / "models/gallery/race-fault-vs-truncate.hck")
TRACES = str(ROOT / "tests/emit/traces.jsonl")


@pytest.fixture
def users_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kernels that the user fetched, not those (none) of the tests."""
    guests.kernel("6.1")
    guests.kernel("6.12")
    monkeypatch.setenv("HUGECHECK_CACHE", str(guests.users_cache()))
    yield


def refused(outcome: Outcome, id: str, *parts: str) -> None:
    assert outcome.status == 2, outcome
    assert outcome.err.startswith(f"error[{id}]: "), outcome.err
    assert "Traceback" not in outcome.err
    for part in parts:
        assert part in outcome.err


# ---------------------------------------------------------------- without a guest


def test_which_kernel(tmp_path: Path) -> None:
    """One, and not two."""
    out = str(tmp_path / "o.jsonl")
    refused(call("record", SPEC, "-o", out), "bad-option", "--vm 6.12")
    refused(call("record", SPEC, "-o", out, "--vm", "6.1", "--kernel-image", "x"), "bad-option")


@pytest.mark.parametrize("command", [["record", SPEC, "-o", "OUT"], ["replay", SPEC], ["fuzz"]])
def test_a_kernel_that_is_not_there(command: list[str], tmp_path: Path) -> None:
    """One line, and the command that fetches it. No output is begun."""
    out = tmp_path / "o.jsonl"
    words = [str(out) if word == "OUT" else word for word in command]
    refused(call(*words, "--vm", "6.1"), "real-kernel", "no kernel image for 6.1", "`hugecheck vm fetch 6.1`")
    assert not out.exists()
    refused(call("vm", "list"), "real-kernel", "hugecheck vm fetch")
    refused(call("vm", "fetch"), "bad-option", "hugecheck vm fetch")


def test_no_qemu_and_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said with the command that installs it."""
    image = guests.kernel("6.12").path
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ("record", SPEC, "-o", str(tmp_path / "o.jsonl"), "--kernel-image", str(image))
    refused(call(*words), "real-kernel", "qemu-system-x86_64 is not installed", "apt-get install")
    (tmp_path / "qemu-system-x86_64").symlink_to("/bin/true")
    refused(call(*words), "real-kernel", "no C compiler", "apt-get install gcc")
    assert not (tmp_path / "o.jsonl").exists()


def test_a_truncated_image(tmp_path: Path) -> None:
    """Found out before anything is booted or written."""
    whole = guests.kernel("6.12").path.read_bytes()
    (tmp_path / "bzImage").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "o.jsonl"
    outcome = call("record", SPEC, "-o", str(out), "--kernel-image", str(tmp_path / "bzImage"))
    refused(outcome, "real-kernel", "is truncated")
    assert not out.exists()


def test_what_cannot_be_recorded(tmp_path: Path) -> None:
    """Steps without an order, a file that is neither, an output that is the input or that cannot be written."""
    out = str(tmp_path / "o.jsonl")
    refused(call("record", RACE, "-o", out, "--vm", "6.1"), "not-sequential", "hugecheck replay")
    refused(call("record", ANY, "-o", out, "--vm", "6.1"), "not-sequential", "min-size-surplus-any.hck:")
    refused(call("record", str(tmp_path), "-o", out, "--vm", "6.1"), "bad-option")
    copy = tmp_path / "a.jsonl"
    shutil.copy(TRACES, copy)
    refused(call("record", str(copy), "-o", str(copy), "--vm", "6.1"), "bad-option", "also the input")
    refused(call("record", SPEC, "-o", str(tmp_path / "no/o"), "--vm", "6.1"), "unreadable")
    assert copy.read_text() == Path(TRACES).read_text()


def test_the_host_is_not_touched_unless_told(tmp_path: Path) -> None:
    """`--host` alone changes nothing, and says what it would do."""
    words = ("record", SPEC, "-o", str(tmp_path / "o.jsonl"), "--host")
    refused(call(*words), "real-kernel", "changes the huge page pool", "--yes-change-this-machine")
    refused(call(*words, "--vm", "6.1"), "bad-option")


# ---------------------------------------------------------------- in a guest


def test_record_and_conform(tmp_path: Path, users_kernels: None) -> None:
    """A spec's only execution, as the model predicts it."""
    out = tmp_path / "o.jsonl"
    outcome = call("record", SPEC, "--vm", "6.1", "-o", str(out))
    assert outcome.status == 0, outcome.err
    assert re.fullmatch(r"1 traces, 8 steps on 6\.1\.\d+ in .* s \(\d+ steps/s\), 1 boots, 0 restored\n", outcome.out)
    assert call("conform", str(out)).status == 0
    recorded = json.loads(out.read_text())
    assert [recorded["id"], recorded["steps"][-1]["after"]["rsvd"]] == ["min-size-surplus", 1]


def test_record_again(tmp_path: Path, users_kernels: None) -> None:
    """The recordings that the tests of `emit` use come out the same."""
    out = tmp_path / "o.jsonl"
    assert call("record", TRACES, "--vm", "6.12", "-o", str(out)).status == 0
    steps = [[json.loads(line)["steps"] for line in Path(p).read_text().splitlines()] for p in (TRACES, str(out))]
    assert steps[0] == steps[1]


def test_replay_a_counterexample(tmp_path: Path, users_kernels: None) -> None:
    """Found by any eight calls, and it happens: twice of two."""
    outcome = call("replay", ANY, "--vm", "6.12", "-n", "2", "-o", str(tmp_path / "o.jsonl"))
    assert outcome.status == 0, outcome.err
    assert re.search(
        r"violated on kernel 6\.12\.\d+ in 2 of 2 runs: `rsvd > free` after step 5; every result", outcome.out
    )
    assert "2 runs, 1 different outcome\n" in outcome.out
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 2


def test_replay_as_json(users_kernels: None) -> None:
    """Follows its schema; both sides step by step."""
    outcome = call("replay", SPEC, "--vm", "6.1", "--json")
    document = json.loads(outcome.out)
    jsonschema.validate(document, json.loads((ROOT / "spec/replay.schema.json").read_text()))
    (result,) = document["results"]
    assert [result["clause"], result["happened"], result["agree"]] == ["promised_without_page", 1, 1]
    assert [s["after"] for s in result["predicted"]] == [s["after"] for s in result["recorded"]["steps"]]


def test_replay_what_does_not_happen(tmp_path: Path, users_kernels: None) -> None:
    """The promise that MADV_DONTNEED loses on 6.1 is restored on 6.12: the model of 6.1 predicts something else."""
    spec = tmp_path / "a.hck"
    spec.write_text(
        '"."\nuse linux\nkernel 6.1\nsetup { set_nr 1 }\nprocess p {\n  x = mmap 1 private\n  write x[0]\n'
        "  madv_dontneed x\n}\nfinally promised: rsvd = 1    expect violated\n"
    )
    outcome = call("replay", str(spec), "--vm", "6.12", "--kernel", "6.1")
    assert outcome.status == 1, outcome
    assert re.search(
        r"not violated on kernel 6\.12\.\d+: `rsvd = 1` after no step; the model of 6\.1 predicts something else at step 4",
        outcome.out,
    )
    assert outcome.out.count("<-- differs") >= 1


def test_fuzz_with_a_wrong_model(tmp_path: Path, users_kernels: None) -> None:
    """6.12 against the model of 6.1: the difference is shrunk to four steps, and saved as a trace that shows it."""
    out = tmp_path / "found.jsonl"
    words = ("fuzz", "--vm", "6.12", "--kernel", "6.1", "--seed", "1", "--seconds", "100", "--max-found", "1")
    outcome = call(*words, "-o", str(out))
    assert outcome.status == 1, outcome
    (found,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert [s["op"] for s in found["steps"]] == ["set_nr", "mmap", "write", "madv_dontneed"]
    assert call("conform", str(out), "--kernel", "6.12").status == 0
    assert call("conform", str(out), "--kernel", "6.1").status == 1


def test_fuzz_with_the_right_model(users_kernels: None) -> None:
    """Nothing to find."""
    outcome = call("fuzz", "--vm", "6.12", "--seed", "3", "--traces", "10")
    assert outcome.status == 0, outcome
    assert "\n10 traces, " in outcome.out
    assert " steps, 0 differences\n" in outcome.out


def many(tmp_path: Path) -> Path:
    """More traces than are recorded before a test interferes."""
    file = tmp_path / "many.jsonl"
    file.write_text(Path(TRACES).read_text() * 200)
    return file


def begun(process: subprocess.Popen[str], out: Path) -> None:
    """Wait for the first trace."""
    end = time.monotonic() + 90
    while not (out.exists() and out.stat().st_size):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def whole_lines(out: Path) -> int:
    text = out.read_text()
    assert text.endswith("\n")
    return len([json.loads(line) for line in text.splitlines()])


def test_an_interrupt_keeps_what_was_recorded(tmp_path: Path, users_kernels: None) -> None:
    """Whole lines, and no QEMU is left."""
    out = tmp_path / "o.jsonl"
    with start("record", str(many(tmp_path)), "--vm", "6.12", "-o", str(out)) as process:
        begun(process, out)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert said == f"interrupted: {whole_lines(out)} traces are in {out}\n"


def test_a_killed_qemu(tmp_path: Path, users_kernels: None) -> None:
    """A clear error; what was recorded is kept."""
    out = tmp_path / "o.jsonl"
    with start("record", str(many(tmp_path)), "--vm", "6.12", "-o", str(out)) as process:
        begun(process, out)
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.startswith("error[real-kernel]: QEMU was killed by SIGKILL")
    assert said == f"{whole_lines(out)} traces are in {out}\n"


def test_a_full_disk(tmp_path: Path, users_kernels: None) -> None:
    """The output ends with a whole line."""
    out = tmp_path / "o.jsonl"
    script = (
        "import sys\n"
        "from hugecheck.cli import run\n"
        "from hugecheck.replay import agentbuild\n"
        "agentbuild.binary()\n"
        "from hugecheck.replay import output\n"
        "inner = output.os.write\n"
        "def full(fd, data):\n"
        "    if fd > 2 and output.os.fstat(fd).st_size + len(data) > 8000: inner(fd, data[:100]); raise OSError(28, 'No space left on device')\n"
        "    return inner(fd, data)\n"
        "output.os.write = full\n"
        f"sys.exit(run(['record', {str(many(tmp_path))!r}, '--vm', '6.12', '-o', {str(out)!r}]))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT / "checker")},
    )
    assert ran.returncode == 2, ran
    assert "No space left on device; the traces so far are in it" in ran.stderr
    assert whole_lines(out) >= 1
