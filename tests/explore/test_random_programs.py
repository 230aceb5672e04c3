"""The engine reaches exactly the states that a naive walk over the checked text reaches, on random programs with locks, calls, loops and choices."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from hugecheck.explore.search import Limits, _Search
from hugecheck.explore.system import System
from hugecheck.ir import liveness
from hugecheck.language.scenario import Scenario
from hugecheck.run import build_program
from support.naive import Naive
from support.specs import run, scenario, verdicts

SEEDS = range(int(os.environ.get("HUGECHECK_FUZZ", "1")) * 70)

HEAD = """
index box 2
enum E { BAD }
mutex m
mutex n of box
rwsem r
var x: 0 to 2 = 0
var y: 0 to 2 = 1
var a[box]: 0 to 2 = 0
var s: set of box = {}
"""


class Writer:
    """Writes a random model. `depth` bounds the nesting."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.locals: list[str] = []
        self.fresh = 0
        self.loop = False
        self.functions: list[str] = []

    def pick(self, *options: str) -> str:
        return self.rng.choice(options)

    def value(self, shared: bool) -> str:
        atoms = ["0", "1", "2", *self.locals]
        if shared:
            atoms += [
                "x",
                "y",
                "a[0]",
                "a[1]",
                "size(s)",
                "a[x % 2]",
                "(count b in box: a[b] = 1)",
                "((sum b in box: a[b]) % 3)",
            ]
        left, right = self.rng.choice(atoms), self.rng.choice(atoms)
        return self.pick(
            left,
            f"({left} + {right}) % 3",
            f"max({left}, {right}) % 3",
            f"(if {left} < {right} then 1 else 2)",
            f"{left} * {right} % 3",
        )

    def test(self, shared: bool) -> str:
        one = f"{self.value(shared)} {self.pick('=', '!=', '<', '<=')} {self.value(shared)}"
        if shared and self.rng.random() < 0.2:
            one = self.pick("0 in s", "s = {}", "exists b in box: a[b] = x", "forall b in box: b in s")
        return self.pick(one, one, f"not ({one})", f"{one} and {self.value(False)} < 2")

    def local(self) -> str:
        self.fresh += 1
        return f"l{self.fresh}"

    def inside(self, depth: int) -> str:
        """A statement within a section."""
        kinds = ["x", "x", "y", "a", "s", "local", "if", "for", "choose", "either", "atomic", "call", "leave"]
        match self.rng.choice(kinds if depth > 0 else kinds[:5]):
            case "x" | "y" as variable:
                return f"{variable} = {self.value(True)}"
            case "a":
                return f"a[{self.pick('0', '1', 'y % 2')}] = {self.value(True)}"
            case "s":
                return f"s = s {self.pick('union', 'minus', 'inter')} {{{self.pick('0', '1', 'x % 2')}}}"
            case "if":
                return f"if {self.test(True)} {self.block(depth - 1, True)} else {self.block(depth - 1, True)}"
            case "for":
                return f"for {self.local()} in {self.pick('box', 's', '0..2')} where {self.test(True)} {self.block(depth - 1, True)}"
            case "choose":
                name = self.local()
                self.locals.append(name)
                return f"choose {name} in 0..3 where {self.test(True)}"
            case "either":
                return f"either {self.block(depth - 1, True)} or {self.block(depth - 1, True)}"
            case "atomic":
                return f"atomic {self.block(depth - 1, True)}"
            case "call":
                return self.call(depth)
            case "leave" if self.rng.random() < 0.3:
                return self.pick("return", "fail BAD", *(["break", "continue"] if self.loop else []))
        name = self.local()
        text = f"let {name} = {self.value(True)}"
        self.locals.append(name)
        return text

    def call(self, depth: int) -> str:
        if not self.functions:
            return "assert true"
        return f"flat({self.value(False)}) else {self.block(depth - 1, True)}"

    def outside(self, depth: int) -> str:
        """A statement between sections."""
        kinds = [
            "atomic",
            "atomic",
            "atomic",
            "await",
            "hold",
            "hold",
            "try",
            "rwsem",
            "if",
            "for",
            "either",
            "call",
            "local",
            "leave",
        ]
        match self.rng.choice(kinds if depth > 0 else kinds[:3]):
            case "await":
                return f"atomic {{ await {self.test(True)}; {self.inside(0)} }}"
            case "hold":
                lock = self.pick("m", "n[0]", "n[1]")
                return f"hold {lock} {self.block(depth - 1, False)}"
            case "try":
                return f"try hold {self.pick('m', 'n[1]')} {self.block(depth - 1, False)} else {self.block(depth - 1, False)}"
            case "rwsem":
                return f"hold {self.pick('read', 'write')} r {self.block(depth - 1, False)}"
            case "if":
                return f"if {self.test(False)} {self.block(depth - 1, False)} else {self.block(depth - 1, False)}"
            case "for":
                loop, self.loop = self.loop, True
                text = f"for {self.local()} in {self.pick('box', '0..2')} {self.block(depth - 1, False)}"
                self.loop = loop
                return text
            case "either":
                return f"either {self.block(depth - 1, False)} or {self.block(depth - 1, False)}"
            case "call" if self.functions:
                return f"{self.rng.choice(self.functions)}({self.value(False)}) else {self.block(depth - 1, False)}"
            case "local":
                name = self.local()
                text = f"let {name} = {self.value(False)}"
                self.locals.append(name)
                return text
            case "leave" if self.rng.random() < 0.4:
                return self.pick("return", "fail BAD", *(["break", "continue"] if self.loop else []))
        return f"atomic {self.block(depth - 1, True)}"

    def block(self, depth: int, section: bool) -> str:
        kept = list(self.locals)
        body = [self.inside(depth) if section else self.outside(depth) for _ in range(self.rng.choice((1, 1, 2)))]
        self.locals = kept
        return "{ " + "; ".join(body) + " }"

    def model(self) -> str:
        out = [HEAD]
        for name, section in (("flat", True), ("cut", False)):
            self.locals = ["p"]
            body = "; ".join(self.inside(1) if section else self.outside(1) for _ in range(2))
            self.locals = []
            out.append(
                f"fn {name}(p: int) fails BAD {{ {'atomic { ' if section else ''}{body}{' }' if section else ''} }}\n"
            )
            if section:
                self.functions = ["flat"]
        for number in range(2):
            self.locals = ["q"]
            self.functions = ["flat", "cut"]
            body = "; ".join(self.outside_top() for _ in range(self.rng.choice((2, 3))))
            self.locals = []
            out.append(f"operation o{number}(q: int) {{ {body} }}\n")
        steps = [f"o{self.rng.randrange(2)} {self.rng.randrange(3)}" for _ in range(3)]
        out.append(f"process p {{ {steps[0]} }}\nprocess q {{ {'; '.join(steps[1:])} }}\nalways x <= 2\n")
        return "".join(out)

    def outside_top(self) -> str:
        return self.outside(2)


def engine(checked: Scenario) -> set[tuple[tuple[tuple[Any, ...], int], ...]] | None:
    """The valuations of the shared variables in all states that the engine visits."""
    program = build_program(checked, frozenset())
    system = System(checked, program, checked.sizes, liveness.frame(program), merge=False)
    search = _Search(system, Limits(states=20_000), None)
    if not search.run().complete:
        return None
    assert search.result.broken is None
    layout = system.layout
    naive = Naive(checked)
    found = set()
    for state in search.seen:
        shared: dict[tuple[Any, ...], int] = {}
        for variable in program.variables.values():
            if variable.name not in layout.base:
                continue
            for indices in naive._all(variable.indices):
                place = sum(i * s for i, s in zip(indices, layout.strides[variable.name], strict=True))
                value = int(state[layout.base[variable.name] + place])
                if variable.name.startswith("lock."):
                    if value >= 0:
                        shared[f"lock {variable.name[5:]}", *indices] = value + 1
                elif variable.name.startswith("readers."):
                    if value:
                        shared[f"readers {variable.name[8:]}", *indices] = value
                else:
                    shared[variable.name, *indices] = value
        found.add(tuple(sorted(shared.items())))
    return found


def _without(found: set[tuple[tuple[tuple[Any, ...], int], ...]], kept: set[str]) -> set[Any]:
    """Projected to variables that the program uses."""
    return {tuple(e for e in state if e[0][0] in kept or " " in e[0][0]) for state in found}


@pytest.mark.parametrize("seed", SEEDS)
def test_same_states(seed: int) -> None:
    """Engine and naive walk agree on every reachable valuation of the shared state."""
    text = Writer(seed).model()
    checked = scenario(text)
    wanted, got = Naive(checked).reachable(), engine(checked)
    if wanted is None or got is None:
        pytest.skip("too many states")
    used = {e[0][0] for state in got for e in state}
    assert _without(wanted, used) == got, text


@pytest.mark.parametrize("seed", SEEDS)
def test_merging_changes_no_verdict(seed: int) -> None:
    """With a single thread, running whole operations at once gives the verdicts of running section by section."""
    text = (
        Writer(seed + 100_000)
        .model()
        .replace(
            "always x <= 2",
            "always open: x <= 2\nalways one: x + y != 3\nsometimes two: x = 2 and y = 0\nfinally three: s = {}",
        )
    )
    text = (
        text[: text.index("process p")]
        + "process p { any 2 of { o0 {0, 1}; o1 2 } }\n"
        + text[text.index("always open") :]
    )
    limits = Limits(states=20_000)
    merged, cut = run(text, limits=limits), run(text, limits=limits, merge=False)
    if "states reached" in merged.explored.reason + cut.explored.reason:
        pytest.skip("too many states")
    clauses = ("one", "two", "three")
    assert {c: verdicts(merged)[c] for c in clauses} == {c: verdicts(cut)[c] for c in clauses}, text
    assert (merged.explored.broken is None) == (cut.explored.broken is None), text


def test_programs_are_not_trivial() -> None:
    """The random programs interleave: the median has dozens of states."""
    sizes = sorted(run(Writer(seed).model(), limits=Limits(states=20_000)).explored.states for seed in range(40))
    assert sizes[20] >= 12
