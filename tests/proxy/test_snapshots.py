"""Snapshots are evaluated batch by batch: the same bits as from all outputs at once, which are held nowhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from telltale_core.modality.image.net import ImageFront
from telltale_core.proxy import ProxyConfig
from telltale_core.proxy.budget import estimate_bytes
from telltale_core.proxy.fitting import make_trainer
from telltale_core.proxy.hardware import Hardware
from telltale_core.proxy.loop import evaluate
from telltale_core.proxy.models import build
from telltale_core.proxy.objective import make_objective

SAMPLES = 613
RNG = np.random.default_rng(3)
TARGETS = RNG.gamma(2.0, size=(SAMPLES, 2))
CASES: dict[str, tuple[str, Any, int | None, str]] = {
    "two labels": ("classification", RNG.integers(0, 2, SAMPLES), 2, ""),
    "one label alone": ("classification", np.zeros(SAMPLES, dtype=np.int64), 2, ""),
    "a thousand labels": ("classification", RNG.integers(0, 1000, SAMPLES), 1000, ""),
    "label sets": ("multilabel", RNG.integers(0, 2, (SAMPLES, 7)), 7, ""),
    "ranges": ("regression", TARGETS[:, 0], None, "ranges"),
    "ranges of two targets": ("regression", TARGETS, None, "ranges"),
    "two targets": ("regression", TARGETS, None, "huber"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [1, 64, 600, 1000])
def test_losses_and_scores_of_batches_are_those_of_all_outputs(case: str, size: int) -> None:
    task, answers, classes, loss = CASES[case]
    objective = make_objective(task, answers, classes, "cpu", loss)
    outputs = torch.from_numpy(np.random.default_rng(0).normal(0, 9, (SAMPLES, objective.outputs)).astype(np.float32))
    outputs[::5] = outputs[::5].round()  # ties between the answers
    outputs[3] = 0.0
    rows = [slice(start, start + size) for start in range(0, SAMPLES, size)]
    losses = torch.cat([objective.log_loss(outputs[part], part) for part in rows])
    answered = torch.cat([objective.answered(outputs[part], part) for part in rows])
    assert losses.numpy().tobytes() == objective.log_loss(outputs).numpy().tobytes()
    if task == "classification":
        expected = float((outputs.argmax(1) == objective.answer).double().mean())
    elif task == "multilabel":
        expected = float(((outputs > 0) == (objective.answer[:] > 0.5)).all(1).double().mean())
    else:
        expected = objective.score(outputs)
    assert objective.score(answered) == expected


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_snapshot_is_that_of_all_outputs(task: str) -> None:
    inputs = np.random.default_rng(1).integers(0, 256, (700, 32, 32, 3), dtype=np.uint8)
    answers = np.arange(700) % 5 if task == "classification" else np.linspace(0, 1, 700)
    config = ProxyConfig(width=4, device="cpu", precision="float32", threads=1)
    trainer = make_trainer(
        inputs, answers, task=task, num_classes=5, config=config, seed=0, modality="image",
        hardware=Hardware(device="cpu", precision="float32", threads=1),
        statistics={"mean": [127.0] * 3, "std": [60.0] * 3},
    )  # fmt: skip
    held: list[torch.Tensor] = []
    plain = trainer.snapshot(0)
    trainer.on_outputs = lambda _epoch, outputs: held.append(outputs)
    recorded = trainer.snapshot(0)
    with torch.inference_mode():
        outputs = evaluate(trainer.net, trainer.data, trainer.hardware)
        expected = trainer.objective.log_loss(outputs).float().numpy()
        score = trainer.objective.score(trainer.objective.answered(outputs))
    assert torch.equal(held[0], outputs)
    for snapshot in (plain, recorded):
        assert snapshot.log_loss.tobytes() == expected.tobytes()
        assert snapshot.score == score


def test_a_million_samples_with_a_thousand_labels_fit() -> None:
    config = ProxyConfig(device="cpu", precision="float32", threads=1, record=()).settled("image")
    front = ImageFront((32, 32, 3), {"mean": [127.0] * 3, "std": [60.0] * 3}, "cpu")
    hardware = Hardware(device="cpu", precision="float32", threads=1)

    def estimate(samples: int, task: str = "classification") -> int:
        inputs = np.broadcast_to(np.zeros((1, 32, 32, 3), dtype=np.uint8), (samples, 32, 32, 3))
        net = build("auto", "image", (32, 32, 3), config.width, 1000, seed=0)
        data: Any = SimpleNamespace(inputs=inputs, task=task)
        return estimate_bytes(net, front, data, config, hardware) - inputs.nbytes

    assert estimate(1_280_000) < 1 << 30
    assert estimate(1_280_000) - estimate(640_000) < 640_000 * 200  # what grows: a few numbers a sample
    assert estimate(1_280_000, "regression") > 1_280_000 * 1000 * 4  # R squared is of all outputs
