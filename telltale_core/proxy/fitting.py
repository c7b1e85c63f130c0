"""Training on arrays, without a drop: an ordinary classifier, and the parts from which every training is made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_core.errors import BadInput
from telltale_core.label_sets import LabelSets
from telltale_core.modality import modality_named
from telltale_core.modality.parts import Front
from telltale_core.proxy.config import ProxyConfig
from telltale_core.proxy.data import Resident
from telltale_core.proxy.hardware import Hardware, resolve_hardware, running
from telltale_core.proxy.loop import Snapshot, Timings, Trainer, evaluate
from telltale_core.proxy.models import ProxyNet, build
from telltale_core.proxy.objective import make_objective, read_outputs
from telltale_core.proxy.progress import ProgressCallback, Ticker


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A trained net that takes inputs as they lie in a drop; ``timings`` of its training.

    ``answers`` is what its outputs are read by: of regression, the scaling of the targets or the means of their ranges.
    """

    net: ProxyNet
    front: Front
    task: str = "classification"
    answers: Mapping[str, Any] = field(default_factory=dict)
    hardware: Hardware
    timings: Timings

    def logits(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Return the outputs for packed inputs, (N, H, W, C) for images, as float32 (N, K), in evaluation mode."""
        if len(inputs) == 0:
            return np.empty((0, self.net.head.out_features), dtype=np.float32)
        with running(self.hardware), torch.inference_mode():
            self.net.eval()
            outputs_NK = evaluate(self.net, Resident(inputs, self.front, self.hardware.device), self.hardware)
            return outputs_NK.cpu().numpy()

    def predict(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return the most likely class of each input, (N,) int64; its targets in the drop's units, or its label set."""
        return read_outputs(self.logits(inputs), self.task, self.answers)


def fit(
    inputs: NDArray[Any],
    answers: NDArray[Any],
    num_classes: int | None,
    config: ProxyConfig,
    log: Callable[[Snapshot], None] | None = None,
    *,
    modality: str = "image",
    task: str = "classification",
    packing: Mapping[str, Any] | None = None,
    progress: ProgressCallback | None = None,
) -> Fitted:
    """Return an ordinary model trained on packed inputs, such as (N, H, W, C) uint8 images, with labels in 0..K-1.

    The same loop as :func:`telltale_core.proxy.train`, without files. With ``log`` every snapshot's losses are handed
    over; without it no evaluation pass is made. ``packing`` is that of the drop which the inputs are packed like.
    """
    hardware = resolve_hardware(config)
    statistics = modality_named(modality).statistics(inputs, packing or {})
    with running(hardware):
        trainer = make_trainer(
            inputs,
            answers,
            task=task,
            num_classes=num_classes,
            config=config,
            hardware=hardware,
            statistics=statistics,
            seed=config.seed,
            modality=modality,
        )
        ticker = make_ticker(trainer, progress)
        for epoch in range(trainer.config.epochs):
            trainer.run_epoch(epoch, ticker, log)
    return Fitted(
        net=trainer.net,
        front=trainer.data.front,
        task=task,
        answers=trainer.objective.record(),
        hardware=hardware,
        timings=trainer.timings,
    )


def make_trainer(
    inputs: NDArray[Any],
    answers: NDArray[Any] | LabelSets,
    *,
    task: str,
    num_classes: int | None,
    config: ProxyConfig,
    hardware: Hardware,
    statistics: Mapping[str, Any],
    seed: int,
    modality: str,
    deadline_at: float | None = None,
    learnt: NDArray[np.int64] | None = None,
) -> Trainer:
    """Return a trainer before its first step; ``learnt`` are the rows that it learns from, all where None."""
    require_samples(inputs, answers)
    kind, settled = modality_named(modality), config.settled(modality)
    objective = make_objective(task, answers, num_classes, hardware.device, settled.regression_loss)
    front = kind.front(tuple(inputs.shape[1:]), statistics, hardware.device)
    if deadline_at is None:
        deadline_at = deadline(config)
    return Trainer(
        net=build(settled.model, modality, front.shape, settled.width, objective.outputs, seed=seed),
        data=Resident(inputs, front, hardware.device, settled.memory_limit_bytes),
        objective=objective,
        config=settled,
        hardware=hardware,
        seed=seed,
        augment=augments(inputs, settled, modality, task),
        clip=kind.regression_clip if settled.clip is None and objective.errors else settled.clip,
        deadline_at=deadline_at,
        learnt=None if learnt is None else torch.from_numpy(learnt),
    )


def make_ticker(trainer: Trainer, progress: ProgressCallback | None) -> Ticker:
    """Return what turns a trainer's steps into progress."""
    return Ticker(
        epochs=trainer.config.epochs,
        steps=trainer.steps,
        batch=trainer.batch,
        callback=progress,
        measure=trainer.objective.measure,
        first_step=trainer.step,
    )


def deadline(config: ProxyConfig) -> float:
    """Return the moment (of the monotonic clock) past which a training that starts now must stop."""
    return float("inf") if config.deadline_s is None else time.monotonic() + config.deadline_s


def augments(inputs: NDArray[Any], config: ProxyConfig, modality: str, task: str) -> bool:
    """Return whether training samples are varied; in regression only if asked for, as a target may have a side."""
    return modality_named(modality).augments(inputs, config.flip) and (task != "regression" or config.flip is True)


def require_samples(inputs: NDArray[Any], answers: NDArray[Any] | LabelSets) -> None:
    """Raise :class:`BadInput` for data that no proxy can be trained on."""
    if len(inputs) != len(answers):
        raise BadInput("length_mismatch", f"{len(inputs)} inputs and {len(answers)} labels or targets")
    if len(inputs) < 2:
        raise BadInput("too_few_samples", f"training needs at least 2 samples, got {len(inputs)}")
