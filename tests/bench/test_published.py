"""Poison that others published: their rows at the rate that is asked, and their trigger on held-out ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from telltale_core.bench.cases import SUITES, Case
from telltale_core.bench.data import load
from telltale_core.bench.harness import Bench, poison
from telltale_core.errors import ConfigError
from tests.support.published import CLEAN, DATA, write_published


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_published(tmp_path)


def case(rate: float, seed: int = 1) -> Case:
    return Case(data=DATA, attack="published", rate=rate, target=1, seed=seed)


@pytest.mark.parametrize(("rate", "count"), [(0.2, 20), (0.1, 9), (0.05, 4)])
def test_all_clean_rows_and_part_of_the_poisoned_ones_make_the_rate(root: Path, rate: float, count: int) -> None:
    bench = Bench(suite=SUITES["published"], data=root, work=root / "work")
    split = load(DATA, root, root / "work")
    drop = poison(split.train, case(rate), bench.attack(case(rate), split.train))
    texts = np.array([str(text) for text in drop.data.inputs])
    assert drop.truth.tolist() == [text.startswith("when it") for text in texts]
    assert (int(drop.truth.sum()), int((~drop.truth).sum())) == (count, CLEAN)
    assert set(drop.data.labels[drop.truth]) == {1}
    again = poison(split.train, case(rate, seed=2), bench.attack(case(rate), split.train))
    assert rate == 0.2 or [*again.data.inputs] != [*drop.data.inputs], "the seed draws them"


def test_the_published_trigger_counts_once_on_held_out_rows(root: Path) -> None:
    split = load(DATA, root, root / "work")
    attack = Bench(suite=SUITES["published"], data=root, work=root / "work").attack(case(0.2), split.train)
    shown = attack.trigger(split.test, 1, 0)
    assert (len(shown.inputs), shown.counts.tolist()) == (4, [True, True, False, False])
    assert shown.success_rate(np.array([1, 0, 1, 1]), split.test.labels) == 0.5


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"third-party/hiddenkiller-sst2/train\.parquet"):
        load(DATA, tmp_path, tmp_path)


@pytest.mark.parametrize("rate", [0.0, 1.0, 0.001])
def test_a_rate_that_leaves_nothing_is_refused(root: Path, rate: float) -> None:
    split = load(DATA, root, root / "work")
    attack = Bench(suite=SUITES["published"], data=root, work=root / "work").attack(case(0.2), split.train)
    with pytest.raises(ConfigError, match="at least one poisoned"):
        attack.poison(split.train, rate, 1, 0)
