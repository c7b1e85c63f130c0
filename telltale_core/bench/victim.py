"""The ordinary classifier by which an attack is judged: trained as anybody would, on the drop or on what was kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from telltale_core.attacks import Attack, Samples
from telltale_core.bench.writing import packed
from telltale_core.drop import Drop
from telltale_core.proxy import Progress, ProxyConfig, fit
from telltale_core.proxy.models import register


@register("pilotnet", modality="image")
def pilotnet(shape: tuple[int, ...], width: int) -> tuple[nn.Module, int]:  # noqa: ARG001
    """Return a net for steering: its last map is laid flat, so that it knows where a road bends. No ``width``.

    Source: Bojarski et al., End to End Learning for Self-Driving Cars, 2016; here with batch normalisation, one
    convolution and one layer less, for frames of a third of the size.
    """
    sizes = ((shape[2], 24, 5, 2), (24, 36, 5, 2), (36, 48, 3, 2), (48, 64, 3, 1))
    layers: list[nn.Module] = []
    for inputs, outputs, kernel, stride in sizes:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        layers += [nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(True))]
    convolutions = nn.Sequential(*layers, nn.Flatten())
    with torch.no_grad():
        flat = convolutions.eval()(torch.zeros(1, shape[2], *shape[:2])).shape[1]
    head = (nn.Linear(flat, 100), nn.ReLU(True), nn.Linear(100, 50), nn.ReLU(True))
    return nn.Sequential(convolutions.train(), *head), 50


def judge_attack(
    attack: Attack | None,
    target: float,
    *,
    data: Samples,
    test: Samples,
    config: ProxyConfig,
    drop: Drop,
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Return ``accuracy`` and ``attack_success`` in [0, 1] on held-out samples, and the ``seconds`` it took.

    All samples are packed as ``drop`` is. Of targets the accuracy is R squared. The attack's success is None where
    there is no attack, or no row on which it could succeed.
    """
    began = time.perf_counter()
    model = fit(
        packed(drop, data),
        data.labels,
        data.num_classes,
        config,
        modality=drop.modality,
        task=drop.task,
        packing=drop.packing,
        progress=progress,
    )
    measures: dict[str, Any] = {
        "accuracy": round(_accuracy(model.predict(packed(drop, test)), test), 4),
        "attack_success": None,
    }
    if attack is not None and attack.label_rule != "none":
        shown = attack.trigger(test, target, config.seed)
        predicted = model.predict(packed(drop, test.with_rows(shown.inputs, test.labels)))
        success = shown.success_rate(predicted, test.labels)
        measures["attack_success"] = None if np.isnan(success) else round(success, 4)
    return {**measures, "seconds": round(time.perf_counter() - began, 1)}


def _accuracy(predicted: np.ndarray, test: Samples) -> float:
    """Return the share of labels that are right; for targets R squared."""
    if test.num_classes is not None:
        return float((predicted == test.labels).mean())
    return float(1.0 - np.square(predicted - test.labels).mean() / test.labels.var())
