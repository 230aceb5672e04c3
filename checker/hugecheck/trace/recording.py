"""Reading recordings (spec/trace-format.md): JSON Lines, one trace a line, checked against the operations of a model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hugecheck.diagnostics import Diagnostic, Failure, fail
from hugecheck.ir import program as ir
from hugecheck.ir.types import BOOL, EnumType, IndexType, IntType, OptionalType, SetType, Type, inner

MAX_LINE = 64 * 1024 * 1024
MAX_NUMBER = 1_000_000


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """`arguments`: by parameter name; an element of a `named` index type by its name, everything else as a run-time value."""

    operation: str
    arguments: Mapping[str, int | str]
    result: str
    after: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Recording:
    """`residue`: what the counters were after the teardown, None if all were 0. `nodes`: NUMA nodes."""

    file: str
    id: str
    kernel: str
    nodes: int
    steps: tuple[RecordedStep, ...]
    residue: Mapping[str, object] | None


def read_recordings(path: Path, module: ir.Module) -> Iterator[Recording | Failure]:
    """The recordings of a file; a `Failure` in place of each that is not one. A file that cannot be read gives one `Failure`."""
    shown = str(path)
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE + 1), b""), 1):
                where = f"{shown}:{number}"
                if len(line) > MAX_LINE:
                    yield _failure(f"{where}: the line is longer than {MAX_LINE // 1024 // 1024} MiB")
                    return
                if not line.strip():
                    continue
                try:
                    yield parse_recording(line, shown, where, module)
                except Failure as failure:
                    yield failure
    except OSError as error:
        yield Failure((Diagnostic("unreadable", f"cannot read `{shown}`: {error.strerror or error}"),))


def parse_recording(line: bytes, file: str, where: str, module: ir.Module) -> Recording:
    """One line as a recording. Raises `Failure` with the place in the line."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        fail("bad-trace", f"{where}: not JSON: {str(error)[:100]}", help="one trace is one line; is the file cut off?")
    if not isinstance(document, dict):
        fail("bad-trace", f"{where}: a trace is an object, not {_kind(document)}")
    name = document.get("id")
    steps = document.get("steps")
    if not isinstance(name, str) or not isinstance(steps, list):
        fail("bad-trace", f"{where}: a trace has an `id` (text) and `steps` (a list)")
    nodes = document.get("nodes", 1)
    residue = document.get("residue")
    kernel = document.get("kernel", "")
    if not isinstance(nodes, int) or isinstance(nodes, bool) or nodes < 1 or not isinstance(kernel, str):
        fail("bad-trace", f"{where}: `nodes` is a number from 1, and `kernel` a text")
    if residue is not None and not isinstance(residue, dict):
        fail("bad-trace", f"{where}: `residue` is an object of counters")
    checked = tuple(parse_step(step, f"{where}: `{name}` step {n}", module) for n, step in enumerate(steps, 1))
    return Recording(file, name, kernel, nodes, checked, residue)


def parse_step(step: object, where: str, module: ir.Module) -> RecordedStep:
    """One step of a trace. Raises `Failure`, with `where` in front."""
    if not isinstance(step, dict):
        fail("bad-trace", f"{where}: a step is an object, not {_kind(step)}")
    name, result, after = step.get("op"), step.get("result"), step.get("after")
    if not isinstance(name, str) or not isinstance(result, str) or not isinstance(after, dict):
        fail("bad-trace", f"{where}: a step has `op` (text), `result` (text) and `after` (an object)")
    operation = module.operations.get(name)
    if operation is None:
        known = ", ".join(sorted(module.operations))
        fail("bad-trace", f"{where}: the model has no operation `{name}`", help=f"it has {known}")
    params = {p.local.name.rpartition(".")[0]: p for p in operation.params}
    arguments: dict[str, int | str] = {}
    for field, value in step.items():
        if field in ("op", "result", "after"):
            continue
        if field not in params:
            fail(
                "bad-trace",
                f"{where}: `{name}` has no field `{field}`",
                help=f"its fields are {', '.join(params) or 'none'}",
            )
        arguments[field] = _value(value, params[field].local.type, module, f"{where}: `{field}`")
    for field, parameter in params.items():
        if field not in arguments and parameter.default is None:
            fail("bad-trace", f"{where}: `{name}` needs `{field}`")
    return RecordedStep(name, arguments, result, after)


def _value(value: object, type_: Type, module: ir.Module, where: str) -> int | str:
    of = inner(type_)
    if value is None and isinstance(type_, OptionalType):
        return -1
    match of:
        case IndexType(index) if module.indexes[index].kind == "named":
            if not isinstance(value, str) or not value:
                fail("bad-trace", f"{where} is a name, not {_kind(value)}")
            return value
        case IntType() | IndexType():
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_NUMBER:
                fail("bad-trace", f"{where} is a number from 0 to {MAX_NUMBER:,}, not {_kind(value)}")
            return value
        case EnumType(enum):
            if value not in module.enums[enum]:
                fail("bad-trace", f"{where} is one of {', '.join(module.enums[enum])}")
            return module.enums[enum].index(str(value))
        case SetType(EnumType(enum)):
            members = module.enums[enum]
            if not isinstance(value, list) or not all(isinstance(v, str) and v in members for v in value):
                fail("bad-trace", f"{where} is a list out of {', '.join(members)}")
            return sum(1 << members.index(v) for v in set(value))
        case _ if of == BOOL:
            if not isinstance(value, bool):
                fail("bad-trace", f"{where} is true or false")
            return int(value)
    fail("bad-trace", f"{where} cannot be given in a trace")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a truth value"
        case int() | float():
            return f"{value}"[:30]
        case str():
            return f"the text {value!r}"[:60]
        case list():
            return "a list"
        case _:
            return "an object"


def _failure(text: str) -> Failure:
    return Failure((Diagnostic("bad-trace", text),))
