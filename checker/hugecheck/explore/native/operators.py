"""What each operator of `ir.operators` is in C. An operator without a template needs more than a template (overflow, shifts, lazy evaluation)."""

from __future__ import annotations

from hugecheck.ir.operators import OPERATORS

TEMPLATES: dict[str, str] = {
    "lt": "({0} < {1})",
    "le": "({0} <= {1})",
    "gt": "({0} > {1})",
    "ge": "({0} >= {1})",
    "eq": "({0} == {1})",
    "ne": "({0} != {1})",
    "not": "(!{0})",
    "union": "({0} | {1})",
    "inter": "({0} & {1})",
    "minus": "({0} & ~{1})",
    "size": "size_of({0})",
    "lowest": "lowest({0})",
}
SPECIAL = frozenset(
    {"add", "sub", "mul", "div", "mod", "neg", "min", "max", "u64", "and", "or", "implies", "in", "single", "interval"}
)

assert TEMPLATES.keys() | SPECIAL == OPERATORS.keys() and not TEMPLATES.keys() & SPECIAL, (
    "an operator has no meaning in C"
)
