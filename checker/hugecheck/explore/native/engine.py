"""Runs the compiled search: loads it, watches it, and reads its findings back as paths that the reference engine can replay."""

from __future__ import annotations

import ctypes
import os
import resource
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hugecheck.explore.layout import ModelError, PoolExhausted
from hugecheck.explore.machine import Choices
from hugecheck.explore.native.compiler import Compilation, CompilerError, load
from hugecheck.explore.native.emit import Emitted
from hugecheck.explore.native.packing import Field, pack_initial
from hugecheck.explore.native.ranges import Unsupported
from hugecheck.explore.search import Explored, Finding, Limits, PathStep, Progress
from hugecheck.explore.system import Move, System

# the numbers of runtime/search.h and runtime/model.h
(
    RUNNING,
    COMPLETE,
    INTERRUPTED,
    NO_MEMORY,
    TOO_MANY_STATES,
    STATE_LIMIT,
    DEPTH_LIMIT,
    ALL_DECIDED,
    GIVEN_UP,
) = range(9)
AT_STATE, AFTER_MOVE, INSIDE_MOVE, BROKEN_MOVE, BROKEN_STATE, STUCK = range(6)
AT_SITE, GROW, OVERFLOW, HALFWAY, TOO_LARGE = range(1, 6)

_NO_LIMIT = (1 << 64) - 1
_POLL = 0.05
"""seconds between two looks at limits and progress"""
_PATIENCE = 0.04
"""seconds of searching before a faster engine is worth its compilation"""


class _Report(ctypes.Structure):
    _fields_ = [
        *(
            (name, ctypes.c_uint64)
            for name in ("states", "transitions", "depth", "frontier", "max_states", "max_depth", "bytes")
        ),
        *((name, ctypes.c_int32) for name in ("status", "stop", "workers", "cut_by_depth", "failure", "failure_site")),
        ("failure_number", ctypes.c_int64),
    ]


class _Finding(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_int),
        ("move", ctypes.c_int),
        ("sections", ctypes.c_int),
        ("site", ctypes.c_int),
        ("source", ctypes.c_uint32),
        ("number", ctypes.c_int64),
        ("choice_count", ctypes.c_uint32),
        ("choices", ctypes.POINTER(ctypes.c_int64)),
    ]


@dataclass(slots=True)
class TooNarrow(Exception):
    """A field has no room for a value that an execution gives it."""

    field: Field
    value: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file in which a search is kept, how often (seconds), and the mark of the engine that can read it."""

    path: Path
    every: float
    key: int


class Halfway(Exception):
    """An operation that runs as a whole is blocked half-way: such states must have room."""


class Search:
    """One run of a compiled engine. Use as a context manager: it owns the memory of the search."""

    def __init__(
        self,
        system: System,
        emitted: Emitted,
        library: ctypes.CDLL,
        limits: Limits,
        workers: int,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.system = system
        self.checkpoint = checkpoint
        self.saved = time.perf_counter()
        self.emitted = emitted
        self.limits = limits
        self.library = _declared(library)
        self.report = _Report(
            max_states=limits.states or 0,
            max_depth=limits.depth if limits.depth is not None else _NO_LIMIT,
            workers=workers,
        )
        clauses = system.scenario.clauses
        initial = pack_initial(emitted.packing, system.layout, system.initial())
        only_examples = all(c.kind in ("sometimes", "deadlock") for c in clauses)
        is_open = bytes([*(c.kind != "deadlock" for c in clauses), only_examples])
        words = (ctypes.c_uint64 * len(initial))(*initial)
        self.handle = self._new(words, is_open)
        if checkpoint is not None and checkpoint.path.is_file():
            name = os.fsencode(checkpoint.path)
            if not self.library.search_restore(self.handle, name, checkpoint.key):
                self.library.search_free(self.handle)
                self.handle = self._new(words, is_open)

    def _new(self, words: ctypes.Array[ctypes.c_uint64], is_open: bytes) -> int:
        handle = self.library.search_new(words, is_open, ctypes.byref(self.report))
        if not handle:
            raise MemoryError
        return int(handle)

    def __enter__(self) -> Search:
        return self

    def __exit__(self, *_: object) -> None:
        self.library.search_free(self.handle)

    # ------------------------------------------------------------ running

    def run(
        self, progress: Callable[[Progress], None] | None, started: float, better: Callable[[], Compilation] | None
    ) -> Explored:
        """Search to the end or to a limit. `better` starts to compile a faster engine, which takes over when it is there.

        Raises `PoolExhausted`, `TooNarrow` and `Unsupported`.
        """
        compilation: Compilation | None = None
        try:
            while True:
                reason, compilation = self._run(progress, started, better, compilation)
                self._save()
                if reason or self.report.status != INTERRUPTED:
                    return self._explored(reason, started)
                if compilation is not None:
                    better = None
                    if compilation.ready():
                        with suppress(CompilerError):
                            self.library = _declared(load(compilation.wait()))
                        compilation = None
        finally:
            if compilation is not None:
                compilation.cancel()

    def _run(
        self,
        progress: Callable[[Progress], None] | None,
        started: float,
        better: Callable[[], Compilation] | None,
        compilation: Compilation | None,
    ) -> tuple[str, Compilation | None]:
        """Until the search is over, is to stop (the reason is given), is to be saved, or a better engine is ready."""
        over = threading.Event()

        def work() -> None:
            try:
                self.library.search_run(self.handle)
            finally:
                over.set()

        reason = ""
        begun = time.perf_counter()
        thread = threading.Thread(target=work, name="hugecheck search")
        thread.start()
        try:
            while not over.wait(_POLL):
                reason = reason or self._exceeded(started)
                if better is not None and compilation is None and time.perf_counter() - begun > _PATIENCE:
                    with suppress(CompilerError):
                        compilation = better()
                    better = None
                if reason or self._due() or (compilation is not None and compilation.ready()):
                    self.report.stop = 1
                elif progress is not None:
                    r = self.report
                    progress(Progress(r.states, r.transitions, r.depth, r.frontier, time.perf_counter() - started))
        except KeyboardInterrupt:
            reason = "interrupted"
        finally:
            self.report.stop = int(not over.is_set())
            thread.join()
            self.report.stop = 0
        return reason, compilation

    def _due(self) -> bool:
        """Whether it is time to save the search."""
        return self.checkpoint is not None and time.perf_counter() - self.saved > self.checkpoint.every

    def _save(self) -> None:
        """Keep a search that is not over, for another run; forget what is over."""
        checkpoint = self.checkpoint
        if checkpoint is None:
            return
        if self.report.status not in (INTERRUPTED, STATE_LIMIT):
            with suppress(OSError):
                checkpoint.path.unlink(missing_ok=True)
            return
        temporary = checkpoint.path.with_suffix(f".{os.getpid()}.tmp")
        with suppress(OSError):
            if self.library.search_save(self.handle, os.fsencode(temporary), checkpoint.key):
                temporary.replace(checkpoint.path)
            else:
                temporary.unlink(missing_ok=True)
        self.saved = time.perf_counter()

    def _exceeded(self, started: float) -> str:
        limits = self.limits
        if limits.seconds is not None and time.perf_counter() - started > limits.seconds:
            return f"{limits.seconds:g} seconds are over"
        if limits.memory is not None and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > limits.memory * 1024:
            return f"{limits.memory:,} MiB of memory are used"
        return ""

    # ------------------------------------------------------------ answers

    def _explored(self, reason: str, started: float) -> Explored:
        r = self.report
        self._raise_failure()
        result = Explored(r.states, r.transitions, r.depth, r.status == COMPLETE)
        result.cut_by_depth = bool(r.cut_by_depth)
        result.reason = {
            COMPLETE: "",
            NO_MEMORY: "out of memory",
            TOO_MANY_STATES: "more than 2,147,483,647 states",
            STATE_LIMIT: f"{self.limits.states or 0:,} states reached",
            DEPTH_LIMIT: f"depth {r.depth} reached",
            ALL_DECIDED: "every clause is decided",
        }.get(r.status, reason or "interrupted")
        clauses = self.system.scenario.clauses
        for number in range(len(clauses)):
            found = self.library.search_finding(self.handle, number)
            if found:
                result.findings[number] = self._finding(found.contents, number)
        broken = self.library.search_finding(self.handle, len(clauses))
        if broken:
            result.broken = self._broken(broken.contents)
        if result.complete:
            self._never_taken(result)
        result.seconds = time.perf_counter() - started
        return result

    def _raise_failure(self) -> None:
        r = self.report
        if r.status != GIVEN_UP:
            return
        match r.failure:
            case _ if r.failure == GROW:
                raise PoolExhausted(self.emitted.sites[r.failure_site].text, r.failure_number + 1)
            case _ if r.failure == OVERFLOW:
                raise TooNarrow(self.emitted.fields[r.failure_site], r.failure_number)
            case _ if r.failure == HALFWAY:
                raise Halfway
            case _:
                raise Unsupported("numbers beyond 64 bits, sets beyond 64 elements, or too many choices in one step")

    def path(self, state: int) -> tuple[PathStep, ...]:
        """How to get to a state."""
        size = ctypes.c_uint64()
        answer = self.library.search_path(self.handle, state, ctypes.byref(size))
        if not answer:
            raise MemoryError
        numbers = answer[: size.value]
        now = self.system.initial()
        steps: list[PathStep] = []
        position = 0
        while position < len(numbers):
            count = numbers[position + 1]
            step = self._step(now, numbers[position], numbers[position + 2 : position + 2 + count])
            self.system.take(now, step.move, Choices(step.choices))
            steps.append(step)
            position += 2 + count
        return tuple(steps)

    def state(self, path: Sequence[PathStep]) -> list[int]:
        """The state at the end of a path."""
        now = self.system.initial()
        for step in path:
            self.system.take(now, step.move, Choices(step.choices))
        return now

    def _step(self, state: list[int], move: int, choices: Sequence[int], sections: int | None = None) -> PathStep:
        return PathStep(self._moves(state)[move], tuple(choices), sections)

    def _moves(self, state: list[int]) -> list[Move]:
        """The moves as runtime/moves.h lists them."""
        moves: list[Move] = []
        for thread in self.system.active(state):
            with suppress(ModelError):
                moves.extend(self.system.moves_of(list(state), thread))
        return moves

    def _finding(self, found: _Finding, clause: int) -> Finding:
        path = self.path(found.source)
        if found.kind == AT_STATE:
            return Finding(path)
        self._locate(clause)
        choices = found.choices[: found.choice_count] if found.choice_count else []
        step = self._step(self.state(path), found.move, choices, found.sections if found.kind == INSIDE_MOVE else None)
        message = ""
        if found.kind == AFTER_MOVE and self.system.scenario.clauses[clause].kind == "result":
            results = self.system.machine.result_name
            expected = self.system.expected_results(self.state(path), step.move)
            wanted = " or ".join(results(r) for r in sorted(expected or ()))
            message = f"the result is {results(found.number)}, not {wanted}"
        return Finding((*path, step), message)

    def _locate(self, clause: int) -> None:
        """Make the finding on a clause one about the real state at the end of the last path."""
        if not self.library.search_locate(self.handle, clause):
            raise MemoryError

    def _broken(self, found: _Finding) -> Finding:
        path = self.path(found.source)
        if found.kind == STUCK:
            return Finding(path, "deadlock: the only thread waits for ever")
        error = self._model_error(found.site, found.number)
        if found.kind == BROKEN_MOVE:
            self._locate(len(self.system.scenario.clauses))
            choices = found.choices[: found.choice_count] if found.choice_count else []
            path = (*path, self._step(self.state(path), found.move, choices, found.sections or None))
        return Finding(path, f"{error.kind}: {error.message}", error.site)

    def _model_error(self, number: int, value: int) -> ModelError:
        site = self.emitted.sites[number]
        message = {
            "index": f"{value} is not an element of `{site.text}`",
            "range": f"{value} is not in `{site.text}`",
            "none": "the value is `none`",
        }.get(site.kind, site.text)
        return ModelError(site.kind, message, site.span)

    def _never_taken(self, result: Explored) -> None:
        for number, span in enumerate(self.emitted.spans):
            if self.library.search_started(self.handle, number):
                continue
            source = ctypes.c_uint32()
            refused = self.library.search_refused(self.handle, number, ctypes.byref(source))
            call = next(c for c in self.emitted.calls if c.span == span)
            state = tuple(self.state(self.path(source.value))) if refused >= 0 else None
            result.never.append((call, state))


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer = ctypes.c_void_p
    for name, result, arguments in (
        ("search_new", pointer, [pointer, ctypes.c_char_p, pointer]),
        ("search_run", None, [pointer]),
        ("search_finding", ctypes.POINTER(_Finding), [pointer, ctypes.c_int]),
        ("search_path", ctypes.POINTER(ctypes.c_int64), [pointer, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint64)]),
        ("search_locate", ctypes.c_int, [pointer, ctypes.c_int]),
        ("search_started", ctypes.c_int, [pointer, ctypes.c_int]),
        ("search_refused", ctypes.c_int, [pointer, ctypes.c_int, ctypes.POINTER(ctypes.c_uint32)]),
        ("search_save", ctypes.c_int, [pointer, ctypes.c_char_p, ctypes.c_uint64]),
        ("search_restore", ctypes.c_int, [pointer, ctypes.c_char_p, ctypes.c_uint64]),
        ("search_free", None, [pointer]),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
