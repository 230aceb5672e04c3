"""What a guest needs, or a skip that names what is missing. `HUGECHECK_REQUIRE_VM=1` makes each such skip a failure."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from hugecheck.replay import agentbuild, cache, images
from hugecheck.replay.boots import Boots
from hugecheck.replay.errors import ReplayError
from hugecheck.replay.vm import QEMU


def missing(what: str) -> NoReturn:
    """Skip this test for want of `what`, or fail it where nothing may be missing."""
    if os.environ.get("HUGECHECK_REQUIRE_VM") == "1":
        pytest.fail(f"missing: {what}")
    pytest.skip(f"missing: {what}")


def users_cache() -> Path:
    """Where the user keeps kernels; the tests' own cache is empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HUGECHECK_CACHE", raising=False)
        return cache.directory()


def ready(release: str) -> images.Image:
    """The kernel, with everything to boot it."""
    if not shutil.which(QEMU):
        missing(QEMU)
    try:
        agentbuild.compiler()
        return images.find(release, users_cache())
    except ReplayError as error:
        missing(f"{error} ({error.fix})")


@pytest.fixture(scope="session", params=images.SERIES)
def kernel(request: pytest.FixtureRequest) -> images.Image:
    """Each kernel that replay is tested on."""
    return ready(request.param)


@pytest.fixture(scope="session")
def newest() -> images.Image:
    """One kernel, for what does not depend on it."""
    return ready(images.SERIES[0])


@pytest.fixture(scope="session")
def boots() -> Iterator[Boots]:
    """Guests for all tests: each kind boots once, and starts from a snapshot afterwards."""
    with Boots(early=True) as shared:
        yield shared
