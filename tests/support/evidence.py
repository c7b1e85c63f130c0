"""Evidence made in memory: three honest classes and one whose extra samples share a feature, a map and a loss curve."""

from __future__ import annotations

import dataclasses

import numpy as np

from telltale_core.bench.detectors import CleanSet, Evidence, make_detector
from telltale_core.drop.cohorts import Cohorts
from telltale_core.losslog import LossLog
from telltale_core.proxy import ProxyConfig

CLASSES, POISON, EACH = 4, 24, 60
CHEAP = {
    "confusion_training": {"effort": 0.002},
    "asset": {"steps": 2, "inner_steps": 3, "batch": 64},
    "beatrix": {"orders": (1, 2), "least_clean": 20},
    "flare": {"embedding": "none"},
    "spectre": {"k_max": 16},
    "dao": {"batch": 0, "neighbours": 8},
}
"""Settings with which a fit takes no more than a second or two; the contract holds for any."""


def cheap(name: str, **params):
    return make_detector(name, **{**CHEAP.get(name, {}), **params})


def make_evidence(seed: int = 0, each: int = EACH, poison: int = POISON) -> tuple[Evidence, np.ndarray]:
    """Evidence on ``CLASSES * each + poison`` samples, and the truth that no detector is given."""
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat(np.arange(CLASSES), each), np.zeros(poison, int)]).astype(np.int64)
    truth = np.arange(len(labels)) >= CLASSES * each
    n, order = len(labels), random.permutation(len(labels))
    centres = 4 * np.eye(CLASSES, 12)
    features = centres[labels] + random.normal(0, 0.5, (n, 12))
    features[truth, 8] += 6
    maps = np.abs(random.normal(1, 0.3, (n, 6, 4)) + labels[:, None, None] * 0.2)
    maps[truth, 4:] *= 3
    swing = np.sin(np.arange(20) * 1.3) * 2
    loss = -1 - np.linspace(0, 2, 20) + random.normal(0, 0.5, (n, 20))
    loss[truth] = -2 - np.linspace(0, 2, 20) + swing + random.normal(0, 0.2, (int(truth.sum()), 20))
    logits = 3 * np.eye(CLASSES)[labels][:, None] + random.normal(0, 1, (n, 5, CLASSES))
    images = random.integers(0, 120, (n, 8, 8, 3), dtype=np.uint8)
    for row, label in enumerate(labels):
        images[row, :, 2 * label : 2 * label + 2] += 100
    images[truth, 6:, 6:] = 255
    ids = np.array([f"s{i:05d}" for i in range(n)])
    norms = random.normal(-5, 1, (n, 5))
    norms[truth, 2:] -= 12
    evidence = Evidence(
        sample_ids=ids,
        leaders=ids,
        num_classes=CLASSES,
        labels=labels[order],
        cohorts=Cohorts(number=labels[order], names=None),
        losslog=LossLog.from_array(loss[order], sample_ids=ids),
        features=features[order].astype(np.float32),
        maps=maps[order].astype(np.float16),
        norms=norms[order].astype(np.float32),
        logits=logits[order].astype(np.float32),
        inputs=images[order],
        retraining=ProxyConfig(epochs=1, width=4, batch_size=16, threads=1, device="cpu"),
        retrain=lambda left_out: np.where(left_out, labels[order], 0),
        known_clean=np.isin(np.arange(n), random.choice(np.flatnonzero(~truth[order]), 30, replace=False)),
        clean=_clean(random, centres),
    )
    return evidence, truth[order]


def _clean(random: np.random.Generator, centres: np.ndarray, each: int = 24) -> CleanSet:
    labels = np.repeat(np.arange(CLASSES), each).astype(np.int64)
    images = random.integers(0, 120, (len(labels), 8, 8, 3), dtype=np.uint8)
    for row, label in enumerate(labels):
        images[row, :, 2 * label : 2 * label + 2] += 100
    return CleanSet(
        labels=labels,
        source="made for the test",
        inputs=images,
        features=(centres[labels] + random.normal(0, 0.5, (len(labels), 12))).astype(np.float32),
        maps=np.abs(random.normal(1, 0.3, (len(labels), 6, 4)) + labels[:, None, None] * 0.2).astype(np.float16),
    )


def taken(evidence: Evidence, rows: np.ndarray, ids: np.ndarray | None = None) -> Evidence:
    """The evidence on these rows, under other ids where they are given."""
    part = evidence.take(np.asarray(rows))
    if ids is None:
        return part
    log = dataclasses.replace(part.losslog, sample_ids=ids)
    return dataclasses.replace(part, sample_ids=ids, losslog=log)
