"""`hugecheck gallery`: which kernel has which known bug, and which commit makes the difference.

A row is a spec of `models/gallery`; its first clause is the one that the bug breaks. Every clause of every spec is checked against what
the spec expects; the table shows the first.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hugecheck.commands.status import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_GAVE_UP, EXIT_OK, worst
from hugecheck.diagnostics import Diagnostic, Failure, fail, render, suggest, to_json
from hugecheck.explore.search import Limits
from hugecheck.ir import program as ir
from hugecheck.ir import sections
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_scenario
from hugecheck.language.scenario import Clause, Scenario
from hugecheck.resources import data
from hugecheck.run import ClauseResult, KernelResult, run_on

README, NOT_EXPRESSED = "README.md", "NOT-EXPRESSED.md"
MARKS = {"violated": "x", "holds": ".", "reached": "x", "not reached": "."}


@dataclass(frozen=True, slots=True)
class Row:
    """One spec. `verdicts`: of its first clause, by kernel; `unexpected`: what differs from what the spec says."""

    bug: str
    spec: Path
    scenario: Scenario
    verdicts: dict[str, str]
    unexpected: tuple[str, ...] = ()
    gave_up: bool = False

    @property
    def kind(self) -> str:
        if self.scenario.failures:
            return "failure"
        return "race" if len(self.scenario.threads) > 1 else "sequence"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bugs", nargs="*", metavar="BUG", help="only these, by name (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object (spec/gallery.schema.json)")
    parser.add_argument("--write", action="store_true", help=f"write the table to models/gallery/{README} as well")
    parser.add_argument("--max-seconds", type=float, default=100.0, metavar="S", help="for each spec and kernel")


def run(options: argparse.Namespace) -> int:
    specs = _choose(options.bugs)
    rows: list[Row] = []
    errors: list[Diagnostic] = []
    width = max(len(name) for name in specs)
    columns: list[str] = []
    for bug, spec in specs.items():
        try:
            row = check(bug, spec, Limits(None, None, options.max_seconds, None))
        except Failure as failure:
            errors.extend(failure.diagnostics)
            continue
        rows.append(row)
        if options.json:
            continue
        if not columns:
            columns = aliases(row.scenario.module)
            print(" " * width, *columns)
        cells = [_mark(row.verdicts.get(k, "")).center(len(k)) for k in columns]
        flips = ", ".join(flipped(row))
        print(bug.ljust(width), *cells, f" {flips}".rstrip(), flush=True)
        for line in row.unexpected:
            print(f"{' ' * width} <-- {line}")
    if options.json:
        document = {
            "schema": "hugecheck.gallery/1",
            "rows": [_entry(row) for row in rows],
            "errors": [to_json(d) for d in errors],
        }
        print(json.dumps(document, indent=1))
    else:
        as_expected = sum(not row.unexpected for row in rows)
        print(f"x violated, . holds; {as_expected} of {len(rows)} rows are as expected")
        print("\n".join(render(d) for d in errors), end="\n" if errors else "")
    statuses = [EXIT_FAILED if r.unexpected else EXIT_GAVE_UP if r.gave_up else EXIT_OK for r in rows]
    status = worst([*statuses, *([EXIT_BAD_INPUT] if errors else [])])
    if options.write:
        if status != EXIT_OK or options.bugs:
            fail("not-written", f"{README} is only written when all rows are as expected")
        (data("models") / "gallery" / README).write_text(readme(rows))
    return status


def _choose(names: list[str]) -> dict[str, Path]:
    known = {bug_of(path): path for path in sorted((data("models") / "gallery").glob("*.hck"))}
    for name in names:
        if name not in known:
            fail("unknown-bug", f"the gallery has no `{name}`", help=suggest(name, list(known)))
    return {bug: path for bug, path in known.items() if not names or bug in names}


def bug_of(spec: Path) -> str:
    """The name of the bug: a line `# Bug: NAME` in the header, else that of the file."""
    named = re.search(r"^# Bug: (\S+)$", spec.read_text(), re.MULTILINE)
    return named[1] if named else spec.stem


def first_clause(scenario: Scenario) -> Clause:
    """What the bug breaks: the first clause that is not a check on the way."""
    return next(c for c in scenario.clauses if c.kind not in ("check", "result"))


# ---------------------------------------------------------------- running


class _Asked(frozenset[str]):
    """The switches of a kernel; remembers which questions were asked about it."""

    questions: set[str]

    def __contains__(self, item: object) -> bool:
        self.questions.add(str(item))
        return super().__contains__(item)


def check(bug: str, spec: Path, limits: Limits) -> Row:
    """Run a spec on all its kernels. Kernels that answer the same to what the spec's operations ask have the same program, which is run once."""
    scenario = load_scenario(spec)
    first = first_clause(scenario)
    known: list[tuple[dict[str, bool], KernelResult]] = []
    verdicts: dict[str, str] = {}
    unexpected: list[str] = []
    gave_up = False
    for kernel in scenario.kernels:
        switches = find_kernel(scenario.module, kernel, None)
        result = next((r for a, r in known if all((s in switches) == yes for s, yes in a.items())), None)
        if result is None:
            asked = _Asked(switches)
            asked.questions = set()
            sections.build(scenario.module, asked, sorted(scenario.operations()))
            result = run_on(scenario, kernel, switches, limits)
            known.append(({s: s in switches for s in asked.questions}, result))
        for clause in _on(scenario, kernel, result):
            gave_up = gave_up or clause.gave_up
            if not clause.as_expected:
                unexpected.append(
                    f"{kernel}: {clause.kind} {clause.name}: {clause.verdict}, expected: {clause.expected}"
                )
        verdicts[kernel] = next(c.verdict for c in result.clauses if (c.kind, c.name) == (first.kind, first.name))
    return Row(bug, spec, scenario, verdicts, tuple(unexpected), gave_up)


def _on(scenario: Scenario, kernel: str, result: KernelResult) -> Iterator[ClauseResult]:
    """The verdicts as those of this kernel: another one with the same program may have been run."""
    expected = {(c.kind, c.name, c.text): c.expected_on(kernel) for c in scenario.clauses}
    for clause in result.clauses:
        yield replace(clause, expected=expected.get((clause.kind, clause.name, clause.text), clause.expected))


def expected_row(spec: Path) -> Row:
    """What the spec says, without running it."""
    scenario = load_scenario(spec)
    first = first_clause(scenario)
    return Row(bug_of(spec), spec, scenario, {kernel: first.expected_on(kernel) for kernel in scenario.kernels})


# ---------------------------------------------------------------- the commit that makes the difference


def _items(kernel: str) -> tuple[str, frozenset[str]]:
    """The kernel that a name varies, and the variations."""
    words = re.split(r"\s+(with|without)\s+", kernel)
    pairs = zip(words[1::2], words[2::2], strict=True)
    return words[0], frozenset(f"{how} {item}" for how, what in pairs for item in re.split(r"[,\s]+", what.strip()))


def flipped(row: Row) -> list[str]:
    """What turns the verdict: a variation that two kernels of the spec differ in, alone if there is such a pair."""
    found: dict[int, list[str]] = {}
    for one, verdict in row.verdicts.items():
        for other, contrary in row.verdicts.items():
            (base, fewer), (same, more) = _items(one), _items(other)
            if base == same and fewer < more and verdict != contrary:
                names = " and ".join(item.split(" ")[1] for item in sorted(more - fewer))
                found.setdefault(len(more - fewer), []).append(names)
    return list(dict.fromkeys(found[min(found)])) if found else []


# ---------------------------------------------------------------- output


def aliases(module: ir.Module) -> list[str]:
    """The kernels of the table, under their short names; of a release with several rows only the recorded one."""
    return [k.alias for k in module.kernels if k.alias.count(".") < 2]


def _mark(verdict: str) -> str:
    return MARKS.get(verdict, "?") if verdict else " "


def _entry(row: Row) -> dict[str, object]:
    first = first_clause(row.scenario)
    return {
        "bug": row.bug,
        "title": row.scenario.title,
        "spec": f"models/gallery/{row.spec.name}",
        "kind": row.kind,
        "clause": first.name,
        "verdicts": row.verdicts,
        "expected": {kernel: first.expected_on(kernel) for kernel in row.verdicts},
        "flipped_by": flipped(row),
        "unexpected": list(row.unexpected),
    }


INTRODUCTION = """\
# Gallery of bugs

Each spec shows one bug of Linux's accounting for huge pages; its header says who is affected and what happens. The first clause of a spec is
what the bug breaks. This page is written by `hugecheck gallery --write`, after every verdict was as expected.

- **x**: the kernel has the bug (the clause is violated); **.**: it has not; empty: the spec does not apply to the kernel.
- 6.1 is 6.1.192 and 6.12 is 6.12.113. Other columns are releases as they were tagged, without stable updates.
- **turned by**: the commit that was added to, or taken out of, a kernel of the table, and with which the verdict changed.
- **sequence**: one call after the other; **race**: sections of several calls interleaved; **failure**: the kernel runs out of memory at some point.
"""


def readme(rows: list[Row]) -> str:
    """The text of `models/gallery/README.md`."""
    columns = aliases(rows[0].scenario.module)
    head = ["bug", "kind", *columns, "turned by"]
    lines = [INTRODUCTION, f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    for row in rows:
        cells = [_mark(row.verdicts.get(k, "")).strip() for k in columns]
        flips = ", ".join(f"`{f}`" for f in flipped(row))
        lines.append(f"| [{row.bug}]({row.spec.name}) | {row.kind} | {' | '.join(cells)} | {flips} |")
    lines += ["", "## What they show", ""]
    lines += [f"- `{row.bug}`: {row.scenario.title}" for row in rows]
    lines += ["", f"What is missing, and why: [{NOT_EXPRESSED}]({NOT_EXPRESSED}).", ""]
    return "\n".join(lines)
