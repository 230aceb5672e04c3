"""Running a scenario on its kernels: search, verdicts, traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hugecheck.explore.engines import REFERENCE, Choice, Searched, search
from hugecheck.explore.layout import PoolExhausted
from hugecheck.explore.search import Explored, Finding, Limits, Progress
from hugecheck.explore.system import System
from hugecheck.ir import liveness, sections, verify
from hugecheck.ir.program import Program
from hugecheck.kept import kept
from hugecheck.language.kernels import find_kernel
from hugecheck.language.scenario import Clause, Scenario
from hugecheck.trace.ledger import Meanings
from hugecheck.trace.path import Trace, trace_of
from hugecheck.trace.reasons import never_taken, waiting

MAX_POOL = 100_000


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """The verdict on one clause. `message` says more where the clause's text does not; `place` is where the model broke its own contract."""

    kind: str
    name: str
    text: str
    verdict: str
    expected: str
    trace: Trace | None = None
    message: str = ""
    place: str = ""

    @property
    def as_expected(self) -> bool:
        return self.verdict == self.expected

    @property
    def gave_up(self) -> bool:
        """Not decided, because the search ended early."""
        return self.verdict == "unknown" or self.verdict.startswith("holds to depth")


@dataclass(frozen=True, slots=True)
class KernelResult:
    """One scenario on one kernel. `sizes`: of the index types, as covered; `bounded`: those that the scenario itself limits."""

    kernel: str
    clauses: tuple[ClauseResult, ...]
    explored: Explored
    sizes: dict[str, int]
    bounded: frozenset[str]
    merged: bool
    meanings: Meanings
    engine: str
    note: str
    reductions: str


def run_scenario(
    scenario: Scenario,
    kernels: tuple[str, ...],
    limits: Limits,
    *,
    merge: bool = True,
    engine: Choice | None = None,
    report: Callable[[Progress], None] | None = None,
) -> Iterator[KernelResult]:
    """The results on each of the kernels; with none given, of a model without a kernel table."""
    for kernel in kernels or ("",):
        switches = find_kernel(scenario.module, kernel, None) if kernel else frozenset()
        yield run_on(scenario, kernel, switches, limits, merge=merge, engine=engine, report=report)


def build_program(scenario: Scenario, switches: frozenset[str]) -> Program:
    """The program of the operations that the scenario uses, ready to run."""

    def build() -> Program:
        program = sections.build(scenario.module, switches, sorted(scenario.operations()))
        liveness.solve(program)
        verify.verify(program)
        return program

    return kept("program", f"{scenario.digest} {sorted(switches)}", build) if scenario.digest else build()


def run_on(
    scenario: Scenario,
    kernel: str,
    switches: frozenset[str],
    limits: Limits,
    *,
    merge: bool = True,
    engine: Choice | None = None,
    report: Callable[[Progress], None] | None = None,
) -> KernelResult:
    """Search, again with larger pools when one turns out too small, and decide the clauses."""
    program = build_program(scenario, switches)
    frame = liveness.frame(program)
    sizes = dict(scenario.sizes)
    while True:
        system = System(scenario, program, sizes, frame, merge=merge)
        try:
            searched = search(system, limits, report, engine or Choice(REFERENCE))
        except PoolExhausted as exhausted:
            if exhausted.index in scenario.bounded or exhausted.size > MAX_POOL:
                size = sizes[exhausted.index]
                reason = f"`{exhausted.index} {size}` is too small: an execution needs {exhausted.size}"
                searched = Searched(Explored(reason=reason), REFERENCE)
            else:
                kind = scenario.module.indexes[exhausted.index].kind
                sizes[exhausted.index] = max(exhausted.size, 2 * sizes[exhausted.index] if kind == "pool" else 0)
                continue
        break
    return _decide(scenario, kernel, system, searched, sizes)


def _decide(scenario: Scenario, kernel: str, system: System, searched: Searched, sizes: dict[str, int]) -> KernelResult:
    explored = searched.explored
    results: list[ClauseResult] = []
    for number, clause in enumerate(scenario.clauses):
        finding = explored.findings.get(number)
        if clause.kind == "deadlock" and finding is None and not explored.complete:
            continue
        verdict = _verdict(clause, finding, explored)
        trace = trace_of(system, finding.path) if finding is not None else None
        message = finding.message if finding is not None else ""
        if clause.kind == "deadlock" and finding is not None:
            message = waiting(system, finding.path)
        results.append(
            ClauseResult(clause.kind, clause.name, clause.text, verdict, clause.expected_on(kernel), trace, message)
        )
    if explored.broken is not None:
        broken = explored.broken
        place = str(broken.site) if broken.site is not None else ""
        trace = trace_of(system, broken.path)
        results.append(
            ClauseResult(
                "contract",
                "contract",
                "the model keeps its own contracts",
                "violated",
                "holds",
                trace,
                broken.message,
                place,
            )
        )
    for call, refused in explored.never:
        message = never_taken(system, call, list(refused) if refused is not None else None)
        results.append(
            ClauseResult(
                "step",
                f"step-{call.span.line}",
                "every step can be taken",
                "vacuous",
                "holds",
                None,
                message,
                str(call.span),
            )
        )
    meanings = Meanings(scenario.module, system.machine)
    return KernelResult(
        kernel,
        tuple(results),
        explored,
        sizes,
        scenario.bounded,
        system.merged,
        meanings,
        searched.engine,
        searched.note,
        searched.reductions,
    )


def _verdict(clause: Clause, finding: Finding | None, explored: Explored) -> str:
    everything = explored.complete and explored.broken is None  # nothing is explored beyond an error of the model
    if clause.kind == "sometimes":
        return "reached" if finding is not None else "not reached" if everything else "unknown"
    if finding is not None:
        return "violated"
    if everything:
        return "holds"
    if explored.cut_by_depth and clause.kind != "finally":
        return f"holds to depth {explored.depth}"
    return "unknown"
