"""The parts that training is made of: settings, schedule, data, hardware, memory estimate, progress."""

import io
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from telltale_core.config import from_dict, to_dict
from telltale_core.errors import ConfigError
from telltale_core.modality.image.net import ImageFront, channel_scaling
from telltale_core.proxy import Progress, ProgressLines, ProxyConfig, fit
from telltale_core.proxy.budget import estimate_bytes
from telltale_core.proxy.data import Resident
from telltale_core.proxy.hardware import available_bytes, has_native_bfloat16, resolve_hardware
from telltale_core.proxy.loop import learning_rate, snapshot_steps
from telltale_core.proxy.models import build
from telltale_core.proxy.objective import make_objective


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("lr", 0.0), ("lr", float("nan")), ("lr_hold", 1.1), ("momentum", 1.0), ("flip", "maybe"),
     ("precision", "fp8"), ("threads", -1), ("deadline_s", 0.0), ("batch_size", 1), ("seed", -1)],
)  # fmt: skip
def test_a_setting_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=f"{name} must be"):
        ProxyConfig(**{name: value})


def test_settings_survive_a_round_trip_through_plain_values():
    config = ProxyConfig(flip=False, deadline_s=5.0, width=16)
    assert from_dict(ProxyConfig, to_dict(config)) == config


def test_the_recipe_digest_changes_with_what_changes_losses_and_with_nothing_else():
    base = ProxyConfig().recipe_digest()
    assert ProxyConfig(deadline_s=9.0, memory_limit_bytes=10**9).recipe_digest() == base
    for change in ({"lr": 0.1}, {"seed": 1}, {"width": 8}, {"flip": False}):
        assert ProxyConfig(**change).recipe_digest() != base


def test_the_rate_warms_up_holds_and_falls():
    config = ProxyConfig(lr=0.1, lr_hold=0.7)
    rates = [learning_rate(step, 1000, config) for step in range(1000)]
    assert rates[0] == pytest.approx(0.1 / 50)
    assert rates[49:700] == pytest.approx([0.1] * 651)
    assert all(a > b or b == pytest.approx(0.002) for a, b in itertools.pairwise(rates[700:]))
    assert rates[-1] == pytest.approx(0.1 * 0.02)


def test_a_rate_held_to_the_end_never_falls():
    assert learning_rate(999, 1000, ProxyConfig(lr=0.1, lr_hold=1.0)) == pytest.approx(0.1)


def test_snapshots_are_spread_over_the_epoch_and_end_it():
    assert snapshot_steps(78, 1) == {77}
    assert snapshot_steps(78, 2) == {38, 77}
    assert snapshot_steps(7, 7) == set(range(7))


def resident_of(data):
    return Resident(data, ImageFront(data.shape[1:], channel_scaling(data), "cpu"), "cpu")


def test_a_memory_mapped_drop_is_not_changed(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "x.npy", data)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    packed = resident_of(mapped).packed(slice(0, 10))
    assert torch.equal(packed, torch.from_numpy(data))
    packed.zero_()
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), data)


def test_a_slice_of_a_memory_mapped_drop_is_that_slice(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "x.npy", data)
    part = np.load(tmp_path / "x.npy", mmap_mode="r")[4:7]
    assert torch.equal(resident_of(part).packed(slice(0, 3)), torch.from_numpy(data[4:7]))


def test_a_regression_objective_scales_its_targets_and_logs_squared_errors():
    targets = np.array([10.0, 20.0, 30.0, 40.0])
    objective = make_objective("regression", targets, None, "cpu")
    perfect = objective.answer.clone()
    assert objective.outputs == 1
    assert objective.score(perfect) == pytest.approx(1.0)
    assert objective.score(torch.zeros(4, 1)) == pytest.approx(0.0, abs=1e-6)
    assert objective.log_loss(perfect + 1.0).tolist() == pytest.approx([0.0] * 4, abs=1e-6)
    assert torch.isfinite(objective.log_loss(perfect)).all()


TARGETS = np.random.default_rng(5).gamma(2.0, size=200)


@pytest.mark.parametrize(
    ("task", "answers", "loss"),
    [
        ("classification", np.arange(200) % 7 % 3, ""),
        ("multilabel", (np.arange(200)[:, None] % [2, 5, 9] == 0).astype(np.uint8), ""),
        ("regression", TARGETS, "ranges"),
        ("regression", np.stack([TARGETS, TARGETS**2], axis=1), "ranges"),
        ("regression", TARGETS, "squared"),
        ("regression", TARGETS, "absolute"),
        ("regression", TARGETS, "huber"),
    ],
)
def test_the_loss_of_guessing_is_that_of_the_best_constant_answer(task, answers, loss):
    objective = make_objective(task, answers, 3, "cpu", loss=loss)
    answer_K = torch.zeros(objective.outputs, requires_grad=True)
    search = torch.optim.LBFGS([answer_K], max_iter=200, line_search_fn="strong_wolfe")

    def step():
        search.zero_grad()
        answer_loss = objective.loss(answer_K.expand(200, -1), torch.arange(200))
        answer_loss.backward()
        return answer_loss

    search.step(step)
    assert objective.guess() == pytest.approx(step().item(), rel=0.01)


def test_automatic_precision_follows_the_hardware(monkeypatch):
    config = ProxyConfig(device="cpu")
    native = has_native_bfloat16("cpu")
    assert resolve_hardware(config).precision == ("bfloat16" if native else "float32")
    monkeypatch.setattr("telltale_core.proxy.hardware.has_native_bfloat16", lambda _device: not native)
    assert resolve_hardware(config).precision == ("float32" if native else "bfloat16")


@pytest.mark.parametrize(
    ("flags", "native"),
    [({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False), ({"avx512_bf16": True}, True),
     ({"amx_bf16": True}, True), ({"bf16": True, "neon": True}, True), ({}, False)],
)  # fmt: skip
def test_bfloat16_counts_as_native_only_where_the_processor_says_so(monkeypatch, flags, native):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    assert has_native_bfloat16("cpu") is native


def test_older_torch_is_asked_by_its_own_probes(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    for amx, avx in ((False, False), (True, False), (False, True)):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda answer=amx: answer, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda answer=avx: answer, raising=False)
        assert has_native_bfloat16("cpu") is (amx or avx)


@pytest.mark.parametrize("device", ["gpu", "mps", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(ConfigError, match="device"):
        resolve_hardware(ProxyConfig(device=device))


def test_the_memory_estimate_grows_with_batch_and_width(config):
    hardware = resolve_hardware(config)
    many = SimpleNamespace(inputs=np.zeros((8000, 8, 8, 3), dtype=np.uint8), task="classification")

    def estimate(**change):
        changed = config.replace(**change).settled("image")
        net = build("auto", "image", (8, 8, 3), changed.width, 4, seed=0)
        front = ImageFront((8, 8, 3), channel_scaling(many.inputs), "cpu")
        return estimate_bytes(net, front, many, changed, hardware)

    assert estimate(width=64) > 1.5 * estimate(width=4)
    assert estimate(batch_size=1000) > estimate(batch_size=20)


def test_available_memory_is_known_here():
    assert available_bytes("cpu") is None or available_bytes("cpu") > 10**6


def at(step, **change):
    values = {
        "epoch": step // 10, "epochs": 3, "step": step, "steps": 30, "loss": 0.5,
        "score": 0.75, "samples_per_s": 1234.0, "remaining_s": 65.0,
    }  # fmt: skip
    return Progress(**values | change)


@pytest.mark.trains
@pytest.mark.parametrize(
    ("task", "answers", "said"),
    [
        ("classification", np.arange(40) % 2, "accuracy"),
        ("regression", np.linspace(0, 1, 40), "R squared"),
        ("multilabel", np.eye(2, dtype=np.int64)[np.arange(40) % 2], "label sets right"),
    ],
)
def test_progress_calls_the_score_what_it_is(task, answers, said):
    stream = io.StringIO()
    config = ProxyConfig(epochs=1, width=4, batch_size=20, device="cpu", threads=1)
    inputs, log = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32), []
    fit(inputs, answers, 2, config, log.append, modality="table", task=task, progress=ProgressLines(stream))
    assert f", {said} {log[-1].score:.3f}, " in stream.getvalue()


def test_each_epoch_is_a_plain_line():
    stream = io.StringIO()
    lines = ProgressLines(stream)
    for step in (5, 7, 10, 15, 20, 30):
        lines(at(step))
    printed_lines = stream.getvalue().splitlines()
    assert "\r" not in stream.getvalue()
    assert [line.split("epoch ")[1][:3] for line in printed_lines] == ["0/3", "1/3", "2/3", "3/3"]
    assert printed_lines[1] == "training  33%, epoch 1/3, 1:05 left, loss 0.5000, accuracy 0.750, 1,234 samples/s"
