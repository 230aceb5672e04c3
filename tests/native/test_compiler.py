"""Finding a compiler, keeping what it makes, and saying why there is none."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hugecheck.diagnostics import Source
from hugecheck.explore import native
from hugecheck.explore.native import compiler
from hugecheck.explore.native.writer import comment
from hugecheck.explore.search import Explored, Limits, Progress
from hugecheck.explore.system import System
from hugecheck.language.loader import load_scenario_text
from hugecheck.resources import cache_directory
from native.agreement import FAST, explored

ENDLESS = """
var n: nat = 0
var k: nat = 0
operation a() { atomic { n += 1 } }
operation b() { atomic { k += 1 } }
process p { loop { a } }
process q { loop { b } }
always n >= 0
sometimes some: n = 1
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No test sees what another has found out about the surroundings."""
    caches = (compiler.find_compiler, compiler._private_directory, cache_directory)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def run(text: str, limits: Limits, options: native.Options = FAST) -> Explored:
    scenario = load_scenario_text(Source("test.hck", text), Path())
    found = explored(scenario, lambda system: native.explore(system, limits, None, options))
    assert found is not None
    return found


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a compiler the reason says what to do."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(native.NativeUnavailable, match=r"install `hugecheck\[cc\]`"):
        run(ENDLESS, Limits(states=10))


def test_wrong_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `$CC` that is not there is not replaced by another one."""
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(native.NativeUnavailable, match="no-such-compiler"):
        run(ENDLESS, Limits(states=10))


def test_broken_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A compiler that fails is named, with what it says; nothing is left behind."""
    script = tmp_path / "cc"
    script.write_text("#!/bin/sh\necho 'fatal error: out of order' >&2\nexit 1\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", str(script))
    monkeypatch.setenv("HUGECHECK_CACHE", str(tmp_path / "cache"))
    with pytest.raises(native.NativeUnavailable, match="out of order"):
        run(ENDLESS, Limits(states=10))
    assert not list((tmp_path / "cache").glob("engine*"))


def test_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a cache directory the engine still runs."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HUGECHECK_CACHE", str(tmp_path / "file" / "cache"))
    assert run(ENDLESS, Limits(states=10)).reason == "10 states reached"


def test_damaged_object(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A damaged object in the cache is a reason, and is gone afterwards."""
    for name in ("whole", "damaged"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HUGECHECK_CACHE", str(tmp_path / "whole"))
    run(ENDLESS, Limits(states=10))
    (made,) = (tmp_path / "whole").glob("engine*.so")
    (tmp_path / "damaged" / made.name).write_bytes(b"damaged")
    cache_directory.cache_clear()
    monkeypatch.setenv("HUGECHECK_CACHE", str(tmp_path / "damaged"))
    with pytest.raises(native.NativeUnavailable, match="cannot be loaded"):
        run(ENDLESS, Limits(states=10))
    assert run(ENDLESS, Limits(states=10)).reason == "10 states reached"


def test_better_engine_takes_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A search that goes on for a while is continued by a better compiled engine, and nothing is lost."""
    monkeypatch.setenv("HUGECHECK_CACHE", str(tmp_path))
    found = run(ENDLESS, Limits(states=3_000_000), native.Options(symmetry=False, level=""))
    assert found.states >= 3_000_000
    assert len(found.findings[1].path) == 1
    root = round((2 * found.states) ** 0.5)
    assert abs(found.depth - root) < 3  # level d of this model has d + 1 states


def test_interrupted() -> None:
    """Ctrl-C ends the search with what it has found."""
    scenario = load_scenario_text(Source("test.hck", ENDLESS), Path())
    sent: list[int] = []

    def on_progress(progress: Progress) -> None:
        if not sent:
            sent.append(progress.states)
            os.kill(os.getpid(), signal.SIGINT)

    found = explored(scenario, lambda system: native.explore(system, Limits(), on_progress, FAST))
    assert found is not None
    assert found.reason == "interrupted"
    assert 1 in found.findings


def test_progress() -> None:
    """Progress grows."""
    seen: list[int] = []
    scenario = load_scenario_text(Source("test.hck", ENDLESS), Path())

    def engine(system: System) -> Explored:
        return native.explore(system, Limits(seconds=0.5), lambda p: seen.append(p.states), FAST)

    explored(scenario, engine)
    assert seen == sorted(seen)


@pytest.mark.parametrize("name", ["*/ int main() {", "a\nb", "??/", "x\\", "é", "a" * 500])
def test_names_are_not_code(name: str) -> None:
    """Nothing in a name can leave its comment."""
    made = comment(name)
    assert made.count("*/") == 1 and made.endswith(" */") and "\n" not in made and "\\" not in made and len(made) < 100
    assert "??" not in made
