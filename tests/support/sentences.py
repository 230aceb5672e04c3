"""Random sentences of spec/grammar.lark.

`hypothesis.extra.lark` draws for minutes on a grammar with twenty levels of operators; here each choice knows how short its shortest way out is.
"""

from __future__ import annotations

import random
from functools import lru_cache

from lark.grammar import Terminal

from hugecheck.language.parser import _lark

MAX_TOKENS = 80
WORDS: dict[str, tuple[str, ...]] = {
    "NAME": ("a", "b", "c", "d", "e", "f", "h", "k", "red", "up", "ok", "n"),
    "NUMBER": ("0", "1", "2", "3", "64"),
    "STRING": ('"x"', '"{n}"', '""'),
    "_NL": ("\n", ";"),
    "INDEX_KIND": ("named", "pool", "counted"),
    "LOCK_KIND": ("spinlock", "mutex", "rwsem"),
    "PARAM_KIND": ("by", "new"),
    "RW": ("read", "write"),
    "QUANTIFIER": ("forall", "exists", "count", "sum", "first", "new"),
    "CLAUSE": ("always", "never", "sometimes", "finally"),
    "ASSIGN_OP": ("+=", "-="),
    "COMPARE": ("!=", "<=", ">", "in"),
    "SUM_OP": ("-", "union", "inter", "minus"),
    "PRODUCT_OP": ("*", "/", "%"),
    "BOOL": ("true", "false"),
    "VERSION": ("6.1", "6.12.113"),
    "HASH": ("0123abc",),
}


@lru_cache(maxsize=1)
def _rules() -> dict[str, list[list[tuple[bool, str]]]]:
    """Expansions by rule: (is a terminal, name)."""
    out: dict[str, list[list[tuple[bool, str]]]] = {}
    for rule in _lark().rules:
        expansion = [(isinstance(s, Terminal), str(s.name)) for s in rule.expansion]
        out.setdefault(str(rule.origin.name), []).append(expansion)
    return out


@lru_cache(maxsize=1)
def _depths() -> dict[str, int]:
    """For each rule the depth of its flattest tree."""
    rules, depths = _rules(), dict.fromkeys(_rules(), 1000)
    changed = True
    while changed:
        changed = False
        for name, expansions in rules.items():
            best = min(1 + max((0 if t else depths[n] for t, n in e), default=0) for e in expansions)
            if best < depths[name]:
                depths[name], changed = best, True
    return depths


@lru_cache(maxsize=1)
def _keywords() -> dict[str, str]:
    return {t.name: str(t.pattern.value) for t in _lark().terminals if type(t.pattern).__name__ == "PatternStr"}


def sentence(start: str, rng: random.Random, budget: int) -> str:
    """A sentence of the rule `start`; a larger budget nests deeper."""
    out: list[str] = []

    def expand(terminal: bool, name: str, left: int) -> None:
        if terminal:
            out.append(rng.choice(WORDS[name]) if name in WORDS else _keywords().get(name, "="))
            return
        expansions = _rules()[name]
        if left <= 0 or len(out) > MAX_TOKENS:
            depths = [max((0 if t else _depths()[n] for t, n in e), default=0) for e in expansions]
            expansions = [e for e, d in zip(expansions, depths, strict=True) if d == min(depths)]
        for inner_terminal, inner in rng.choice(expansions):
            expand(inner_terminal, inner, left - 1)

    expand(False, start, budget)
    return " ".join(out)


def starts() -> list[str]:
    """The rules that a sentence can begin with: every kind of declaration, and a whole file."""
    return [n for t, n in (e[0] for e in _rules()["_declaration"]) if not t] + ["start"]
