"""What the model says to each step of a recording: what was seen where it allows that, else what it expects instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hugecheck.diagnostics import Failure
from hugecheck.ir import program as ir
from hugecheck.replay.trace import Recorded
from hugecheck.trace.follow import Divergence, Follower
from hugecheck.trace.recording import RecordedStep, Recording, parse_recording


@dataclass(frozen=True, slots=True)
class Prediction:
    """The model's answers, as far as it can follow (it cannot go on after a step that does not apply), and the first divergence."""

    recording: Recording
    steps: tuple[RecordedStep, ...]
    residue: Mapping[str, object] | None
    divergence: Divergence | None


def as_recording(recorded: Recorded, module: ir.Module) -> Recording:
    """A recording as the model reads it."""
    whole = recorded.to_json()
    steps = whole["steps"]
    assert isinstance(steps, list)
    whole["steps"] = [{"after": {}, **step} for step in steps]
    return parse_recording(json.dumps(whole).encode(), recorded.id, recorded.id, module)


def predict(follower: Follower, recording: Recording) -> Prediction:
    """The model's answers to all steps, with the recorded ones where they are possible.

    After a divergence the model goes on from the state that it expected. Raises `Failure` if the recording is none that it can speak about.
    """
    steps = list(recording.steps)
    first: Divergence | None = None
    residue = recording.residue
    while True:
        found = follower.follow(replace(recording, steps=tuple(steps), residue=residue)).divergence
        first = first or found
        if found is None:
            break
        expected = found.predicted[0] if found.predicted else {"error": "nothing"}
        after = expected.get("after")
        if not isinstance(after, Mapping):
            del steps[found.step - 1 :]
            break
        if found.step > len(steps):
            residue = after
            break
        steps[found.step - 1] = replace(steps[found.step - 1], result=str(expected["result"]), after=after)
    return Prediction(recording, tuple(steps), residue, first)


def diverges(follower: Follower, recorded: Recorded) -> Divergence | None:
    """The first step that the model does not predict; None also where it cannot speak about the trace at all."""
    try:
        return follower.follow(as_recording(recorded, follower.module)).divergence
    except Failure:
        return None
