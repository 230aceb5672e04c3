"""A counterexample to induction in the words of the model: the section, what it was called with, the state before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hugecheck.diagnostics import Span
from hugecheck.ir.types import BoolType, EnumType, IndexType, OptionalType, Type, inner
from hugecheck.prove import terms as t
from hugecheck.prove.induction import Induction
from hugecheck.prove.solver import Model
from hugecheck.prove.system import START, Prepared
from hugecheck.prove.terms import Term


@dataclass(frozen=True, slots=True)
class Row:
    """One variable, or a field of one element"""

    name: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Counterexample:
    """From a state that no law forbids, the section leads to one in which `law` does not hold. Nothing says that the state can be reached."""

    law: str
    law_text: str
    section: str
    site: Span | None
    parameters: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]


def explain(
    induction: Induction, prepared: Prepared, laws: Sequence[str], goal: Term, law: str, text: str, reads: Sequence[str]
) -> Counterexample | None:
    """The smallest counterexample found, or None if the solver gives up. `reads`: variables to show although they do not change."""
    model = induction.smallest(prepared, laws, goal)
    if model is None:
        return None
    system, section = induction.system, prepared.section
    enums = system.module.enums
    names = _element_names(prepared, model)
    after = section.after if section is not None else system.before
    rows = []
    for name, variable in system.encoder.used.items():
        for label, at in _places(variable.indices, prepared, names, model):
            old, new = (
                _shown(model.value(t.select(s[name], at)), variable.type, enums, names) for s in (system.before, after)
            )
            if old != new or name in reads:
                rows.append(Row(_label(name, label), "" if section is None else old, new))
    parameters: list[tuple[str, str]] = []
    if section is not None:
        parameters = [
            (shown, _shown(model.value(constant), type_, enums, {}))
            for shown, constant, type_ in section.run.fresh
            if "either" not in shown
        ]
    site = section.span if section is not None else None
    return Counterexample(law, text, prepared.name, site, tuple(parameters), tuple(rows))


def lines(example: Counterexample) -> list[str]:
    """The text of a counterexample, without indentation."""
    called = ", ".join(f"{n} {v}" for n, v in example.parameters)
    place = f" ({example.site})" if example.site is not None else ""
    if example.section == START:
        out = ["the initial state already breaks it:"]
    else:
        out = [
            f"section {example.section}{place}{' with ' + called if called else ''}, from a state that no law forbids:"
        ]
    width = max([len(r.name) for r in example.rows], default=0)
    old = max([6, *(len(r.before) for r in example.rows)])
    out.append(f"  {'':<{width}}  {'before':<{old}}  after")
    out += [f"  {r.name:<{width}}  {r.before:<{old}}  {r.after if r.changed else '='}" for r in example.rows]
    out.append(f"  then {example.law_text or example.law} does not hold")
    return out


def _element_names(prepared: Prepared, model: Model) -> dict[tuple[str, int], str]:
    """Elements by index type and number: a parameter's name where one stands for it."""
    out: dict[tuple[str, int], str] = {}
    if prepared.section is not None:
        for shown, constant, type_ in prepared.section.run.fresh:
            of = inner(type_)
            if isinstance(of, IndexType):
                out.setdefault((of.name, model.value(constant)), shown)
    for index, terms in prepared.terms.items():
        for term in terms:
            number = model.value(term)
            if number >= 0:
                out.setdefault((index, number), f"{index}#{number}")
    return out


def _places(
    indices: tuple[str, ...], prepared: Prepared, names: dict[tuple[str, int], str], model: Model
) -> list[tuple[str, list[Term]]]:
    """The elements in play of an array, by name."""
    places: list[tuple[str, list[Term]]] = [("", [])]
    for index in indices:
        numbers = sorted({model.value(e) for e in prepared.terms.get(index, [])} - {-1})
        places = [
            (f"{label}, {names.get((index, n), n)}" if label else str(names.get((index, n), n)), [*at, t.num(n)])
            for label, at in places
            for n in numbers
        ]
    return places


def _label(variable: str, element: str) -> str:
    record, dot, field = variable.rpartition(".")
    if not element:
        return variable
    return f"{element}.{field}" if dot and record else f"{variable}[{element}]"


def _shown(value: int, type_: Type, enums: object, names: dict[tuple[str, int], str]) -> str:
    of = inner(type_)
    if isinstance(type_, OptionalType) and value == -1:
        return "none"
    if isinstance(of, BoolType):
        return "true" if value else "false"
    if isinstance(of, EnumType) and isinstance(enums, dict) and of.name in enums:
        members = enums[of.name]
        return str(members[value]) if 0 <= value < len(members) else str(value)
    if isinstance(of, IndexType):
        return names.get((of.name, value), f"{of.name}#{value}")
    return str(value)
