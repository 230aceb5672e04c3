"""Random traces, made up step by step while a kernel answers.

Which names exist depends on what succeeded, so a trace cannot be written down beforehand. Same seed, index, options and
answers: same trace. The mix leans towards the tight places: requests for exactly what is left, or one page more; mounts
whose guarantee is most of the pool; pools that shrink below what is promised; children that copy on write.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .names import File, Names
from .trace import Step


@dataclass(frozen=True, slots=True)
class Options:
    """What kind of traces. `steps` is the range of their length, `tail` how often one ends by giving things back."""

    nodes: int = 1
    cgroups: bool = False
    steps: tuple[int, int] = (6, 25)
    tail: float = 0.6


WEIGHTS: dict[str, float] = {
    "write": 24,
    "mmap": 13,
    "read": 13,
    "fork": 7,
    "munmap": 7,
    "madv_dontneed": 5,
    "mremap": 3,
    "mprotect": 0.8,
    "exit": 1.2,
    "set_nr": 4.5,
    "set_overcommit": 1.6,
    "mount": 2.5,
    "umount": 0.6,
    "create": 4,
    "memfd": 4,
    "close": 2.2,
    "unlink": 2,
    "truncate": 4,
    "fallocate": 3.6,
    "punch": 3.6,
    "shmget": 1.6,
    "shmat": 7,
    "shmdt": 1,
    "shmrm": 1.5,
}
"""How likely each operation is, among those that have something to work on."""

UNMAPPED = {"mmap": 40.0, "fork": 0.2, "set_nr": 3.0}
"""What changes while nothing is mapped: most other operations have nothing to work on."""

NODE_WEIGHTS = {"set_nr_node": 5.0, "set_nr_mempolicy": 3.0}
CGROUP_WEIGHTS = {"cgroup": 2.5, "cgroup_move": 3.0}

FOLLOW: dict[str, tuple[tuple[str, float], ...]] = {
    "mmap": (("write", 0.35), ("read", 0.12)),
    "mount": (("create", 0.55),),
    "create": (("mmap", 0.2),),
    "memfd": (("mmap", 0.2),),
    "shmget": (("shmat", 0.3),),
    "fork": (("write", 0.25),),
    "write": (("write", 0.1),),
    "mremap": (("write", 0.2),),
    "cgroup": (("cgroup_move", 0.8),),
}
"""What often comes next when the operation succeeded."""


class Generator:
    """One random trace. `next_step` is a `guest.Player`."""

    def __init__(self, seed: int, index: int, options: Options | None = None) -> None:
        self._options = options or Options()
        self._random = random.Random(f"hugecheck {seed} {index}")
        self._names = Names()
        self._weights = dict(WEIGHTS)
        if self._options.nodes > 1:
            self._weights |= NODE_WEIGHTS
        if self._options.cgroups:
            self._weights |= CGROUP_WEIGHTS
        self._left = self._random.randint(*self._options.steps)
        self._tail = 5 if self._random.random() < self._options.tail else 0
        self._opening = self._make_opening()
        self._count = dict.fromkeys(("file", "proc", "mnt"), 0)
        self._available = self._total = self._reserved = 0
        self._makers: dict[str, Callable[[], Step | None]] = {op: getattr(self, f"_{op}") for op in self._weights}

    def next_step(self, last: Step | None) -> Step | None:
        """The next step, given the last one with the kernel's answer. None: the trace is over."""
        if last is not None:
            self._learn(last)
        if self._left <= 0:
            return None
        self._left -= 1
        step = self._choose(last)
        if step is not None and not self._names.allows(step):
            raise AssertionError(f"the generator made a step on a name that does not exist: {dict(step)}")
        return step

    def _learn(self, last: Step) -> None:
        self._names.apply(last)
        after = last.get("after")
        if isinstance(after, Mapping):
            self._total = int(after["total"])
            self._reserved = int(after["rsvd"]) if int(after["rsvd"]) < 1 << 32 else 0
            self._available = max(0, int(after["free"]) - self._reserved)

    def _choose(self, last: Step | None) -> Step | None:
        if self._opening:
            return self._made(self._opening.pop(0))
        if self._left < self._tail:
            step = self._give_back()
            if step is not None:
                return step
        if last is not None and last.get("result") == "ok":
            for op, chance in FOLLOW.get(str(last["op"]), ()):
                if op in self._makers and self._random.random() < chance:
                    step = self._makers[op]()
                    if step is not None:
                        return step
        for _ in range(100):
            step = self._made(self._pick(self._weights if self._mapped() else self._weights | UNMAPPED))
            if step is not None:
                return step
        return self._set_nr()

    def _made(self, op: str) -> Step | None:
        return self._makers[op]()

    def _make_opening(self) -> list[str]:
        opening = ["set_nr"] if self._random.random() < 0.95 else []
        if self._options.nodes > 1 and self._random.random() < 0.6:
            opening.insert(
                self._random.randint(0, len(opening)), self._random.choice(("set_nr_node", "set_nr_mempolicy"))
            )
        if self._random.random() < 0.35:
            opening.append("set_overcommit")
        if self._options.cgroups:
            opening += ["cgroup"] if self._random.random() < 0.95 else []
        if self._random.random() < 0.35:
            opening.append("mount")
        return opening

    def _give_back(self) -> Step | None:
        """One step of putting things away, in an order that is often but not always the reverse of their making."""
        wanted = self._pick({"exit": 4.0, "close": 3.0, "umount": 3.0, "set_nr": 2.0, "shmrm": 1.5, "unlink": 1.5})
        if wanted == "set_nr":
            return {"op": "set_nr", "n": 0}
        return self._made(wanted)

    # What is there to work on

    def _pick(self, weights: Mapping[str, float]) -> str:
        return self._random.choices(list(weights), weights=list(weights.values()))[0]

    def _proc(self, mapping: bool = False) -> str | None:
        """A process; with `mapping`, one that has a mapping."""
        among = [name for name, maps in self._names.procs.items() if maps or not mapping]
        return self._random.choice(among) if among else None

    def _mapping(self, whole: bool = False) -> tuple[str, str] | None:
        """A process and one of its mappings, any two as likely as any others."""
        among = [
            (proc, name)
            for proc, maps in self._names.procs.items()
            for name, mapping in maps.items()
            if mapping.whole or not whole
        ]
        return self._random.choice(among) if among else None

    def _mapped(self) -> bool:
        return any(self._names.procs.values())

    def _file(self, fits: Callable[[File], bool]) -> str | None:
        among = [name for name, file in self._names.files.items() if fits(file)]
        return self._random.choice(among) if among else None

    def _fresh(self, kind: str, prefix: str) -> str:
        name = f"{prefix}{self._count[kind]}"
        self._count[kind] += 1
        return name

    def _pages(self, most: int = 4) -> int:
        """A size: often what is available, or one more; else small."""
        if self._random.random() < 0.35 and self._available:
            return min(most, self._available + self._random.choice((0, 0, 1)))
        return min(most, self._random.choices((1, 2, 3, 4), weights=(41, 30, 20, 9))[0])

    def _range(self, length: int) -> tuple[int, int]:
        """A range of pages inside `length`."""
        first = self._random.choice([0, 0, self._random.randrange(length)])
        return first, self._random.randint(1, length - first)

    # One function for each operation: a step, or None where there is nothing to work on

    def _set_nr(self) -> Step | None:
        close = (self._total - 1, self._total + 1, self._reserved, self._reserved - 1, self._total - self._available)
        if self._total and self._random.random() < 0.4:
            return {"op": "set_nr", "n": max(0, self._random.choice(close))}
        weights = (2, 14, 20, 22, 20, 12, 10) if not self._total else (20, 8, 8, 8, 6, 4, 4)
        return {"op": "set_nr", "n": self._random.choices(range(7), weights=weights)[0]}

    def _node(self) -> int:
        return self._random.randrange(self._options.nodes)

    def _set_nr_node(self) -> Step | None:
        return {"op": "set_nr_node", "node": self._node(), "n": self._random.randint(0, 4)}

    def _set_nr_mempolicy(self) -> Step | None:
        return {"op": "set_nr_mempolicy", "node": self._node(), "n": self._random.randint(0, 5)}

    def _set_overcommit(self) -> Step | None:
        return {"op": "set_overcommit", "n": self._random.choices(range(4), weights=(3, 2, 2, 2))[0]}

    def _mount(self) -> Step | None:
        unmounted = [name for name in ("m0", "m1") if name not in self._names.mounts]
        if not unmounted:
            return None
        step: dict[str, object] = {"op": "mount", "mnt": unmounted[0]}
        kind = self._pick({"size": 31, "both": 30, "min": 24, "neither": 15})
        least = self._random.choices((1, 2, 3), weights=(38, 41, 21))[0]
        if self._available and self._random.random() < 0.3:
            least = min(4, self._available)
        if kind == "size":
            step["size"] = self._random.choices((1, 2, 3, 4), weights=(2, 4, 2, 3))[0]
        elif kind == "both":
            step["size"] = max(1, least + self._random.choices((-1, 0, 1, 2), weights=(6, 37, 30, 25))[0])
        if kind in ("min", "both"):
            step["min_size"] = least
        return step

    def _umount(self) -> Step | None:
        return {"op": "umount", "mnt": self._random.choice(list(self._names.mounts))} if self._names.mounts else None

    def _create(self) -> Step | None:
        if not self._names.mounts:
            return None
        closed = self._file(lambda file: file.kind == "named" and not file.open)
        if closed is not None and self._random.random() < 0.3:
            return {"op": "create", "file": closed, "mnt": self._names.files[closed].mount}
        mount = self._random.choice(list(self._names.mounts))
        return {"op": "create", "file": self._fresh("file", "f"), "mnt": mount}

    def _memfd(self) -> Step | None:
        return {"op": "memfd", "file": self._fresh("file", "f")}

    def _open_file(self) -> str | None:
        return self._file(lambda file: file.kind != "segment" and file.open)

    def _close(self) -> Step | None:
        file = self._open_file()
        return None if file is None else {"op": "close", "file": file}

    def _unlink(self) -> Step | None:
        file = self._file(lambda file: file.kind == "named" and file.linked)
        return None if file is None else {"op": "unlink", "file": file}

    def _truncate(self) -> Step | None:
        file = self._open_file()
        pages = self._random.choices(range(5), weights=(25, 29, 17, 13, 16))[0]
        return None if file is None else {"op": "truncate", "file": file, "pages": pages}

    def _file_range(self, op: str, last: int) -> Step | None:
        file = self._open_file()
        if file is None:
            return None
        first = self._random.choices(range(last + 1), weights=(3, *[1] * last))[0]
        pages = self._random.choices((1, 2, 3), weights=(5, 2, 2))[0]
        return {"op": op, "file": file, "off": first, "pages": pages}

    def _fallocate(self) -> Step | None:
        return self._file_range("fallocate", 2)

    def _punch(self) -> Step | None:
        return self._file_range("punch", 4)

    def _mmap(self) -> Step | None:
        proc = self._proc()
        if proc is None or len(self._names.procs[proc]) >= 6:
            return None
        file = self._open_file() if self._random.random() < 0.6 else None
        step: dict[str, object] = {"op": "mmap", "proc": proc, "map": self._names.free_map(proc)}
        if file is not None:
            step["file"] = file
        step["off"] = self._random.choices((0, 1, 2), weights=(65, 18, 17))[0] if file is not None else 0
        step["pages"] = self._pages()
        shared = self._random.random() < (0.6 if file is not None else 0.3)
        noreserve = self._random.random() < 0.2
        step["flags"] = ["shared" if shared else "private"] + (["noreserve"] if noreserve else [])
        return step

    def _munmap(self) -> Step | None:
        found = self._mapping()
        if found is None:
            return None
        proc, name = found
        mapping = self._names.procs[proc][name]
        first, pages = (0, mapping.length) if self._random.random() < 0.55 else self._range(mapping.length)
        return {"op": "munmap", "proc": proc, "map": name, "off": first, "pages": pages}

    def _touch(self, op: str) -> Step | None:
        found = self._mapping()
        if found is None:
            return None
        proc, name = found
        mapping = self._names.procs[proc][name]
        among = range(mapping.length) if self._random.random() < 0.02 else sorted(mapping.alive)
        return {"op": op, "proc": proc, "map": name, "page": self._random.choice(among)}

    def _read(self) -> Step | None:
        return self._touch("read")

    def _write(self) -> Step | None:
        return self._touch("write")

    def _madv_dontneed(self) -> Step | None:
        found = self._mapping()
        if found is None:
            return None
        proc, name = found
        alive = self._names.procs[proc][name].alive
        first = last = self._random.choice(sorted(alive))
        while last + 1 in alive and self._random.random() < 0.4:
            last += 1
        return {"op": "madv_dontneed", "proc": proc, "map": name, "off": first, "pages": last - first + 1}

    def _mprotect(self) -> Step | None:
        found = self._mapping(whole=True)
        if found is None:
            return None
        return {"op": "mprotect", "proc": found[0], "map": found[1], "prot": self._random.choice(("r", "rw"))}

    def _mremap(self) -> Step | None:
        found = self._mapping(whole=True)
        if found is None:
            return None
        proc, name = found
        length = self._names.procs[proc][name].length
        pages = max(1, length + self._random.choices((-2, -1, 0, 1), weights=(1, 25, 55, 19))[0])
        step: dict[str, object] = {"op": "mremap", "proc": proc, "map": name, "pages": pages}
        if self._random.random() < 0.6:
            step["move"] = True
        return step

    def _fork(self) -> Step | None:
        proc = self._proc(mapping=True)
        if proc is None or len(self._names.procs) >= 4:
            return None
        self._count["proc"] += 1
        return {"op": "fork", "proc": proc, "child": f"p{self._count['proc']}"}

    def _exit(self) -> Step | None:
        """A child more often than `p0`; the last process only towards the end, as little can happen without any."""
        among = list(self._names.procs)
        if not among or (len(among) == 1 and self._left >= self._tail and self._random.random() < 0.8):
            return None
        return {"op": "exit", "proc": self._random.choice([*among, among[-1]])}

    def _shmget(self) -> Step | None:
        return {"op": "shmget", "file": self._fresh("file", "f"), "pages": self._pages()}

    def _shmat(self) -> Step | None:
        proc, file = self._proc(), self._file(lambda file: file.kind == "segment")
        if proc is None or file is None:
            return None
        return {"op": "shmat", "proc": proc, "map": self._names.free_map(proc), "file": file}

    def _shmdt(self) -> Step | None:
        among = [
            (proc, name, mapping.file)
            for proc, maps in self._names.procs.items()
            for name, mapping in maps.items()
            if mapping.segment and mapping.whole
        ]
        if not among:
            return None
        proc, name, file = self._random.choice(among)
        return {"op": "shmdt", "proc": proc, "map": name, "file": file}

    def _shmrm(self) -> Step | None:
        file = self._file(lambda file: file.kind == "segment")
        return None if file is None else {"op": "shmrm", "file": file}

    def _cgroup(self) -> Step | None:
        step: dict[str, object] = {"op": "cgroup", "cg": self._random.choice(("c0", "c0", "c1"))}
        kind = self._pick({"max": 4, "rsvd_max": 4, "both": 3})
        if kind != "rsvd_max":
            step["max"] = self._random.randint(0, 3)
        if kind != "max":
            step["rsvd_max"] = self._random.randint(0, 4)
        return step

    def _cgroup_move(self) -> Step | None:
        proc = self._proc()
        if proc is None or not self._names.cgroups:
            return None
        return {"op": "cgroup_move", "cg": self._random.choice(list(self._names.cgroups)), "proc": proc}
