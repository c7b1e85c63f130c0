"""Rows on their way into a net."""

import numpy as np
import pytest
import torch

from telltale_core.modality.table.net import TableFront, column_statistics

PACKING = {"columns": [{"kind": "number"}, {"kind": "category", "categories": ["a", "b"]}]}


def test_the_front_gives_a_number_scaled_and_as_a_bin_and_a_category_as_a_slot():
    values = np.stack([np.arange(100.0), np.arange(100) % 2], axis=1).astype(np.float32)
    statistics = column_statistics(values, PACKING)
    front = TableFront(statistics, "cpu")
    assert front.shape == (2 + 33 + 4,)
    rows = torch.tensor([[49.5, 1.0], [1e9, 2.0], [float("nan"), float("nan")]])
    out = front(rows)
    assert out.shape == (3, *front.shape)
    assert out[0, 0] == pytest.approx(0.0, abs=1e-6)
    assert out[1, 0] == 8.0
    assert out[:, 1].tolist() == [0.0, 0.0, 0.0]
    assert out[:, 2:].sum(1).tolist() == [2.0, 2.0, 2.0]
    assert out[2, 0] == 0.0
    assert out[2, 2 + statistics["sizes"][0] - 1] == 1.0
    assert out[2, -1] == 1.0
    assert out[0, 2 + statistics["sizes"][0] + 1] == 1.0


def test_an_outlier_moves_no_other_row():
    values = np.random.default_rng(0).normal(size=(400, 1)).astype(np.float32)
    far = values.copy()
    far[0] = 1e30
    plain, moved = (column_statistics(one, {}) for one in (values, far))
    assert moved["scale"][0] == pytest.approx(plain["scale"][0], rel=0.02)
