"""The line protocol with the agent: a step becomes a line, a line becomes a result and the counters.

The other end is `agent/agent.c`. Nothing is quoted: names are checked here instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from .errors import ReplayError
from .trace import Counters, Step, number, request_of, text

VERSION = 1
MAP_PAGES = 1022
"""Longest mapping the agent can place so that it covers no whole aligned 1 GiB range."""

_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,22}")


@dataclass(frozen=True, slots=True)
class Reply:
    """The agent's answer. `head` is the kind: `r`, `u` (not settled), `e`, `t`, `s` (skipped)."""

    head: str
    result: str
    after: Counters


def _name(key: str) -> Callable[[Step], str]:
    def word(step: Step) -> str:
        name = text(step, key)
        if not _NAME.fullmatch(name):
            raise ReplayError(f"step {json.dumps(request_of(step))}: `{name}` is no name the agent can use")
        return name

    return word


def _number(key: str) -> Callable[[Step], str]:
    return lambda step: str(number(step, key))


def _maybe(key: str) -> Callable[[Step], str]:
    return lambda step: str(number(step, key)) if key in step else "-"


def _file(step: Step) -> str:
    return _name("file")(step) if "file" in step else "-"


def _pages(step: Step) -> str:
    if number(step, "pages") > MAP_PAGES:
        raise ReplayError(f"a mapping has at most {MAP_PAGES} pages, not {step['pages']}")
    return str(step["pages"])


def _flags(step: Step) -> str:
    flags = step.get("flags")
    if not isinstance(flags, list | tuple) or not set(flags) <= {"shared", "private", "noreserve"}:
        raise ReplayError(f"step {json.dumps(request_of(step))}: `flags` is a list of shared, private, noreserve")
    if ("shared" in flags) == ("private" in flags):
        raise ReplayError(f"step {json.dumps(request_of(step))}: a mapping is either shared or private")
    return ("s" if "shared" in flags else "p") + ("n" if "noreserve" in flags else "")


def _prot(step: Step) -> str:
    if step.get("prot") not in ("r", "rw"):
        raise ReplayError(f"step {json.dumps(request_of(step))}: `prot` is `r` or `rw`")
    return str(step["prot"])


def _move(step: Step) -> str:
    return "1" if step.get("move") else "0"


_proc, _map, _mnt, _cg, _the_file = _name("proc"), _name("map"), _name("mnt"), _name("cg"), _name("file")
_range = (_number("off"), _number("pages"))

FIELDS: dict[str, tuple[Callable[[Step], str], ...]] = {
    "set_nr": (_number("n"),),
    "set_nr_node": (_number("node"), _number("n")),
    "set_nr_mempolicy": (_number("node"), _number("n")),
    "set_overcommit": (_number("n"),),
    "mount": (_mnt, _maybe("size"), _maybe("min_size")),
    "umount": (_mnt,),
    "create": (_the_file, _mnt),
    "memfd": (_the_file,),
    "close": (_the_file,),
    "unlink": (_the_file,),
    "truncate": (_the_file, _number("pages")),
    "fallocate": (_the_file, *_range),
    "punch": (_the_file, *_range),
    "mmap": (_proc, _map, _file, _number("off"), _pages, _flags),
    "munmap": (_proc, _map, *_range),
    "read": (_proc, _map, _number("page")),
    "write": (_proc, _map, _number("page")),
    "madv_dontneed": (_proc, _map, *_range),
    "mprotect": (_proc, _map, _prot),
    "mremap": (_proc, _map, _pages, _move),
    "fork": (_proc, _name("child")),
    "exit": (_proc,),
    "shmget": (_the_file, _pages),
    "shmat": (_proc, _map, _the_file),
    "shmdt": (_proc, _map, _the_file),
    "shmrm": (_the_file,),
    "cgroup": (_cg, _maybe("max"), _maybe("rsvd_max")),
    "cgroup_move": (_cg, _proc),
}
"""Every op, with the words of its line in order."""


def begin(nodes: int, timeout_ms: int) -> str:
    """The line that starts a trace."""
    return f"T {nodes} {timeout_ms}"


def encode(step: Step) -> str:
    """The line of a step. Raises `ReplayError` for a step that the agent would not understand."""
    op = step.get("op")
    fields = FIELDS.get(op) if isinstance(op, str) else None
    if fields is None:
        raise ReplayError(f"step {json.dumps(request_of(step))}: there is no operation `{op}`")
    return " ".join(["S", str(op), *(word(step) for word in fields)])


END = "E"


def decode(line: str) -> Reply:
    """What the agent said. Raises `ReplayError` if it is not one of its lines."""
    words = line.split()
    try:
        head, result = words[0], words[1] if len(words) > 1 else ""
        return Reply(head, result, _counters(words[2:]) if head in ("r", "u", "e") else {})
    except (IndexError, ValueError, KeyError) as error:
        raise ReplayError(f"the agent said something unexpected: {line[:200]!r}") from error


def _counters(words: list[str]) -> Counters:
    after: dict[str, object] = dict(zip(("total", "free", "rsvd", "surp"), map(int, words[:4]), strict=True))
    nodes: list[dict[str, int]] = []
    mounts: dict[str, dict[str, int]] = {}
    cgroups: dict[str, dict[str, int]] = {}
    rest = iter(words[4:])
    for kind in rest:
        one, two, three = next(rest), next(rest), next(rest)
        if kind == "n":
            nodes.append({"total": int(one), "free": int(two), "surp": int(three)})
        elif kind == "m":
            mounts[one] = {"size": int(two), "free": int(three)}
        elif kind == "c":
            cgroups[one] = {"current": int(two), "rsvd": int(three)}
        else:
            raise KeyError(kind)
    for key, found in (("nodes", nodes), ("mounts", mounts), ("cgroups", cgroups)):
        if found:
            after[key] = found
    return after
