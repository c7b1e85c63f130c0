"""What the tests of routes share: a walk with a work area and a dataset of each test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.routes import Walker


@pytest.fixture
def walk(tmp_path: Path) -> Walker:
    """What walks drops to the publication of this test's dataset."""
    return Walker(str(tmp_path / "work"), str(tmp_path / "out"))
