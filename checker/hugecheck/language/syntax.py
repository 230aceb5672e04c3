"""The syntax tree: structure and places, nothing else. One class per form of spec/language.md."""

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
    | Await
    | Atomic
    | Hold
)
Block: TypeAlias = tuple[Statement, ...]

# ---------------------------------------------------------------- declarations of models


@dataclass(frozen=True, slots=True)
class Use:
    """`use name` or, with `path`, `use "file"`"""

    target: str
    path: bool
    span: Span


@dataclass(frozen=True, slots=True)
class ConstDecl:
    name: str
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class EnumDecl:
    name: str
    members: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class IndexDecl:
    """kind: fixed (with `size`), named, pool, counted"""

    name: str
    kind: str
    size: int
    span: Span


@dataclass(frozen=True, slots=True)
class ActorDecl:
    index: str
    condition: Expr
    variable: str
    span: Span


@dataclass(frozen=True, slots=True)
class VariableDecl:
    name: str
    indices: tuple[str, ...]
    type: TypeSyntax
    initial: Expr
    lock: str | None
    ghost: bool
    span: Span


@dataclass(frozen=True, slots=True)
class RecordDecl:
    name: str
    index: str
    lock: str | None
    fields: tuple[VariableDecl, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class LockDecl:
    """kind: spinlock, mutex, rwsem"""

    kind: str
    name: str
    indices: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Param:
    """kind: "", by, new"""

    kind: str
    name: str
    type: TypeSyntax
    default: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class DefDecl:
    name: str
    params: tuple[Param, ...]
    type: TypeSyntax
    body: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class FunctionDecl:
    """holding: mode ("", read, write) and lock"""

    name: str
    params: tuple[Param, ...]
    type: TypeSyntax | None
    errors: tuple[str, ...]
    holding: tuple[tuple[str, LockRef], ...]
    body: Block
    span: Span


@dataclass(frozen=True, slots=True)
class PatternItem:
    """One piece of a `written` pattern. kind: word (`first`), index (`first[second]`), slice (`first[second..+third]`), option (`[first second]`,
    `second` "" for a bare flag), equals"""

    kind: str
    first: str
    second: str
    third: str
    span: Span


@dataclass(frozen=True, slots=True)
class When:
    """`when condition "reason"`; the reason is shown for a step that does not apply"""

    condition: Expr
    reason: str
    span: Span


@dataclass(frozen=True, slots=True)
class OperationDecl:
    name: str
    params: tuple[Param, ...]
    patterns: tuple[tuple[PatternItem, ...], ...]
    conditions: tuple[When, ...]
    body: Block
    span: Span


@dataclass(frozen=True, slots=True)
class ObserveDecl:
    """`table` is "" for a counter; else the entries are those `variable: index` with `where`"""

    name: str
    table: str
    variable: str
    index: str
    where: Expr | None
    value: Expr
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class MeaningDecl:
    condition: Expr
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class LawDecl:
    name: str
    text: str
    quiescent: bool
    condition: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class SwitchDecl:
    name: str
    text: str
    commit: str
    subject: str
    release: str
    span: Span


@dataclass(frozen=True, slots=True)
class KernelDecl:
    name: str
    alias: str
    switches: tuple[str, ...]
    span: Span


# ---------------------------------------------------------------- scenarios


@dataclass(frozen=True, slots=True)
class Operand:
    """One piece of a step. kind: name, number, none, index (`name[low]`), slice (`name[low..high]`), choice, expr, equals"""

    kind: str
    name: str
    low: Expr | None
    high: Expr | None
    items: tuple[SetItem, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Step:
    actor: str | None
    operands: tuple[Operand, ...]
    results: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class CheckStep:
    name: str
    condition: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class AnyStep:
    count: int
    steps: Steps
    span: Span


@dataclass(frozen=True, slots=True)
class RepeatStep:
    """`repeat count { }` (no variable), `for variable in low..high { }`; `loop { }` has `low` None"""

    variable: str | None
    low: Expr | None
    high: Expr | None
    steps: Steps
    span: Span


StepSyntax: TypeAlias = Step | CheckStep | AnyStep | RepeatStep
Steps: TypeAlias = tuple[StepSyntax, ...]


@dataclass(frozen=True, slots=True)
class KernelsDecl:
    names: tuple[tuple[str, Span], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class BoundsDecl:
    sizes: tuple[tuple[str, int], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class SetupDecl:
    steps: Steps
    span: Span


@dataclass(frozen=True, slots=True)
class ProcessDecl:
    """`process a, b { }`, or `process p[variable: index] { }` for one process per element"""

    names: tuple[str, ...]
    variable: str | None
    index: str | None
    steps: Steps
    span: Span


@dataclass(frozen=True, slots=True)
class StepsDecl:
    steps: Steps
    span: Span


@dataclass(frozen=True, slots=True)
class ExpectItem:
    verdict: str
    kernels: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ClauseDecl:
    """kind: always, never, sometimes, finally"""

    kind: str
    name: str
    condition: Expr
    quiescent: bool
    expect: tuple[ExpectItem, ...]
    span: Span


Declaration: TypeAlias = (
    Use
    | ConstDecl
    | EnumDecl
    | IndexDecl
    | ActorDecl
    | VariableDecl
    | RecordDecl
    | LockDecl
    | DefDecl
    | FunctionDecl
    | OperationDecl
    | ObserveDecl
    | MeaningDecl
    | LawDecl
    | SwitchDecl
    | KernelDecl
    | KernelsDecl
    | BoundsDecl
    | SetupDecl
    | ProcessDecl
    | StepsDecl
    | ClauseDecl
)


@dataclass(frozen=True, slots=True)
class File:
    """One parsed text."""

    docstring: str
    declarations: tuple[Declaration, ...]
