"""z3 behind a narrow interface: terms in, `unsat`, a model, or a reason out. Budgets count z3's own steps, so no answer depends on the machine's load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import z3

from hugecheck.prove import terms as t
from hugecheck.prove.terms import Term

STEPS = 20_000_000
"""the budget of a query; what proofs of counters need is a hundredth of it"""


@dataclass(slots=True)
class Translator:
    """Terms as z3 expressions; each is made once."""

    made: dict[int, tuple[Term, Any]]

    def __call__(self, term: Term) -> Any:
        for part in t.parts([term]):
            if id(part) not in self.made:
                arguments = [self.made[id(a)][1] for a in part.args]
                self.made[id(part)] = (part, _expression(part, arguments))  # the term is kept: an id is not used twice
        return self.made[id(term)][1]


def _sort(name: str) -> Any:
    if name == t.INT:
        return z3.IntSort()
    if name == t.BOOL:
        return z3.BoolSort()
    return z3.ArraySort(z3.IntSort(), _sort(name.removeprefix("(Array Int ").removesuffix(")")))


def _expression(term: Term, a: Sequence[Any]) -> Any:
    match term.op:
        case "const":
            return z3.Const(str(term.value), _sort(term.sort))
        case "num":
            return z3.IntVal(term.value)
        case "true" | "false":
            return z3.BoolVal(term.op == "true")
        case "not":
            return z3.Not(a[0])
        case "and":
            return z3.And(*a)
        case "or":
            return z3.Or(*a)
        case "=>":
            return z3.Implies(a[0], a[1])
        case "ite":
            return z3.If(a[0], a[1], a[2])
        case "=":
            return a[0] == a[1]
        case "+":
            return a[0] + a[1]
        case "-":
            return a[0] - a[1]
        case "*":
            return a[0] * a[1]
        case "div":
            return a[0] / a[1]
        case "mod":
            return a[0] % a[1]
        case "<":
            return a[0] < a[1]
        case "<=":
            return a[0] <= a[1]
        case "select":
            return z3.Select(a[0], a[1])
        case "store":
            return z3.Store(a[0], a[1], a[2])
        case _:
            raise AssertionError(term.op)


class Model:
    """An assignment of all constants."""

    def __init__(self, model: Any, translate: Translator) -> None:
        self._model = model
        self._translate = translate

    def value(self, term: Term) -> int:
        """The value of a term: a number, or 0 and 1 for truth values."""
        result = self._model.eval(self._translate(term), model_completion=True)
        return int(z3.is_true(result)) if term.sort == t.BOOL else int(result.as_long())


@dataclass(frozen=True, slots=True)
class Answer:
    """verdict: unsat, sat (with `model`), unknown (with `reason`). `core`: the names of the hypotheses that `unsat` needs"""

    verdict: str
    model: Model | None = None
    reason: str = ""
    core: frozenset[str] = frozenset()


class Solver:
    """A conjunction that stays, hypotheses that are switched by name, and goals that come and go."""

    def __init__(self, base: Iterable[Term], hypotheses: Mapping[str, Term]) -> None:
        self._translate = Translator({})
        self._solver = z3.Solver()
        self._solver.set("rlimit", STEPS)
        self._solver.set("random_seed", 0)
        self._solver.set("core.minimize", True)
        self._switch = {name: z3.Bool(f"use {name}") for name in hypotheses}
        for term in base:
            self._solver.add(self._translate(term))
        for name, term in hypotheses.items():
            self._solver.add(z3.Implies(self._switch[name], self._translate(term)))

    def check(self, hypotheses: Iterable[str], *more: Term) -> Answer:
        """Is there an assignment with these hypotheses and these terms?"""
        self._solver.push()
        try:
            for term in more:
                self._solver.add(self._translate(term))
            result = self._solver.check(*(self._switch[h] for h in hypotheses))
            if result == z3.unsat:
                return Answer("unsat", core=frozenset(str(c)[4:] for c in self._solver.unsat_core()))
            if result == z3.sat:
                return Answer("sat", Model(self._solver.model(), self._translate))
            return Answer("unknown", reason=str(self._solver.reason_unknown()))
        finally:
            self._solver.pop()
