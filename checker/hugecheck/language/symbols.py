"""What a model declares, by name; and the scope of names inside a function.

`Symbols` is filled by `language.declarations` and read by the checkers of expressions and statements.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hugecheck.diagnostics import Source, Span, fail, suggest
from hugecheck.ir import program as ir
from hugecheck.ir.types import BOOL, INT, EnumType, IndexType, IntType, OptionalType, SetType, Type
from hugecheck.language import declared
from hugecheck.language import syntax as s

RESULT = EnumType("result")
_BUILT_IN = Span(Source("built in", ""), 1, 1)
FAILURES = ir.Variable("injected.left", (), IntType(0), ir.Const(0, IntType(0)), None, False, "", _BUILT_IN)
"""how many more failures may be injected; a scenario's `failures N` is its initial value"""


@dataclass(slots=True)
class FunctionHead:
    """The declared interface of a function, known before any body is checked."""

    syntax: declared.FunctionDecl
    params: tuple[tuple[str, Type], ...]
    returns: Type | None
    errors: tuple[str, ...]


@dataclass(slots=True)
class Symbols:
    enums: dict[str, tuple[str, ...]] = field(default_factory=dict)
    members: dict[str, EnumType] = field(default_factory=dict)
    constants: dict[str, ir.Const] = field(default_factory=dict)
    indexes: dict[str, ir.Index] = field(default_factory=dict)
    variables: dict[str, ir.Variable] = field(default_factory=dict)
    fields: dict[tuple[str, str], str] = field(default_factory=dict)
    locks: dict[str, ir.Lock] = field(default_factory=dict)
    defs: dict[str, declared.DefDecl] = field(default_factory=dict)
    heads: dict[str, FunctionHead] = field(default_factory=dict)
    observes: dict[str, ir.Observe] = field(default_factory=dict)
    switches: dict[str, ir.Switch] = field(default_factory=dict)
    results: list[str] = field(default_factory=lambda: ["ok"])
    names: dict[str, ir.Const] = field(default_factory=dict)
    """names of a scenario: processes, files, mappings ..."""

    def type(self, syntax: s.TypeSyntax) -> Type:
        """Resolve a written type."""
        result: Type
        if isinstance(syntax, s.TypeRange):
            low, high = self.literal(syntax.low), self.literal(syntax.high)
            if high < low:
                fail("out-of-range", f"the range {low} to {high} is empty", syntax.span)
            result = IntType(low, high)
        elif syntax.kind == "set":
            result = SetType(self._element(syntax))
        elif syntax.kind == "count":
            self.index(syntax.name, syntax.span)
            result = IntType(0, None, syntax.name)
        else:
            result = self._named_type(syntax)
        if not syntax.optional:
            return result
        if isinstance(result, IntType) and (result.low is None or result.low < 0):
            fail(
                "type-mismatch", "`or none` needs a type without negative values", syntax.span, help="use `nat or none`"
            )
        if isinstance(result, SetType | OptionalType):
            fail("type-mismatch", f"a {result} has no `or none`", syntax.span, help="the empty set is `{}`")
        return OptionalType(result)

    def _named_type(self, syntax: s.TypeName) -> Type:
        match syntax.name:
            case "bool":
                return BOOL
            case "int":
                return INT
            case "nat":
                return IntType(0)
        if syntax.name in self.enums:
            return EnumType(syntax.name)
        if syntax.name in self.indexes:
            return IndexType(syntax.name)
        known = ["bool", "int", "nat", *self.enums, *self.indexes]
        fail("unknown-type", f"there is no type `{syntax.name}`", syntax.span, help=suggest(syntax.name, known))

    def _element(self, syntax: s.TypeName) -> EnumType | IndexType:
        if syntax.name in self.enums:
            return EnumType(syntax.name)
        if syntax.name in self.indexes:
            return IndexType(syntax.name)
        fail(
            "unknown-type",
            f"a set needs an index type or an enum, not `{syntax.name}`",
            syntax.span,
            help=suggest(syntax.name, [*self.enums, *self.indexes]),
        )

    def index(self, name: str, span: Span) -> ir.Index:
        if name not in self.indexes:
            fail("unknown-type", f"there is no index type `{name}`", span, help=suggest(name, self.indexes))
        return self.indexes[name]

    def literal(self, expr: s.Expr) -> int:
        """The value of a constant written as a number, a `const` or a sum of such."""
        match expr:
            case s.Number(value, _):
                return value
            case s.Name(name, _) if name in self.constants:
                return self.constants[name].value
            case s.Unary("-", operand, _):
                return -self.literal(operand)
            case s.Binary("+" | "-" | "*" as op, left, right, _):
                a, b = self.literal(left), self.literal(right)
                return a + b if op == "+" else a - b if op == "-" else a * b
            case s.Name(name, span):
                fail("unknown-name", f"`{name}` is not a constant", span, help=suggest(name, self.constants))
            case _:
                fail("type-mismatch", "a constant number is needed here", expr.span)

    def number(self, type_: Type, member: str) -> int:
        """The run-time value of an enum member or result."""
        if type_ == RESULT:
            return self.results.index(member)
        assert isinstance(type_, EnumType)
        return self.enums[type_.name].index(member)


@dataclass(frozen=True, slots=True)
class HeldLock:
    """mode: spin, mutex, read, write"""

    name: str
    indices: tuple[ir.Expr, ...]
    mode: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known at a place of a function. `section`: inside an atomic section. `lax`: locks are not checked (properties)."""

    locals: dict[str, ir.Expr]
    mutable: frozenset[str] = frozenset()
    held: tuple[HeldLock, ...] = ()
    section: bool = False
    lax: bool = False
    loop: bool = False
    counters: bool = False

    def bind(self, name: str, value: ir.Expr, *, mutable: bool = False) -> Scope:
        """This scope with one more local."""
        names = self.mutable | {name} if mutable else self.mutable - {name}
        return Scope({**self.locals, name: value}, names, self.held, self.section, self.lax, self.loop, self.counters)

    def holding(self, lock: HeldLock | None, *, section: bool) -> Scope:
        held = (*self.held, lock) if lock is not None else self.held
        return Scope(self.locals, self.mutable, held, self.section or section, self.lax, self.loop, self.counters)

    def in_loop(self) -> Scope:
        return Scope(self.locals, self.mutable, self.held, self.section, self.lax, True, self.counters)
