"""What detectors judge by: the record of one drop's training, and a clean set where somebody vouches for one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from telltale_core.drop.cohorts import Cohorts
from telltale_core.errors import ConfigError
from telltale_core.losslog import LossLog
from telltale_core.proxy import Fitted, ProxyConfig
from telltale_core.records import Ids
from telltale_core.verdict import Retrain

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CleanSet:
    """Samples outside the drop for which somebody vouches; ``source`` says who or where they come from.

    ``labels`` (M,) int64; ``inputs`` (M, ...) as in the drop; ``features`` (M, D) and ``maps`` (M, C, P) under the
    drop's own proxy.
    """

    labels: NDArray[np.int64]
    source: str
    inputs: NDArray[Any] | None = None
    features: NDArray[np.floating[Any]] | None = None
    maps: NDArray[np.floating[Any]] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """All that detectors can be given on a drop of N samples; what is None is not there. Never the truth.

    ``leaders`` (N,) the id that each sample is a near-duplicate of, its own for others; ``labels`` (N,) int64 in
    0..``num_classes``-1; ``cohorts`` which samples are like each other where there are no labels, as ranges of targets;
    ``losslog``; of the trained proxy in evaluation mode: ``features`` (N, D) the head's input, ``maps`` (N, C, P) the
    input of the last convolutional part, ``norms`` (N, L) each normalisation layer's least log-likelihood, ``logits``
    (N, E, K) at each epoch's end; ``inputs`` (N, ...) as in the drop; ``model`` the proxy; ``retraining`` the settings
    for further trainings, ``retrain`` a training that leaves out what it is told
    (:func:`telltale_core.proxy.leave_out_retraining`); ``known_clean`` (N,) bool.
    """

    sample_ids: Ids
    leaders: Ids | None = None
    num_classes: int | None = None
    modality: str = "image"
    labels: NDArray[np.int64] | None = None
    cohorts: Cohorts | None = None
    losslog: LossLog | None = None
    features: NDArray[np.floating[Any]] | None = None
    maps: NDArray[np.floating[Any]] | None = None
    norms: NDArray[np.floating[Any]] | None = None
    logits: NDArray[np.floating[Any]] | None = None
    inputs: NDArray[Any] | None = None
    model: Fitted | None = None
    retraining: ProxyConfig | None = None
    retrain: Retrain | None = None
    clean: CleanSet | None = None
    known_clean: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        n = len(self.sample_ids)
        for name in ("leaders", "labels", "losslog", "features", "maps", "norms", "logits", "inputs", "known_clean"):
            value = getattr(self, name)
            if value is not None and len(value) != n:
                raise ConfigError(f"evidence.{name} has {len(value)} rows, there are {n} sample ids")
        if self.losslog is not None and not np.array_equal(self.losslog.sample_ids, self.sample_ids):
            raise ConfigError("evidence.losslog is of other samples, or in another order")

    def __len__(self) -> int:
        return len(self.sample_ids)

    def finite(self) -> NDArray[np.bool_]:
        """Return which samples (N,) have only finite numbers in all that is there."""
        good = np.ones(len(self), dtype=bool)
        for value in (self.features, self.maps, self.norms, self.logits):
            if value is not None:
                good &= _finite(value)
        return good if self.losslog is None else good & self.losslog.finite

    def take(self, rows: NDArray[np.int64]) -> Evidence:
        """Return the evidence on these rows, in this order; nothing is copied where it is that already."""
        if len(rows) == len(self) and np.array_equal(rows, np.arange(len(self))):
            return self
        names = ("sample_ids", "leaders", "labels", "features", "maps", "norms", "logits", "known_clean")
        parts: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name)[rows] for name in names
        }
        if self.cohorts is not None:
            parts["cohorts"] = dataclasses.replace(self.cohorts, number=self.cohorts.number[rows])
        if self.losslog is not None:
            parts["losslog"] = dataclasses.replace(
                self.losslog, sample_ids=self.losslog.sample_ids[rows], log_loss=self.losslog.log_loss[rows], digest=""
            )
        if self.inputs is not None:
            parts["inputs"] = np.asarray(self.inputs)[rows]
        if self.retrain is not None:
            parts["retrain"] = _retrain_on(rows, len(self), self.retrain)
        return dataclasses.replace(self, **parts)


def _retrain_on(rows: NDArray[np.int64], n: int, retrain: Retrain) -> Retrain:
    """Return a retraining that is asked and answers by these rows of ``n``; the other rows are learnt from."""

    def answers(left_out: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        left_out_N = np.zeros(n, dtype=bool)
        left_out_N[rows] = left_out
        answer_N = retrain(left_out_N)
        return None if answer_N is None else answer_N[rows]

    return answers


def _finite(values: NDArray[Any], rows: int = 4096) -> NDArray[np.bool_]:
    parts = [
        np.isfinite(values[start : start + rows]).reshape(len(values[start : start + rows]), -1).all(axis=1)
        for start in range(0, len(values), rows)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)


def the(value: T | None) -> T:
    """Return what the contract has made sure of; raises :class:`ConfigError` where a detector asks past its needs."""
    if value is None:
        raise ConfigError("a detector asked for evidence that it had not declared")
    return value
