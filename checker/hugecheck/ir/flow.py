"""Which statements let control pass to the one after them."""

from __future__ import annotations

from hugecheck.ir import program as ir


def falls_through(block: ir.Block_) -> bool:
    """Whether control can reach the end of the block."""
    for statement in block:
        match statement:
            case ir.Return() | ir.Fail() | ir.Break() | ir.Continue() | ir.Goto() | ir.Finish():
                return False
            case ir.If(_, then, otherwise) if not falls_through(then) and not falls_through(otherwise):
                return False
            case ir.Atomic(_, body, _) if not falls_through(body):
                return False
            case ir.Hold(_, _, _, attempt, body, otherwise, _) if not falls_through(body) and not (
                attempt and falls_through(otherwise)
            ):
                return False
            case ir.Either(branches) if not any(falls_through(b) for b in branches):
                return False
            case ir.While(ir.Const(1), body) if not _breaks(body):
                return False
            case _:
                pass
    return True


def _breaks(block: ir.Block_) -> bool:
    """Whether a `break` of the enclosing loop stands in the block."""
    for statement in block:
        match statement:
            case ir.Break():
                return True
            case ir.If(_, a, b) if _breaks(a) or _breaks(b):
                return True
            case ir.Atomic(_, body, _) if _breaks(body):
                return True
            case ir.Hold() if _breaks(statement.body) or _breaks(statement.otherwise):
                return True
            case ir.Either(branches) if any(_breaks(b) for b in branches):
                return True
            case ir.Call() if statement.handler and _breaks(statement.handler):
                return True
            case _:
                pass
    return False
