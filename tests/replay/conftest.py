"""What a guest needs, or a skip that names what is missing. `HUGECHECK_REQUIRE_VM=1` makes each such skip a failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hugecheck.replay import images
from hugecheck.replay.boots import Boots
from support.guests import kernel as ready


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
