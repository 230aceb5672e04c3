"""The model against the kernels themselves: fresh random sequences, and every sequential counterexample of the gallery and the seed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from hugecheck.compare.requests import Request, from_scenario, from_search
from hugecheck.diagnostics import Failure
from hugecheck.language.kernels import find_kernel
from hugecheck.language.loader import load_model, load_scenario
from hugecheck.replay.boots import Boots
from hugecheck.replay.generate import Generator, Options
from hugecheck.replay.guest import Player
from hugecheck.replay.images import Image
from hugecheck.replay.protocol import FIELDS
from hugecheck.replay.record import Recorder, fixed, online
from hugecheck.resources import data
from hugecheck.trace.follow import Follower
from hugecheck.trace.recording import parse_recording

RANDOM = 200
SEED = 20261125
LARGE = 64
"""counterexamples that mention more pages than this are left to `hugecheck replay`, for the sake of time"""


def _player(number: int) -> Player:
    return Generator(SEED, number, Options()).next_step


def test_fresh_random_sequences_are_predicted(kernel: Image, boots: Boots) -> None:
    """200 sequences that nobody has seen before: every result, counter and residue."""
    module = load_model("linux")
    follower = Follower(module, find_kernel(module, kernel.release, None))
    wrong = []
    with Recorder(kernel, boots=boots) as recorder:
        for number in range(RANDOM):
            script = online(f"s{number}", 1, partial(_player, number))
            line = recorder.play(script).to_line()
            followed = follower.follow(parse_recording(line.encode(), "guest", f"s{number}", module))
            if followed.divergence is not None or followed.loose:
                wrong.append((followed.divergence, line))
    assert not wrong


def counterexamples(release: str) -> Iterator[Request]:
    """The first finding of each spec of the gallery and the sequences of the seed, as far as they are made of whole calls that a real kernel can be
    asked for."""
    for path in [*sorted((data("models") / "gallery").glob("*.hck")), *sorted((data("models") / "seed").glob("*.hck"))]:
        scenario = load_scenario(path)
        if (
            len(scenario.threads) > 1
            or scenario.failures
            or scenario.sizes.get("page", 1) > LARGE
            or scenario.sizes.get("node", 1) > 1
        ):
            continue
        try:
            request = (
                from_search(path, release, None) if path.parent.name == "gallery" else from_scenario(path, release)
            )
        except Failure:
            continue
        if all(s["op"] in FIELDS and s["result"] not in ("pending", "broken") for s in request.steps):
            yield request


def test_counterexamples_happen(kernel: Image, boots: Boots) -> None:
    """What the model says can happen does happen, with the same results and counters at every step."""
    wrong = []
    played = 0
    with Recorder(kernel, boots=boots) as recorder:
        for request in counterexamples(kernel.release):
            recorded = json.loads(recorder.play(fixed(request.trace)).to_line())
            played += 1
            if recorded["steps"] != [dict(s) for s in request.steps]:
                wrong.append((request.id, recorded["steps"], request.steps))
    assert not wrong
    assert played >= 25
