"""The syntax tree of declarations and scenarios; `language.syntax` has expressions, types and statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hugecheck.diagnostics import Span
from hugecheck.language.syntax import Block, Expr, LockRef, SetItem, TypeSyntax

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
class FactDecl:
    """kind: invariant, lemma"""

    kind: str
    name: str
    text: str
    condition: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class ProveDecl:
    """`prove name with switches using facts assuming always assumed expect verdict by sections`; `using` None: all facts"""

    name: str
    switches: tuple[str, ...]
    using: tuple[str, ...] | None
    assumed: Expr | None
    verdict: str
    sections: tuple[str, ...]
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
class FailuresDecl:
    """how many of the failures that the model can inject may happen in one execution"""

    count: int
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
    | FactDecl
    | ProveDecl
    | SwitchDecl
    | KernelDecl
    | KernelsDecl
    | BoundsDecl
    | FailuresDecl
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
