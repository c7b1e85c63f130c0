"""The digits: a real drop that needs no network."""

from __future__ import annotations

import numpy as np
import pytest

from telltale_core.drop import ingest
from telltale_core.drop.demo import load_digits_images, plain_ids, write_digits_drop, write_image_drop


@pytest.mark.slow
def test_digits_become_a_drop_with_the_same_pixels(tmp_path):
    drop = ingest(str(write_digits_drop(tmp_path / "in", seed=3)), tmp_path / "drops")
    images, labels = load_digits_images()
    assert drop.inputs.shape == images.shape == (1797, 16, 16, 3)
    ids = plain_ids(1797, 3, "digit")
    position = {sample: index for index, sample in enumerate(ids)}
    order = [position[sample] for sample in drop.sample_ids.tolist()]
    np.testing.assert_array_equal(drop.inputs, images[order])
    np.testing.assert_array_equal(drop.labels, labels[order])
    assert drop.label_names is not None
    assert drop.label_names[7] == "seven"


def test_neither_ids_nor_order_tell_the_original_position(tmp_path):
    images, labels = load_digits_images(8)
    drop = ingest(str(write_digits_drop(tmp_path / "in", seed=0, side=8)), tmp_path / "drops")
    numbers = np.array([int(sample.split("-")[1]) for sample in drop.sample_ids.tolist()])
    assert abs(np.corrcoef(numbers, np.arange(len(numbers)))[0, 1]) < 0.1
    assert abs(np.corrcoef(numbers, drop.labels)[0, 1]) < 0.1
    assert len(labels) == len(images) == len(drop)


def test_the_seed_decides_the_bytes(tmp_path):
    images, labels = load_digits_images(8)
    paths = [
        write_image_drop(tmp_path / str(n), images[:50], labels[:50], plain_ids(50, seed), [*"abcdefghij"], seed=seed)
        for n, seed in enumerate((1, 1, 2))
    ]
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second != third
