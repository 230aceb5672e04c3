"""`verify` catches programs that are not what `ir.program` promises, and passes all that are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hugecheck.diagnostics import Source, Span
from hugecheck.ir import liveness, sections
from hugecheck.ir import program as ir
from hugecheck.ir.operators import OPERATORS
from hugecheck.ir.types import BOOL, INT, NAT
from hugecheck.ir.verify import verify
from hugecheck.language.loader import load_model
from support.specs import module

TEXT = """
index i 2
switch FAST "goes fast"
var x: int = 0
var a[i]: int = 0
fn cut(n: int) { atomic { x = n }; atomic { x = n + 1 } }
operation f(n: int) { atomic { x = n }; cut(n); atomic { a[0] = n } }
"""
HERE = Span(Source("t", ""), 1, 1)


def fresh() -> ir.Program:
    """A program that is as it should be."""
    built = sections.build(module(TEXT), frozenset())
    liveness.solve(built)
    return built


def test_sound_program() -> None:
    """What the passes make is verified."""
    verify(fresh())


@pytest.mark.parametrize("switches", [frozenset[str](), frozenset({"UNMAP_RESTORE"})], ids=["none", "one"])
def test_linux_model(switches: frozenset[str]) -> None:
    """So is the Linux model, whatever the switches."""
    built = sections.build(load_model("linux"), switches)
    liveness.solve(built)
    verify(built)


def _entry(built: ir.Program) -> ir.Block:
    return built.blocks[built.operations["f"].entry]


def _put(statement: ir.Statement) -> Callable[[ir.Program], None]:
    def change(built: ir.Program) -> None:
        block = _entry(built)
        block.body = (statement, *block.body)

    return change


def _empty(built: ir.Program) -> None:
    _entry(built).body = ()


def _no_end(built: ir.Program) -> None:
    _entry(built).body = (ir.SetLocal(ir.Local("z", INT), ir.Const(1, INT)),)


def _half_an_end(built: ir.Program) -> None:
    block = _entry(built)
    block.body = (ir.If(ir.Const(1, BOOL), block.body, ()),)


def _forgotten(built: ir.Program) -> None:
    _entry(built).live = frozenset()


def _too_many(built: ir.Program) -> None:
    _entry(built).live |= {"z"}


def _unset(built: ir.Program) -> None:
    _put(ir.SetLocal(ir.Local("z", INT), ir.Local("nobody", INT)))(built)
    liveness.solve(built)


BROKEN: dict[str, Callable[[ir.Program], None]] = {
    "a path does not end": _empty,
    "no transfer at the end": _no_end,
    "one branch does not end": _half_an_end,
    "a live local is missing": _forgotten,
    "a local that is not live": _too_many,
    "a local that nobody sets": _unset,
    "a block that is not there": _put(ir.If(ir.Const(1, BOOL), (ir.Goto(999),), ())),
    "atomic is left": _put(ir.Atomic("", (), HERE)),
    "hold is left": _put(ir.Hold("m", (), "mutex", False, (), (), HERE)),
    "either is left": _put(ir.Either(((),))),
    "return in a block": _put(ir.Return(None)),
    "fail in a block": _put(ir.Fail(ir.Const(0, INT))),
    "a call that can fail": _put(ir.Call("cut", (), None, None, (), HERE)),
    "a call of nothing": _put(ir.Call("nothing", (), None, None, None, HERE)),
    "too few indices": _put(ir.Store("a", (), ir.Const(0, INT))),
    "too many indices": _put(ir.Store("x", (ir.Const(0, NAT),), ir.Const(0, INT))),
    "a load without index": _put(ir.Store("x", (), ir.Load("a", (), INT))),
    "a switch is left": _put(ir.If(ir.Has("FAST", BOOL), (), ())),
    "an operator with one argument": _put(ir.Store("x", (), ir.Apply("add", (ir.Const(0, INT),), INT))),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_program(name: str) -> None:
    """A program with this defect is refused."""
    built = fresh()
    BROKEN[name](built)
    with pytest.raises((AssertionError, KeyError)):
        verify(built)


def test_operators_have_a_row() -> None:
    """Every operator says what it means and what it is for, with as many places as it takes arguments."""
    for row in OPERATORS.values():
        assert all(f"{{{n}}}" in row.python for n in range(row.arity)), row.name
        assert row.doc, row.name
