"""The suite scale: a log of any size by the project's own writer, each stage measured beside Parquet and FFT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telltale_core.bench import scale
from telltale_core.bench.command import bench
from telltale_core.bench.scale import STAGES, Size, made_up, run_scale, table, timed
from telltale_core.errors import ConfigError, StorageError
from telltale_core.losslog import LossLog

SMALL = Size(samples=300, labels=3, snapshots=16)


@pytest.mark.parametrize(
    "text", ["", "100", "100x10", "100x10x6", "10x100x8", "0x1x8", "1e3x10x8", "100x10x8x1x1", "100x10x8x0", "-9x1x8"]
)
def test_a_size_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="50000x10x100"):
        Size.parse(text)


def test_a_size_is_read_and_said_alike() -> None:
    assert Size.parse("300x3x16") == SMALL
    assert str(SMALL) == "300x3x16"
    assert Size.parse("300x3x16x50").media_bytes == 50
    assert str(Size.parse("300x3x16x50")) == "300x3x16x50"


@pytest.mark.slow
def test_every_stage_is_measured_on_the_log_that_was_written(tmp_path: Path) -> None:
    rows = [timed(name, tmp_path, SMALL) for name in STAGES]
    assert [row["stage"] for row in rows] == list(STAGES)
    assert all(row["peak_mb"] > 0 and row["wall_s"] >= 0 for row in rows)
    log = LossLog.open(tmp_path / "losslog")
    assert log.log_loss.shape == (300, 16)
    assert np.array_equal(log.log_loss, np.concatenate(list(made_up(SMALL)), axis=1))
    assert np.array_equal(log.log_loss, scale._raw(tmp_path, SMALL))


def test_a_stage_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "MODULE", "telltale_core.bench.no_such_module")
    with pytest.raises(StorageError, match="no_such_module"):
        run_scale(["8x2x4"], tmp_path, print)


def test_results_stand_as_json_and_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"size": "8x2x4", "stage": "verdict", "wall_s": 2.5, "cpu_s": 2.0, "peak_mb": 120, "log_mb": 0.1}
    monkeypatch.setattr(scale, "measure", lambda *_: [row])
    outcome = bench(suite="scale", sizes=["8x2x4"], work=tmp_path)
    results = tmp_path / "results" / "scale"
    assert json.loads((results / "results.json").read_text()) == [row]
    assert outcome.lines == table([row]) == (results / "results.md").read_text().splitlines()
    assert outcome.lines[-1] == "| 8x2x4 | verdict | 2.0 | 2.5 | 120 | 0.1 |"


@pytest.mark.parametrize("options", [{"suite": "scale", "only": ["badnets"]}, {"suite": "digits", "sizes": ["8x2x4"]}])
def test_options_of_another_suite_are_refused(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="suite scale"):
        bench(work=tmp_path, **options)
