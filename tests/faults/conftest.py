"""The storage room's fixtures and helpers (tests/storage/conftest.py), used here too."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

if "telltale_storage_fixtures" not in sys.modules:
    _spec = importlib.util.spec_from_file_location(
        "telltale_storage_fixtures", Path(__file__).parents[1] / "storage" / "conftest.py"
    )
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["telltale_storage_fixtures"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["telltale_storage_fixtures"])
_fixtures = sys.modules["telltale_storage_fixtures"]

s3_address = _fixtures.s3_address
s3_url = _fixtures.s3_url
lossy = _fixtures.lossy
url = _fixtures.url
store = _fixtures.store
