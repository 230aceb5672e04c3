"""The syntax tree of expressions, types and statements: structure and places, nothing else. One class per form of spec/language.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hugecheck.diagnostics import Span

# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Number:
    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class Boolean:
    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class NoneValue:
    span: Span


@dataclass(frozen=True, slots=True)
class Member:
    """`base.field`"""

    base: Expr
    field: str
    span: Span


@dataclass(frozen=True, slots=True)
class Element:
    """`array[indices]`"""

    array: str
    indices: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class SetItem:
    """`low`, or the interval `low..high`"""

    low: Expr
    high: Expr | None


@dataclass(frozen=True, slots=True)
class SetValue:
    items: tuple[SetItem, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Conditional:
    condition: Expr
    then: Expr
    otherwise: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Domain:
    """An index type or a set (`low` alone), or the interval `low..high`"""

    low: Expr
    high: Expr | None


@dataclass(frozen=True, slots=True)
class Quantified:
    """kind: forall, exists, count, sum, first, new"""

    kind: str
    variable: str
    domain: Domain
    body: Expr
    span: Span


Expr: TypeAlias = (
    Name | Number | Boolean | NoneValue | Member | Element | Call | SetValue | Unary | Binary | Conditional | Quantified
)

# ---------------------------------------------------------------- types


@dataclass(frozen=True, slots=True)
class TypeName:
    """kind: name, set, count"""

    kind: str
    name: str
    optional: bool
    span: Span


@dataclass(frozen=True, slots=True)
class TypeRange:
    low: Expr
    high: Expr
    optional: bool
    span: Span


TypeSyntax: TypeAlias = TypeName | TypeRange

# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class LockRef:
    """`name` (no index), `x.name` or `name[x, y]`"""

    name: str
    indices: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Handler:
    """`else e { block }` of a call that can fail"""

    variable: str | None
    block: Block
    span: Span


@dataclass(frozen=True, slots=True)
class Let:
    """`let x: T = e` or, with `mutable`, `var x = e`"""

    name: str
    type: TypeSyntax | None
    value: Expr
    handler: Handler | None
    mutable: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Assign:
    """operator: `=`, `+=`, `-=`"""

    target: Expr
    operator: str
    value: Expr
    handler: Handler | None
    span: Span


@dataclass(frozen=True, slots=True)
class CallStatement:
    call: Call
    handler: Handler | None
    span: Span


@dataclass(frozen=True, slots=True)
class If:
    condition: Expr
    then: Block
    otherwise: Block | None
    span: Span


@dataclass(frozen=True, slots=True)
class While:
    condition: Expr
    body: Block
    span: Span


@dataclass(frozen=True, slots=True)
class For:
    variable: str
    domain: Domain
    where: Expr | None
    body: Block
    span: Span


@dataclass(frozen=True, slots=True)
class Break:
    span: Span


@dataclass(frozen=True, slots=True)
class Continue:
    span: Span


@dataclass(frozen=True, slots=True)
class Return:
    value: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Fail:
    error: str
    span: Span


@dataclass(frozen=True, slots=True)
class Reset:
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Assert:
    """kind: assert, requires"""

    kind: str
    condition: Expr
    reason: str
    span: Span


@dataclass(frozen=True, slots=True)
class Choose:
    variable: str
    domain: Domain
    where: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Either:
    branches: tuple[Block, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Inject:
    """`inject "what fails" { block }`"""

    what: str
    block: Block
    span: Span


@dataclass(frozen=True, slots=True)
class Await:
    condition: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Atomic:
    lock: LockRef | None
    label: str
    body: Block
    span: Span


@dataclass(frozen=True, slots=True)
class Hold:
    """mode: "" (mutex), read, write; `otherwise` only with `attempt` (`try hold`)"""

    mode: str
    lock: LockRef
    attempt: bool
    body: Block
    otherwise: Block | None
    span: Span


Statement: TypeAlias = (
    Let
    | Assign
    | CallStatement
    | If
    | While
    | For
    | Break
    | Continue
    | Return
    | Fail
    | Reset
    | Assert
    | Choose
    | Either
    | Inject
    | Await
    | Atomic
    | Hold
)
Block: TypeAlias = tuple[Statement, ...]
