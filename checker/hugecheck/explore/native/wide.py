"""Which locals can hold what does not fit into 64 bits with a sign: the values that `u64` gives for negative numbers, and what is computed from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hugecheck.explore.native.ranges import LARGEST
from hugecheck.ir import program as ir
from hugecheck.ir.rewrite import blocks


@dataclass(slots=True)
class Wide:
    """Names of locals, of subroutines by their result, and of variables."""

    locals: set[str] = field(default_factory=set)
    flats: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)

    def expr(self, expr: ir.Expr) -> bool:
        """Whether the value may be wide."""
        match expr:
            case ir.Const(value, _):
                return value > LARGEST
            case ir.Local(name, _):
                return name in self.locals
            case ir.Load(variable, _, _):
                return variable in self.variables
            case ir.Apply("u64", _, _):
                return True
            case ir.Apply("add" | "sub" | "mul" | "neg" | "min" | "max", arguments, _):
                return any(self.expr(a) for a in arguments)
            case ir.Convert(value, _, _):
                return self.expr(value)
            case ir.Conditional(_, then, otherwise, _):
                return self.expr(then) or self.expr(otherwise)
            case _:
                return False

    @property
    def size(self) -> int:
        return len(self.locals) + len(self.flats) + len(self.variables)


def find_wide(program: ir.Program) -> Wide:
    """Follow what `u64` gives through assignments, calls and results, until nothing is added."""
    wide = Wide()
    before = -1
    while wide.size > before:
        before = wide.size
        for owner, statement in _statements(program):
            match statement:
                case ir.SetLocal(local, value) if wide.expr(value):
                    wide.locals.add(local.name)
                case ir.Store(variable, _, value) if wide.expr(value):
                    wide.variables.add(variable)
                case ir.Return(value) if value is not None and wide.expr(value):
                    wide.flats.add(owner)
                case ir.Call():
                    params = program.flats[statement.function].params
                    for param, argument in zip(params, statement.arguments, strict=True):
                        if wide.expr(argument):
                            wide.locals.add(param.name)
                    if statement.target is not None and statement.function in wide.flats:
                        wide.locals.add(statement.target.name)
                case _:
                    pass
    return wide


def _statements(program: ir.Program) -> Iterator[tuple[str, ir.Statement]]:
    """Every statement with the subroutine that it is in, if any."""
    pending = [("", s) for block in program.blocks.values() for s in block.body]
    pending += [(flat.name, s) for flat in program.flats.values() for s in flat.body]
    while pending:
        owner, statement = pending.pop()
        yield owner, statement
        for body in blocks(statement):
            pending.extend((owner, s) for s in body)
