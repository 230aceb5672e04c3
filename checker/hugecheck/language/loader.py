"""From a file name to a checked scenario: reads the file and the models it uses, checks both.

A checked model is kept in the cache directory under a hash of its text, so that a scenario of `linux` starts at once.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from hugecheck import __version__
from hugecheck.diagnostics import Diagnostic, Failure, Source, Span, fail
from hugecheck.ir import program as ir
from hugecheck.language import syntax as s
from hugecheck.language.check_scenario import check_scenario
from hugecheck.language.declarations import check_model
from hugecheck.language.parser import parse
from hugecheck.language.scenario import Scenario
from hugecheck.language.symbols import Symbols, suggest
from hugecheck.resources import cache_directory, data

MAX_BYTES = 8_000_000
_USE = re.compile(r'^[ \t]*use[ \t]+(?:"([^"\n]*)"|([A-Za-z_]\w*))', re.MULTILINE)
_SCENARIO_PARTS = (s.KernelsDecl, s.BoundsDecl, s.SetupDecl, s.ProcessDecl, s.StepsDecl, s.ClauseDecl)


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


def load_model(name: str) -> tuple[ir.Module, Symbols]:
    """The checked model that `use name` means."""
    path = model_path(name)
    if not path.is_file():
        known = sorted(p.name for p in data("models").iterdir() if (p / f"{p.name}.hck").is_file()) if data("models").is_dir() else []
        fail("unknown-model", f"there is no model `{name}`", help=suggest(name, known))
    return _checked(_closure([(path, None)]))


def load_scenario(path: Path) -> Scenario:
    """The checked scenario in a file."""
    return load_scenario_text(read_source(path), path.parent)


def load_scenario_text(source: Source, folder: Path) -> Scenario:
    """The checked scenario in a text; `use "file"` is relative to `folder`."""
    file = parse(source)
    uses = [d for d in file.declarations if isinstance(d, s.Use)]
    own = [d for d in file.declarations if not isinstance(d, (s.Use, *_SCENARIO_PARTS))]
    sources = _closure([(_used_path(u.target, u.path, folder, u.span), u.span) for u in uses])
    if own:
        declarations = [d for text in sources for d in parse(text).declarations if not isinstance(d, (s.Use, *_SCENARIO_PARTS))]
        module, symbols = check_model([*declarations, *own])
    else:
        module, symbols = _checked(sources)
    parts = [d for d in file.declarations if isinstance(d, _SCENARIO_PARTS)]
    return check_scenario(file.docstring, parts, module, symbols, Span(source, 1, 1))


def _used_path(target: str, is_path: bool, folder: Path, span: Span | None) -> Path:
    path = folder / target if is_path else model_path(target)
    if not path.is_file():
        kind = "file" if is_path else "model"
        known = [p.name for p in folder.glob("*.hck")] if is_path else sorted(p.parent.name for p in data("models").glob("*/*.hck") if p.stem == p.parent.name)
        fail("unknown-model", f"there is no {kind} `{target}`", span, help=suggest(target, known))
    return path


def _closure(roots: Iterable[tuple[Path, Span | None]]) -> list[Source]:
    """The sources of these files and of all that they use, each once, used ones first."""
    done: dict[Path, None] = {}
    out: list[Source] = []

    def visit(path: Path, span: Span | None) -> None:
        resolved = path.resolve()
        if resolved in done:
            return
        done[resolved] = None
        source = read_source(path, _shown(resolved))
        for match in _USE.finditer(source.text):
            line = source.text.count("\n", 0, match.start()) + 1
            place = Span(source, line, 1, len(match.group(0)))
            is_path = match.group(1) is not None
            visit(_used_path(match.group(1) if is_path else match.group(2), is_path, path.parent, place), place)
        out.append(source)

    for path, span in roots:
        visit(path, span)
    return out


def _shown(path: Path) -> str:
    """A path as messages show it: relative to the working directory or the models."""
    for base, prefix in ((Path.cwd(), ""), (data("models").resolve(), "models/")):
        with suppress(ValueError):
            return prefix + path.relative_to(base).as_posix()
    return str(path)


def _checked(sources: list[Source]) -> tuple[ir.Module, Symbols]:
    directory = cache_directory()
    digest = hashlib.sha256(f"{__version__} {_code_stamp()}".encode())
    for source in sources:
        digest.update(f"\0{source.name}\0{source.text}".encode())
    path = directory / f"model-{digest.hexdigest()[:24]}.pickle" if directory is not None else None
    if path is not None and path.is_file():
        with suppress(Exception):
            module, symbols = pickle.loads(path.read_bytes())
            if isinstance(module, ir.Module) and isinstance(symbols, Symbols):
                return module, symbols
    declarations: list[s.Declaration] = []
    errors: list[Diagnostic] = []
    for source in sources:
        try:
            declarations += [d for d in parse(source).declarations if not isinstance(d, (s.Use, *_SCENARIO_PARTS))]
        except Failure as failure:
            errors.extend(failure.diagnostics)
    if errors:
        raise Failure(tuple(errors))
    module, symbols = check_model(declarations)
    if path is not None:
        with suppress(OSError):
            temporary = path.with_suffix(f".{id(path)}.tmp")
            temporary.write_bytes(pickle.dumps((module, symbols), protocol=5))
            temporary.replace(path)
    return module, symbols


def _code_stamp() -> str:
    """Changes whenever the code that checks models, or the grammar, changes."""
    package = Path(__file__).resolve().parents[1]
    files = [*sorted((package / "language").glob("*.py")), *sorted((package / "ir").glob("*.py")), data("spec") / "grammar.lark"]
    return " ".join(f"{f.name}:{f.stat().st_mtime_ns}:{f.stat().st_size}" for f in files)
