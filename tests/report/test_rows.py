"""The page reads the rows that it shows, each once, and is the same as of all rows in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telltale_core.losslog import LossLog, StoredLog
from telltale_core.report import ReportConfig, evidence, write_report
from telltale_core.report.rows import ReadRows
from telltale_core.spectrum.record import Spectrum, StoredSpectrum

DRAWN, POINTS = 12, 30
FEW = ReportConfig(dpi=50, thumbnails=2, evidence_labels=2, cluster_points=POINTS)


def test_rows_are_read_once_and_given_in_any_order() -> None:
    asked: list[list[int]] = []

    def read(rows: Any) -> Any:
        asked.append(rows.tolist())
        return np.column_stack([rows, -rows]).astype(np.float32)

    rows = ReadRows(read)
    assert rows(np.array([5, 2, 5]))[:, 0].tolist() == [5, 2, 5]
    assert rows(np.array([9, 2, 1]))[:, 1].tolist() == [-9, -2, -1]
    assert rows(np.array([1, 9])).shape == (2, 2)
    assert rows(np.array([], dtype=np.int64)).shape == (0, 2)
    assert asked == [[2, 5], [1, 9]]


@pytest.mark.slow
def test_a_page_reads_few_rows_of_a_log_and_is_the_same_as_of_the_whole(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(tmp_path / "run", n=800)
    run.losslog.write(tmp_path / "log")
    whole = write_report(*run.args, tmp_path / "whole", lineage=run.lineage, config=FEW)
    monkeypatch.setattr(evidence, "DRAWN_ROWS", DRAWN)
    drawn = write_report(*run.args, tmp_path / "drawn", lineage=run.lineage, config=FEW)
    stored = StoredLog.open(tmp_path / "log", drop=run.drop)
    losses, features = (
        rows_read(monkeypatch, StoredLog, "losses_of"),
        rows_read(monkeypatch, StoredSpectrum, "features_of"),
    )
    for kind in (LossLog, Spectrum):
        monkeypatch.delattr(kind, "open")
    args = (run.drop, stored, *run.args[2:])
    read = write_report(*args, tmp_path / "read", lineage=run.lineage, config=FEW)
    assert read.read_bytes() == drawn.read_bytes() != whole.read_bytes()
    assert len(losses) == len(set(losses)) <= 2 * 3 * DRAWN
    assert len(features) == len(set(features)) <= 2 * POINTS


def rows_read(monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> list[int]:
    """Return a list that takes the rows that are read from now on."""
    rows: list[int] = []
    read = getattr(kind, name)

    def noted(self: Any, wanted: Any) -> Any:
        rows.extend(wanted.tolist())
        return read(self, wanted)

    monkeypatch.setattr(kind, name, noted)
    return rows
