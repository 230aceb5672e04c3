"""Checks that a program is what `ir.program` promises. A failure is a bug of hugecheck, so it is an assertion and not a diagnostic."""

from __future__ import annotations

from hugecheck.ir import program as ir
from hugecheck.ir.liveness import EMPTY, before
from hugecheck.ir.operators import OPERATORS
from hugecheck.ir.rewrite import blocks, expressions, walk


def verify(program: ir.Program) -> None:
    """Raise `AssertionError` with the block and the reason if a guarantee of the passes does not hold."""
    for block in program.blocks.values():
        where = f"block {block.number} ({block.name})"
        assert _ends(block.body), f"{where}: a path does not end in a transfer"
        _statements(program, block.body, where, flat=False)
        assert block.live == before(block.body, EMPTY, program), f"{where}: live locals are wrong"
    for flat in program.flats.values():
        _statements(program, flat.body, f"function {flat.name}", flat=True)
    for code in program.operations.values():
        extra = program.blocks[code.entry].live - {p.local.name for p in code.params}
        assert not extra, f"operation {code.name} reads {sorted(extra)} before it is set"


def _ends(body: ir.Block_) -> bool:
    if not body:
        return False
    match body[-1]:
        case ir.Goto() | ir.Enter() | ir.Leave() | ir.Finish():
            return True
        case ir.If(_, then, otherwise):
            return _ends(then) and _ends(otherwise)
        case _:
            return False


def _statements(program: ir.Program, body: ir.Block_, where: str, *, flat: bool) -> None:
    for statement in body:
        match statement:
            case ir.Atomic() | ir.Hold() | ir.Either():
                raise AssertionError(f"{where}: {type(statement).__name__} is left")
            case ir.Return() | ir.Fail():
                assert flat, f"{where}: {type(statement).__name__} outside a subroutine"
            case ir.Goto() | ir.Enter() | ir.Leave() | ir.Finish() | ir.Await():
                assert not flat, f"{where}: {type(statement).__name__} in a subroutine"
                if isinstance(statement, ir.Goto | ir.Enter):
                    assert statement.block in program.blocks, f"{where}: no block {statement.block}"
            case ir.Call():
                assert statement.handler is None and statement.function in program.flats, (
                    f"{where}: call of {statement.function}"
                )
            case ir.Store(variable, indices, _):
                assert len(indices) == len(program.variables[variable].indices), f"{where}: indices of {variable}"
            case _:
                pass
        for expr in expressions(statement):
            _expression(program, expr, where)
        for inside in blocks(statement):
            _statements(program, inside, where, flat=flat)


def _expression(program: ir.Program, expr: ir.Expr, where: str) -> None:
    for node in walk(expr):
        match node:
            case ir.Has(switch, _):
                raise AssertionError(f"{where}: switch {switch} is left")
            case ir.Load(variable, indices, _) if not variable.startswith("initially."):
                assert len(indices) == len(program.variables[variable].indices), f"{where}: indices of {variable}"
            case ir.Apply(operator, arguments, _):
                assert OPERATORS[operator].arity == len(arguments), f"{where}: arguments of {operator}"
            case _:
                pass
