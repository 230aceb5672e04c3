"""Checking certificates with cvc5, a solver that shares no code with the one that found the proof."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from hugecheck.diagnostics import fail

STEPS = 20_000_000
"""cvc5's budget for a script, in its own units"""


@cache
def check(text: str) -> str:
    """`unsat`, `sat`, or `unknown`."""
    cvc5 = _cvc5()
    manager = cvc5.TermManager()
    solver = cvc5.Solver(manager)
    solver.setOption("rlimit", str(STEPS))
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "certificate")
    symbols = parser.getSymbolManager()
    answer = ""
    while True:
        command = parser.nextCommand()
        if command.isNull():
            return answer.strip() or "unknown"
        answer += str(command.invoke(solver, symbols))


def recheck(files: Iterable[tuple[str, str]], stored: Path | None) -> list[str]:
    """What is wrong with these scripts, which were made from the model: cvc5 does not say `unsat`, or the stored ones differ. Empty if nothing."""
    wrong = []
    for name, text in files:
        if stored is not None:
            path = stored / name
            if not path.is_file():
                wrong.append(f"{name}: not among the certificates")
            elif path.read_text() != text:
                wrong.append(f"{name}: the certificate is not what the model gives")
        answer = check(text)
        if answer != "unsat":
            wrong.append(f"{name}: cvc5 says {answer}")
    return wrong


def version() -> str:
    return str(_cvc5().__version__)


def _cvc5() -> Any:
    try:
        import cvc5
    except ImportError:
        fail("no-solver", "cvc5 is not installed", help="pip install cvc5")
    return cvc5
