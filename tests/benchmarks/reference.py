"""How fast the reference engine is, in four numbers. Not a test: `./dev bench` prints them, with the machine they were taken on.

- from the shell: `hugecheck run` on the first gallery spec, with nothing kept from earlier runs, and again (median of five each)
- the explorer: states and transitions a second on the Linux model with every section a transition
- following recordings: the one-node recordings beside the project, if they are there
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hugecheck.diagnostics import Source
from hugecheck.explore.search import Limits
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_model, load_scenario, load_scenario_text
from hugecheck.run import run_on
from hugecheck.trace.follow import Follower
from hugecheck.trace.recording import Recording, read_recordings

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "models" / "gallery" / "min-size-surplus.hck"
TRACES = ROOT.parent / "shared" / "traces"
INTERLEAVED = """
"Three processes map, touch and unmap on one mount while the pool shrinks."
use linux
kernel 6.12
setup { set_nr 3; set_overcommit 1; mount m min_size 1 size 3; create f on m }
process p { x = mmap f[0..2] shared; write x[0]; munmap x }
process q { y = mmap f[0..2] private; write y[1]; exit }
process ctl { set_nr 1; punch f[0..1]; set_nr 3 }
always conservation: free <= total
"""


def from_the_shell(cache: str | None) -> float:
    """Median seconds of five runs; with `cache` None each starts without anything kept."""
    times = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as empty:
            environment = {**os.environ, "HUGECHECK_CACHE": cache or empty, "PYTHONPATH": str(ROOT / "checker")}
            started = time.perf_counter()
            command = [sys.executable, "-m", "hugecheck", "run", str(SPEC)]
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def explorer() -> str:
    scenario = load_scenario_text(Source("benchmark", INTERLEAVED), ROOT)
    rates = []
    for _ in range(3):
        result = run_on(scenario, "6.12", find_kernel(scenario.module, "6.12", None), Limits(), merge=False).explored
        rates.append((result.states / result.seconds, result.transitions / result.seconds))
    states, transitions = sorted(rates)[1]
    return f"{states:,.0f} states/s, {transitions:,.0f} transitions/s ({result.states:,} states, depth {result.depth}, complete: {result.complete})"


def recordings() -> str:
    module = load_model("linux")
    traces = steps = loose = diverged = 0
    started = time.perf_counter()
    for kernel in ("6.1", "6.12"):
        follower = Follower(module, find_kernel(module, kernel, None))
        for kind in ("directed", "random", "big"):
            for recording in read_recordings(TRACES / f"{kernel}-{kind}.jsonl", module):
                assert isinstance(recording, Recording), recording
                followed = follower.follow(recording)
                traces, steps, loose = traces + 1, steps + followed.steps, loose + followed.loose
                diverged += followed.divergence is not None
    seconds = time.perf_counter() - started
    return (
        f"{traces} recordings, {steps:,} steps in {seconds:.1f} s on one core; {diverged} diverge, {loose} loose steps"
    )


def main() -> None:
    load_scenario(SPEC)
    print(
        f"machine      {platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory() as cache:
        print(
            f"shell        {from_the_shell(None):.2f} s with an empty cache, {from_the_shell(cache):.2f} s afterwards ({SPEC.name}, two kernels)"
        )
    print(f"explorer     {explorer()}")
    print(f"recordings   {recordings() if TRACES.is_dir() else 'not there: ' + str(TRACES)}")


if __name__ == "__main__":
    main()
