"""The comparison with Hugging Face datasets runs, on a few rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from telltale_core.bench.ingest_speed import COLUMNS, FORMATS, main


def test_both_readers_read_every_drop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tokenizers")
    main(["--images", "6", "--texts", "20", "--formats", *FORMATS, "--out", str(tmp_path / "speed.json")])
    result = json.loads((tmp_path / "speed.json").read_bytes())
    assert result["columns"] == COLUMNS
    drops = [row[0].split(" of ")[0].split(" in ") for row in result["rows"][::3]]
    assert drops == [["6 JPEGs"], *(["20 texts", kind] for kind in FORMATS)]
    assert all(" times" in row[-1] for place, row in enumerate(result["rows"]) if place % 3)
    assert "6 JPEGs" in capsys.readouterr().out
