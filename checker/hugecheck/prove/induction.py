"""Inductive proofs: the largest set of candidate laws that proves itself (Houdini), what of it a theorem needs, and why the others failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hugecheck.prove import terms as t
from hugecheck.prove.encode import Check
from hugecheck.prove.solver import Model, Solver
from hugecheck.prove.system import Prepared, System
from hugecheck.prove.terms import Term


@dataclass(frozen=True, slots=True)
class Fall:
    """A law that a section breaks although `with_` hold before it. round: 0 is the first, what falls later may fall only as a consequence"""

    law: str
    section: str
    round: int


@dataclass(slots=True)
class Inductive:
    """`kept`: the laws that hold in every state. `undecided`: laws that were dropped because the solver gave up, with its reason."""

    kept: tuple[str, ...]
    falls: list[Fall] = field(default_factory=list)
    undecided: dict[str, str] = field(default_factory=dict)
    queries: int = 0

    def first_falls(self, law: str) -> list[Fall]:
        """Where the law fails first; if it fell as a consequence, where those failed that fell in the first round."""
        own = [f for f in self.falls if f.law == law]
        first = [f for f in self.falls if f.round == 0]
        return [f for f in own if f.round == 0] or first if own else []


class Induction:
    """Queries about one system; solvers are made when they are first needed and kept."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.solvers: dict[str, Solver] = {}
        self.queries = 0
        self.order = list(system.prepared)
        """the sections, in the order in which `_without` tries them"""

    def solver(self, prepared: Prepared) -> Solver:
        if prepared.name not in self.solvers:
            self.solvers[prepared.name] = Solver(prepared.base, prepared.hypotheses)
        return self.solvers[prepared.name]

    def houdini(self, candidates: Iterable[str]) -> Inductive:
        """Drop the laws that some section breaks, until none does."""
        kept = list(candidates)
        result = Inductive(())
        number = 0
        while True:
            fallen: dict[str, None] = {}
            for prepared in self.system.prepared:
                solver = self.solver(prepared)
                left = list(kept)
                while left:
                    self.queries += 1
                    answer = solver.check(kept, t.or_(*(t.not_(prepared.goals[n]) for n in left)))
                    if answer.verdict == "unsat":
                        break
                    if answer.model is not None:
                        broken = [n for n in left if not answer.model.value(prepared.goals[n])]
                        result.falls += [Fall(n, prepared.name, number) for n in broken]
                    elif len(left) == 1:
                        broken = left
                        result.undecided[left[0]] = f"in `{prepared.name}`: {answer.reason}"
                    else:
                        broken = self._alone(solver, prepared, kept, left, result, number)
                        left = []
                    fallen.update(dict.fromkeys(broken))
                    left = [n for n in left if n not in broken]
            if not fallen:
                break
            kept = [n for n in kept if n not in fallen]
            number += 1
        result.kept = tuple(kept)
        result.queries = self.queries
        return result

    def _alone(
        self, solver: Solver, prepared: Prepared, kept: list[str], left: list[str], result: Inductive, number: int
    ) -> list[str]:
        """The disjunction was too hard: law by law."""
        broken = []
        for name in left:
            self.queries += 1
            answer = solver.check(kept, t.not_(prepared.goals[name]))
            if answer.verdict == "sat":
                result.falls.append(Fall(name, prepared.name, number))
            elif answer.verdict == "unknown":
                result.undecided[name] = f"in `{prepared.name}`: {answer.reason}"
            if answer.verdict != "unsat":
                broken.append(name)
        return broken

    def needs(self, target: Sequence[str], kept: Sequence[str]) -> tuple[str, ...]:
        """A set of laws among `kept` that proves itself and the target, and from which no single one can be left out."""
        order = {name: n for n, name in enumerate(kept)}
        chosen = set(target)
        work = list(target)
        while work:
            name = work.pop()
            for prepared in self.system.prepared:
                self.queries += 1
                answer = self.solver(prepared).check(kept, t.not_(prepared.goals[name]))
                if answer.verdict != "unsat":  # harder than all goals together: then nothing is left out
                    return tuple(kept)
                work += sorted(answer.core - chosen)
                chosen |= answer.core
        for name in sorted(chosen - set(target), key=lambda n: -order[n]):
            if name not in chosen:
                continue
            smaller = self._without(sorted(chosen - {name}, key=lambda n: order[n]), set(target))
            if smaller is not None:
                chosen = smaller
        return tuple(sorted(chosen, key=lambda n: order[n]))

    def _without(self, laws: list[str], target: set[str]) -> set[str] | None:
        """What is inductive of these laws, or None as soon as that does not contain the target."""
        kept = list(laws)
        calm = 0
        while calm < len(self.system.prepared):
            prepared = self.order[0]
            self.queries += 1
            answer = self.solver(prepared).check(kept, t.or_(*(t.not_(prepared.goals[n]) for n in kept)))
            if answer.verdict == "unsat":
                calm += 1
                self.order.append(self.order.pop(0))
                continue
            calm = 0  # the section stays first: it is where the next attempt is likely to fail too
            fallen = (
                set(kept) if answer.model is None else {n for n in kept if not answer.model.value(prepared.goals[n])}
            )
            if fallen & target:
                return None
            kept = [n for n in kept if n not in fallen]
        return set(kept)

    def inductive(self, laws: Sequence[str]) -> bool:
        """Whether these laws, and no others, prove themselves."""
        for prepared in self.system.prepared:
            goal = t.or_(*(t.not_(prepared.goals[n]) for n in laws))
            if self.solver(prepared).check(laws, goal).verdict != "unsat":
                return False
        return True

    def broken_checks(self, laws: Sequence[str]) -> tuple[list[tuple[Prepared, Check]], dict[str, str]]:
        """The run-time checks that can fail although the laws hold, and those about which the solver gave up."""
        broken: list[tuple[Prepared, Check]] = []
        unknown: dict[str, str] = {}
        for prepared in self.system.prepared:
            for check in prepared.checks:
                if check.condition is t.TRUE:
                    continue
                self.queries += 1
                answer = self.solver(prepared).check(laws, t.not_(check.condition))
                if answer.verdict == "sat":
                    broken.append((prepared, check))
                elif answer.verdict == "unknown":
                    unknown[f"{prepared.name}: {check.text}"] = answer.reason
        return broken, unknown

    def check_needs(self, laws: Sequence[str]) -> list[str]:
        """Laws from which all run-time checks follow."""
        core: set[str] = set()
        for prepared in self.system.prepared:
            self.queries += 1
            wrong = t.or_(*(t.not_(c.condition) for c in prepared.checks))
            answer = self.solver(prepared).check(laws, wrong)
            if answer.verdict != "unsat":
                return list(laws)
            core |= answer.core
        return [name for name in laws if name in core]

    def never_enabled(self, laws: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The sections that cannot happen in any state that the laws allow, and those about which the solver gave up."""
        verdicts = {p.name: self.solver(p).check(laws).verdict for p in self.system.prepared}
        self.queries += len(verdicts)
        return tuple(n for n, v in verdicts.items() if v == "unsat"), tuple(
            n for n, v in verdicts.items() if v == "unknown"
        )

    # ------------------------------------------------------------ counterexamples to induction

    def smallest(self, prepared: Prepared, laws: Sequence[str], goal: Term) -> Model | None:
        """A model in which the laws hold before the section and the goal fails after it, with small numbers."""
        solver = self.solver(prepared)
        wrong = t.not_(goal)
        numbers = self._numbers(prepared)
        answer = solver.check(laws, wrong)
        if answer.model is None:
            return None
        bounds: list[Term] = []
        for bound in (1, 2, 3, 4, 6, 8, 16, 64, 1024):
            small = [t.and_(t.le(t.num(-bound), n), t.le(n, t.num(bound))) for n in numbers]
            found = solver.check(laws, wrong, *small)
            if found.model is not None:
                answer, bounds = found, small
                break
        fixed: list[Term] = []
        for n in numbers:
            for value in (0, 1):
                if answer.model is not None and answer.model.value(n) == value:
                    fixed.append(t.eq(n, t.num(value)))
                    break
                found = solver.check(laws, wrong, *bounds, *fixed, t.eq(n, t.num(value)))
                if found.model is not None:
                    answer = found
                    fixed.append(t.eq(n, t.num(value)))
                    break
        return answer.model

    def _numbers(self, prepared: Prepared) -> list[Term]:
        """The integers of a counterexample: variables, fields of the elements in play, parameters."""
        out: list[Term] = []
        for name, variable in self.system.encoder.used.items():
            if self.system.before[name].sort == t.BOOL:
                continue
            if not variable.indices:
                out.append(self.system.before[name])
            elif len(variable.indices) == 1:
                for at in prepared.terms.get(variable.indices[0], []):
                    value = t.select(self.system.before[name], (at,))
                    if value.sort == t.INT:
                        out.append(value)
        if prepared.section is not None:
            out += [c for _, c, _ in prepared.section.run.fresh if c.sort == t.INT]
        out += [t.const(total.name, t.INT) for total in self.system.totals]
        return out
