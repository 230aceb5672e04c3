"""Does a violation show in counters? A clause that speaks of nothing but the counters of a trace can be judged on a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hugecheck.explore.machine import Machine
from hugecheck.explore.python import Property
from hugecheck.ir import program as ir
from hugecheck.ir import sections
from hugecheck.ir.rewrite import rewrite, walk
from hugecheck.ir.types import INT
from hugecheck.language.scenario import Clause

AT_THE_END = ("finally", "check")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a counterexample shows. `condition`: the clause over `counters`, or None where the counters do not tell. `kind`, `name`, `text`: as in
    the scenario."""

    kind: str
    name: str
    text: str
    condition: ir.Expr | None
    counters: tuple[str, ...]
    holds: Callable[..., int] | None

    def __str__(self) -> str:
        name = "" if self.name in (self.kind, self.text) else f" {self.name}"
        return f"{self.kind}{name}: {self.text}"

    @property
    def bad(self) -> bool:
        """The value of the condition that makes the discovery."""
        return self.kind in ("never", "sometimes")

    def seen(self, afters: Sequence[Mapping[str, object]]) -> int | None:
        """The number of the first step (from 1) whose counters show it; None if none does. Only where `holds` is known."""
        assert self.holds is not None
        first = max(1, len(afters)) if self.kind in AT_THE_END else 1
        for number, after in enumerate(afters, 1):
            if number < first or not all(isinstance(after.get(c), int) for c in self.counters):
                continue
            if bool(self.holds([], *(after[c] for c in self.counters))) == self.bad:
                return number
        return None


def claim_of(clause: Clause, module: ir.Module) -> Claim:
    """The claim of a clause, judged by counters if it uses nothing else."""
    counters = tuple(o.name for o in module.observes if not o.table)
    condition = over_counters(clause.condition, module) if clause.condition is not None else None
    return Claim(
        clause.kind, clause.name, clause.text, condition, counters, compiled(condition, module) if condition else None
    )


def over_counters(condition: ir.Expr, module: ir.Module) -> ir.Expr | None:
    """The condition with each counter as a local of its name, or None if it uses anything but counters."""
    shown = {o.value: ir.Local(o.name, INT) for o in module.observes if not o.table}
    changed = _replace(condition, shown)
    local = {o.name for o in shown.values()}
    for part in walk(changed):
        if isinstance(part, ir.Load | ir.ThreadId | ir.Has | ir.Quantified | ir.IndexSize):
            return None
        if isinstance(part, ir.Local) and part.name not in local:
            return None
    return changed


def _replace(condition: ir.Expr, shown: Mapping[ir.Expr, ir.Expr]) -> ir.Expr:
    """Larger counters first: `u64(resv_huge_pages)` is one, and `resv_huge_pages` in it is none."""
    return rewrite(condition, lambda part: shown.get(part, part))


def compiled(condition: ir.Expr, module: ir.Module) -> Callable[..., int]:
    """The condition as a function of a state (not used) and the counters."""
    counters = tuple(ir.Local(o.name, INT) for o in module.observes if not o.table)
    program = sections.build(module, frozenset(), ())
    machine = Machine(program, dict.fromkeys(module.indexes, 1), 1, {}, [Property("claim", counters, condition)])
    return machine.code.properties["claim"]
