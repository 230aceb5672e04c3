"""The life cycle of names: which processes, mappings, files, mounts and cgroups exist at a point of a trace.

`trace-format.md` says when a name begins and ends, and that a step on a name that does not exist is never recorded.
`Names` follows a trace step by step and knows both.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .trace import Step, number, text


@dataclass(slots=True)
class Mapping:
    """A mapping of one process. `alive` are the pages that were not unmapped; `file` is what it maps, if anything."""

    length: int
    alive: set[int]
    file: str | None = None
    segment: bool = False

    @property
    def whole(self) -> bool:
        return len(self.alive) == self.length


@dataclass(slots=True)
class File:
    """A file or segment. Only a file made by `create` has a mount, and can be unlinked or closed and still be there."""

    kind: str
    mount: str | None = None
    open: bool = True
    linked: bool = True
    pages: int = 0


@dataclass(slots=True)
class Names:
    """What exists now. Insertion order is kept, so iteration is deterministic."""

    procs: dict[str, dict[str, Mapping]] = field(default_factory=lambda: {"p0": {}})
    files: dict[str, File] = field(default_factory=dict)
    mounts: dict[str, None] = field(default_factory=dict)
    cgroups: dict[str, None] = field(default_factory=dict)
    used: set[str] = field(default_factory=lambda: {"p0"})

    def allows(self, step: Step) -> bool:
        """Whether every name the step uses exists, and every name it makes does not."""
        op = text(step, "op")
        if op in ("set_nr", "set_nr_node", "set_nr_mempolicy", "set_overcommit", "cgroup"):
            return True
        if op in ("mount", "umount"):
            return (step["mnt"] in self.mounts) == (op == "umount")
        if op == "cgroup_move":
            return step["cg"] in self.cgroups and step["proc"] in self.procs
        if "proc" in step:
            return self._allows_process(op, step)
        return self._allows_file(op, step)

    def apply(self, step: Step) -> None:
        """Take note of a step that was run, with its result."""
        op = text(step, "op")
        if op == "cgroup":
            self.cgroups[text(step, "cg")] = None
        if op == "fork":
            self.used.add(text(step, "child"))
        if step.get("result") != "ok":
            return
        if op == "mount":
            self.mounts[text(step, "mnt")] = None
        elif op == "umount":
            gone = text(step, "mnt")
            del self.mounts[gone]
            self.files = {name: file for name, file in self.files.items() if file.mount != gone}
        elif "proc" in step:
            self._apply_process(op, step)
        elif "file" in step:
            self._apply_file(op, text(step, "file"), step)

    def free_map(self, proc: str) -> str:
        """The first letter that names no mapping of the process."""
        taken = self.procs[proc]
        return next(name for name in _letters() if name not in taken)

    def _allows_process(self, op: str, step: Step) -> bool:
        maps = self.procs.get(text(step, "proc"))
        if maps is None:
            return False
        if op == "exit":
            return True
        if op == "fork":
            return text(step, "child") not in self.used
        name = text(step, "map")
        if op in ("mmap", "shmat"):
            file = self.files.get(text(step, "file")) if "file" in step else None
            if "file" in step and (file is None or (file.kind == "segment") != (op == "shmat")):
                return False
            return name not in maps
        if op == "shmdt":
            return name in maps and maps[name].segment and maps[name].file == step["file"]
        return name in maps

    def _allows_file(self, op: str, step: Step) -> bool:
        file = self.files.get(text(step, "file"))
        if op in ("memfd", "shmget"):
            return file is None
        if op == "create":
            mount = text(step, "mnt")
            return mount in self.mounts and (file is None or (file.mount == mount and file.linked and not file.open))
        if file is None:
            return False
        if op == "shmrm":
            return file.kind == "segment"
        if op == "unlink":
            return file.kind == "named" and file.linked
        return file.kind != "segment" and file.open

    def _apply_process(self, op: str, step: Step) -> None:
        proc = text(step, "proc")
        maps = self.procs[proc]
        if op == "exit":
            del self.procs[proc]
        elif op == "fork":
            self.procs[text(step, "child")] = {
                name: Mapping(old.length, set(old.alive), old.file, old.segment) for name, old in maps.items()
            }
        elif op == "mmap":
            pages = number(step, "pages")
            maps[text(step, "map")] = Mapping(pages, set(range(pages)), text(step, "file") if "file" in step else None)
        elif op == "shmat":
            pages = self.files[text(step, "file")].pages
            maps[text(step, "map")] = Mapping(pages, set(range(pages)), text(step, "file"), segment=True)
        elif op == "shmdt":
            del maps[text(step, "map")]
        elif op == "munmap":
            name, first = text(step, "map"), number(step, "off")
            maps[name].alive -= set(range(first, first + number(step, "pages")))
            if not maps[name].alive:
                del maps[name]
        elif op == "mremap":
            pages = number(step, "pages")
            mapping = maps[text(step, "map")]
            mapping.alive = {page for page in mapping.alive if page < pages} | set(range(mapping.length, pages))
            mapping.length = pages

    def _apply_file(self, op: str, name: str, step: Step) -> None:
        if op == "memfd":
            self.files[name] = File("memfd", linked=False)
        elif op == "create":
            self.files[name] = File("named", mount=text(step, "mnt"))
        elif op == "shmget":
            self.files[name] = File("segment", pages=number(step, "pages"))
        elif op == "shmrm":
            del self.files[name]
        elif op == "close":
            self.files[name].open = False
        elif op == "unlink":
            self.files[name].linked = False
        elif op == "truncate":
            self.files[name].pages = number(step, "pages")
        if name in self.files and not self.files[name].open and not self.files[name].linked:
            del self.files[name]


def _letters() -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [*letters, *(first + second for first in letters for second in letters)]
