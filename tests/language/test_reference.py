"""The documents are run: every example of spec/language.md, and the commands of README.md."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hugecheck.diagnostics import Source
from hugecheck.language import checking
from support.cli import call
from support.specs import ROOT, module

REFERENCE = ROOT / "spec" / "language.md"
README = ROOT / "README.md"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fences(path: Path, kind: str) -> list[tuple[int, str]]:
    """The fenced blocks of a kind, with the line on which each begins."""
    if not path.is_file():
        return []
    text = path.read_text()
    return [(text.count("\n", 0, m.start()) + 1, m.group(2)) for m in _FENCE.finditer(text) if m.group(1) == kind]


EXAMPLES = fences(REFERENCE, "hck")
CONSOLES = fences(README, "console")


def test_the_reference_has_examples() -> None:
    """The pattern that finds examples finds those that a reader sees (section 2, 3.2, 3.6 to 3.9, 4.1)."""
    assert len(EXAMPLES) >= 7
    assert len(EXAMPLES) == REFERENCE.read_text().count("```hck")


@pytest.mark.parametrize("text", [pytest.param(t, id=f"line-{line}") for line, t in EXAMPLES])
def test_example(text: str, tmp_path: Path) -> None:
    """An example of a model is a model; an example of a scenario has the verdicts that it says."""
    file = checking.parse(Source("example.hck", text))
    if not any(type(d).__name__ in ("ProcessDecl", "StepsDecl", "SetupDecl") for d in file.declarations):
        assert module(text).variables or module(text).operations
        return
    spec = tmp_path / "example.hck"
    spec.write_text(text)
    outcome = call("run", str(spec))
    assert outcome.status == 0, outcome.out + outcome.err


def _normal(text: str) -> str:
    """Without times, rates and trailing blanks, which differ from run to run."""
    text = re.sub(r"\d+\.\d+ s\b", "T s", text)
    text = re.sub(r"[\d,]+ states/s", "N states/s", text)
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


@pytest.mark.skipif(not README.is_file(), reason="README.md is missing")
def test_the_readme_has_commands() -> None:
    """A reader finds at least one command with its output."""
    assert CONSOLES


@pytest.mark.parametrize("block", [pytest.param(t, id=f"line-{line}") for line, t in CONSOLES])
def test_readme_command(block: str, tmp_path: Path) -> None:
    """A `$ hugecheck ...` of the README prints what stands below it."""
    commands = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    runnable = [c for c in commands if c.startswith("hugecheck ")]
    if not runnable:
        pytest.skip("no hugecheck command in this block")
    work = tmp_path / "checkout"
    work.mkdir()
    for name in ("models", "spec"):
        (work / name).symlink_to(ROOT / name)
    if (ROOT.parent / "shared").is_dir():
        (tmp_path / "shared").symlink_to(ROOT.parent / "shared")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "checker")}
    for command in runnable:
        line, _, wanted = command.partition("\n")
        words = shlex.split(line)
        if "../shared" in line and not (tmp_path / "shared").exists():
            pytest.skip("../shared is missing")
        if any(w in ("|", ">", "&&") for w in words) and shutil.which("sh") is None:
            pytest.skip("no shell")
        shell = line.replace("hugecheck", f"{shlex.quote(sys.executable)} -m hugecheck", 1)
        done = subprocess.run(
            ["sh", "-c", shell], cwd=work, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        got, expected = _normal(done.stdout + done.stderr), _normal(wanted)
        if "\n...\n" in f"\n{expected}\n":
            pattern = r".*?".join(re.escape(piece) for piece in expected.split("\n...\n"))
            pattern = pattern.removesuffix(re.escape("\n...")) + (".*" if expected.endswith("\n...") else "")
            assert re.fullmatch(pattern, got, re.DOTALL), got
        else:
            assert got == expected
