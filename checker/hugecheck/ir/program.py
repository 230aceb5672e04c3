"""The intermediate form, to be read alone. It knows nothing of any modelled system.

**Module** is what the checker makes of a model: state variables, functions and operations with resolved names and types. A statement
list still contains calls, `Atomic` and `Hold`.

**Program** is what `ir.sections.build` makes of a module for one kernel: a guarded transition system.

- Each operation, and each function that is made of several sections, is a graph of **blocks**. A block is a list of statements every path of
  which ends in `Goto`, `Enter`, `Leave` or `Finish`. A thread that stands before a block with `yields` is interruptible; executing from one
  such block to the next transfer into another one is **one transition** (an atomic section). A transfer to a block that does not yield goes on
  within the transition. `Await` that is false disables the transition as a whole.
- `Enter` and `Leave` call and leave a function made of blocks. Functions are not recursive, so each has one static frame in a thread: its locals.
- A function that is only called inside sections is **flat**: a plain subroutine (`FlatFunction`), called by `Call` without handler.
- Locks are variables: `lock.NAME` holds the thread (or -1), `readers.NAME` the number of readers.

After each pass `ir.verify.verify` holds:
- after `check`: every name is declared, every `Load` and `Store` has as many indices as its variable;
- after `sections`: in blocks no `Atomic`, `Hold`, `Either`, `Return`, `Fail` is left, `Call` names a flat function, and no `Has` is left anywhere;
  every path of a block ends in a transfer, and every transfer names a block;
- after `liveness`: `Block.live` are exactly the locals that some path from the block reads before it writes them.

State is a vector of integers (`ir.types` says what they mean): variables in the order of `Program.variables`, arrays in row-major
order, then for each thread its control point and its live locals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, final

from hugecheck.diagnostics import Span
from hugecheck.ir.types import Type

# ---------------------------------------------------------------- expressions


@final
@dataclass(frozen=True, slots=True)
class Const:
    value: int
    type: Type


@final
@dataclass(frozen=True, slots=True)
class Local:
    """A parameter, a `let`, a `var`, or the variable of a quantifier."""

    name: str
    type: Type


@final
@dataclass(frozen=True, slots=True)
class ThreadId:
    """The number of the thread that takes the transition."""

    type: Type


@final
@dataclass(frozen=True, slots=True)
class Load:
    variable: str
    indices: tuple[Expr, ...]
    type: Type


@final
@dataclass(frozen=True, slots=True)
class Apply:
    """operator: a key of `ir.operators.OPERATORS`"""

    operator: str
    arguments: tuple[Expr, ...]
    type: Type


@final
@dataclass(frozen=True, slots=True)
class Convert:
    """The value, checked at run time to be one of `type`: in an index type or range, or not `none`. `site` is the place for the report."""

    value: Expr
    type: Type
    site: Span = field(compare=False)


@final
@dataclass(frozen=True, slots=True)
class Conditional:
    condition: Expr
    then: Expr
    otherwise: Expr
    type: Type


@final
@dataclass(frozen=True, slots=True)
class IndexDomain:
    """All elements of an index type."""

    index: str


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """low <= x < high"""

    low: Expr
    high: Expr


@final
@dataclass(frozen=True, slots=True)
class Members:
    """The elements of a set, ascending."""

    of: Expr


Domain: TypeAlias = IndexDomain | Interval | Members


@final
@dataclass(frozen=True, slots=True)
class Quantified:
    """kind: forall, exists, count, sum, first (lowest, or none), new (lowest of a pool; the pool grows when there is none)"""

    kind: str
    variable: Local
    domain: Domain
    body: Expr
    type: Type


@final
@dataclass(frozen=True, slots=True)
class IndexSize:
    """The number of elements of an index type."""

    index: str
    type: Type


@final
@dataclass(frozen=True, slots=True)
class Has:
    """A behaviour switch; a constant once the kernel is known."""

    switch: str
    type: Type


Expr: TypeAlias = Const | Local | ThreadId | Load | Apply | Convert | Conditional | Quantified | IndexSize | Has

# ---------------------------------------------------------------- statements


@final
@dataclass(frozen=True, slots=True)
class SetLocal:
    local: Local
    value: Expr


@final
@dataclass(frozen=True, slots=True)
class Store:
    variable: str
    indices: tuple[Expr, ...]
    value: Expr


@final
@dataclass(frozen=True, slots=True)
class If:
    condition: Expr
    then: Block_
    otherwise: Block_


@final
@dataclass(frozen=True, slots=True)
class While:
    condition: Expr
    body: Block_


@final
@dataclass(frozen=True, slots=True)
class For:
    local: Local
    domain: Domain
    where: Expr | None
    body: Block_


@final
@dataclass(frozen=True, slots=True)
class Break:
    pass


@final
@dataclass(frozen=True, slots=True)
class Continue:
    pass


@final
@dataclass(frozen=True, slots=True)
class Assert:
    """kind: assert, requires"""

    kind: str
    condition: Expr
    reason: str
    site: Span


@final
@dataclass(frozen=True, slots=True)
class Reset:
    """All fields of all records of an index type's element to their initial values."""

    index: str
    element: Expr


@final
@dataclass(frozen=True, slots=True)
class Choose:
    """Bind any value of the domain with `where`; disabled when there is none."""

    local: Local
    domain: Domain
    where: Expr | None


@final
@dataclass(frozen=True, slots=True)
class Either:
    branches: tuple[Block_, ...]


@final
@dataclass(frozen=True, slots=True)
class Await:
    """Disables the transition when false. `lock` with `indices`: what a blocked thread waits for, None for a plain condition."""

    condition: Expr
    lock: str | None
    indices: tuple[Expr, ...]
    site: Span


@final
@dataclass(frozen=True, slots=True)
class Atomic:
    label: str
    body: Block_
    site: Span


@final
@dataclass(frozen=True, slots=True)
class Hold:
    """mode: mutex, read, write"""

    lock: str
    indices: tuple[Expr, ...]
    mode: str
    attempt: bool
    body: Block_
    otherwise: Block_
    site: Span


@final
@dataclass(frozen=True, slots=True)
class Return:
    value: Expr | None


@final
@dataclass(frozen=True, slots=True)
class Fail:
    error: Expr


@final
@dataclass(frozen=True, slots=True)
class Call:
    """`target` gets the result; on failure `error` (if any) is bound and `handler` runs."""

    function: str
    arguments: tuple[Expr, ...]
    target: Local | None
    error: Local | None
    handler: Block_ | None
    site: Span


@final
@dataclass(frozen=True, slots=True)
class Goto:
    block: int


@final
@dataclass(frozen=True, slots=True)
class Enter:
    """Call of a function made of blocks: go to `block`; its `Leave` goes on at `back`."""

    function: str
    block: int
    back: int


@final
@dataclass(frozen=True, slots=True)
class Leave:
    """Back to the block of the `Enter`. Results are in the locals `result@function` and `error@function`."""

    function: str


@final
@dataclass(frozen=True, slots=True)
class Finish:
    """The operation is over with this result."""

    result: Expr


Statement: TypeAlias = (
    SetLocal
    | Store
    | If
    | While
    | For
    | Break
    | Continue
    | Assert
    | Reset
    | Choose
    | Either
    | Await
    | Atomic
    | Hold
    | Return
    | Fail
    | Call
    | Goto
    | Enter
    | Leave
    | Finish
)
Block_: TypeAlias = tuple[Statement, ...]

# ---------------------------------------------------------------- modules


@final
@dataclass(frozen=True, slots=True)
class Index:
    """kind: fixed, named, pool, counted. `size` is the declared size of a fixed one."""

    name: str
    kind: str
    size: int
    span: Span


@final
@dataclass(frozen=True, slots=True)
class Variable:
    """`initial` may use `Local("self")`, the last index. `record` is the index type whose record it belongs to, else "". `lock` protects it."""

    name: str
    indices: tuple[str, ...]
    type: Type
    initial: Expr
    lock: str | None
    ghost: bool
    record: str
    span: Span


@final
@dataclass(frozen=True, slots=True)
class Lock:
    """kind: spinlock, mutex, rwsem"""

    name: str
    kind: str
    indices: tuple[str, ...]
    span: Span


@final
@dataclass(frozen=True, slots=True)
class Function:
    name: str
    params: tuple[Local, ...]
    returns: Type | None
    errors: tuple[str, ...]
    body: Block_
    span: Span


@final
@dataclass(frozen=True, slots=True)
class Parameter:
    """kind: "", by, new. `default` None: it must be given."""

    local: Local
    kind: str
    default: Expr | None


@final
@dataclass(frozen=True, slots=True)
class PatternItem:
    """kind: word, index, slice, option, equals (see `language.syntax.PatternItem`)"""

    kind: str
    first: str
    second: str
    third: str


@final
@dataclass(frozen=True, slots=True)
class When:
    """The operation applies only where the condition holds. `reason` says why not: texts, and expressions to put between them."""

    condition: Expr
    reason: tuple[str | Expr, ...]


@final
@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    params: tuple[Parameter, ...]
    patterns: tuple[tuple[PatternItem, ...], ...]
    conditions: tuple[When, ...]
    body: Block_
    span: Span


@final
@dataclass(frozen=True, slots=True)
class Observe:
    """A counter, or with `table` a column: one entry for each element of `variable`'s type with `where`."""

    name: str
    table: str
    variable: Local | None
    where: Expr | None
    value: Expr
    text: str


@final
@dataclass(frozen=True, slots=True)
class Meaning:
    """`condition` reads `Local(counter)`: the change of that counter in a step"""

    condition: Expr
    text: str


@final
@dataclass(frozen=True, slots=True)
class Law:
    name: str
    text: str
    quiescent: bool
    condition: Expr
    span: Span


@final
@dataclass(frozen=True, slots=True)
class Fact:
    """A candidate for an inductive law over all states. kind: invariant, lemma (not reported as a result)"""

    kind: str
    name: str
    text: str
    condition: Expr
    span: Span


@final
@dataclass(frozen=True, slots=True)
class Theorem:
    """`prove`: the fact `name` (or `CONTRACT`) on a system with these switches. `using`: the facts that may help, None for all. `assumed` holds in
    every state by hypothesis. `verdict` and `sections` are what the author expects."""

    name: str
    switches: frozenset[str]
    using: tuple[str, ...] | None
    assumed: Expr | None
    verdict: str
    sections: tuple[str, ...]
    span: Span


CONTRACT = "contract"
"""the theorem that every module has: its asserts hold and every value stays in its type"""


@final
@dataclass(frozen=True, slots=True)
class Switch:
    name: str
    text: str
    commit: str
    subject: str
    release: str


@final
@dataclass(frozen=True, slots=True)
class Kernel:
    name: str
    alias: str
    switches: frozenset[str]


@final
@dataclass(frozen=True, slots=True)
class Actor:
    """Processes are elements of `index`; one takes steps while `condition` (about `variable`) holds."""

    index: str
    variable: Local
    condition: Expr


@final
@dataclass(frozen=True, slots=True)
class Module:
    """A checked model. `results` are the names of all results, `ok` first; `enums` and `results` give the numbers of members."""

    enums: Mapping[str, tuple[str, ...]]
    constants: Mapping[str, Const]
    indexes: Mapping[str, Index]
    variables: Mapping[str, Variable]
    locks: Mapping[str, Lock]
    functions: Mapping[str, Function]
    operations: Mapping[str, Operation]
    observes: tuple[Observe, ...]
    meanings: tuple[Meaning, ...]
    laws: Mapping[str, Law]
    switches: Mapping[str, Switch]
    kernels: tuple[Kernel, ...]
    actor: Actor | None
    results: tuple[str, ...]
    facts: Mapping[str, Fact] = field(default_factory=dict)
    theorems: tuple[Theorem, ...] = ()


# ---------------------------------------------------------------- programs


@final
@dataclass(slots=True)
class Block:
    """`name` and `site` say which section begins here (blocks that yield). `owner` is the operation or function. `live`: see the head of this file."""

    number: int
    yields: bool
    name: str
    owner: str
    site: Span | None
    body: Block_ = ()
    live: frozenset[str] = field(default_factory=frozenset)


@final
@dataclass(frozen=True, slots=True)
class FlatFunction:
    """A subroutine within a section. It gives its error (0 for none), its value, or both, as `returns` and `errors` say."""

    name: str
    params: tuple[Local, ...]
    returns: Type | None
    fails: bool
    body: Block_


@final
@dataclass(frozen=True, slots=True)
class OperationCode:
    """Where an operation begins, and its parameters in order."""

    name: str
    entry: int
    params: tuple[Parameter, ...]
    conditions: tuple[When, ...]


@final
@dataclass(slots=True)
class Program:
    """Blocks by number (0 stands for "between operations" and has no block). `variables` are those of the module and the locks."""

    module: Module
    switches: frozenset[str]
    variables: dict[str, Variable]
    blocks: dict[int, Block]
    flats: dict[str, FlatFunction]
    operations: dict[str, OperationCode]
