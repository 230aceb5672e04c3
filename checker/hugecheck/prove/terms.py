"""Terms of SMT-LIB 2 over integers, truth values and arrays from integers: built, simplified a little, and printed with the same bytes every time.

The encoder builds these and nothing else. A solver gets them through `prove.solver` (z3) or as text (`script`; cvc5), so that what is proved does not
depend on the library of one solver. Equal terms are one object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

INT, BOOL = "Int", "Bool"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """op: `const` (`value` is its name), `num` (`value` the number), `true`, `false`, or an operator of SMT-LIB"""

    op: str
    args: tuple[Term, ...]
    sort: str
    value: str | int = ""


_TABLE: dict[tuple[object, ...], Term] = {}


def _make(op: str, args: tuple[Term, ...], sort: str, value: str | int = "") -> Term:
    key = (op, tuple(id(a) for a in args), sort, value)
    found = _TABLE.get(key)
    if found is None:
        found = _TABLE[key] = Term(op, args, sort, value)
    return found


TRUE, FALSE = _make("true", (), BOOL), _make("false", (), BOOL)


def num(value: int) -> Term:
    return _make("num", (), INT, value)


def boolean(value: bool) -> Term:
    return TRUE if value else FALSE


def const(name: str, sort: str) -> Term:
    return _make("const", (), sort, name)


def array_sort(dimensions: int, element: str) -> str:
    """The sort of an array with that many indices."""
    return element if dimensions == 0 else f"(Array Int {array_sort(dimensions - 1, element)})"


def is_num(term: Term) -> bool:
    return term.op == "num"


def number(term: Term) -> int:
    assert isinstance(term.value, int)
    return term.value


# ---------------------------------------------------------------- logic


def not_(a: Term) -> Term:
    if a is TRUE or a is FALSE:
        return boolean(a is FALSE)
    return a.args[0] if a.op == "not" else _make("not", (a,), BOOL)


def and_(*terms: Term) -> Term:
    return _junction("and", terms, TRUE, FALSE)


def or_(*terms: Term) -> Term:
    return _junction("or", terms, FALSE, TRUE)


def _junction(op: str, terms: Sequence[Term], unit: Term, zero: Term) -> Term:
    out: list[Term] = []
    for term in terms:
        for part in term.args if term.op == op else (term,):
            if part is zero:
                return zero
            if part is not unit and part not in out:
                out.append(part)
    if any(not_(part) in out for part in out):
        return zero
    return unit if not out else out[0] if len(out) == 1 else _make(op, tuple(out), BOOL)


def implies(a: Term, b: Term) -> Term:
    if a is TRUE:
        return b
    if a is FALSE or b is TRUE:
        return TRUE
    return not_(a) if b is FALSE else _make("=>", (a, b), BOOL)


def ite(condition: Term, a: Term, b: Term) -> Term:
    if condition is TRUE or a is b:
        return a
    if condition is FALSE:
        return b
    if a is TRUE and b is FALSE:
        return condition
    if a is FALSE and b is TRUE:
        return not_(condition)
    return _make("ite", (condition, a, b), a.sort)


def eq(a: Term, b: Term) -> Term:
    if a is b:
        return TRUE
    if is_num(a) and is_num(b):
        return FALSE
    if a.sort == BOOL:
        for x, y in ((a, b), (b, a)):
            if x is TRUE:
                return y
            if x is FALSE:
                return not_(y)
    return _make("=", (a, b), BOOL)


# ---------------------------------------------------------------- numbers


def add(a: Term, b: Term) -> Term:
    if is_num(a) and is_num(b):
        return num(number(a) + number(b))
    if is_num(a) and number(a) == 0:
        return b
    return a if is_num(b) and number(b) == 0 else _make("+", (a, b), INT)


def sub(a: Term, b: Term) -> Term:
    if a is b:
        return num(0)
    if is_num(a) and is_num(b):
        return num(number(a) - number(b))
    return a if is_num(b) and number(b) == 0 else _make("-", (a, b), INT)


def mul(factor: int, a: Term) -> Term:
    if factor == 0 or is_num(a):
        return num(factor * number(a)) if is_num(a) else num(0)
    return a if factor == 1 else _make("*", (num(factor), a), INT)


def div(a: Term, by: int) -> Term:
    """Rounded down; `by` > 0."""
    return num(number(a) // by) if is_num(a) else _make("div", (a, num(by)), INT)


def mod(a: Term, by: int) -> Term:
    """At least 0; `by` > 0."""
    return num(number(a) % by) if is_num(a) else _make("mod", (a, num(by)), INT)


def lt(a: Term, b: Term) -> Term:
    if a is b:
        return FALSE
    return boolean(number(a) < number(b)) if is_num(a) and is_num(b) else _make("<", (a, b), BOOL)


def le(a: Term, b: Term) -> Term:
    if a is b:
        return TRUE
    return boolean(number(a) <= number(b)) if is_num(a) and is_num(b) else _make("<=", (a, b), BOOL)


# ---------------------------------------------------------------- arrays


def select(array: Term, indices: Sequence[Term]) -> Term:
    for index in indices:
        while array.op == "store" and is_num(array.args[1]) and is_num(index) and array.args[1] is not index:
            array = array.args[0]
        if array.op == "store" and array.args[1] is index:
            array = array.args[2]
        else:
            array = _make("select", (array, index), array.sort.removeprefix("(Array Int ").removesuffix(")"))
    return array


def store(array: Term, indices: Sequence[Term], value: Term) -> Term:
    if not indices:
        return value
    inner = store(select(array, indices[:1]), indices[1:], value)
    return _make("store", (array, indices[0], inner), array.sort)


# ---------------------------------------------------------------- traversal and text


def parts(roots: Iterable[Term]) -> Iterator[Term]:
    """Every term in `roots` once, parts before wholes, in the order of first sight."""
    seen: set[int] = set()
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        term, done = stack.pop()
        if done:
            yield term
        elif id(term) not in seen:
            seen.add(id(term))
            stack.append((term, True))
            stack.extend((a, False) for a in reversed(term.args))


def script(title: str, assertions: Sequence[Term]) -> str:
    """A whole SMT-LIB 2 script: the assertions together must be unsatisfiable."""
    terms = list(parts(assertions))
    uses: dict[int, int] = {}
    for term in terms:
        for argument in term.args:
            uses[id(argument)] = uses.get(id(argument), 0) + 1
    names: dict[int, str] = {}
    lines = [f"; {line}" for line in title.split("\n")] + ["(set-logic ALL)"]
    lines += [f"(declare-const {_symbol(str(t.value))} {t.sort})" for t in terms if t.op == "const"]
    texts: dict[int, str] = {}
    for term in terms:
        text = _text(term, texts)
        if term.args and uses.get(id(term), 0) > 1:
            names[id(term)] = f"t{len(names) + 1}"
            lines.append(f"(define-fun {names[id(term)]} () {term.sort} {text})")
            text = names[id(term)]
        texts[id(term)] = text
    lines += [f"(assert {texts[id(a)]})" for a in assertions]
    return "\n".join([*lines, "(check-sat)", ""])


def _symbol(name: str) -> str:
    return f"|{name}|"


def _text(term: Term, texts: dict[int, str]) -> str:
    match term.op:
        case "const":
            return _symbol(str(term.value))
        case "num":
            value = number(term)
            return str(value) if value >= 0 else f"(- {-value})"
        case "true" | "false":
            return term.op
        case _:
            return f"({term.op} {' '.join(texts[id(a)] for a in term.args)})"
