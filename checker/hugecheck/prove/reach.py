"""Asking the explorer for an execution that breaks a law: the model's sections, one after the other, with small arguments and few elements.

A section whose `requires` is false is not offered. What is found is an execution of the model; that nothing is found proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from hugecheck.diagnostics import Span
from hugecheck.explore.engines import REFERENCE, Choice
from hugecheck.explore.search import Limits
from hugecheck.ir import program as ir
from hugecheck.ir.types import BOOL, NAT, BoolType, EnumType, IndexType, IntType, OptionalType, Type
from hugecheck.language.scenario import AnyOf, Clause, Invocation, Jump, Scenario, Thread
from hugecheck.prove.system import ENTRY, with_entries
from hugecheck.run import run_on
from hugecheck.trace.path import Trace

TRANSITIONS = 200_000
"""about how many transitions the explorer makes in an attempt"""
ATTEMPTS = ((1, 1), (1, 2), (2, 2), (1, 4))
"""(elements of each index type, largest number as an argument)"""
MAX_CALLS = 2_000


@dataclass(frozen=True, slots=True)
class Reached:
    """An execution after which the law does not hold. `steps`: text of the call, its result, and the variables that it changed"""

    steps: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...]
    message: str = ""


def reach(module: ir.Module, switches: frozenset[str], law: ir.Expr | None, assumed: ir.Expr | None) -> Reached | None:
    """A shortest execution to a state in which the law (None: the model's own contract) is broken, and `assumed` held all the way."""
    for size, largest in ATTEMPTS:
        scenario = _scenario(module, law, assumed, size, largest)
        if scenario is None:
            continue
        instruction = scenario.threads[0].instructions[0]
        assert isinstance(instruction, AnyOf)
        limits = Limits(None, max(500, TRANSITIONS // len(instruction.calls)), None, None)
        result = run_on(scenario, "", switches, limits, engine=Choice(REFERENCE))
        wanted = "contract" if law is None else "always"
        for clause in result.clauses:
            if clause.kind == wanted and clause.verdict == "violated" and clause.trace is not None:
                return Reached(tuple(_steps(clause.trace)), clause.message)
    return None


def _steps(trace: Trace) -> Iterator[tuple[str, str, tuple[tuple[str, str, str], ...]]]:
    before = trace.before
    for step in trace.steps:
        after = step.after or before
        changes = tuple((n, str(before[n]), str(v)) for n, v in after.items() if before.get(n) != v)
        yield step.text.removeprefix(ENTRY), step.result, changes
        before = after


def _scenario(
    module: ir.Module, law: ir.Expr | None, assumed: ir.Expr | None, size: int, largest: int
) -> Scenario | None:
    """`loop { any 1 of { every section with every argument } }`, and `always law`."""
    module = with_entries(module)
    guards = (ir.When(assumed, ()),) if assumed is not None else ()
    operations = {
        n: replace(o, conditions=(*o.conditions, *guards), body=_guarded(o.body)) for n, o in module.operations.items()
    }
    entered = {n.removeprefix(ENTRY) for n in operations if n.startswith(ENTRY)}
    functions = {n: replace(f, body=_guarded(f.body)) if n in entered else f for n, f in module.functions.items()}
    sizes = {i.name: i.size if i.kind == "fixed" else size for i in module.indexes.values()}
    module = replace(
        module,
        operations=operations,
        functions=functions,
        observes=tuple(_observes(module, sizes)),
        meanings=(),
        actor=None,
    )
    calls = []
    for operation in operations.values():
        values = [_values(p.local.type, module, sizes, largest) for p in operation.params]
        if any(v is None for v in values):
            return None
        for arguments in product(*(v for v in values if v is not None)):
            calls.append(Invocation(operation.name, arguments, None, operation.span))
    if not calls or len(calls) > MAX_CALLS:
        return None
    condition: ir.Expr = law if law is not None else ir.Const(1, BOOL)
    if assumed is not None:
        condition = ir.Apply("implies", (assumed, condition), BOOL)
    elements = {
        i.name: tuple(f"{i.name}{n + 1}" for n in range(sizes[i.name]))
        for i in module.indexes.values()
        if i.kind == "named"
    }
    place: Span = calls[0].span
    thread = Thread("", None, (AnyOf(1, tuple(calls), place), Jump(0)))
    clause = Clause("always", "law", "", condition, False, {}, place)
    everything = {name: (1 << n) - 1 for name, n in sizes.items()}
    return Scenario("", module, (), sizes, frozenset(sizes), elements, everything, 0, None, (thread,), (clause,))


def _observes(module: ir.Module, sizes: dict[str, int]) -> Iterator[ir.Observe]:
    """Every variable, so that the trace shows what changes."""
    for variable in module.variables.values():
        if variable.name.startswith("injected."):
            continue
        for at in product(*(range(sizes[i]) for i in variable.indices)):
            indices = tuple(ir.Const(n, IndexType(i)) for n, i in zip(at, variable.indices, strict=True))
            shown = ", ".join(f"{i}{n + 1}" for n, i in zip(at, variable.indices, strict=True))
            _, _, field = variable.name.rpartition(".")
            name = f"{shown}.{field}" if variable.record else f"{variable.name}[{shown}]" if shown else variable.name
            yield ir.Observe(name, "", None, None, ir.Load(variable.name, indices, variable.type), "")


def _values(type_: Type, module: ir.Module, sizes: dict[str, int], largest: int) -> list[int] | None:
    match type_:
        case BoolType():
            return [0, 1]
        case IntType(low, high, _):
            least = max(low, -largest) if low is not None else -largest
            return list(range(least, min(high, largest) + 1 if high is not None else largest + 1))
        case EnumType(name):
            return list(range(len(module.enums[name])))
        case IndexType(name):
            return list(range(sizes[name]))
        case OptionalType(of):
            inside = _values(of, module, sizes, largest) if of is not None else []
            return [-1, *inside] if inside is not None else None
        case _:
            return None


def _guarded(body: ir.Block_) -> ir.Block_:
    """`requires` as a guard: a choice among nothing where it is false."""
    return tuple(_guarded_statement(s) for s in body)


def _guarded_statement(statement: ir.Statement) -> ir.Statement:
    match statement:
        case ir.Assert("requires", condition, _, site):
            one = ir.Conditional(condition, ir.Const(1, NAT), ir.Const(0, NAT), NAT)
            local = ir.Local(f"requires.{site.line}.{site.column}", NAT)
            return ir.Choose(local, ir.Interval(ir.Const(0, NAT), one), None)
        case ir.If(condition, then, otherwise):
            return ir.If(condition, _guarded(then), _guarded(otherwise))
        case ir.While(condition, inside):
            return ir.While(condition, _guarded(inside))
        case ir.For(local, domain, where, inside):
            return ir.For(local, domain, where, _guarded(inside))
        case ir.Atomic(label, inside, site):
            return ir.Atomic(label, _guarded(inside), site)
        case ir.Either(branches):
            return ir.Either(tuple(_guarded(b) for b in branches))
        case ir.Hold():
            return replace(statement, body=_guarded(statement.body), otherwise=_guarded(statement.otherwise))
        case ir.Call() if statement.handler is not None:
            return replace(statement, handler=_guarded(statement.handler))
        case _:
            return statement
