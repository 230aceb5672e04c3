"""Types of values. Every value is an integer at run time; the type says what it means.

| type | run-time value |
| --- | --- |
| BoolType | 0, 1 |
| IntType | itself; `low`, `high` None where unbounded |
| EnumType | position of the member, from 0 |
| IndexType | number of the element, from 0 |
| SetType | bit k is set when element k is in the set |
| OptionalType | the value of the inner type, or -1 for `none` |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

NONE = -1


@final
@dataclass(frozen=True, slots=True)
class BoolType:
    def __str__(self) -> str:
        return "bool"


@final
@dataclass(frozen=True, slots=True)
class IntType:
    """`counts` names the index type whose elements are counted (`count of page`), "" for none"""

    low: int | None = None
    high: int | None = None
    counts: str = ""

    def __str__(self) -> str:
        if self.counts:
            return f"count of {self.counts}"
        if self.low is None:
            return "int"
        return "nat" if (self.low, self.high) == (0, None) else f"{self.low} to {self.high}"


@final
@dataclass(frozen=True, slots=True)
class EnumType:
    name: str

    def __str__(self) -> str:
        return self.name


@final
@dataclass(frozen=True, slots=True)
class IndexType:
    name: str

    def __str__(self) -> str:
        return self.name


@final
@dataclass(frozen=True, slots=True)
class SetType:
    """`element` None: the type of `{}`, which fits every set"""

    element: EnumType | IndexType | None

    def __str__(self) -> str:
        return f"set of {self.element}" if self.element else "set"


@final
@dataclass(frozen=True, slots=True)
class OptionalType:
    """`of` None: the type of `none`, which fits every optional type"""

    of: BoolType | IntType | EnumType | IndexType | SetType | None

    def __str__(self) -> str:
        return f"{self.of} or none" if self.of else "none"


Type: TypeAlias = BoolType | IntType | EnumType | IndexType | SetType | OptionalType

BOOL = BoolType()
INT = IntType()
NAT = IntType(0)


def inner(type_: Type) -> Type:
    """The type without `or none`."""
    return type_.of if isinstance(type_, OptionalType) and type_.of is not None else type_
