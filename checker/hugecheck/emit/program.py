"""The steps of a trace as C: one function for each, and what they share."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hugecheck.diagnostics import fail
from hugecheck.replay.names import Names
from hugecheck.replay.trace import Step, number, text

CONTROLLER = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One step. `expression`: its call in C, empty for the end of a process. `who`: 0 for the first process, else the number of the one that makes it."""

    who: int
    text: str
    expression: str
    result: str
    after: tuple[str, ...]


@dataclass(slots=True)
class Program:
    """`shared`: descriptors and segments; `areas`: mappings; `processes`: by number, the first is the controller; `helpers`: parts of
    `harness/calls.c` that are used; `mounts`: every mount that is ever made."""

    lines: list[Line] = field(default_factory=list)
    descriptors: list[str] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    areas: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=lambda: ["controller"])
    mounts: list[str] = field(default_factory=list)
    helpers: set[str] = field(default_factory=set)


def program_of(id: str, steps: Sequence[Step], texts: Sequence[str], counters: Sequence[str]) -> Program:
    """The program of a trace in which every step has its result and counters. `texts`: the steps for people."""
    return _Builder(id, counters).build(steps, texts)


class _Builder:
    def __init__(self, id: str, counters: Sequence[str]) -> None:
        self.id = id
        self.counters = counters
        self.out = Program()
        self.names = Names()
        self.taken: dict[str, str] = {}
        self.at = 0

    def build(self, steps: Sequence[Step], texts: Sequence[str]) -> Program:
        self.process("p0")
        for self.at, (step, shown) in enumerate(zip(steps, texts, strict=True), 1):
            make = _CALLS.get(text(step, "op"))
            if make is None:
                known = ", ".join(sorted(_CALLS))
                fail(
                    "not-emittable",
                    f"`{self.id}` step {self.at}: a reproducer cannot do `{step['op']}`",
                    help=f"it can do {known}",
                )
            if not self.names.allows(step):
                fail("not-emittable", f"`{self.id}` step {self.at} uses a name that does not exist: {json.dumps(step)}")
            expression = make(self, step)
            who = self.process(text(step, "proc")) if "proc" in step else CONTROLLER
            self.out.lines.append(Line(who, shown, expression, self.result(step), self.after(step)))
            self.names.apply(step)
        return self.out

    # ------------------------------------------------------------ names

    def use(self, *helpers: str) -> None:
        self.out.helpers.update(helpers)

    def name(self, kind: str, wanted: str) -> str:
        """A C identifier of its own for each name."""
        key = f"{kind} {wanted}"
        if key not in self.taken:
            plain = f"{kind}_{re.sub(r'[^A-Za-z0-9_]', '_', wanted)}"
            unique = plain
            for n in range(2, len(self.taken) + 3):
                if unique not in self.taken.values():
                    break
                unique = f"{plain}_{n}"
            self.taken[key] = unique
        return self.taken[key]

    def process(self, wanted: str) -> int:
        if wanted not in self.out.processes:
            self.out.processes.append(wanted)
        return self.out.processes.index(wanted)

    def file(self, step: Step, kind: str = "fd") -> str:
        name = self.name(kind, text(step, "file"))
        known = self.out.descriptors if kind == "fd" else self.out.segments
        if name not in known:
            known.append(name)
        return f"shared->{name}"

    def area(self, step: Step) -> str:
        name = self.name("map", text(step, "map"))
        if name not in self.out.areas:
            self.out.areas.append(name)
        return name

    def address(self) -> str:
        return f"ADDRESS({self.at})"

    # ------------------------------------------------------------ what is expected

    def result(self, step: Step) -> str:
        result = step.get("result")
        if result == "ok":
            return "0"
        if result in ("SIGBUS", "SIGSEGV"):
            return f"GOT_{result}"
        if result == "HANG":
            return "HANGS"
        if isinstance(result, str) and hasattr(errno, result):
            return result
        fail(
            "not-emittable",
            f"`{self.id}` step {self.at} has no result that a program can expect: {result!r}",
            help="`hugecheck record` gives a trace its results",
        )

    def after(self, step: Step) -> tuple[str, ...]:
        after = step.get("after")
        if not isinstance(after, Mapping) or not all(isinstance(after.get(c), int) for c in self.counters):
            fail(
                "not-emittable",
                f"`{self.id}` step {self.at} does not say its counters",
                help="`hugecheck record` gives a trace its counters",
            )
        return tuple(f"{after[c]}UL" if after[c] >= 1 << 31 else f"{after[c]}" for c in self.counters)

    # ------------------------------------------------------------ one function for each operation

    def set_nr(self, step: Step) -> str:
        self.use("put")
        return f'put("/proc/sys/vm/nr_hugepages", {number(step, "n")})'

    def set_overcommit(self, step: Step) -> str:
        self.use("put")
        return f'put("/proc/sys/vm/nr_overcommit_hugepages", {number(step, "n")})'

    def mount(self, step: Step) -> str:
        self.use("mount")
        name = text(step, "mnt")
        if name not in self.out.mounts:
            self.out.mounts.append(name)
        options = ["pagesize=2M"]
        options += [f"{key}={2 * number(step, key)}M" for key in ("size", "min_size") if key in step]
        return f'mount_hugetlbfs("{name}", "{",".join(options)}")'

    def umount(self, step: Step) -> str:
        self.use("unmount")
        return f'unmount("{text(step, "mnt")}")'

    def create(self, step: Step) -> str:
        self.use("keep", "path")
        path = f'path("{text(step, "mnt")}", "{text(step, "file")}")'
        return f"keep(&{self.file(step)}, open({path}, O_RDWR | O_CREAT | O_CLOEXEC, 0600))"

    def memfd(self, step: Step) -> str:
        self.use("keep")
        return f'keep(&{self.file(step)}, memfd_create("{text(step, "file")}", MFD_HUGETLB | MFD_HUGE_2MB))'

    def close(self, step: Step) -> str:
        return _errno(f"close({self.file(step)})")

    def unlink(self, step: Step) -> str:
        self.use("path")
        mount = self.names.files[text(step, "file")].mount
        return _errno(f'unlink(path("{mount}", "{text(step, "file")}"))')

    def truncate(self, step: Step) -> str:
        return _errno(f"ftruncate({self.file(step)}, {number(step, 'pages')} * PAGE)")

    def fallocate(self, step: Step) -> str:
        return self.fallocated(step, "0")

    def punch(self, step: Step) -> str:
        return self.fallocated(step, "FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE")

    def fallocated(self, step: Step, mode: str) -> str:
        where = f"{number(step, 'off')} * PAGE, {number(step, 'pages')} * PAGE"
        return _errno(f"fallocate({self.file(step)}, {mode}, {where})")

    def mmap(self, step: Step) -> str:
        flags = step.get("flags")
        assert isinstance(flags, list | tuple)
        bits = " | ".join(f"MAP_{flag.upper()}" for flag in flags)
        size = f"{number(step, 'off', 0)}, {number(step, 'pages')}, {bits}"
        if "file" not in step:
            self.use("map")
            return f"map(&{self.area(step)}, {self.address()}, -1, {size})"
        self.use("map_file")
        name = text(step, "file")
        file = self.names.files[name]
        if file.open:
            self.use("descriptor")
            path = f"descriptor({self.file(step)})"
        else:
            self.use("path")
            path = f'path("{file.mount}", "{name}")'
        return f"map_file(&{self.area(step)}, {self.address()}, {path}, {size})"

    def munmap(self, step: Step) -> str:
        return _errno(f"munmap({self.part(step)}, {number(step, 'pages')} * PAGE)")

    def madv_dontneed(self, step: Step) -> str:
        return _errno(f"madvise({self.part(step)}, {number(step, 'pages')} * PAGE, MADV_DONTNEED)")

    def part(self, step: Step, key: str = "off") -> str:
        offset = number(step, key, 0)
        return f"{self.area(step)}.start" + (f" + {offset} * PAGE" if offset else "")

    def read(self, step: Step) -> str:
        self.use("touch")
        return f"touch({self.part(step, 'page')}, false)"

    def write(self, step: Step) -> str:
        self.use("touch")
        return f"touch({self.part(step, 'page')}, true)"

    def mprotect(self, step: Step) -> str:
        bits = "PROT_READ | PROT_WRITE" if step["prot"] == "rw" else "PROT_READ"
        area = self.area(step)
        return _errno(f"mprotect({area}.start, {area}.length, {bits})")

    def mremap(self, step: Step) -> str:
        self.use("remap")
        to = self.address() if step.get("move") else "NULL"
        return f"remap(&{self.area(step)}, {to}, {number(step, 'pages')})"

    def fork(self, step: Step) -> str:
        self.use("fork")
        return f"fork_as({self.process(text(step, 'child'))})"

    def exit(self, step: Step) -> str:
        self.process(text(step, "proc"))
        return ""

    def shmget(self, step: Step) -> str:
        self.use("keep")
        size = f"{number(step, 'pages')} * PAGE"
        return f"keep(&{self.file(step, 'shm')}, shmget(IPC_PRIVATE, {size}, SHM_HUGETLB | IPC_CREAT | 0600))"

    def shmat(self, step: Step) -> str:
        self.use("attach")
        pages = self.names.files[text(step, "file")].pages
        return f"attach(&{self.area(step)}, {self.address()}, {self.file(step, 'shm')}, {pages})"

    def shmdt(self, step: Step) -> str:
        return _errno(f"shmdt({self.area(step)}.start)")

    def shmrm(self, step: Step) -> str:
        return _errno(f"shmctl({self.file(step, 'shm')}, IPC_RMID, NULL)")


def _errno(call: str) -> str:
    return f"{call} ? errno : 0"


_CALLS: dict[str, Callable[[_Builder, Step], str]] = {
    "set_nr": _Builder.set_nr,
    "set_overcommit": _Builder.set_overcommit,
    "mount": _Builder.mount,
    "umount": _Builder.umount,
    "create": _Builder.create,
    "memfd": _Builder.memfd,
    "close": _Builder.close,
    "unlink": _Builder.unlink,
    "truncate": _Builder.truncate,
    "fallocate": _Builder.fallocate,
    "punch": _Builder.punch,
    "mmap": _Builder.mmap,
    "munmap": _Builder.munmap,
    "madv_dontneed": _Builder.madv_dontneed,
    "read": _Builder.read,
    "write": _Builder.write,
    "mprotect": _Builder.mprotect,
    "mremap": _Builder.mremap,
    "fork": _Builder.fork,
    "exit": _Builder.exit,
    "shmget": _Builder.shmget,
    "shmat": _Builder.shmat,
    "shmdt": _Builder.shmdt,
    "shmrm": _Builder.shmrm,
}
