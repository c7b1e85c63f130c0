"""What is recorded beside the losses: on request alone, whole, resumable, and without a trace in the losses."""

import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from telltale_core.errors import ConfigError, Corrupt, NotFound, OverBudget
from telltale_core.proxy import (
    ProxyConfig,
    load_proxy,
    observe,
    read_logits,
    read_recording,
    recorded_answers,
    recorded_features,
    recording_path,
    train,
)
from telltale_core.proxy.models import build
from telltale_core.proxy.recording import KINDS, last_convolutional_part, least_log_likelihood, write_recording


@pytest.fixture(scope="module")
def recorded(drop, tmp_path_factory):
    out = tmp_path_factory.mktemp("recorded") / "run"
    config = ProxyConfig(
        epochs=3, width=4, batch_size=20, device="cpu", threads=1, record=("logits", "answers", *KINDS[:3])
    )
    train(drop, out, config)
    return out, config


def test_features_and_early_answers_are_recorded_by_default_and_a_recipe_without_is_the_one_it_was(
    finished, drop, config
):
    names = sorted(path.name for path in (finished / "recordings").rglob("*.parquet"))
    assert names == ["answers.parquet", "features.parquet"]
    answers = recorded_answers(finished, drop.digest)
    assert answers.shape == drop.labels.shape
    assert set(answers) <= set(drop.labels)
    assert recorded_answers(finished.parent, drop.digest) is None
    features = recorded_features(finished, drop.digest)
    shown = observe(load_proxy(finished), drop.inputs, ["features"])["features"]
    np.testing.assert_allclose(features, shown, rtol=2e-3, atol=1e-5)
    assert recorded_features(finished.parent, drop.digest) is None
    with pytest.raises(Corrupt, match="of another drop"):
        recorded_features(finished, "0" * 64)
    without = config.replace(record=())
    assert "record" not in without.recipe()
    assert without.recipe_digest() != config.recipe_digest()


def test_recording_leaves_the_losses_as_they_are(recorded, finished, log_bytes):
    assert log_bytes(recorded[0]) == log_bytes(finished)


def test_recordings_are_what_the_saved_proxy_shows(recorded, drop):
    out, _ = recorded
    shown = observe(load_proxy(out), drop.inputs, KINDS)
    assert shown["features"].shape == (200, 16)
    assert shown["maps"].shape == (200, 16, 16)
    assert shown["norms"].shape == (200, 7)
    for kind in ("features", "maps", "norms"):
        values = read_recording(recording_path(out, kind), drop.digest)
        assert values.dtype == (np.float16 if kind == "maps" else np.float32)
        np.testing.assert_allclose(values, shown[kind], rtol=2e-3, atol=1e-5)


def test_logits_of_every_epoch_give_the_losses_of_its_last_snapshot(recorded, drop):
    out, config = recorded
    logits = read_logits(out, config.epochs, drop.digest).astype(np.float64)
    assert logits.shape == (200, 3, 4)
    loss = np.log(np.exp(logits).sum(axis=2)) - np.take_along_axis(logits, drop.labels[:, None, None], 2)[:, :, 0]
    from telltale_core.losslog import LossLog

    each = config.settled("image").snapshots_per_epoch
    last = LossLog.open(out / "losslog").log_loss[:, each - 1 :: each]
    np.testing.assert_allclose(np.exp(last), loss, rtol=1e-3, atol=1e-6)


def test_answers_are_those_of_the_end_of_the_first_sixth_of_the_epochs(recorded, drop):
    out, config = recorded
    settled = config.settled("image")
    early = read_logits(out, config.epochs, drop.digest)[:, settled.early_epoch]
    assert np.array_equal(recorded_answers(out, drop.digest), early.argmax(axis=1))
    assert [settled.replace(epochs=epochs).early_epoch for epochs in (1, 5, 12, 30)] == [0, 0, 1, 4]


def test_features_times_the_head_are_the_logits(recorded, drop):
    out, _ = recorded
    shown, net = observe(load_proxy(out), drop.inputs, ["features", "logits"]), load_proxy(out).net
    with torch.no_grad():
        np.testing.assert_allclose(net.head(torch.from_numpy(shown["features"])), shown["logits"], rtol=1e-4, atol=1e-5)


def test_the_least_log_likelihood_is_that_of_a_normal_density():
    norm = nn.BatchNorm2d(2).eval()
    norm.running_mean.copy_(torch.tensor([1.0, -1.0]))
    norm.running_var.copy_(torch.tensor([4.0, 1.0]))
    x = torch.zeros(1, 2, 1, 2)
    x[0, 0] = torch.tensor([[1.0, 7.0]])
    x[0, 1] = -1.0
    density = torch.distributions.Normal(torch.tensor(1.0), torch.tensor(4.0 + 1e-5).sqrt())
    assert least_log_likelihood(norm, x).item() == pytest.approx(density.log_prob(torch.tensor(7.0)).item(), rel=1e-6)


@pytest.mark.parametrize(("name", "channels"), [("small_cnn", 16), ("resnet18", 256), ("vgg16", 512)])
def test_the_map_is_the_input_of_the_last_convolutional_part(name, channels):
    net = build(name, "image", (32, 32, 3), 4, 10, seed=0).eval()
    shapes = []
    last_convolutional_part(net).register_forward_pre_hook(lambda _module, inputs: shapes.append(inputs[0].shape))
    with torch.no_grad():
        net(torch.zeros(2, 3, 32, 32))
    assert shapes[0][:2] == (2, channels)


@pytest.mark.trains
def test_a_killed_training_resumes_and_ends_with_the_same_recordings(recorded, drop, tmp_path):
    import multiprocessing

    whole, config = recorded
    out = tmp_path / "run"
    process = multiprocessing.get_context("forkserver").Process(target=train, args=(drop, out, config))
    process.start()
    while process.is_alive() and not recording_path(out, "logits", 1).exists():
        time.sleep(0.0005)
    process.kill()
    process.join()
    train(drop, out, config)
    names = sorted(path.relative_to(whole).as_posix() for path in (whole / "recordings").rglob("*.parquet"))
    assert len(names) == 7
    for name in names:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_recording_that_is_absent_damaged_or_of_another_drop_is_told(tmp_path):
    path = tmp_path / "features.parquet"
    with pytest.raises(NotFound, match=r"proxy\.record"):
        read_recording(path)
    write_recording(path, np.arange(12, dtype=np.float32).reshape(4, 3), {"drop_digest": "a"})
    assert read_recording(path, "a").tolist() == np.arange(12).reshape(4, 3).tolist()
    assert pq.read_table(path).column_names == ["sample", "value"]
    with pytest.raises(Corrupt, match="another drop"):
        read_recording(path, "b")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 255
    path.write_bytes(bytes(data))
    with pytest.raises(Corrupt, match="torn or damaged"):
        read_recording(path, "a")


@pytest.mark.trains
def test_what_cannot_be_recorded_is_refused(drop, tmp_path, config):
    with pytest.raises(ConfigError, match=r"record\[0\] must be one of 'features', 'answers', 'maps'"):
        ProxyConfig(record=("gradients",))
    with pytest.raises(OverBudget, match="MB may be used"):
        train(drop, tmp_path / "run", config.replace(record=KINDS, memory_limit_bytes=1000))
    net = build("small_cnn", "image", (8, 8, 3), 4, 4, seed=0)
    net.body = nn.Flatten()
    with pytest.raises(ConfigError, match="no convolution"):
        last_convolutional_part(net)
