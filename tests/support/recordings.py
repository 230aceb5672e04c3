"""Recordings for tests: real ones, and ones that are wrong in one place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.specs import ROOT

TRACES = ROOT.parent / "shared" / "traces"
CORPUS = [f"{kernel}-{kind}" for kernel in ("6.1", "6.12") for kind in ("directed", "random", "big", "leak")]


def corpus(name: str) -> Path:
    """A file of recordings of real kernels; the test is skipped without it, or fails with HUGECHECK_REQUIRE_TRACES=1."""
    path = TRACES / f"{name}.jsonl"
    if not path.is_file():
        message = f"{path} is missing"
        if os.environ.get("HUGECHECK_REQUIRE_TRACES") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return path


def after(total: int, free: int, rsvd: int = 0, surp: int = 0) -> dict[str, int]:
    return {"total": total, "free": free, "rsvd": rsvd, "surp": surp}


def good(name: str = "good") -> dict[str, Any]:
    """Grow the pool, map one shared page, touch it, unmap it: what every kernel does."""
    steps: list[dict[str, Any]] = [
        {"op": "set_nr", "n": 1, "result": "ok", "after": after(1, 1)},
        {
            "op": "mmap",
            "proc": "p0",
            "map": "a",
            "off": 0,
            "pages": 1,
            "flags": ["shared"],
            "result": "ok",
            "after": after(1, 1, 1),
        },
        {"op": "write", "proc": "p0", "map": "a", "page": 0, "result": "ok", "after": after(1, 0)},
        {"op": "munmap", "proc": "p0", "map": "a", "off": 0, "pages": 1, "result": "ok", "after": after(1, 1)},
        {"op": "set_nr", "n": 0, "result": "ok", "after": after(0, 0)},
    ]
    return {"id": name, "kernel": "6.1.192", "nodes": 1, "page_kib": 2048, "steps": steps}


def write(path: Path, *lines: object) -> Path:
    """Write recordings, or raw lines where they are text or bytes."""
    with path.open("wb") as out:
        for line in lines:
            data = (
                line
                if isinstance(line, bytes)
                else line.encode()
                if isinstance(line, str)
                else json.dumps(line).encode()
            )
            out.write(data + b"\n")
    return path
