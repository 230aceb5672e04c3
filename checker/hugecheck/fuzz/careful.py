"""Steps of which some may not make sense any more: those are passed over, as a step on a name that does not exist is never recorded."""

from __future__ import annotations

from collections.abc import Iterable

from hugecheck.replay.guest import Player
from hugecheck.replay.names import Names
from hugecheck.replay.trace import Step, number, text

PAGES = ("munmap", "madv_dontneed")
WHOLE = ("mprotect", "mremap", "shmdt")


def fits(names: Names, step: Step) -> bool:
    """Whether the step can be made now: its names exist, and it stays inside its mapping."""
    if not names.allows(step):
        return False
    op = text(step, "op")
    if op not in ("read", "write", *PAGES, *WHOLE):
        return True
    mapping = names.procs[text(step, "proc")][text(step, "map")]
    if op in WHOLE:
        return mapping.whole
    if op in PAGES:
        return number(step, "off") + number(step, "pages") <= mapping.length
    return number(step, "page") < mapping.length


def careful(steps: Iterable[Step]) -> Player:
    """Plays those of the steps that fit when their turn comes."""
    names, rest = Names(), iter(steps)

    def play(last: Step | None) -> Step | None:
        if last is not None:
            names.apply(last)
        return next((step for step in rest if fits(names, step)), None)

    return play
