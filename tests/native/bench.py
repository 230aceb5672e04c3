"""The yardstick: our engine against Spin, from nothing to the verdict, alternating, medians. `make bench`, or

    python tests/native/bench.py T S M L --rounds 3 --threads 2

Ours starts with an empty cache; parsing, passes, generation and compilation are in its time. Spin's is `spin -a`, gcc and pan at its best options for one core
(bench.pml says which). R is ours / Spin's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROMELA = ROOT.parent / "shared" / "bench" / "bench.pml"
HASH_SLOTS = {"T": 16, "S": 19, "M": 22, "L": 24, "XL": 27, "K2": 27}
SPIN_FLAGS = ["-O2", "-march=native", "-w", "-DSAFETY", "-DNOCOMP", "-DNOFAIR", "-DNOBOUNDCHECK", "-DMEMLIM=18000"]


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. Seconds are of wall clock and of all processors; `bytes` is peak memory for each state."""

    who: str
    states: int
    transitions: int
    wall: float
    cpu: float
    compiling: float
    bytes: float


def child_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spin(size: str) -> Row:
    """Generate, compile and run the Promela model."""
    with tempfile.TemporaryDirectory() as folder:
        started, cpu = time.perf_counter(), child_cpu()
        subprocess.run(
            ["spin", "-a", "-DUNSIGNED", f"-DCONF_{size}", str(PROMELA)], cwd=folder, check=True, capture_output=True
        )
        subprocess.run(["gcc", *SPIN_FLAGS, "-o", "pan", "pan.c"], cwd=folder, check=True)
        compiled = time.perf_counter()
        done = subprocess.run(
            ["./pan", "-m10000", f"-w{HASH_SLOTS[size]}"], cwd=folder, check=True, capture_output=True, text=True
        )
        wall = time.perf_counter() - started
    lines = [line.strip() for line in done.stdout.splitlines()]
    states = int(next(line.split()[0] for line in lines if line.endswith("states, stored")))
    transitions = int(next(line.split()[0] for line in lines if "transitions (=" in line))
    memory = float(
        next(
            line.split()[0]
            for line in done.stdout.splitlines()
            if "memory usage" in line and line.strip()[:1].isdigit()
        )
    )
    return Row(
        "spin, best, one core",
        states,
        transitions,
        wall,
        child_cpu() - cpu,
        compiled - started,
        memory * 2**20 / states,
    )


def ours(size: str, symmetry: bool, threads: int) -> Row:
    """Run this file with `--one` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        started, cpu = time.perf_counter(), child_cpu()
        command = [
            sys.executable,
            __file__,
            size,
            "--one",
            "--threads",
            str(threads),
            *([] if symmetry else ["--no-symmetry"]),
        ]
        environment = {**os.environ, "HUGECHECK_CACHE": folder, "PYTHONPATH": str(ROOT / "checker")}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        wall = time.perf_counter() - started
    answer = json.loads(done.stdout)
    who = f"ours, {'defaults' if symmetry else 'reductions off'}, {threads} thread{'s' * (threads > 1)}"
    return Row(
        who, answer["states"], answer["transitions"], wall, child_cpu() - cpu, answer["compiling"], answer["bytes"]
    )


def one(size: str, symmetry: bool, threads: int) -> None:
    """The measured process."""
    from hugecheck.explore import native
    from hugecheck.explore.native import compiler
    from hugecheck.explore.search import Limits
    from hugecheck.explore.system import System
    from hugecheck.ir import liveness
    from hugecheck.language.loader import load_scenario
    from hugecheck.run import build_program

    spent = 0.0
    wait = compiler.Compilation.wait

    def timed(self: compiler.Compilation) -> Path:
        nonlocal spent
        before = time.perf_counter()
        path = wait(self)
        spent += time.perf_counter() - before
        return path

    compiler.Compilation.wait = timed  # type: ignore[method-assign]
    scenario = load_scenario(ROOT / "models" / "bench" / f"alloc-{size}.hck")
    program = build_program(scenario, frozenset())
    system = System(scenario, program, scenario.sizes, liveness.frame(program), merge=True)
    found = native.explore(system, Limits(), None, native.Options(workers=threads, symmetry=symmetry))
    assert found.complete and not found.findings, found.reason
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {"states": found.states, "transitions": found.transitions, "compiling": spent, "bytes": used / found.states}
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", default=["T", "S", "M", "L"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-symmetry", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.sizes[0], not options.no_symmetry, options.threads)
        return
    with_spin = shutil.which("spin") is not None and PROMELA.is_file()
    print(
        f"{'size':4} {'who':34} {'states':>12} {'transitions':>13} {'wall s':>8} {'cpu s':>7} {'compile':>8} {'B/state':>8} {'R wall':>7} {'R cpu':>7}"
    )
    for size in options.sizes:
        rows: dict[str, list[Row]] = {}
        for _ in range(options.rounds):
            made = [spin(size)] if with_spin else []
            made += [ours(size, False, 1), ours(size, True, 1)]
            made += (
                [ours(size, False, options.threads), ours(size, True, options.threads)] if options.threads > 1 else []
            )
            for row in made:
                rows.setdefault(row.who, []).append(row)
        base = rows.get("spin, best, one core")
        for who, found in rows.items():
            wall, cpu = statistics.median(r.wall for r in found), statistics.median(r.cpu for r in found)
            ratio = ratio_cpu = ""
            if base is not None:
                ratio = f"{wall / statistics.median(r.wall for r in base):7.3f}"
                ratio_cpu = f"{cpu / statistics.median(r.cpu for r in base):7.3f}"
            compiling = statistics.median(r.compiling for r in found)
            print(
                f"{size:4} {who:34} {found[0].states:12,} {found[0].transitions:13,} {wall:8.2f} {cpu:7.2f} {compiling:8.2f} "
                f"{found[0].bytes:8.0f} {ratio:>7} {ratio_cpu:>7}",
                flush=True,
            )


if __name__ == "__main__":
    main()
