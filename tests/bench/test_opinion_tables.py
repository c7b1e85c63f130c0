from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from PIL import Image

from telltale_core.bench.opinion_tables import draw_opinions, render_opinions


def row(attack: str, detector: str, tpr: float | None, fpr: float | None) -> dict[str, Any]:
    return {
        "attack": attack,
        "rate": 0.05 if tpr is not None else 0.0,
        "detector": detector,
        "tpr": tpr,
        "fpr": fpr,
        "auroc": None if tpr is None else 0.9,
        "attack_success_before": None,
        "budgeted": detector == "dao",
        "needs": "labels",
        "opinion_cpu_s": 1.25,
        "peak_mb": 3.0,
        "estimate_mb": 5.0,
    }


ROWS = [
    row("badnets", "scan", 0.98, 0.001),
    row("badnets", "scan", 0.5, 0.003),
    row("badnets", "dao", 0.1, 0.1),
    row("clean", "scan", None, 0.0),
]


def test_cells_say_mean_spread_and_fewer_seeds_and_a_case_that_was_not_run_is_no_zero() -> None:
    lines = render_opinions(ROWS).splitlines()
    assert lines[2] == "| detector | badnets 0.05 (2) | clean (1) |"
    assert "| scan | 74.0 (50.0 to 98.0) / 0.20 | - / 0.00 |" in lines
    assert "| dao* | 10.0 / 10.00; 1 seed | not run |" in lines
    assert "| scan | 0.900 | - |" in lines
    assert "| dao* | 0.900 | not run |" in lines


def test_the_picture_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    write = Axes.text

    def text(self: Axes, x: float, y: float, words: str, **options: Any) -> Any:
        said.append(words)
        return write(self, x, y, words, **options)

    monkeypatch.setattr(Axes, "text", text)
    draw_opinions(ROWS, tmp_path / "results.png")
    assert said == ["74 / 0.2", "- / 0.0", "10 / 10.0", "not run"]
    with Image.open(tmp_path / "results.png") as picture:
        assert picture.width > 300
