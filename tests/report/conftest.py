"""Small runs made by hand (tests/support/runs.py), each in a folder of its own."""

from __future__ import annotations

import pytest

from tests.support.runs import Recipe, make_run


@pytest.fixture(scope="session")
def make():
    """Return a function that makes a run in a given folder."""
    return lambda folder, **changes: make_run(folder, Recipe(**changes))


@pytest.fixture
def new_run(tmp_path):
    """Return a function that makes a run in a folder of its own."""
    count = iter(range(100))
    return lambda **changes: make_run(tmp_path / f"run-{next(count)}", Recipe(**changes))
