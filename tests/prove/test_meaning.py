"""The formulas of a section and the explorer agree: on every transition of a bounded search, the state after is what the formulas say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from hugecheck.explore.machine import Choices
from hugecheck.explore.system import System as Explored
from hugecheck.ir import liveness
from hugecheck.language.loader import load_model_file
from hugecheck.prove import reach
from hugecheck.prove import terms as t
from hugecheck.prove.system import ENTRY, System
from hugecheck.prove.terms import Term
from hugecheck.run import build_program
from support.specs import ROOT

MODELS = sorted((ROOT / "models" / "prove").glob("*.hck"))
STATES = 400

Value = object


def evaluate(term: Term, values: Mapping[str, Value], done: dict[int, Value]) -> Value:
    """The value of a term; arrays are dictionaries."""
    for part in t.parts([term]):
        if id(part) not in done:
            done[id(part)] = _one(part, [done[id(a)] for a in part.args], values)
    return done[id(term)]


def _one(term: Term, a: list[Value], values: Mapping[str, Value]) -> Value:
    x: list[int] = [v for v in a if isinstance(v, int)]
    match term.op:
        case "const":
            return values[str(term.value)]
        case "num":
            return term.value
        case "true" | "false":
            return term.op == "true"
        case "not":
            return not a[0]
        case "and":
            return all(a)
        case "or":
            return any(a)
        case "=>":
            return not a[0] or a[1]
        case "ite":
            return a[1] if a[0] else a[2]
        case "=":
            return a[0] == a[1]
        case "select":
            assert isinstance(a[0], dict)
            return a[0].get(a[1], 0)
        case "store":
            assert isinstance(a[0], dict)
            return {**a[0], a[1]: a[2]}
        case "+":
            return x[0] + x[1]
        case "-":
            return x[0] - x[1]
        case "*":
            return x[0] * x[1]
        case "div":
            return x[0] // x[1]
        case "mod":
            return x[0] % x[1]
        case "<":
            return x[0] < x[1]
        case _:
            assert term.op == "<="
            return x[0] <= x[1]


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_agreement(path: Path) -> None:
    module = load_model_file(path)
    facts = list(module.facts.values())
    system = System(module, frozenset(), facts, None)
    scenario = reach._scenario(module, facts[0].condition, None, 2, 2)
    assert scenario is not None
    program = build_program(scenario, frozenset())
    explored = Explored(scenario, program, scenario.sizes, liveness.frame(program), merge=True)
    layout = explored.layout

    def shared(state: list[int]) -> dict[str, Value]:
        out: dict[str, Value] = {f"size.{i}": n for i, n in scenario.sizes.items()}
        for name, variable in system.encoder.used.items():
            truth = system.before[name].sort.endswith("Bool") or system.before[name].sort.endswith("Bool)")
            if name not in layout.base:
                continue
            if variable.indices:
                assert len(variable.indices) == 1
                cells = [state[layout.base[name] + n] for n in range(scenario.sizes[variable.indices[0]])]
                out[name] = {n: bool(v) if truth else v for n, v in enumerate(cells)}
            else:
                out[name] = bool(state[layout.base[name]]) if truth else state[layout.base[name]]
        for total in system.totals:
            parts = [evaluate(system.encoder.summand(total, system.before, t.num(n)), out, {}) for n in range(2)]
            out[total.name] = sum(p for p in parts if isinstance(p, int))
        return out

    sections = {s.name: s for s in system.sections}
    start = explored.initial()
    seen, frontier, compared, refused = {tuple(start)}, [start], 0, 0
    while frontier and len(seen) < STATES:
        state = frontier.pop(0)
        calls = scenario.threads[0].instructions[0]
        taken_calls = {m.call for m in explored.moves_of(list(state), 0) if m.call is not None}
        for call in calls.calls:  # type: ignore[union-attr]
            section = sections[call.operation.removeprefix(ENTRY)]
            before = shared(state)
            fresh = {c: v for (_, c, _), v in zip(section.run.fresh, call.arguments, strict=True)}
            values = {
                **before,
                **{str(c.value): bool(v) if c.sort == t.BOOL else v for c, v in fresh.items()},
            }
            enabled = bool(evaluate(t.and_(*section.run.guard), values, {}))
            after = list(state)
            move = next((m for m in explored.moves_of(list(state), 0) if m.call == call), None)
            happens = call in taken_calls and move is not None
            if happens and move is not None:
                happens = not explored.take(after, move, Choices(())).disabled
            assert enabled == happens, (call, before)
            if not happens:
                refused += 1
                continue
            compared += 1
            wanted = shared(after)
            for name, term in section.after.items():
                if name in wanted:
                    got = evaluate(term, values, {})
                    assert got == wanted[name], (call, name, before)
            for total in system.totals:
                got = evaluate(section.run.total_after(total, section.after), values, {})
                assert got == wanted[total.name], (call, total, before)
            key = tuple(after)
            if key not in seen:
                seen.add(key)
                frontier.append(after)
    assert compared > 20 and (refused > 10 or path.stem == "quota")
