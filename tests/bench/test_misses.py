"""What a miss looks like: written for what was missed alone, drawn from what was written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from telltale_core.attacks import ImageSet, Poisoned
from telltale_core.bench.misses import draw_misses, write_miss
from telltale_core.losslog import LossLog

N, SNAPSHOTS = 60, 8
IDS = [f"s{number:03d}" for number in np.random.default_rng(0).permutation(N)]


@pytest.fixture
def poisoned_set() -> Poisoned:
    labels = np.arange(N) % 3
    truth = (labels == 1) & (np.arange(N) < 30)
    data = ImageSet(images=np.zeros((N, 4, 4, 3), np.uint8), labels=labels, num_classes=3)
    return Poisoned(data=data, truth=truth, cover=~truth & False, mislabelled=truth, attack="x", target=1, details={})


def a_log(poisoned_set: Poisoned) -> LossLog:
    """Losses of 5 for poison, 1 for the rest of its label, 9 for other labels, in another order than the data's."""
    level = np.where(poisoned_set.truth, 5.0, np.where(poisoned_set.data.labels == 1, 1.0, 9.0))
    order = np.argsort(IDS)
    losses = np.repeat(level[order][:, None], SNAPSHOTS, axis=1)
    return LossLog.from_array(losses, sample_ids=np.asarray(IDS)[order], snapshots_per_epoch=2)


def row(tpr: float | None, seed: int = 11) -> dict[str, object]:
    return {"data": "d", "attack": "wanet", "rate": 0.05, "seed": seed, "found": 3, "poisoned": 10, "tpr": tpr}


def test_a_miss_is_the_poisons_losses_beside_those_of_its_label(poisoned_set: Poisoned, tmp_path: Path) -> None:
    write_miss(tmp_path, row(0.3), poisoned_set, IDS, a_log(poisoned_set))
    (path,) = tmp_path.iterdir()
    record = json.loads(path.read_bytes())
    assert np.array_equal(record["poison"], np.full((3, SNAPSHOTS), 5.0))
    assert np.array_equal(record["others"], np.full((3, SNAPSHOTS), 1.0))
    assert record["epochs"] == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]


def test_what_is_found_later_is_no_miss_any_more(poisoned_set: Poisoned, tmp_path: Path) -> None:
    write_miss(tmp_path, row(0.3), poisoned_set, IDS, a_log(poisoned_set))
    write_miss(tmp_path, row(0.95), poisoned_set, IDS, a_log(poisoned_set))
    write_miss(tmp_path, row(None, seed=12), poisoned_set, IDS, a_log(poisoned_set))
    assert not list(tmp_path.iterdir())


def test_misses_are_drawn_and_an_old_picture_goes_with_the_last_of_them(poisoned_set: Poisoned, tmp_path: Path) -> None:
    for seed in (11, 12, 13, 14):
        write_miss(tmp_path / "misses", row(0.3, seed), poisoned_set, IDS, a_log(poisoned_set))
    path = draw_misses(tmp_path / "misses", tmp_path)
    assert path is not None
    with Image.open(path) as picture:
        assert picture.width > 1000
        assert np.asarray(picture.convert("L")).std() > 5
    for old in (tmp_path / "misses").iterdir():
        old.unlink()
    assert draw_misses(tmp_path / "misses", tmp_path) is None
    assert not path.exists()
