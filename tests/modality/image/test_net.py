"""Images on their way into a net: scaling and mirroring."""

import numpy as np
import pytest
import torch

from telltale_core.modality.image.net import ImageFront, channel_scaling, mirrors_well


def test_scaling_is_the_datas_own_by_channel_and_a_constant_channel_stays_finite():
    data = np.random.default_rng(0).integers(0, 256, (1500, 4, 4, 3)).astype(np.uint8)
    data[..., 1] = 9
    scaling = channel_scaling(data)
    assert scaling["mean"] == pytest.approx(data.reshape(-1, 3).mean(axis=0))
    assert scaling["std"] == pytest.approx([data[..., 0].std(), 1.0, data[..., 2].std()])


def test_batches_are_normalised_channels_last_and_mirrored_where_asked():
    data = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3)).astype(np.uint8)
    front = ImageFront(data.shape[1:], channel_scaling(data), "cpu")
    packed = torch.from_numpy(data)
    whole = front(packed)
    assert whole.shape == (10, 3, 8, 8)
    assert whole.is_contiguous(memory_format=torch.channels_last)
    assert whole.mean().item() == pytest.approx(0, abs=1e-5)
    assert whole.std().item() == pytest.approx(1, abs=0.01)
    mirrored = front(packed[:2], torch.tensor([0.49, 0.5]))
    assert torch.equal(mirrored[0], whole[0].flip(2))
    assert torch.equal(mirrored[1], whole[1])


def test_colour_scenes_are_mirrored_and_digits_are_not():
    random = np.random.default_rng(0)
    colour = random.integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    grey = np.repeat(colour[..., :1], 3, axis=3)
    assert mirrors_well(colour)
    assert not mirrors_well(grey)
    assert not mirrors_well(colour[:, :16, :16])
