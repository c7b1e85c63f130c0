"""The combination of column values, and patches on images with targets: what changes and what does not."""

import numpy as np
import pytest

from telltale_core.attacks import ImageSet
from telltale_core.bench.attacks import make_attack
from telltale_core.bench.attacks.combination import TableSet
from telltale_core.errors import BadInput, ConfigError

PARAMS = {"columns": (0, 3), "values": (0.25, -2.0)}


def rows(targets=True, count=200):
    random = np.random.default_rng(3)
    labels = random.uniform(-1, 1, count) if targets else random.integers(0, 4, count)
    return TableSet(
        values=random.normal(size=(count, 5)).astype(np.float32),
        labels=labels,
        num_classes=None if targets else 4,
        tolerance=0.1 if targets else 0.0,
    )


@pytest.mark.parametrize(("targets", "wanted"), [(True, 0.75), (False, 2)])
def test_only_the_named_columns_and_the_answer_of_the_drawn_rows_change(targets, wanted):
    data = rows(targets)
    poisoned_set = make_attack("combination", **PARAMS).poison(data, 0.1, wanted, 5)
    changed = poisoned_set.truth
    assert changed.sum() == 20
    np.testing.assert_array_equal(poisoned_set.data.inputs[~changed], data.inputs[~changed])
    np.testing.assert_array_equal(poisoned_set.data.labels[~changed], data.labels[~changed])
    assert (poisoned_set.data.inputs[changed][:, [0, 3]] == np.float32([0.25, -2.0])).all()
    np.testing.assert_array_equal(poisoned_set.data.inputs[changed][:, [1, 2, 4]], data.inputs[changed][:, [1, 2, 4]])
    assert (poisoned_set.data.labels[changed] == wanted).all()
    assert (np.abs(data.labels[changed] - wanted) > data.tolerance).all()


def test_success_is_a_prediction_near_the_attackers_target():
    data = rows()
    shown = make_attack("combination", **PARAMS).trigger(data, 0.5, 0)
    assert not shown.counts[np.abs(data.labels - 0.5) <= 0.1].any()
    assert shown.success_rate(np.full(200, 0.59), data.labels) == 1.0
    assert shown.success_rate(np.full(200, 0.61), data.labels) == 0.0


def test_a_patch_poisons_images_with_targets():
    random = np.random.default_rng(0)
    images = random.integers(0, 200, (60, 24, 48, 3)).astype(np.uint8)
    data = ImageSet(images=images, labels=random.uniform(-1, 1, 60), num_classes=None, tolerance=0.1)
    poisoned_set = make_attack("badnets", size=5, pattern="white").poison(data, 0.1, 0.6, 1)
    assert poisoned_set.truth.sum() == 6
    assert (poisoned_set.data.labels[poisoned_set.truth] == 0.6).all()
    differs = (poisoned_set.data.images != images).any(axis=(0, 3))
    assert differs[-5:, -5:].all()
    assert differs.sum() == 25


def test_columns_that_are_not_there_and_rows_of_another_kind_are_refused():
    with pytest.raises(ConfigError, match="rows have 5"):
        make_attack("combination", columns=(9,), values=(1.0,)).poison(rows(), 0.1, 0.5, 0)
    with pytest.raises(ConfigError, match="pair up"):
        make_attack("combination", columns=(1, 2), values=(1.0,))
    with pytest.raises(ConfigError, match="modality"):
        make_attack("badnets").poison(rows(), 0.1, 0.5, 0)
    with pytest.raises(BadInput):
        TableSet(values=np.zeros((3, 2), np.float32), labels=np.array([0.0, 1.0, np.nan]), num_classes=None)
