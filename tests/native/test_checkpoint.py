"""A search that was saved and goes on gives the result of one that was never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from hugecheck.explore import native
from hugecheck.explore.search import Limits
from hugecheck.explore.system import System
from hugecheck.ir import liveness
from hugecheck.language.loader import load_scenario
from hugecheck.run import build_program
from native.agreement import FAST, summary

ROOT = Path(__file__).resolve().parents[2]
SIZE = "S"
PLAIN = native.Options(symmetry=False, level="-O0")


def system() -> System:
    scenario = load_scenario(ROOT / "models" / "bench" / f"alloc-{SIZE}.hck")
    program = build_program(scenario, frozenset())
    return System(scenario, program, scenario.sizes, liveness.frame(program), merge=True)


def test_limits_and_on(tmp_path: Path) -> None:
    """A limit on states ends the search four times; the fifth run finishes it."""
    whole = native.explore(system(), Limits(), None, PLAIN)
    options = replace(PLAIN, checkpoints=tmp_path)
    for states in (1, 1000, 20_000, 90_000):
        part = native.explore(system(), Limits(states=states), None, options)
        assert not part.complete and states <= part.states < whole.states
    found = native.explore(system(), Limits(), None, options)
    assert summary(found) == summary(whole)
    assert not list(tmp_path.iterdir())


def test_damaged(tmp_path: Path) -> None:
    """A file that is cut short is not used."""
    options = replace(PLAIN, checkpoints=tmp_path)
    native.explore(system(), Limits(states=5000), None, options)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    found = native.explore(system(), Limits(), None, options)
    assert (found.states, found.transitions, found.depth) == (158_088, 438_190, 51)


def test_killed(tmp_path: Path) -> None:
    """Killed at some moment, again and again, and started again."""
    program = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from native.test_checkpoint import system, PLAIN; from hugecheck.explore import native; from hugecheck.explore.search import Limits\n"
        f"r = native.explore(system(), Limits(), None, replace(PLAIN, checkpoints=Path({str(tmp_path)!r}), every=0.05))\n"
        "print(r.states, r.transitions, r.depth)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'checker'}:{ROOT / 'tests'}"}
    saved = 0
    for number in range(4):
        process = subprocess.Popen([sys.executable, "-c", program], env=environment)
        deadline = time.monotonic() + 60
        before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.search")}
        while time.monotonic() < deadline and process.poll() is None:
            now = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.search")}
            if now != before:
                saved += 1
                time.sleep(0.02 * number)
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert saved
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["158088", "438190", "51"]


def test_other_engine(tmp_path: Path) -> None:
    """A search without symmetry is not continued by one with it."""
    native.explore(system(), Limits(states=5000), None, replace(PLAIN, checkpoints=tmp_path))
    found = native.explore(system(), Limits(), None, replace(FAST, symmetry=True, checkpoints=tmp_path))
    assert found.states == 40_290
