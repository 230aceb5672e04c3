"""From seeds to findings: random traces, each judged by the model, each difference shrunk on the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from hugecheck.compare.predict import diverges
from hugecheck.fuzz.careful import careful
from hugecheck.fuzz.shrink import Finding, Steps, Try, finding, renamed, shrink, signature
from hugecheck.replay.generate import Generator, Options
from hugecheck.replay.guest import Player
from hugecheck.replay.trace import Recorded
from hugecheck.trace.follow import Follower

Play = Callable[[str, int, Callable[[], Player]], Recorded]
"""Runs a trace on a clean kernel: its id, its NUMA nodes, and what says the next step."""


@dataclass(slots=True)
class Statistics:
    """`complaints`: ids of traces in which the kernel wrote a warning or worse. `again`: findings that showed nothing new."""

    traces: int = 0
    steps: int = 0
    runs: int = 0
    again: int = 0
    interrupted: bool = False
    complaints: list[tuple[str, str]] = field(default_factory=list)


def search(
    seed: int,
    options: Options,
    play: Play,
    follower: Follower,
    more: Callable[[], bool],
    statistics: Statistics,
    report: Callable[[str], None] = lambda _: None,
) -> Iterator[Finding]:
    """Findings as they come, shrunk, none twice, as long as `more` says so. Trace `i` of a seed is always the same, if the kernel answers the
    same."""
    seen: set[str] = set()
    while more() and not statistics.interrupted:
        index = statistics.traces
        name = f"fuzz-{seed}-{index:05d}"
        report("looking")
        recorded = play(name, options.nodes, lambda index=index: Generator(seed, index, options).next_step)  # type: ignore[misc]
        statistics.traces += 1
        statistics.runs += 1
        statistics.steps += len(recorded.steps)
        if recorded.console:
            statistics.complaints.append((name, recorded.console[0]))
        divergence = diverges(follower, recorded)
        if divergence is None:
            continue

        def shown(steps: Steps) -> Finding | None:
            report(f"shrinking {name}: {len(steps)} steps")  # noqa: B023
            statistics.runs += 1
            try:
                return attempt(steps, name, options.nodes, play, follower)  # noqa: B023
            except KeyboardInterrupt:
                statistics.interrupted = True
                raise

        small = smallest(finding(recorded, divergence), shown)  # an interrupt ends it with the smallest so far
        if signature(small) in seen:
            statistics.again += 1
            continue
        seen.add(signature(small))
        yield small


def attempt(steps: Steps, name: str, nodes: int, play: Play, follower: Follower) -> Finding | None:
    """Run those of the steps that make sense; what was found, if kernel and model differ."""
    recorded = play(name, nodes, lambda: careful(steps))
    divergence = diverges(follower, recorded)
    return finding(recorded, divergence) if divergence is not None else None


def smallest(found: Finding, shown: Try) -> Finding:
    """The finding shrunk, and with names counted from 0 if that still differs."""
    small = shrink(found, shown)
    pretty = renamed(small.steps)
    if pretty != small.steps:
        with suppress(KeyboardInterrupt):
            small = shown(pretty) or small
    cut = small.recorded.steps[: small.divergence.step]
    whole = small.divergence.step >= len(small.recorded.steps)
    return small if whole else replace(small, recorded=replace(small.recorded, steps=cut, residue=None))
