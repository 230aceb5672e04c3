"""The runtime's C sources by themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hugecheck.explore.native.compiler import CompilerError, find_compiler, runtime_directory

HERE = Path(__file__).parent
STRICT = ("-Wall", "-Wextra", "-Wno-unused-function", "-Werror", "-std=gnu11", "-D_GNU_SOURCE", "-pthread", "-O1")


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_store_and_workers(sanitizer: str, tmp_path: Path) -> None:
    """Without a warning, and with nothing that a sanitizer objects to."""
    try:
        compiler = find_compiler()
    except CompilerError as reason:
        pytest.skip(str(reason))
    program = tmp_path / "store_test"
    flags = (*STRICT, f"-fsanitize={sanitizer}", "-I", str(runtime_directory()))
    made = subprocess.run(
        [*compiler.command, *flags, str(HERE / "store_test.c"), "-o", str(program)], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    done = subprocess.run([str(program)], capture_output=True, text=True)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the sanitizer does not run on this kernel")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
