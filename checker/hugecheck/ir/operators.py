"""One row per operator: what it takes, what it means in Python, and a line of documentation.

`python` is a template over its arguments. The printer, the checker and the engines read this table and nothing else about operators.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operator:
    """`symbol` is how the language and the printer write it. kind: arithmetic, compare, equality, logic, set, member, other"""

    name: str
    symbol: str
    kind: str
    arity: int
    python: str
    doc: str


_ROWS = (
    Operator("add", "+", "arithmetic", 2, "({0} + {1})", "sum"),
    Operator("sub", "-", "arithmetic", 2, "({0} - {1})", "difference"),
    Operator("mul", "*", "arithmetic", 2, "({0} * {1})", "product"),
    Operator("div", "/", "arithmetic", 2, "div({0}, {1})", "quotient, rounded down"),
    Operator("mod", "%", "arithmetic", 2, "mod({0}, {1})", "remainder, with the sign of the divisor"),
    Operator("neg", "-", "arithmetic", 1, "(-{0})", "negative"),
    Operator("min", "min", "arithmetic", 2, "({0} if {0} < {1} else {1})", "the smaller"),
    Operator("max", "max", "arithmetic", 2, "({0} if {0} > {1} else {1})", "the larger"),
    Operator("u64", "u64", "arithmetic", 1, "({0} & 0xFFFFFFFFFFFFFFFF)", "as an unsigned 64-bit counter shows it"),
    Operator("lt", "<", "compare", 2, "({0} < {1})", "less"),
    Operator("le", "<=", "compare", 2, "({0} <= {1})", "less or equal"),
    Operator("gt", ">", "compare", 2, "({0} > {1})", "greater"),
    Operator("ge", ">=", "compare", 2, "({0} >= {1})", "greater or equal"),
    Operator("eq", "=", "equality", 2, "({0} == {1})", "equal"),
    Operator("ne", "!=", "equality", 2, "({0} != {1})", "not equal"),
    Operator("and", "and", "logic", 2, "({0} and {1})", "both"),
    Operator("or", "or", "logic", 2, "({0} or {1})", "at least one"),
    Operator("implies", "implies", "logic", 2, "(not {0} or {1})", "the second wherever the first"),
    Operator("not", "not", "logic", 1, "(not {0})", "negation"),
    Operator("union", "union", "set", 2, "({0} | {1})", "in one of them"),
    Operator("inter", "inter", "set", 2, "({0} & {1})", "in both"),
    Operator("minus", "minus", "set", 2, "({0} & ~{1})", "in the first only"),
    Operator("in", "in", "member", 2, "({1} >> {0} & 1)", "element of a set"),
    Operator("size", "size", "other", 1, "{0}.bit_count()", "number of elements"),
    Operator("lowest", "lowest", "other", 1, "lowest({0})", "the smallest element of a set that is not empty"),
    Operator("single", "{}", "other", 1, "(1 << {0})", "the set of one element"),
    Operator("interval", "{..}", "other", 2, "interval({0}, {1})", "the set a, a+1, ... b-1"),
)

OPERATORS: dict[str, Operator] = {row.name: row for row in _ROWS}
BINARY: dict[str, Operator] = {
    row.symbol: row for row in _ROWS if row.arity == 2 and row.name not in ("min", "max", "interval")
}

assert len(OPERATORS) == len(_ROWS)
