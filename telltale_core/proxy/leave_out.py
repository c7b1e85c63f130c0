"""A second proxy that learns without some samples, and what it says of them: for the verdict's leave-out retraining."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_core.errors import ConfigError
from telltale_core.modality import modality_named
from telltale_core.modality.drop_protocols import TrainingSet
from telltale_core.modality.local_model import is_local
from telltale_core.proxy.config import ProxyConfig
from telltale_core.proxy.fitting import make_ticker, make_trainer
from telltale_core.proxy.hardware import resolve_hardware, running
from telltale_core.proxy.progress import ProgressCallback

RETRAINED_EPOCHS = 0.5
"""Share of the drop's own training: no losses are recorded, and nothing need be learnt by heart."""


def can_retrain(config: ProxyConfig, device: str, *, elsewhere: bool = False) -> bool:
    """Return whether this machine can train another proxy in about the time of the first, which ``device`` trained.

    ``elsewhere``: another machine would. The body of a local model is known by its content alone once the first is
    trained: there is no second.
    """
    if is_local(config.model):
        return False
    if elsewhere:
        return True
    try:
        return device == "cpu" or resolve_hardware(config).kind != "cpu"
    except ConfigError:  # the device that the settings name is not here
        return False


def leave_out_retraining(
    drop: TrainingSet, number_N: NDArray[np.int64], config: ProxyConfig, progress: ProgressCallback | None = None
) -> Callable[[NDArray[np.bool_]], NDArray[np.int64]]:
    """Return a function that trains a proxy without some samples and says what it takes every sample for.

    The function takes which samples (N,) bool are left out and returns one of the numbers in ``number_N`` for each
    sample, (N,) int64. The numbers are what is learnt, whatever the drop's task: labels, or ranges of targets. The
    proxy is of the drop's own kind, with another seed, and trains for half as many epochs.
    """

    def look(left_out_N: NDArray[np.bool_]) -> NDArray[np.int64]:
        settled = config.settled(drop.modality)
        flip = settled.flip if drop.task != "regression" or settled.flip is True else False
        epochs = max(1, math.ceil(RETRAINED_EPOCHS * settled.epochs))
        settled = settled.replace(epochs=epochs, seed=(settled.seed + 1) % 2**32, flip=flip, record=())
        hardware = resolve_hardware(settled)
        with running(hardware):
            trainer = make_trainer(
                drop.inputs,
                number_N,
                task="classification",
                num_classes=int(number_N.max()) + 1,
                config=settled,
                hardware=hardware,
                statistics=modality_named(drop.modality).statistics_for(settled.model, drop),
                seed=settled.seed,
                modality=drop.modality,
                learnt=np.flatnonzero(~left_out_N),
            )
            ticker = make_ticker(trainer, progress)
            for epoch in range(epochs):
                trainer.run_epoch(epoch, ticker)
            answer_N = torch.cat([outputs_BK.argmax(dim=1) for _, outputs_BK in trainer.outputs()])
        return answer_N.cpu().numpy().astype(np.int64)

    return look
