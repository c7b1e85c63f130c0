"""Attacks that need a model: Narcissus, label-consistent, ISSBA; with models small enough to train here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from telltale_core.attacks import Attack, ImageSet
from telltale_core.bench.attacks import make_attack
from telltale_core.bench.attacks.issba_encoder import load_encoder, save_encoder, train_encoder
from telltale_core.bench.attacks.narcissus_trigger import optimise_trigger
from telltale_core.bench.attacks.surrogate import as_batch
from telltale_core.errors import ConfigError

Build = Callable[..., Attack]
Pictures = Callable[..., ImageSet]
TARGET = 2


def logits_of(net: nn.Module, images: np.ndarray) -> torch.Tensor:
    was = net.training
    net.eval()
    with torch.no_grad():
        logits = net(as_batch(images, torch.device("cpu")))
    net.train(was)
    return logits


def loss_of(net: nn.Module, images: np.ndarray) -> float:
    return float(cross_entropy(logits_of(net, images), torch.full((len(images),), TARGET)))


def state_of(net: nn.Module) -> tuple[object, ...]:
    values = tuple(tensor.numpy().tobytes() for tensor in net.state_dict().values())
    return values, net.training, tuple(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (3, 32, 32), (32, 32, 3)])
def test_narcissus_adds_the_array_once_and_thrice_at_test_time(
    shape: tuple[int, ...], tmp_path: Path, data: ImageSet
) -> None:
    channels_last = np.random.default_rng(0).uniform(-1, 1, (32, 32, 3)).astype(np.float32) * 32 / 255
    array = channels_last if shape[-1] == 3 else channels_last.transpose(2, 0, 1).reshape(shape)
    np.save(tmp_path / "trigger.npy", array)
    attack = make_attack("narcissus", trigger_file=str(tmp_path / "trigger.npy"))
    poisoned = attack.poison(data, 0.05, TARGET, seed=0)
    change = poisoned.data.images[poisoned.truth] - data.images[poisoned.truth].astype(float)
    assert np.abs(change - channels_last * 127.5).max() <= 0.5 + 1e-3
    change = attack.trigger(data, TARGET, seed=0).images - data.images.astype(float)
    assert np.abs(change - 3 * channels_last * 127.5).max() <= 0.5 + 1e-3


def test_narcissus_refuses_a_trigger_above_its_bound() -> None:
    with pytest.raises(ConfigError, match=r"reaches 25\.5 grey levels, epsilon allows 16\.0"):
        make_attack("narcissus", trigger_array=np.full((32, 32, 3), 0.1, np.float32), scale="zero_to_one")


@pytest.mark.parametrize("array", [np.zeros((32, 32)), np.zeros((4, 32, 32)), np.full((3, 8, 8), np.nan)])
def test_narcissus_refuses_an_array_that_is_no_trigger(array: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="must be finite and of shape"):
        make_attack("narcissus", trigger_array=array)


def test_narcissus_never_unpickles_its_file(tmp_path: Path) -> None:
    np.save(tmp_path / "trigger.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ConfigError, match=r"trigger\.npy cannot be read"):
        make_attack("narcissus", trigger_file=str(tmp_path / "trigger.npy"))


@pytest.mark.slow
def test_optimised_trigger_is_bounded_and_draws_the_surrogate_to_the_target(net: nn.Module, data: ImageSet) -> None:
    before = state_of(net)
    trigger = optimise_trigger(net, data.images[data.labels == TARGET], TARGET, rounds=30, seed=1)
    assert state_of(net) == before
    assert (trigger.shape, trigger.dtype) == ((32, 32, 3), np.float32)
    assert 0 < np.abs(trigger).max() <= 16 / 255 + 1e-6
    attack = make_attack("narcissus", trigger_array=trigger, scale="zero_to_one")
    assert loss_of(net, attack.trigger(data, TARGET, seed=0).images) < loss_of(net, data.images) - 0.01


def test_optimised_trigger_is_the_same_for_the_same_seed(net: nn.Module, data: ImageSet) -> None:
    one, two = (optimise_trigger(net, data.images[:30], TARGET, rounds=3, batch=10, seed=4) for _ in range(2))
    assert np.array_equal(one, two)


def test_a_trigger_cannot_be_optimised_on_no_images(net: nn.Module, data: ImageSet) -> None:
    with pytest.raises(ConfigError, match="images of the target class, got none"):
        optimise_trigger(net, data.images[:0], TARGET)


@pytest.mark.slow
def test_trained_encoder_hides_a_secret_that_can_be_read(tmp_path: Path, pictures: Pictures, data: ImageSet) -> None:
    encoder, accuracy = train_encoder(pictures(300, 16, 16).images, bits=4, steps=120, batch=16, width=8, seed=0)
    assert accuracy > 0.9
    save_encoder(encoder, tmp_path / "encoder.safetensors")
    small = pictures(100, 16, 16, 5)
    kept = make_attack("issba", encoder=encoder).trigger(small, TARGET, seed=0).images
    read = make_attack("issba", encoder_file=str(tmp_path / "encoder.safetensors")).trigger(small, TARGET, 0).images
    assert np.array_equal(kept, read)
    change = kept.astype(int) - small.images
    assert np.abs(change).max() <= 16
    among = np.corrcoef(change.reshape(len(small), -1))[np.triu_indices(len(small), 1)]
    assert among.mean() < 0.75  # a residual for each image, not one texture for all


def test_encoder_training_is_the_same_for_the_same_seed(pictures: Pictures) -> None:
    images = pictures(20, 8, 8).images
    one, two = (train_encoder(images, bits=3, steps=3, batch=4, width=4, seed=2)[0] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_issba_residual_follows_the_secret(build: Build, data: ImageSet) -> None:
    one, two = (build("issba", secret_seed=seed).trigger(data, TARGET, seed=0).images for seed in (5, 6))
    assert not np.array_equal(one, two)


def test_a_file_that_is_no_encoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "encoder.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match=r"encoder\.safetensors is not an encoder"):
        load_encoder(tmp_path / "encoder.safetensors")
