"""The shortest sequence that still differs: an ordered list of small passes, each candidate run on the kernel again.

The measure is fewer steps, then smaller numbers and fewer options. A pass proposes candidates; the first that still differs and is
smaller takes the place of the sequence, and the pass begins anew. The passes are repeated until none finds anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hugecheck.replay.trace import Recorded, Step, request_of
from hugecheck.trace.follow import Divergence

Steps = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Steps on which kernel and model differ. `steps`: as they were made, up to the one that differs."""

    steps: Steps
    recorded: Recorded
    divergence: Divergence


Try = Callable[[Steps], Finding | None]
"""Runs a sequence; None if kernel and model agree."""

MAX_TRIES = 400
_LEAST = {"n": 1, "pages": 1, "size": 1, "min_size": 1, "off": 0, "page": 0, "node": 0, "max": 1, "rsvd_max": 1}


def finding(recorded: Recorded, divergence: Divergence) -> Finding:
    """A finding from what was run."""
    return Finding(tuple(request_of(s) for s in recorded.steps[: divergence.step]), recorded, divergence)


def shrink(found: Finding, attempt: Try, *, tries: int = MAX_TRIES) -> Finding:
    """A smallest finding that the passes get to, at most `tries` runs later. Ctrl-C ends it with the smallest so far."""
    left = tries
    seen = {key(found.steps)}
    try:
        again = attempt(found.steps)  # also without the steps after the divergence?
        best = again if again is not None and size(again.steps) <= size(found.steps) else found
        improved = True
        while improved:
            improved = False
            for propose in PASSES:
                going = True
                while going:
                    going = False
                    for candidate in propose(best.steps):
                        if left <= 0:
                            return best
                        if key(candidate) in seen or size(candidate) >= size(best.steps):
                            continue
                        seen.add(key(candidate))
                        left -= 1
                        smaller = attempt(candidate)
                        if smaller is not None and size(smaller.steps) < size(best.steps):
                            best, improved, going = smaller, True, True
                            break
    except KeyboardInterrupt:
        pass
    return best


def size(steps: Steps) -> tuple[int, int]:
    """The measure: steps, then numbers and options."""
    weight = 0
    for step in steps:
        for value in step.values():
            weight += 1
            if isinstance(value, bool):
                continue
            weight += value if isinstance(value, int) else len(value) if isinstance(value, list | tuple) else 0
    return len(steps), weight


def key(steps: Steps) -> str:
    return repr([sorted(step.items()) for step in steps])


# ---------------------------------------------------------------- the passes


def drop_chunks(steps: Steps) -> Iterator[Steps]:
    """Halves, quarters and so on, from the end: what comes late is needed least."""
    length = len(steps) // 2
    while length >= 2:
        for end in range(len(steps), 0, -length):
            yield steps[: max(0, end - length)] + steps[end:]
        length //= 2


def drop_names(steps: Steps) -> Iterator[Steps]:
    """All that happens to one file, mount, process or cgroup."""
    for field in ("file", "mnt", "cg", "child"):
        for name in sorted({str(step[field]) for step in steps if field in step}):
            gone = {"child": ("child", "proc")}.get(field, (field,))
            yield tuple(s for s in steps if not any(s.get(f) == name for f in gone))


def drop_steps(steps: Steps) -> Iterator[Steps]:
    """Each step, then each two."""
    for at in range(len(steps) - 1, -1, -1):
        yield steps[:at] + steps[at + 1 :]
    if len(steps) <= 12:
        for late in range(len(steps) - 1, 0, -1):
            for early in range(late - 1, -1, -1):
                yield tuple(s for n, s in enumerate(steps) if n not in (early, late))


def plainer(steps: Steps) -> Iterator[Steps]:
    """Without an option."""
    for at, step in enumerate(steps):
        for field in ("size", "min_size", "move", "max", "rsvd_max"):
            if field in step:
                yield _with(steps, at, {k: v for k, v in step.items() if k != field})
        flags = step.get("flags")
        if isinstance(flags, list | tuple) and "noreserve" in flags:
            yield _with(steps, at, {**step, "flags": [f for f in flags if f != "noreserve"]})


def smaller_numbers(steps: Steps) -> Iterator[Steps]:
    """Each number as 0, as 1, halved, and less one. Nothing but `truncate` is asked for 0 pages."""
    for at, step in enumerate(steps):
        for field, value in step.items():
            if isinstance(value, int) and _number(value):
                for less in sorted({0, 1, value // 2, value - 1}):
                    if (field == "pages" and step["op"] != "truncate") <= less < value:
                        yield _with(steps, at, {**step, field: less})


def smaller_together(steps: Steps) -> Iterator[Steps]:
    """All numbers at once, as they often hang together: each its least, then each one less than it is."""
    yield tuple({k: _LEAST.get(k, v) if _number(v) else v for k, v in s.items()} for s in steps)
    yield tuple({k: max(_LEAST.get(k, 0), v - 1) if _number(v) else v for k, v in s.items()} for s in steps)  # type: ignore[operator]


def fewer_processes(steps: Steps) -> Iterator[Steps]:
    """What a child does is done by its parent."""
    for step in steps:
        if "child" in step:
            child, parent = step["child"], step["proc"]
            rest = (s for s in steps if s is not step and not (s["op"] == "exit" and s["proc"] == child))
            yield tuple({k: parent if k == "proc" and v == child else v for k, v in s.items()} for s in rest)


PASSES: tuple[Callable[[Steps], Iterator[Steps]], ...] = (
    drop_chunks,
    drop_names,
    drop_steps,
    fewer_processes,
    plainer,
    smaller_together,
    smaller_numbers,
)


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _with(steps: Steps, at: int, step: Mapping[str, object]) -> Steps:
    return (*steps[:at], step, *steps[at + 1 :])


def signature(found: Finding) -> str:
    """The same for findings that show the same thing in the same way."""
    return repr([(s["op"], s.get("result")) for s in found.recorded.steps[: found.divergence.step]])


def renamed(steps: Sequence[Step]) -> Steps:
    """Names counted from 0, and mappings from `a`, in the order in which they are first used."""
    new: dict[tuple[str, str], str] = {("proc", "p0"): "p0"}
    kinds = {
        "file": ("file", "f"),
        "mnt": ("mnt", "m"),
        "proc": ("proc", "p"),
        "child": ("proc", "p"),
        "cg": ("cg", "c"),
    }
    out = []
    for step in steps:
        changed = dict(step)
        for field, (kind, letter) in kinds.items():
            if field in step:
                name = (kind, str(step[field]))
                if name not in new:
                    new[name] = f"{letter}{sum(k == kind for k, _ in new)}"
                changed[field] = new[name]
        if "map" in step:
            mapping = ("map", str(step["map"]))
            new.setdefault(mapping, chr(ord("a") + sum(k == "map" for k, _ in new) % 26))
            changed["map"] = new[mapping]
        out.append(changed)
    return tuple(out)
