"""The ordinary classifier by which an attack is judged: trained as anybody would, on the drop or on what was kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from telltale_core.attacks import Attack, ImageSet
from telltale_core.proxy import Progress, ProxyConfig, fit


def judge_attack(
    attack: Attack | None,
    target: int,
    *,
    data: ImageSet,
    test: ImageSet,
    config: ProxyConfig,
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Return ``accuracy`` and ``attack_success`` in [0, 1] on held-out images, and the ``seconds`` it took.

    The attack's success is None where there is no attack, or no row on which it could succeed.
    """
    began = time.perf_counter()
    model = fit(data.images, data.labels, data.num_classes, config, progress=progress)
    found: dict[str, Any] = {
        "accuracy": round(float((model.predict(test.images) == test.labels).mean()), 4),
        "attack_success": None,
    }
    if attack is not None and attack.label_rule != "none":
        shown = attack.trigger(test, target, config.seed)
        success = shown.success_rate(model.predict(shown.images), test.labels)
        found["attack_success"] = None if np.isnan(success) else round(success, 4)
    return {**found, "seconds": round(time.perf_counter() - began, 1)}
