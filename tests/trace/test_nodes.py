"""The number of NUMA nodes of a recording is the size of the model's index type `node`; a table over it is a list."""

from __future__ import annotations

import json

import pytest

from hugecheck.diagnostics import Failure
from hugecheck.trace.follow import Follower
from hugecheck.trace.recording import parse_recording
from support.specs import module

MODEL = """
index node counted
var pages[node]: nat = 0
observe total = sum n in node: pages[n]
observe nodes[n: node where size(node) > 1] total = pages[n]
observe nodes[n: node where size(node) > 1] twice = 2 * pages[n]
operation spread() { atomic { for n in node { pages[n] += 1 } } }
operation teardown() { atomic { for n in node { pages[n] = 0 } } }
"""
ONE_NODE = """
var pages: nat = 0
observe total = pages
operation spread() { atomic { pages += 1 } }
"""


def follow(model: str, nodes: int, after: dict[str, object]) -> object:
    loaded = module(model)
    document = {"id": "t", "nodes": nodes, "steps": [{"op": "spread", "result": "ok", "after": after}]}
    return (
        Follower(loaded, frozenset())
        .follow(parse_recording(json.dumps(document).encode(), "t", "t:1", loaded))
        .divergence
    )


def test_size_and_list() -> None:
    assert follow(MODEL, 1, {"total": 1}) is None
    assert follow(MODEL, 3, {"total": 3, "nodes": [{"total": 1, "twice": 2}] * 3}) is None
    assert follow(MODEL, 2, {"total": 3, "nodes": [{"total": 1, "twice": 2}] * 3}) is not None


def test_model_with_one_node() -> None:
    assert follow(ONE_NODE, 1, {"total": 1}) is None
    with pytest.raises(Failure) as failure:
        follow(ONE_NODE, 2, {"total": 2})
    assert "2 NUMA nodes" in failure.value.diagnostics[0].headline
