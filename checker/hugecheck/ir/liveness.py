"""Which locals matter at the head of each block, and where they are kept while a thread is suspended.

A local that is not live is 0 in the state vector, so states that differ only in forgotten values are one state. Locals that are never kept at the
same time share a slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from hugecheck.ir import program as ir
from hugecheck.ir.rewrite import children, domain_parts
from hugecheck.ir.sections import return_local

Names = frozenset[str]
EMPTY: Names = frozenset()


@dataclass(frozen=True, slots=True)
class Frame:
    """The slots of a thread's frame: position of each local that must be kept, and how many there are."""

    slots: Mapping[str, int]
    size: int


def solve(program: ir.Program) -> None:
    """Fill `Block.live` of every block."""
    changed = True
    order = sorted(program.blocks, reverse=True)
    while changed:
        changed = False
        for number in order:
            block = program.blocks[number]
            live = before(block.body, EMPTY, program)
            if live != block.live:
                block.live = live
                changed = True


def results_of(program: ir.Program, function: str) -> Names:
    """The locals by which a function made of blocks hands over its result."""
    declared = program.module.functions[function]
    out = {f"result@{function}"} if declared.returns is not None else set()
    return frozenset(out | ({f"error@{function}"} if declared.errors else set()))


def kept(program: ir.Program, call: ir.Enter) -> Names:
    """The caller's locals that must survive a call."""
    return program.blocks[call.back].live - results_of(program, call.function)


def uses(expr: ir.Expr | None) -> Names:
    """The locals that an expression reads from outside itself."""
    match expr:
        case None | ir.Const():
            return EMPTY
        case ir.Local(name, _):
            return frozenset((name,))
        case ir.Quantified(_, variable, domain, body, _):
            return (uses(body) - {variable.name}) | domain_uses(domain)
        case _:
            return EMPTY.union(*(uses(child) for child in children(expr)))


def domain_uses(domain: ir.Domain) -> Names:
    return frozenset().union(*(uses(p) for p in domain_parts(domain)))


def before(body: ir.Block_, after: Names, program: ir.Program) -> Names:
    """The locals live before the statements, when `after` are live behind them."""
    live = after
    for statement in reversed(body):
        live = _before(statement, live, program)
    return live


def _before(statement: ir.Statement, live: Names, program: ir.Program) -> Names:
    match statement:
        case ir.SetLocal(local, value):
            return (live - {local.name}) | uses(value)
        case ir.Store(_, indices, value):
            return live.union(uses(value), *(uses(i) for i in indices))
        case ir.If(condition, a, b):
            return uses(condition) | before(a, live, program) | before(b, live, program)
        case ir.While(condition, body):
            live = live | uses(condition)
            return _loop(body, live, program)
        case ir.For(local, domain, where, body):
            inside = _loop(body, live | uses(where), program)
            return (inside - {local.name}) | live | domain_uses(domain)
        case ir.Break() | ir.Continue():
            return live
        case ir.Assert(_, condition, _, _) | ir.Await(condition, _, _, _):
            return live | uses(condition)
        case ir.Reset(_, element):
            return live | uses(element)
        case ir.Choose(local, domain, where):
            return ((live | uses(where)) - {local.name}) | domain_uses(domain)
        case ir.Call():
            targets = {t.name for t in (statement.target, statement.error) if t is not None}
            return (live - targets).union(*(uses(a) for a in statement.arguments))
        case ir.Goto(block):
            return program.blocks[block].live
        case ir.Enter(function, block, _):
            return (program.blocks[block].live - {return_local(function).name}) | kept(program, statement)
        case ir.Leave(function):
            return results_of(program, function) | {return_local(function).name}
        case ir.Finish(result):
            return uses(result)
        case ir.Atomic() | ir.Hold() | ir.Either() | ir.Return() | ir.Fail():
            raise AssertionError(statement)
        case _ as never:
            assert_never(never)


def _loop(body: ir.Block_, live: Names, program: ir.Program) -> Names:
    while True:
        grown = live | before(body, live, program)
        if grown == live:
            return live
        live = grown


# ---------------------------------------------------------------- frames


def frame(program: ir.Program) -> Frame:
    """Slots for all locals that some block needs, so that no two that are kept at once share one."""
    touched = _touched(program)
    rivals: dict[str, set[str]] = {}

    def conflict(group: Names, others: Names) -> None:
        for name in group:
            rivals.setdefault(name, set()).update(others)

    for block in program.blocks.values():
        conflict(block.live, block.live)
        for call in _enters(block.body):
            saved = kept(program, call)
            conflict(saved, touched[call.function])
            conflict(touched[call.function], saved)
    for code in program.operations.values():
        params = frozenset(p.local.name for p in code.params)
        conflict(params, params)
    slots: dict[str, int] = {}
    for name in sorted(rivals):
        taken = {slots[r] for r in rivals[name] if r in slots and r != name}
        slots[name] = next(i for i in range(len(slots) + 1) if i not in taken)
    return Frame(slots, max(slots.values(), default=-1) + 1)


def _enters(body: ir.Block_) -> list[ir.Enter]:
    out: list[ir.Enter] = []
    for statement in body:
        match statement:
            case ir.Enter():
                out.append(statement)
            case ir.If(_, a, b):
                out += _enters(a) + _enters(b)
            case _:
                pass
    return out


def _touched(program: ir.Program) -> dict[str, Names]:
    """For each function made of blocks, the kept locals of it and of all it calls."""
    own: dict[str, set[str]] = {}
    calls: dict[str, set[str]] = {}
    for block in program.blocks.values():
        own.setdefault(block.owner, set()).update(block.live)
        for call in _enters(block.body):
            calls.setdefault(block.owner, set()).add(call.function)
            own.setdefault(call.function, set()).update(
                results_of(program, call.function) | {return_local(call.function).name}
            )

    def reachable(name: str) -> set[str]:
        found, pending = {name}, [name]
        while pending:
            new = calls.get(pending.pop(), set()) - found
            found |= new
            pending.extend(new)
        return found

    # An operation may have the name of a function; their locals are taken together then.
    return {name: EMPTY.union(*(own.get(n, set()) for n in reachable(name))) for name in own}
