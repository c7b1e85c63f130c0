"""The drops on which drips and copies are measured hold what their figures say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from telltale_core.attacks import ImageSet
from telltale_core.bench.copied import Copied, poisoned_drop, with_copies
from telltale_core.bench.data import Split, load
from telltale_core.bench.drip import make_drops
from telltale_core.errors import ConfigError

ASKED = {"drops": 3, "size": 100, "rate": 0.05, "target": 7, "seed": 4}


@pytest.fixture(scope="module")
def digits() -> Split:
    return load("digits", None, Path())


@pytest.fixture(scope="module")
def plain(digits: Split) -> Copied:
    assert isinstance(digits.train, ImageSet)
    return poisoned_drop(digits.train, size=400, poison=12, seed=3)


def test_every_drop_of_a_drip_holds_its_poison_under_one_target(digits: Split, tmp_path: Path) -> None:
    parts = make_drops(tmp_path, digits.train, digits.names or (), **ASKED)
    tables = [pq.read_table(part.source / "train.parquet").to_pylist() for part in parts]
    assert [len(table) for table in tables] == [100] * 3
    assert [len(part.poisoned) for part in parts] == [5] * 3
    bad = frozenset[str]().union(*(part.poisoned for part in parts))
    assert {row["label"] for table in tables for row in table if row["id"] in bad} == {7}
    assert len({row["id"] for table in tables for row in table}) == 300


def test_a_drip_of_more_samples_than_there_are_is_refused(digits: Split, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="3 drops of 600 need 1800 samples, the data set has 1500"):
        make_drops(tmp_path, digits.train, digits.names or (), **{**ASKED, "size": 600})


def test_honest_copies_are_near_one_clean_sample_in_each_of_four_other_labels(plain: Copied) -> None:
    data_set = with_copies(plain, "honest", each=10, times=4, seed=3)
    labels, copies = data_set.data.labels[data_set.added], data_set.data.images[data_set.added].astype(int)
    assert np.unique(labels, return_counts=True)[1].tolist() == [10] * 4
    assert data_set.target not in labels
    assert not data_set.poisoned[data_set.added].any()
    assert all(np.ptp(copies[labels == label], axis=0).max() <= 4 for label in np.unique(labels))


def test_copied_poison_is_there_as_often_as_was_asked_and_counts_as_poison(plain: Copied) -> None:
    data_set = with_copies(plain, "poison", each=10, times=4, seed=3)
    assert (int(plain.poisoned.sum()), int(data_set.poisoned.sum()), int(data_set.added.sum())) == (12, 48, 36)
    assert set(data_set.data.labels[data_set.poisoned].tolist()) == {data_set.target}
