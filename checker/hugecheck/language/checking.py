"""Parsing and checking sources: what the loader does when it has no result at hand. Importing this module imports lark."""

from __future__ import annotations

from collections.abc import Sequence

from hugecheck.diagnostics import Diagnostic, Failure, Source, Span
from hugecheck.ir import program as ir
from hugecheck.language import declared
from hugecheck.language.check_scenario import check_scenario
from hugecheck.language.declarations import check_model
from hugecheck.language.parser import parse
from hugecheck.language.scenario import Scenario
from hugecheck.language.symbols import Symbols

_SCENARIO_PARTS = (
    declared.KernelsDecl,
    declared.BoundsDecl,
    declared.FailuresDecl,
    declared.SetupDecl,
    declared.ProcessDecl,
    declared.StepsDecl,
    declared.ClauseDecl,
)


def check_sources(sources: Sequence[Source]) -> tuple[ir.Module, Symbols]:
    """The model that these sources declare together."""
    declarations: list[declared.Declaration] = []
    errors: list[Diagnostic] = []
    for source in sources:
        try:
            declarations += _model_parts(parse(source))
        except Failure as failure:
            errors.extend(failure.diagnostics)
    if errors:
        raise Failure(tuple(errors))
    return check_model(declarations)


def has_scenario(file: declared.File) -> bool:
    """Whether a file says what processes do or what must hold."""
    parts = (declared.ProcessDecl, declared.StepsDecl, declared.SetupDecl, declared.ClauseDecl)
    return any(isinstance(d, parts) for d in file.declarations)


def declares_model(file: declared.File) -> bool:
    """Whether a scenario's file declares parts of a model itself."""
    return bool(_model_parts(file))


def check_whole(source: Source, file: declared.File, module: ir.Module, symbols: Symbols) -> Scenario:
    """The scenario in a parsed file, over a checked model."""
    parts = [d for d in file.declarations if isinstance(d, _SCENARIO_PARTS)]
    return check_scenario(file.docstring, parts, module, symbols, Span(source, 1, 1))


def _model_parts(file: declared.File) -> list[declared.Declaration]:
    return [d for d in file.declarations if not isinstance(d, (declared.Use, *_SCENARIO_PARTS))]


__all__ = ["check_sources", "check_whole", "declares_model", "has_scenario", "parse"]
