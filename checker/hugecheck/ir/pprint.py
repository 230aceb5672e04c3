"""The one text form of a program, for reading, tests and bug reports (`hugecheck show --ir`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from hugecheck.ir import program as ir
from hugecheck.ir.operators import OPERATORS
from hugecheck.ir.types import EnumType, IndexType, OptionalType, inner


def program_text(program: ir.Program) -> str:
    """The whole program."""
    out: list[str] = []
    for variable in program.variables.values():
        indices = f"[{', '.join(variable.indices)}]" if variable.indices else ""
        lock = f" under {variable.lock}" if variable.lock else ""
        ghost = "ghost " if variable.ghost else ""
        out.append(
            f"{ghost}var {variable.name}{indices}: {variable.type} = {_Printer(program).expr(variable.initial)}{lock}"
        )
    for flat in program.flats.values():
        params = ", ".join(f"{p.name}: {p.type}" for p in flat.params)
        returns = f" -> {flat.returns}" if flat.returns is not None else ""
        out += ["", f"subroutine {flat.name}({params}){returns}{' or error' if flat.fails else ''}"]
        out += _Printer(program).block(flat.body, 1)
    for code in program.operations.values():
        params = ", ".join(f"{p.local.name}: {p.local.type}" for p in code.params)
        out += ["", f"operation {code.name}({params}) begins at {code.entry}"]
    for block in program.blocks.values():
        kind = "section" if block.yields else "block"
        live = f" needs {', '.join(sorted(block.live))}" if block.live else ""
        out += ["", f"{kind} {block.number} of {block.owner} ({block.name}){live}"]
        out += _Printer(program).block(block.body, 1)
    return "\n".join(out) + "\n"


def expression_text(program: ir.Program, expr: ir.Expr) -> str:
    """One expression."""
    return _Printer(program).expr(expr)


class _Printer:
    def __init__(self, program: ir.Program) -> None:
        self.program = program

    def block(self, body: ir.Block_, depth: int) -> list[str]:
        pad = "  " * depth
        out: list[str] = []
        for statement in body:
            out.extend(pad + line for line in self.statement(statement))
        return out

    def statement(self, statement: ir.Statement) -> Iterator[str]:
        e = self.expr
        match statement:
            case ir.SetLocal(local, value):
                yield f"{local.name} := {e(value)}"
            case ir.Store(variable, indices, value):
                yield f"{self.place(variable, indices)} = {e(value)}"
            case ir.If(condition, then, otherwise):
                yield f"if {e(condition)}"
                yield from self.block(then, 1)
                if otherwise:
                    yield "else"
                    yield from self.block(otherwise, 1)
            case ir.While(condition, body):
                yield f"while {e(condition)}"
                yield from self.block(body, 1)
            case ir.For(local, domain, where, body):
                yield f"for {local.name} in {self.domain(domain)}" + (f" where {e(where)}" if where is not None else "")
                yield from self.block(body, 1)
            case ir.Break():
                yield "break"
            case ir.Continue():
                yield "continue"
            case ir.Assert(kind, condition, reason, _):
                yield f"{kind} {e(condition)}" + (f' "{reason}"' if reason else "")
            case ir.Reset(index, element):
                yield f"reset {index} {e(element)}"
            case ir.Choose(local, domain, where):
                yield f"choose {local.name} in {self.domain(domain)}" + (
                    f" where {e(where)}" if where is not None else ""
                )
            case ir.Await(condition, lock, _, _):
                yield f"await {e(condition)}" + (f" for {lock}" if lock else "")
            case ir.Call():
                targets = ", ".join(t.name for t in (statement.error, statement.target) if t is not None)
                yield (
                    f"{targets} := " if targets else ""
                ) + f"{statement.function}({', '.join(e(a) for a in statement.arguments)})"
            case ir.Return(value):
                yield "return" + (f" {e(value)}" if value is not None else "")
            case ir.Fail(error):
                yield f"fail {e(error)}"
            case ir.Goto(block):
                yield f"{'suspend before' if self.program.blocks[block].yields else 'goto'} {block}"
            case ir.Enter(function, block, back):
                yield f"enter {function} at {block}, back to {back}"
            case ir.Leave(function):
                yield f"leave {function}"
            case ir.Finish(result):
                yield f"finish {e(result)}"
            case ir.Atomic() | ir.Hold() | ir.Either():
                yield type(statement).__name__.lower()
            case _ as never:
                assert_never(never)

    def place(self, variable: str, indices: tuple[ir.Expr, ...]) -> str:
        return variable + (f"[{', '.join(self.expr(i) for i in indices)}]" if indices else "")

    def domain(self, domain: ir.Domain) -> str:
        match domain:
            case ir.IndexDomain(index):
                return index
            case ir.Interval(low, high):
                return f"{self.expr(low)}..{self.expr(high)}"
            case ir.Members(of):
                return self.expr(of)
            case _ as never:
                assert_never(never)

    def expr(self, expr: ir.Expr) -> str:
        match expr:
            case ir.Const(value, type_):
                return self.constant(value, expr)
            case ir.Local(name, _):
                return name
            case ir.ThreadId():
                return "thread"
            case ir.IndexSize(index, _):
                return f"size({index})"
            case ir.Has(switch, _):
                return f"has({switch})"
            case ir.Load(variable, indices, _):
                return self.place(variable, indices)
            case ir.Convert(value, type_, _):
                return f"({self.expr(value)} as {type_})"
            case ir.Conditional(condition, then, otherwise, _):
                return f"(if {self.expr(condition)} then {self.expr(then)} else {self.expr(otherwise)})"
            case ir.Quantified(kind, variable, domain, body, _):
                return f"({kind} {variable.name} in {self.domain(domain)}: {self.expr(body)})"
            case ir.Apply("single", (element,), _):
                return f"{{{self.expr(element)}}}"
            case ir.Apply("interval", (low, high), _):
                return f"{{{self.expr(low)}..{self.expr(high)}}}"
            case ir.Apply(operator, arguments, _):
                row = OPERATORS[operator]
                if row.arity == 2 and operator not in ("min", "max"):
                    return f"({self.expr(arguments[0])} {row.symbol} {self.expr(arguments[1])})"
                return f"{row.symbol}({', '.join(self.expr(a) for a in arguments)})"
            case _ as never:
                assert_never(never)

    def constant(self, value: int, expr: ir.Const) -> str:
        type_ = inner(expr.type)
        if value == -1 and isinstance(expr.type, OptionalType):
            return "none"
        if isinstance(type_, EnumType):
            names = self.program.module.results if type_.name == "result" else self.program.module.enums[type_.name]
            return names[value]
        return f"{type_}#{value}" if isinstance(type_, IndexType) else str(value)
