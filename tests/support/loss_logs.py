"""Loss logs made by hand: clean samples move on their own, poisoned ones share a swing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from telltale_core.losslog import LossLog

SNAPSHOTS = 32


@dataclass(frozen=True, kw_only=True)
class Case:
    log: LossLog
    labels: NDArray[np.int64]
    truth: NDArray[np.bool_]


def log_losses(
    rng: np.random.Generator,
    label_N: NDArray[np.int64],
    truth_N: NDArray[np.bool_],
    *,
    swing: float = 1.5,
    easier: float = 1.0,
) -> NDArray[np.float32]:
    """Return log losses (N, T): each sample moves on its own and with its label, poisoned ones share a swing too."""
    samples, labels = len(label_N), int(label_N.max()) + 1
    time_T = np.arange(SNAPSHOTS) / SNAPSHOTS
    label_swing_KT = rng.normal(0, 0.3, (labels, SNAPSHOTS))
    scale_N = rng.gamma(6, 1 / 6, samples)
    own_NT = np.cumsum(rng.normal(0, 0.25, (samples, SNAPSHOTS)), axis=1) + rng.normal(0, 0.3, (samples, SNAPSHOTS))
    log_loss_NT = 1 - 6 * time_T + own_NT + scale_N[:, None] * label_swing_KT[label_N]
    log_loss_NT[truth_N] += rng.normal(0, swing, SNAPSHOTS) - easier
    return log_loss_NT.astype(np.float32)


def make_case(
    *,
    seed: int = 0,
    samples: int = 450,
    labels: int = 3,
    poison: int = 36,
    swing: float = 1.5,
    drop: str = "",
    easier: float = 1.0,
) -> Case:
    rng = np.random.default_rng(seed)
    label_N = rng.integers(0, labels, samples)
    truth_N = np.zeros(samples, dtype=bool)
    truth_N[rng.choice(samples, poison, replace=False)] = True
    label_N[truth_N] = labels - 1
    log_loss_NT = log_losses(rng, label_N, truth_N, swing=swing, easier=easier)
    ids = np.array([f"s{number:05d}" for number in rng.permutation(samples)])
    log = LossLog.from_array(log_loss_NT, sample_ids=ids, drop_digest=drop)
    return Case(log=log, labels=label_N, truth=truth_N)


def rearranged(log: LossLog, order: NDArray[np.int64]) -> LossLog:
    return LossLog.from_array(log.log_loss[order], sample_ids=log.sample_ids[order], drop_digest=log.drop_digest)


def log_bytes(out: Path) -> dict[str, bytes]:
    """Return every file of a training's loss log by name, as bytes."""
    root = out / "losslog"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
