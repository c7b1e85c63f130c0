"""Fixtures of the security tests; their helpers are in tests/drop/support.py."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from telltale_core.drop import Drop, DropConfig, ingest

if "telltale_drop_support" not in sys.modules:
    _spec = importlib.util.spec_from_file_location(
        "telltale_drop_support", Path(__file__).parents[1] / "drop" / "support.py"
    )
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["telltale_drop_support"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["telltale_drop_support"])


@pytest.fixture
def take(tmp_path: Path) -> Callable[..., Drop]:
    """Ingest a source into this test's own folder of drops."""

    def run(source: Path | str, config: DropConfig | None = None, **settings: object) -> Drop:
        chosen = config or DropConfig(**settings)  # type: ignore[arg-type]
        return ingest(str(source), tmp_path / "drops", chosen)

    return run


@pytest.fixture
def reasons() -> Callable[[Drop], dict[str, str]]:
    """The reason code of each rejected row by its source."""

    def read(drop: Drop) -> dict[str, str]:
        table = drop.rejected()
        return dict(zip(table["source"].to_pylist(), table["reason_code"].to_pylist(), strict=True))

    return read
