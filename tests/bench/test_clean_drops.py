"""Clean drops: parts of data sets as they are named, and the share of them that is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from telltale_core.bench import clean_drops
from telltale_core.bench.cases import CLEAN, SUITES
from telltale_core.bench.data import DATA_SETS, load
from telltale_core.bench.published import FOLDERS
from telltale_core.bench.tables import false_alarms
from telltale_core.errors import ConfigError


def test_the_suite_has_a_hundred_drops_of_every_data_set_in_both_precisions() -> None:
    cases = SUITES["clean"].cases
    assert len({case.key() for case in cases}) == len(cases) >= 100
    assert {case.attack for case in cases} == {CLEAN}
    assert {case.proxy["precision"] for case in cases} == {"float32", "bfloat16"}
    assert {clean_drops.part_of(case.data)[0] for case in cases} == set(DATA_SETS) - {"cifar10", *FOLDERS}


def test_a_part_is_so_many_samples_of_so_many_classes_numbered_anew(tmp_path: Path) -> None:
    whole = load("digits", None, tmp_path)
    part = load("digits/200/3/5", None, tmp_path)
    assert len(part.train) == 200
    assert part.names is not None
    assert whole.names is not None
    assert len(part.names) == part.train.num_classes == 3
    assert sorted(np.unique(part.train.labels)) == [0, 1, 2]
    for image, label in zip(part.train.inputs[:20], part.train.labels[:20], strict=True):
        same = (whole.train.inputs == image).reshape(len(whole.train), -1).all(axis=1)
        assert part.names[label] in {whole.names[number] for number in whole.train.labels[same]}
    again, other = load("digits/200/3/5", None, tmp_path), load("digits/200/3/6", None, tmp_path)
    np.testing.assert_array_equal(part.train.inputs, again.train.inputs)
    assert not np.array_equal(part.train.inputs, other.train.inputs)


@pytest.mark.parametrize("name", clean_drops.TABLES)
def test_the_tables_of_scikit_learn_are_there(name: str, tmp_path: Path) -> None:
    split = load(f"{name}/100/0/1", None, tmp_path)
    assert len(split.train) == 100
    assert (split.names is None) == (split.train.num_classes is None) == (name == "diabetes")


def test_more_samples_than_there_are_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="5000 samples were asked for, 1500 are there"):
        load("digits/5000/0/1", None, tmp_path)


def test_the_share_that_is_called_comes_with_its_interval() -> None:
    row = {"clean": 300, "wrongly_quarantined": 0, "review": 4, "p_value": 0.5, "poison_found": False}
    rows = [{**row, "data": f"digits/300/0/{seed}"} for seed in range(99)]
    called = {**row, "data": "iris/150/0/1", "poison_found": True, "wrongly_quarantined": 12, "p_value": 1e-4}
    text = false_alarms([*rows, called])
    assert "| digits | 99 | 0 | 29,700 | 0 | 396 | 0 |" in text
    assert "| all | 100 | 1 | 30,000 | 12 | 400 | 1 |" in text
    assert "1.0 % of the drops are called (95 % interval 0.0 to 5.4 %)." in text
