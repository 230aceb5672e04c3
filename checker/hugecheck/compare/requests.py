"""From what a user names (a spec, recordings, the output of `hugecheck run --json`) to steps that a real kernel can be asked for.

A recording starts with one process, `p0`, and its calls do not overlap. A scenario may name its processes as it likes and start with
several; here they are renamed, and those it starts with are forked first, which no counter shows as nothing is mapped yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hugecheck.compare.claim import Claim, claim_of
from hugecheck.diagnostics import Diagnostic, Failure, fail, suggest
from hugecheck.explore.search import Limits
from hugecheck.explore.system import System
from hugecheck.ir import liveness
from hugecheck.ir import program as ir
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_model, load_scenario, read_source
from hugecheck.language.scenario import Scenario
from hugecheck.replay.errors import ReplayError
from hugecheck.replay.protocol import encode
from hugecheck.replay.trace import Step, Trace, from_json, request_of
from hugecheck.run import build_program, run_on
from hugecheck.trace.execution import only_execution
from hugecheck.trace.path import to_json

FIRST = "p0"


@dataclass(frozen=True, slots=True)
class Request:
    """Steps to ask a kernel for, each with the `result` and `after` that the model or an earlier recording gives, where there is one.
    `kernel`: what that was made on."""

    id: str
    nodes: int
    steps: tuple[Step, ...]
    kernel: str
    module: ir.Module
    claim: Claim | None = None

    @property
    def trace(self) -> Trace:
        """The steps alone. A step that the agent of a guest cannot make is refused."""
        with reported():
            for step in self.steps:
                encode(step)
        return Trace(self.id, self.nodes, tuple(request_of(step) for step in self.steps))


@contextmanager
def reported() -> Iterator[None]:
    """Turns what goes wrong outside the kernel into a diagnostic with the command that puts it right."""
    try:
        yield
    except ReplayError as error:
        raise Failure((Diagnostic("real-kernel", str(error), help=f"`{error.fix}`" if error.fix else ""),)) from error


def model_kernel(module: ir.Module, release: str) -> str:
    """The kernel of the model's table that stands for a running release: the same, or else the one of its series."""
    series = ".".join(release.split(".")[:2])
    for wanted in (release, series):
        for kernel in module.kernels:
            if wanted in (kernel.name, kernel.alias):
                return kernel.name
    fail(
        "unknown-kernel",
        f"there is no kernel `{release}` in this model, and none of its series",
        help=suggest(series, [k.alias for k in module.kernels]) + "; give one with `--kernel K`",
    )


def from_recordings(path: Path, module: ir.Module, wanted: str | None = None) -> Iterator[Request]:
    """The traces of a .jsonl file; with `wanted`, the one with this id."""
    found = False
    with reported():
        for number, line in enumerate(_lines(path), 1):
            if not line.strip():
                continue
            try:
                whole = json.loads(line)
                trace = from_json(whole)
            except (ValueError, ReplayError) as error:
                fail("bad-trace", f"{path}:{number}: {error}", help="one trace is one line; is the file cut off?")
            if wanted not in (None, trace.id):
                continue
            found = True
            yield Request(trace.id, trace.nodes, tuple(whole["steps"]), str(whole.get("kernel", "")), module)
    if not found:
        fail("bad-option", f"`{path}` has no trace" + (f" `{wanted}`" if wanted else ""))


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as lines:
            yield from lines
    except UnicodeDecodeError:
        fail("unreadable", f"`{path}` is not a text file (UTF-8)")
    except OSError as error:
        fail("unreadable", f"cannot read `{path}`: {error.strerror or error}")


def from_scenario(path: Path, kernel: str | None) -> Request:
    """The only execution of a scenario with a fixed sequence of steps."""
    scenario = load_scenario(path)
    name = kernel or (scenario.kernels[0] if scenario.kernels else "")
    switches = find_kernel(scenario.module, name, None) if name else frozenset()
    program = build_program(scenario, switches)
    frame = liveness.frame(program)
    trace = only_execution(scenario, lambda sizes: System(scenario, program, sizes, frame, merge=True))
    return Request(
        path.stem,
        _nodes(scenario),
        portable(to_json(trace), scenario.module, _initial(scenario)),
        name,
        scenario.module,
    )


def from_search(path: Path, kernel: str | None, clause: str | None) -> Request:
    """The first counterexample of a spec (of `clause`, if given), or what shows that a `sometimes` is reached."""
    scenario = load_scenario(path)
    names = (kernel,) if kernel else scenario.kernels or ("",)
    known = [c.name for c in scenario.clauses if c.condition is not None]
    if clause is not None and clause not in [c.name for c in scenario.clauses]:
        fail("bad-option", f"`{path}` has no clause `{clause}`", help=suggest(clause, known))
    for name in names:
        switches = find_kernel(scenario.module, name, None) if name else frozenset()
        result = run_on(scenario, name, switches, Limits())
        found = [c for c in result.clauses if c.trace is not None and c.trace.steps and clause in (None, c.name)]
        if clause is None:
            found.sort(key=lambda c: c.kind == "sometimes")
        for one in found:
            assert one.trace is not None
            steps = portable(to_json(one.trace), scenario.module, _initial(scenario), claim=one.name)
            declared = next((c for c in scenario.clauses if (c.kind, c.name) == (one.kind, one.name)), None)
            claim = claim_of(declared, scenario.module) if declared is not None else None
            return Request(path.stem, _nodes(scenario), steps, name, scenario.module, claim)
    what = f"clause `{clause}`" if clause else "no clause"
    on = f" on {', '.join(names)}" if names != ("",) else ""
    fail(
        "no-counterexample",
        f"`{path}`: {what} {'has no' if clause else 'has a'} counterexample{on}",
        help="`hugecheck run` shows the verdicts; `hugecheck record` runs a fixed sequence of steps",
    )


def from_results(path: Path, kernel: str | None, clause: str | None) -> Request:
    """A counterexample out of the output of `hugecheck run --json`."""
    try:
        document = json.loads(read_source(path).text)
        results = document["results"]
        assert document["schema"] == "hugecheck.run/1" and isinstance(results, list)
    except (ValueError, TypeError, KeyError, AssertionError):
        fail("bad-trace", f"`{path}` is not the output of `hugecheck run --json`")
    fitting = [
        r
        for r in results
        if isinstance(r, dict)
        and isinstance(r.get("trace"), list)
        and r["trace"]
        and clause in (None, r.get("clause"))
        and (kernel is None or str(r.get("kernel", "")) == kernel)
    ]
    if clause is None:
        fitting.sort(key=lambda r: r.get("kind") == "sometimes")
    if not fitting:
        having = [str(r.get("clause")) for r in results if isinstance(r, dict) and r.get("trace")]
        wanted = f" of clause `{clause}`" if clause else ""
        fail(
            "no-counterexample",
            f"`{path}` has no trace{wanted}",
            help=suggest(clause, having) if clause and having else "`hugecheck run` shows the verdicts",
        )
    one = fitting[0]
    spec = Path(str(one.get("spec", "")))
    scenario = load_scenario(spec) if spec.is_file() else None
    module = scenario.module if scenario is not None else load_model("linux")
    steps = portable(one["trace"], module, _initial(scenario) if scenario is not None else (), claim=str(one["clause"]))
    declared = [c for c in scenario.clauses if c.name == one["clause"]] if scenario is not None else []
    claim = claim_of(declared[0], module) if declared else None
    nodes = _nodes(scenario) if scenario is not None else 1
    return Request(spec.stem or path.stem, nodes, steps, str(one.get("kernel", "")), module, claim)


def counterexample(path: Path, kernel: str | None, clause: str | None, id: str | None) -> list[Request]:
    """What `replay` and `emit` are given: a .jsonl of traces, the output of `run --json`, or a .hck spec."""
    match path.suffix:
        case ".hck":
            return [from_search(path, kernel, clause)]
        case ".json":
            return [from_results(path, kernel, clause)]
        case ".jsonl":
            if clause is not None:
                fail("bad-option", "a recording has no clauses", help="`--id ID` chooses a recording")
            return list(from_recordings(path, load_model("linux"), id))
        case _:
            fail(
                "bad-option",
                f"`{path}` is no .jsonl of traces, no .json of `hugecheck run --json` and no .hck spec",
            )


def _nodes(scenario: Scenario) -> int:
    return scenario.sizes.get("node", 1)


def _initial(scenario: Scenario) -> tuple[str, ...]:
    """The processes that no step makes."""
    actor = scenario.module.actor
    if actor is None:
        return ()
    names, exist = scenario.elements.get(actor.index, ()), scenario.initially.get(actor.index, 0)
    return tuple(name for n, name in enumerate(names) if exist >> n & 1)


def portable(
    steps: Sequence[Mapping[str, object]], module: ir.Module, initial: Sequence[str], claim: str = ""
) -> tuple[Step, ...]:
    """The steps as one process `p0` and its children can make them. Calls that overlap are refused."""
    if any("sections" in step for step in steps):
        what = f"the counterexample of `{claim}`" if claim else "the execution"
        fail(
            "not-sequential",
            f"{what} switches from one call to another in the middle, which a real kernel cannot be told to do",
            help="only counterexamples made of whole calls can be run; `hugecheck run` prints this one",
        )
    used = [p for step in steps for p in (step.get("proc"),) if isinstance(p, str)]
    made = {str(step["child"]) for step in steps if "child" in step}
    first = [p for p in dict.fromkeys((*initial, *used)) if p not in made]
    if FIRST in first:
        first.remove(FIRST)
        first.insert(0, FIRST)
    names = {first[0]: FIRST} if first else {}
    if FIRST in made:
        taken = {*used, *made}
        names[FIRST] = next(n for n in (f"p{k}" for k in range(1, len(taken) + 2)) if n not in taken)
    zero: dict[str, object] = {o.name: 0 for o in module.observes if not o.table}
    forks: list[Step] = [
        {"op": "fork", "proc": FIRST, "child": child, "result": "ok", "after": zero} for child in first[1:]
    ]
    renamed = [
        {k: names.get(v, v) if k in ("proc", "child") and isinstance(v, str) else v for k, v in step.items()}
        for step in steps
    ]
    return (*forks, *renamed)
