"""Tables and targets on their way into a proxy: front, several targets, sets of labels, predictions in own units."""

import json
import math

import numpy as np
import pytest
import torch

from telltale_core.drop.cohorts import ranges_of_targets
from telltale_core.errors import ConfigError
from telltale_core.losslog.values import (
    log_absolute_error,
    log_binary_cross_entropy,
    log_huber_error,
    log_squared_error,
)
from telltale_core.modality import modality_named
from telltale_core.proxy import ProxyConfig, fit
from telltale_core.proxy.fitting import augments, make_trainer
from telltale_core.proxy.hardware import resolve_hardware
from telltale_core.proxy.objective import make_objective, read_outputs


def test_losses_of_several_targets_and_labels_are_means_in_the_log_domain():
    prediction, target = torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 0.0]])
    assert log_squared_error(prediction, target).exp().item() == pytest.approx(5.0)
    assert log_absolute_error(prediction, target).exp().item() == pytest.approx(2.0)
    assert log_huber_error(prediction, target).exp().item() == pytest.approx((0.5 + 2.5) / 2)
    logits, labels = torch.tensor([[2.0, -800.0]]), torch.tensor([[1.0, 0.0]])
    expected = (math.log1p(math.exp(-2.0)) + 0.0) / 2
    assert log_binary_cross_entropy(logits, labels).exp().item() == pytest.approx(expected, rel=1e-9)
    assert log_binary_cross_entropy(logits[:, 1:], labels[:, 1:]).item() == -800.0


@pytest.mark.trains
@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
def test_a_regression_gives_predictions_in_the_drops_own_units(loss):
    random = np.random.default_rng(0)
    inputs = random.normal(size=(512, 3)).astype(np.float32)
    targets = np.stack([1000 + 50 * inputs[:, 0], 3 * inputs[:, 1]], axis=1).astype(np.float64)
    config = ProxyConfig(epochs=12, width=32, batch_size=32, threads=1, device="cpu", regression_loss=loss)
    model = fit(inputs, targets, None, config, modality="table", task="regression")
    error = np.abs(model.predict(inputs) - targets).mean(axis=0)
    assert error[0] < 12
    assert error[1] < 1
    with pytest.raises(ConfigError, match="regression_loss"):
        ProxyConfig(regression_loss="cubic")


@pytest.mark.trains
def test_a_regression_by_ranges_predicts_in_the_drops_own_units_too():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(1_000, 3)).astype(np.float32)
    targets = np.stack([1000 + 50 * inputs[:, 0], 3 * inputs[:, 1]], axis=1).astype(np.float64)
    config = ProxyConfig(epochs=12, width=32, batch_size=32, threads=1, device="cpu")
    scores = []
    model = fit(
        inputs,
        targets,
        None,
        config,
        lambda snapshot: scores.append(snapshot.score),
        modality="table",
        task="regression",
    )
    assert model.net.head.out_features == 5 + 5
    predictions = model.predict(inputs)
    explained = 1 - np.square(predictions - targets).mean(axis=0) / targets.var(axis=0)
    assert explained.min() > 0.85
    assert scores[-1] == pytest.approx(explained.mean(), abs=0.01)


def test_the_ranges_that_are_learnt_are_those_that_the_verdict_compares():
    targets = np.random.default_rng(0).normal(size=2_000).round(1)
    ranges = ranges_of_targets(targets)
    objective = make_objective("regression", targets, None, "cpu")
    assert objective.outputs == len(ranges.names)
    assert objective.answer[:, 0].tolist() == ranges.number.tolist()
    sure = 100.0 * torch.nn.functional.one_hot(objective.answer[:, 0]).float()
    assert objective.log_loss(sure).max() < -90
    assert objective.loss(sure, torch.arange(2_000)) < 1e-6
    assert 0.9 < objective.score(sure) < 1
    means = read_outputs(sure.numpy(), "regression", objective.record())
    for place in range(objective.outputs):
        assert means[ranges.number == place] == pytest.approx(targets[ranges.number == place].mean())
    assert not objective.errors


def test_a_drop_without_three_ranges_is_learnt_by_squared_error():
    targets = np.random.default_rng(0).normal(size=599)
    few, asked = (make_objective("regression", targets, None, "cpu", loss) for loss in ("ranges", "squared"))
    assert few.outputs == 1
    assert few.errors
    assert few.record() == asked.record()
    assert few.log_loss(torch.zeros(599, 1)).tolist() == asked.log_loss(torch.zeros(599, 1)).tolist()
    with pytest.raises(ConfigError, match="regression_loss"):
        make_objective("regression", targets, None, "cpu", "cubic")


def test_a_constant_target_beside_another_is_predicted_as_it_is_and_not_learnt():
    random = np.random.default_rng(0)
    targets = np.stack([random.normal(size=1_000), np.full(1_000, 7.0)], axis=1)
    objective = make_objective("regression", targets, None, "cpu")
    assert objective.outputs == 5 + 1
    outputs = torch.from_numpy(random.normal(size=(1_000, 6)).astype(np.float32))
    alone = make_objective("regression", targets[:, 0], None, "cpu")
    assert objective.log_loss(outputs).tolist() == alone.log_loss(outputs[:, :5]).tolist()
    assert (read_outputs(outputs.numpy(), "regression", objective.record())[:, 1] == 7.0).all()
    few_values = np.stack([targets[:, 0], np.arange(1_000) % 2], axis=1)
    assert make_objective("regression", few_values, None, "cpu").errors


@pytest.mark.parametrize("loss", ["ranges", "squared"])
@pytest.mark.parametrize("far", [1e30, -1e300, 1.7e308])
def test_one_target_beyond_all_measure_leaves_the_numbers_of_a_training_finite(loss, far):
    targets = np.r_[np.random.default_rng(0).normal(size=800), far]
    objective = make_objective("regression", targets, None, "cpu", loss)
    outputs = torch.zeros(801, objective.outputs)
    assert math.isfinite(objective.score(outputs))
    assert torch.isfinite(objective.log_loss(outputs)).all()
    assert torch.isfinite(objective.loss(outputs, torch.arange(801)))
    json.dumps(objective.record(), allow_nan=False)


@pytest.mark.trains
def test_label_sets_are_learnt_and_read_as_sets():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(512, 3)).astype(np.float32)
    labels = (inputs > 0).astype(np.int64)
    config = ProxyConfig(epochs=8, width=32, batch_size=32, threads=1, device="cpu")
    model = fit(inputs, labels, 3, config, modality="table", task="multilabel")
    assert (model.predict(inputs) == labels).mean() > 0.95


def roads(samples=320, side=24):
    """Pictures of a bright line whose lean is the target."""
    random = np.random.default_rng(0)
    lean = random.normal(0, 0.4, samples)
    y, x = np.mgrid[0:side, 0:side] / side
    line = np.abs(x - 0.5 - lean[:, None, None] * (1 - y) * 0.5) < 0.08
    grey = 60 + 120 * line + random.normal(0, 12, (samples, side, side))
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=3), lean


@pytest.mark.trains
def test_a_regression_on_images_does_not_run_away_at_the_default_rate():
    images, lean = roads()
    config = ProxyConfig(epochs=3, width=16, batch_size=16, threads=1, device="cpu")
    scores = []
    fit(images, lean, None, config, lambda snapshot: scores.append(snapshot.score), task="regression")
    assert max(scores) > 0.5
    assert min(scores) > -2
    with pytest.raises(ConfigError, match="clip"):
        ProxyConfig(clip=0.0)


def test_only_errors_of_a_kind_of_data_that_needs_it_hold_their_steps():
    images, lean = roads(16)
    settings = {"config": ProxyConfig(width=4), "hardware": resolve_hardware(ProxyConfig(device="cpu")), "seed": 0}

    def clip_of(inputs, answers, task, modality, **other):
        statistics = modality_named(modality).statistics(inputs, {})
        arguments = settings | {"statistics": statistics, "task": task, "modality": modality, "num_classes": 2, **other}
        return make_trainer(inputs, answers, **arguments).clip

    labels, rows = np.arange(16) % 2, np.zeros((16, 3), np.float32)
    assert clip_of(images, labels, "classification", "image") is None
    assert clip_of(images, lean, "regression", "image") == 1.0
    assert clip_of(rows, lean, "regression", "table") is None
    assert clip_of(rows, lean, "regression", "table", config=ProxyConfig(width=4, clip=2.0)) == 2.0
    many, leans = roads(600, side=8)
    assert clip_of(many, leans, "regression", "image") is None


def test_images_with_targets_are_mirrored_only_if_asked_for():
    scenes = np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3)).astype(np.uint8)
    assert augments(scenes, ProxyConfig(), "image", "classification")
    assert not augments(scenes, ProxyConfig(), "image", "regression")
    assert augments(scenes, ProxyConfig(flip=True), "image", "regression")


def test_targets_are_scaled_by_their_quartiles():
    targets = np.r_[np.linspace(0, 1, 99), 1e6]
    objective = make_objective("regression", targets, None, "cpu")
    record = objective.record()
    assert record["centre"][0] == pytest.approx(0.5, abs=0.02)
    assert record["scale"][0] < 0.5
    back = read_outputs(objective.answer.numpy(), "regression", record)
    assert back[:99] == pytest.approx(targets[:99], abs=1e-6)
