"""The option `--update`, and a cache directory of the tests' own."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

_CACHE = tempfile.mkdtemp(prefix="hugecheck-tests-")
os.environ["HUGECHECK_CACHE"] = _CACHE
sys.setrecursionlimit(20_000)  # as `hugecheck.cli.main` does


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the expected texts (then read the diff)")


def pytest_unconfigure() -> None:
    shutil.rmtree(_CACHE, ignore_errors=True)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compare a text with the file that holds what is expected; with `--update`, write it there."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update"):
            path.write_text(text)
        assert path.is_file(), f"{path} is missing: run pytest with --update"
        assert path.read_text() == text

    return compare
