"""What the tests of routes share: a pipeline with a work area and a dataset of each test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.routes import Cleanse


@pytest.fixture
def cleanse(tmp_path: Path) -> Cleanse:
    """What cleanses drops and publishes them to this test's dataset."""
    return Cleanse(str(tmp_path / "work"), str(tmp_path / "out"))
