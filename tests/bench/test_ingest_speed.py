"""The comparison with Hugging Face datasets runs, on a few rows."""

from __future__ import annotations

import pytest

from telltale_core.bench.ingest_speed import main


def test_both_readers_read_both_drops(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tokenizers")
    main(["--images", "6", "--texts", "20"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if "ingest" in line] == ["6 images", "20 texts"]
