"""Walking statements and expressions, and rewriting expressions: the traversals that several passes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import assert_never

from hugecheck.ir import program as ir
from hugecheck.ir.types import BOOL


def children(expr: ir.Expr) -> Iterator[ir.Expr]:
    """The direct parts of an expression."""
    match expr:
        case ir.Const() | ir.Local() | ir.ThreadId() | ir.IndexSize() | ir.Has():
            return
        case ir.Load(_, indices, _):
            yield from indices
        case ir.Apply(_, arguments, _):
            yield from arguments
        case ir.Convert(value, _, _):
            yield value
        case ir.Conditional(a, b, c, _):
            yield from (a, b, c)
        case ir.Quantified(_, _, domain, body, _):
            yield from domain_parts(domain)
            yield body
        case _ as never:
            assert_never(never)


def domain_parts(domain: ir.Domain) -> Iterator[ir.Expr]:
    match domain:
        case ir.IndexDomain():
            return
        case ir.Interval(low, high):
            yield from (low, high)
        case ir.Members(of):
            yield of
        case _ as never:
            assert_never(never)


def walk(expr: ir.Expr) -> Iterator[ir.Expr]:
    """The expression and everything in it."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def rewrite(expr: ir.Expr, change: Callable[[ir.Expr], ir.Expr]) -> ir.Expr:
    """Rebuild bottom up; `change` gets each node with its parts already changed."""
    result: ir.Expr
    match expr:
        case ir.Const() | ir.Local() | ir.ThreadId() | ir.IndexSize() | ir.Has():
            result = expr
        case ir.Load(variable, indices, type_):
            result = ir.Load(variable, tuple(rewrite(i, change) for i in indices), type_)
        case ir.Apply(operator, arguments, type_):
            result = ir.Apply(operator, tuple(rewrite(a, change) for a in arguments), type_)
        case ir.Convert(value, type_, site):
            result = ir.Convert(rewrite(value, change), type_, site)
        case ir.Conditional(a, b, c, type_):
            result = ir.Conditional(rewrite(a, change), rewrite(b, change), rewrite(c, change), type_)
        case ir.Quantified(kind, variable, domain, body, type_):
            result = ir.Quantified(kind, variable, rewrite_domain(domain, change), rewrite(body, change), type_)
        case _ as never:
            assert_never(never)
    return change(result)


def rewrite_domain(domain: ir.Domain, change: Callable[[ir.Expr], ir.Expr]) -> ir.Domain:
    match domain:
        case ir.IndexDomain():
            return domain
        case ir.Interval(low, high):
            return ir.Interval(rewrite(low, change), rewrite(high, change))
        case ir.Members(of):
            return ir.Members(rewrite(of, change))
        case _ as never:
            assert_never(never)


def resolve(expr: ir.Expr, switches: frozenset[str]) -> ir.Expr:
    """Switches become constants, and what they decide is folded."""

    def change(node: ir.Expr) -> ir.Expr:
        match node:
            case ir.Has(switch, _):
                return ir.Const(int(switch in switches), BOOL)
            case ir.Apply("not", (ir.Const(value, _),), _):
                return ir.Const(int(not value), BOOL)
            case ir.Apply("and", (ir.Const(value, _), other), _) | ir.Apply("and", (other, ir.Const(value, _)), _):
                return other if value else ir.Const(0, BOOL)
            case ir.Apply("or", (ir.Const(value, _), other), _) | ir.Apply("or", (other, ir.Const(value, _)), _):
                return ir.Const(1, BOOL) if value else other
            case ir.Apply("implies", (ir.Const(value, _), other), _):
                return other if value else ir.Const(1, BOOL)
            case ir.Conditional(ir.Const(value, _), then, otherwise, _):
                return then if value else otherwise
            case _:
                return node

    return rewrite(expr, change)


def expressions(statement: ir.Statement) -> tuple[ir.Expr, ...]:
    """The expressions of a statement, without those of statements in it."""
    match statement:
        case ir.SetLocal(_, value) | ir.Finish(value) | ir.Fail(value):
            return (value,)
        case ir.Return(value):
            return (value,) if value is not None else ()
        case ir.Store(_, indices, value):
            return (*indices, value)
        case ir.If(condition, _, _) | ir.While(condition, _) | ir.Assert(_, condition, _, _):
            return (condition,)
        case ir.Await(condition, _, indices, _):
            return (condition, *indices)
        case ir.For(_, domain, where, _) | ir.Choose(_, domain, where):
            return (*domain_parts(domain), *((where,) if where is not None else ()))
        case ir.Reset(_, element):
            return (element,)
        case ir.Call():
            return statement.arguments
        case _:
            return ()


def blocks(statement: ir.Statement) -> tuple[ir.Block_, ...]:
    """The statement lists in a statement."""
    match statement:
        case ir.If(_, then, otherwise):
            return (then, otherwise)
        case ir.While(_, body) | ir.For(_, _, _, body) | ir.Atomic(_, body, _):
            return (body,)
        case ir.Either(branches):
            return branches
        case ir.Hold():
            return (statement.body, statement.otherwise)
        case ir.Call():
            return (statement.handler or (),)
        case _:
            return ()
