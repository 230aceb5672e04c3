"""From a file name to a checked scenario: finds the models it uses, and keeps what was checked.

Checked scenarios, models and programs are kept in the cache directory under a hash of all text that they come from (and of our own code), so that
running a spec again starts at once: then neither lark nor the checker is imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hugecheck.diagnostics import Source, Span, fail, suggest
from hugecheck.ir import program as ir
from hugecheck.kept import digest, kept
from hugecheck.language.scenario import Scenario
from hugecheck.resources import data

if TYPE_CHECKING:
    from hugecheck.language.symbols import Symbols

MAX_BYTES = 8_000_000
_USE = re.compile(r'^(?:[^#"\n]*;)?[ \t]*use[ \t]+(?:"([^"\n]*)"|([A-Za-z_]\w*))', re.MULTILINE)


def read_source(path: Path, name: str | None = None) -> Source:
    """The text of a file; `Failure` when it cannot be read."""
    shown = name or str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            fail("too-large", f"`{shown}` has more than {MAX_BYTES:,} bytes")
        return Source(shown, path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        fail("unreadable", f"`{shown}` is not a text file (UTF-8)")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        fail("unreadable", f"cannot read `{shown}`: {reason}")


def model_path(name: str) -> Path:
    """Where `use name` finds its model."""
    return data("models") / name / f"{name}.hck"


def load_model(name: str) -> ir.Module:
    """The checked model that `use name` means."""
    path = model_path(name)
    if not path.is_file():
        known = (
            sorted(p.name for p in data("models").iterdir() if (p / f"{p.name}.hck").is_file())
            if data("models").is_dir()
            else []
        )
        fail("unknown-model", f"there is no model `{name}`", help=suggest(name, known))
    sources = _closure([(path, None)])
    return kept("module", digest(sources), lambda: _model(sources)[0])


def load_model_file(path: Path) -> ir.Module:
    """The checked model in a file, whatever scenario it contains too."""
    sources = _closure([(path, None)])
    return kept("module", digest(sources), lambda: _model(sources)[0])


def load_model_text(source: Source, folder: Path) -> ir.Module:
    """The checked model in a text; `use "file"` is relative to `folder`."""
    sources = [*_closure(_uses(source, folder)), source]
    return kept("module", digest(sources), lambda: _model(sources)[0])


def load_scenario(path: Path) -> Scenario:
    """The checked scenario in a file."""
    return load_scenario_text(read_source(path), path.parent)


def load_scenario_text(source: Source, folder: Path) -> Scenario:
    """The checked scenario in a text; `use "file"` is relative to `folder`."""
    used = _closure(_uses(source, folder))
    key = digest([source, *used])
    return kept("scenario", key, lambda: replace(_scenario(source, used), digest=key))


def _scenario(source: Source, used: list[Source]) -> Scenario:
    from hugecheck.language import checking

    file = checking.parse(source)
    if not checking.has_scenario(file):
        fail(
            "no-process",
            "this file has no scenario: no process, and nothing that must hold",
            Span(source, 1, 1),
            help="if it is a part of a model, run a spec that uses the model; otherwise add `process NAME { ... }` and a clause",
        )
    if checking.declares_model(file):
        return checking.check_whole(source, file, *checking.check_sources([*used, source]))
    return checking.check_whole(source, file, *_model(used))


def _model(sources: list[Source]) -> tuple[ir.Module, Symbols]:
    def check() -> tuple[ir.Module, Symbols]:
        from hugecheck.language import checking

        return checking.check_sources(sources)

    return kept("model", digest(sources), check)


def _used_path(target: str, is_path: bool, folder: Path, span: Span | None) -> Path:
    path = folder / target if is_path else model_path(target)
    if not path.is_file():
        kind = "file" if is_path else "model"
        known = (
            [p.name for p in folder.glob("*.hck")]
            if is_path
            else sorted(p.parent.name for p in data("models").glob("*/*.hck") if p.stem == p.parent.name)
        )
        fail("unknown-model", f"there is no {kind} `{target}`", span, help=suggest(target, known))
    return path


def _uses(source: Source, folder: Path) -> list[tuple[Path, Span | None]]:
    """The files that a text uses, with the place of each `use`."""
    out: list[tuple[Path, Span | None]] = []
    for match in _USE.finditer(source.text):
        line = source.text.count("\n", 0, match.start()) + 1
        place = Span(source, line, 1, len(match.group(0)))
        is_path = match.group(1) is not None
        out.append((_used_path(match.group(1) if is_path else match.group(2), is_path, folder, place), place))
    return out


def _closure(roots: Iterable[tuple[Path, Span | None]]) -> list[Source]:
    """The sources of these files and of all that they use, each once, used ones first."""
    done: set[Path] = set()
    out: list[Source] = []

    def visit(path: Path) -> None:
        resolved = path.resolve()
        if resolved in done:
            return
        done.add(resolved)
        source = read_source(path, _shown(resolved))
        for used, _ in _uses(source, path.parent):
            visit(used)
        out.append(source)

    for path, _ in roots:
        visit(path)
    return out


def _shown(path: Path) -> str:
    """A path as messages show it: relative to the working directory or the models."""
    for base, prefix in ((Path.cwd(), ""), (data("models").resolve(), "models/")):
        with suppress(ValueError):
            return prefix + path.relative_to(base).as_posix()
    return str(path)
