"""From a model to verdicts on its theorems."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from hugecheck.diagnostics import fail
from hugecheck.ir import program as ir
from hugecheck.ir.rewrite import resolve
from hugecheck.prove.counterexample import Counterexample, explain
from hugecheck.prove.induction import Induction, Inductive
from hugecheck.prove.reach import Reached, reach
from hugecheck.prove.system import System

PROVED, REFUTED, NOT_INDUCTIVE, UNKNOWN, VACUOUS = "proved", "refuted", "not inductive", "unknown", "vacuous"


@dataclass(slots=True)
class Result:
    """The verdict on one theorem. `needs`: the laws of the proof. `sections`: where the induction fails. `message`: why it is unknown or vacuous,
    and what else must be said."""

    theorem: ir.Theorem
    number: int
    text: str
    verdict: str
    needs: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    counterexample: Counterexample | None = None
    trace: Reached | None = None
    message: str = ""
    queries: int = 0
    seconds: float = 0.0
    never: tuple[str, ...] = field(default=())

    @property
    def expected(self) -> str:
        return self.theorem.verdict.replace("_", " ")

    @property
    def as_expected(self) -> bool:
        """The sections that the author names must be among those that break the law."""
        return self.verdict == self.expected and set(self.theorem.sections) <= set(self.sections)

    @property
    def gave_up(self) -> bool:
        return self.verdict == UNKNOWN


def theorems_of(module: ir.Module) -> list[ir.Theorem]:
    """Those that the model states (without any: all its invariants), and for each system among them the theorem `CONTRACT`."""
    stated = list(module.theorems)
    if not stated:
        stated = [
            ir.Theorem(f.name, frozenset(), None, None, PROVED, (), f.span)
            for f in module.facts.values()
            if f.kind == "invariant"
        ]
    if not stated:
        fail("no-theorem", "the model states nothing to prove", help='add `invariant NAME "sentence": P`')
    covered = {(x.switches, x.assumed) for x in stated if x.name == ir.CONTRACT}
    for theorem in list(stated):
        if (theorem.switches, theorem.assumed) not in covered:
            covered.add((theorem.switches, theorem.assumed))
            stated.append(ir.Theorem(ir.CONTRACT, theorem.switches, None, theorem.assumed, PROVED, (), theorem.span))
    return stated


@dataclass(slots=True)
class _Work:
    """A system with what is inductive in it."""

    induction: Induction
    inductive: Inductive
    never: tuple[str, ...]
    undecided: tuple[str, ...]


class Prover:
    """Proves the theorems of one module; systems and their inductive sets are made once."""

    def __init__(self, module: ir.Module, *, ask_explorer: bool = True) -> None:
        self.module = module
        self.ask_explorer = ask_explorer
        self.work: dict[tuple[frozenset[str], frozenset[str], ir.Expr | None], _Work] = {}

    def results(self) -> Iterator[Result]:
        for number, theorem in enumerate(theorems_of(self.module), 1):
            started = time.process_time()
            result = self.prove(theorem, number)
            result.seconds = time.process_time() - started
            yield result

    def _facts(self, theorem: ir.Theorem) -> list[ir.Fact]:
        facts = self.module.facts
        if theorem.using is None:
            return list(facts.values())
        return [f for f in facts.values() if f.name == theorem.name or f.name in theorem.using]

    def _work(self, theorem: ir.Theorem) -> _Work:
        facts = self._facts(theorem)
        key = (theorem.switches, frozenset(f.name for f in facts), theorem.assumed)
        if key not in self.work:
            induction = Induction(System(self.module, theorem.switches, facts, theorem.assumed))
            inductive = induction.houdini(induction.system.laws)
            never, undecided = induction.never_enabled(inductive.kept)
            self.work[key] = _Work(induction, inductive, never, undecided)
        return self.work[key]

    def prove(self, theorem: ir.Theorem, number: int) -> Result:
        """The verdict on one theorem."""
        work = self._work(theorem)
        induction = work.induction
        before = induction.queries
        if theorem.name == ir.CONTRACT:
            result = self._contract(theorem, number, work)
        else:
            result = self._fact(theorem, number, work)
        result.queries = induction.queries - before
        result.never = work.never
        if result.verdict == PROVED and work.undecided:
            result.verdict = UNKNOWN
            result.message = (
                f"whether {', '.join(f'`{n}`' for n in work.undecided)} can happen under the laws is not known"
            )
        elif result.verdict == PROVED and work.never:
            names = ", ".join(f"`{n}`" for n in work.never)
            result.message = f"under the laws {names} can never happen"
            if theorem.assumed is None:
                result.verdict = VACUOUS
        return result

    def _fact(self, theorem: ir.Theorem, number: int, work: _Work) -> Result:
        name, induction, inductive = theorem.name, work.induction, work.inductive
        law = induction.system.laws[name]
        if name in inductive.kept:
            return Result(theorem, number, law.text, PROVED, induction.needs([name], inductive.kept))
        condition = resolve(self.module.facts[name].condition, theorem.switches)
        falls = inductive.first_falls(name)
        if not falls or (inductive.undecided and not any(f.law == name and f.round == 0 for f in falls)):
            gave_up = "; ".join(f"`{n}` {r}" for n, r in inductive.undecided.items())
            result = Result(theorem, number, law.text, UNKNOWN, message=f"the solver gave up on {gave_up}")
            return self._reached(result, condition)
        sections = tuple(dict.fromkeys(f.section for f in falls))
        own = [f for f in falls if f.law == name]
        shown = falls[0]
        # What holds before the section: all laws, as in the first round of the search.
        everything = list(induction.system.laws) if shown.round == 0 else list(inductive.kept)
        prepared = next(p for p in induction.system.prepared if p.name == shown.section)
        broken = induction.system.laws[shown.law]
        example = explain(
            induction,
            prepared,
            everything,
            prepared.goals[shown.law],
            shown.law,
            _sentence(broken.name, broken.text),
            broken.reads,
        )
        message = ""
        if not own or min(f.round for f in own) > 0:
            others = ", ".join(f"`{n}`" for n in dict.fromkeys(f.law for f in falls))
            message = f"it falls because {others} does not hold"
        result = Result(theorem, number, law.text, NOT_INDUCTIVE, (), sections, example, None, message)
        return self._reached(result, condition)

    def _contract(self, theorem: ir.Theorem, number: int, work: _Work) -> Result:
        text = "every assert holds, and every value stays in its type"
        induction, inductive = work.induction, work.inductive
        broken, unknown = induction.broken_checks(inductive.kept)
        if broken and not inductive.undecided:
            prepared, check = broken[0]
            sections = tuple(dict.fromkeys(p.name for p, _ in broken))
            place = f" ({check.site})" if check.site is not None else ""
            example = explain(
                induction, prepared, inductive.kept, check.condition, ir.CONTRACT, f"{check.text}{place}", ()
            )
            return self._reached(Result(theorem, number, text, NOT_INDUCTIVE, (), sections, example), None)
        unknown |= inductive.undecided if broken else {}
        if unknown:
            reason = "; ".join(f"{n}: {r}" for n, r in unknown.items())
            result = Result(theorem, number, text, UNKNOWN, message=f"the solver gave up on {reason}")
            return self._reached(result, None)
        core = induction.check_needs(inductive.kept)
        return Result(theorem, number, text, PROVED, induction.needs(core, inductive.kept))

    def _reached(self, result: Result, condition: ir.Expr | None) -> Result:
        if self.ask_explorer:
            theorem = result.theorem
            result.trace = reach(self.module, theorem.switches, condition, theorem.assumed)
            if result.trace is not None:
                result.verdict = REFUTED
        return result


def _sentence(name: str, text: str) -> str:
    return f'{name} "{text}"' if text else name
