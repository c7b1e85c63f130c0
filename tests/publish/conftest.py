"""What the tests of routes share: one work area a file of tests, a dataset a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.routes import Walker


@pytest.fixture
def walk(tmp_path: Path) -> Walker:
    """Walk drops to the publication, into a dataset of the test's own."""
    return Walker(str(tmp_path / "work"), str(tmp_path / "out"))
