"""Kernels by name: the table of a model, and variations such as `6.12 without df7a6d1f6405`."""

from __future__ import annotations

import re

from hugecheck.diagnostics import Span, fail, suggest
from hugecheck.ir import program as ir


def find_kernel(module: ir.Module, name: str, span: Span | None) -> frozenset[str]:
    """The switches of a kernel. Raises `Failure` for an unknown kernel, switch or commit.

    `NAME`, or `NAME with X, Y without Z` where X is a switch or (the beginning of) the commit that brought it.
    """
    words = re.split(r"\s+(with|without)\s+", name.strip())
    base = next((k for k in module.kernels if words[0] in (k.name, k.alias)), None)
    if base is None:
        known = [n for k in module.kernels for n in (k.alias, k.name)]
        fail(
            "unknown-kernel",
            f"there is no kernel `{words[0]}` in this model",
            span,
            help=suggest(words[0], known) if known else "the model has no kernel table",
        )
    switches = set(base.switches)
    for how, what in zip(words[1::2], words[2::2], strict=True):
        for item in re.split(r"[,\s]+", what.strip()):
            found = _switch(module, item, span)
            if how == "with":
                switches |= found
            else:
                switches -= found
    return frozenset(switches)


def _switch(module: ir.Module, item: str, span: Span | None) -> set[str]:
    if item in module.switches:
        return {item}
    found = {
        s.name
        for s in module.switches.values()
        if len(item) >= 7 and s.commit and s.commit.startswith(item[: len(s.commit)])
    }
    if not found:
        known = [*module.switches, *(s.commit for s in module.switches.values() if s.commit)]
        fail("unknown-switch", f"no behaviour of this model is called `{item}`", span, help=suggest(item, known))
    return found


def same_kernel(module: ir.Module, name: str) -> tuple[str, ...]:
    """All spellings of a kernel: `6.1` is also `6.1.192`, with or without variations."""
    base, space, rest = name.partition(" ")
    known = next(((k.name, k.alias) for k in module.kernels if base in (k.name, k.alias)), (base,))
    return tuple(dict.fromkeys(n + space + rest for n in known))
