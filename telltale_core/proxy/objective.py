"""What a task learns: outputs, training loss, logged loss, score, and predictions in the drop's own units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import scipy.special
import torch
from numpy.typing import NDArray
from torch.nn import functional

from telltale_core.drop.cohorts import ranges_of_targets
from telltale_core.errors import BadInput, ConfigError
from telltale_core.label_sets import LabelSets
from telltale_core.losslog.values import (
    log_absolute_error,
    log_binary_cross_entropy,
    log_cross_entropy,
    log_huber_error,
    log_mean,
    log_squared_error,
)
from telltale_core.proxy.config import REGRESSION_LOSSES
from telltale_core.proxy.data import Flags

ALL = slice(None)
FURTHEST = 1e6
"""Targets further from their median than so many robust deviations are learnt as if they stood there."""


class Objective(ABC):
    """One task on the device; ``outputs`` is the width of the head, ``measure`` what :meth:`score` is called.

    ``errors``: the losses are errors of numbers, which change their sign, and not how sure the net is of an answer.
    """

    outputs: int
    measure: ClassVar[str] = "accuracy"
    errors: ClassVar[bool] = False

    @abstractmethod
    def loss(self, output_BK: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Return the mean training loss of a batch."""

    @abstractmethod
    def log_loss(self, output_BK: torch.Tensor, index: slice = ALL) -> torch.Tensor:
        """Return the natural log of the loss of each sample of ``index``, (B,) float64."""

    def answered(self, output_BK: torch.Tensor, index: slice = ALL) -> torch.Tensor:  # noqa: ARG002
        """Return what :meth:`score` is made of: the outputs, or only which answers are right, (B,) bool."""
        return output_BK

    def score(self, answered_N: torch.Tensor) -> float:
        """Return how well the samples are learnt, 1 at best: accuracy, exact matches of label sets, or R squared."""
        return float(answered_N.double().mean())

    @abstractmethod
    def guess(self) -> float:
        """Return the mean loss of the best answer that is one for all samples: of a net that has learnt nothing."""

    def record(self) -> dict[str, Any]:
        """Return what a trained net's outputs need to be read, as JSON values; see :func:`read_outputs`."""
        return {}


def make_objective(
    task: str, answer_N: NDArray[Any] | LabelSets, num_classes: int | None, device: str, loss: str = "ranges"
) -> Objective:
    """Return the objective of a task; ``answer_N`` labels (N,), targets (N,) or (N, M), or sets of labels (N, K).

    ``loss`` is that of a regression. Where a target that varies has fewer than three ranges, all are learnt by squared
    error.
    Raises :class:`BadInput` for answers from which nothing can be learnt.
    """
    if task == "multilabel":
        return MultiLabel(answer_N if isinstance(answer_N, LabelSets) else LabelSets.of_flags(answer_N), device)
    answer_N = np.asarray(answer_N)
    if task == "regression":
        if loss not in REGRESSION_LOSSES:
            raise ConfigError(f"regression_loss must be one of {', '.join(REGRESSION_LOSSES)}, got {loss!r}")
        range_NM = _ranges(answer_N) if loss == "ranges" else None
        if range_NM is not None:
            return Ranges(answer_N, range_NM, device)
        return Regression(answer_N, device, "squared" if loss == "ranges" else loss)
    return Classification(answer_N, num_classes, device)


class Classification(Objective):
    """One of ``num_classes`` labels a sample: cross-entropy."""

    def __init__(self, answer_N: NDArray[Any], num_classes: int | None, device: str) -> None:
        self.outputs = int(num_classes or 0)
        if self.outputs < 2:
            raise BadInput(
                "one_class", f"a classification drop needs at least 2 classes to train on, got {num_classes}"
            )
        if len(answer_N) and not 0 <= answer_N.min() <= answer_N.max() < self.outputs:
            raise BadInput("label_out_of_range", f"labels must be in 0..{self.outputs - 1}, got up to {answer_N.max()}")
        self.answer = torch.from_numpy(np.array(answer_N, dtype=np.int64)).to(device)

    def loss(self, output_BK: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """See :meth:`Objective.loss`."""
        return functional.cross_entropy(output_BK, self.answer[index])

    def log_loss(self, output_BK: torch.Tensor, index: slice = ALL) -> torch.Tensor:
        """See :meth:`Objective.log_loss`."""
        return log_cross_entropy(output_BK, self.answer[index])

    def answered(self, output_BK: torch.Tensor, index: slice = ALL) -> torch.Tensor:
        """Return which labels are right."""
        return output_BK.argmax(1) == self.answer[index]

    def guess(self) -> float:
        """See :meth:`Objective.guess`: the entropy of the labels."""
        return _entropy(self.answer)


class MultiLabel(Objective):
    """Any of K labels a sample: the mean binary cross-entropy over the labels."""

    measure = "label sets right"

    def __init__(self, sets: LabelSets, device: str) -> None:
        self.outputs = sets.num_labels
        self.answer, self._share_K = Flags(sets, device), torch.from_numpy(sets.counts() / len(sets))

    def loss(self, output_BK: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """See :meth:`Objective.loss`."""
        return functional.binary_cross_entropy_with_logits(output_BK, self.answer[index])

    def log_loss(self, output_BK: torch.Tensor, index: slice = ALL) -> torch.Tensor:
        """See :meth:`Objective.log_loss`."""
        return log_binary_cross_entropy(output_BK, self.answer[index])

    def answered(self, output_BK: torch.Tensor, index: slice = ALL) -> torch.Tensor:
        """Return which whole sets of labels are right."""
        return ((output_BK > 0) == (self.answer[index] > 0.5)).all(1)

    def guess(self) -> float:
        """See :meth:`Objective.guess`: the mean entropy of the labels."""
        return float((torch.special.entr(self._share_K) + torch.special.entr(1 - self._share_K)).mean())


class Regression(Objective):
    """One or several real targets a sample, each scaled by its median and interquartile range (outliers cannot)."""

    measure = "R squared"
    errors = True

    def __init__(self, answer_N: NDArray[Any], device: str, loss: str) -> None:
        self._kind = loss
        scaled_NK, self._centre, self._scale = _scaled(answer_N)
        self.outputs = scaled_NK.shape[1]
        self.answer = torch.from_numpy(scaled_NK.astype(np.float32)).to(device)

    def loss(self, output_BK: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """See :meth:`Objective.loss`."""
        answer_BK = self.answer[index]
        if self._kind == "squared":
            return functional.mse_loss(output_BK, answer_BK)
        if self._kind == "absolute":
            return functional.l1_loss(output_BK, answer_BK)
        return functional.huber_loss(output_BK, answer_BK)

    def log_loss(self, output_BK: torch.Tensor, index: slice = ALL) -> torch.Tensor:
        """See :meth:`Objective.log_loss`; of several targets, the log of the mean loss."""
        log_of = {"squared": log_squared_error, "absolute": log_absolute_error, "huber": log_huber_error}
        return log_of[self._kind](output_BK, self.answer[index])

    def guess(self) -> float:
        """See :meth:`Objective.guess`: the loss of the mean or the median, which is best for one of the losses each."""
        centres = (self.answer.mean(0), self.answer.median(0).values)
        return min(float(self.log_loss(centre.expand_as(self.answer)).exp().mean()) for centre in centres)

    def score(self, answered_N: torch.Tensor) -> float:
        """Return R squared, the mean over the targets."""
        return _r_squared(answered_N, self.answer)

    def record(self) -> dict[str, Any]:
        """Return the targets' scaling: a net's output times ``scale`` plus ``centre`` is in the drop's units."""
        return {"centre": self._centre.tolist(), "scale": self._scale.tolist()}


class Ranges(Objective):
    """In which range of its values each of M targets lies: cross-entropy, their mean; predicted is the expected target.

    ``range_NM`` (N, M) int64; of one target these are the ranges within which the verdict compares samples. The log of
    an error swings without end where the error changes its sign, in poison and honest samples alike; a range is learnt
    as a label is. A target with one range alone is not learnt.
    """

    measure = "R squared"

    def __init__(self, answer_N: NDArray[Any], range_NM: NDArray[np.int64], device: str) -> None:
        scaled_NM, centre_M, scale_M = _scaled(answer_N)
        sizes = [int(size) for size in range_NM.max(axis=0) + 1]
        self.outputs = sum(sizes)
        self._sizes = sizes
        means = [
            np.array([scaled_NM[range_NM[:, m] == place, m].mean() for place in range(size)])
            for m, size in enumerate(sizes)
        ]
        self._record = {"ranges": [(mean * scale_M[m] + centre_M[m]).tolist() for m, mean in enumerate(means)]}
        self.answer = torch.from_numpy(range_NM.astype(np.int64)).to(device)
        self._target_NM = torch.from_numpy(scaled_NM.astype(np.float32)).to(device)
        self._means = [torch.from_numpy(mean.astype(np.float32)).to(device) for mean in means]

    def _parts(self, output_NK: torch.Tensor, answer_NM: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the outputs and the ranges of each target that has several."""
        for m, part in enumerate(torch.split(output_NK, self._sizes, dim=1)):
            if part.shape[1] > 1:
                yield part, answer_NM[:, m]

    def loss(self, output_BK: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """See :meth:`Objective.loss`."""
        parts = self._parts(output_BK, self.answer[index])
        return torch.stack([functional.cross_entropy(part, answer) for part, answer in parts]).mean()

    def log_loss(self, output_BK: torch.Tensor, index: slice = ALL) -> torch.Tensor:
        """See :meth:`Objective.log_loss`; of several targets, the log of the mean loss."""
        parts = self._parts(output_BK, self.answer[index])
        return log_mean(torch.stack([log_cross_entropy(part, answer) for part, answer in parts], dim=1))

    def guess(self) -> float:
        """See :meth:`Objective.guess`: the mean entropy of the ranges."""
        return float(np.mean([_entropy(self.answer[:, m]) for m, size in enumerate(self._sizes) if size > 1]))

    def score(self, answered_N: torch.Tensor) -> float:
        """Return R squared of the expected targets, the mean over the targets."""
        parts = zip(torch.split(answered_N.float(), self._sizes, dim=1), self._means, strict=True)
        return _r_squared(torch.stack([part.softmax(1) @ mean for part, mean in parts], dim=1), self._target_NM)

    def record(self) -> dict[str, Any]:
        """Return each target's ranges by their means: a prediction is their mean, each weighed by its chance."""
        return self._record


def _entropy(answer_N: torch.Tensor) -> float:
    count_K = torch.bincount(answer_N).double()
    return float(torch.special.entr(count_K / count_K.sum()).sum())


def _ranges(answer_N: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return the range (N, M) of each target, all 0 for a constant one; None where another has fewer than three."""
    ranges = []
    for target_N in np.asarray(answer_N, dtype=np.float64).reshape(len(answer_N), -1).T:
        cohorts = ranges_of_targets(target_N)
        if cohorts is None and np.ptp(target_N) > 0:
            return None
        ranges.append(np.zeros(len(target_N), dtype=np.int64) if cohorts is None else cohorts.number)
    range_NM = np.stack(ranges, axis=1)
    return range_NM if range_NM.any() else None


def _r_squared(prediction_NM: torch.Tensor, target_NM: torch.Tensor) -> float:
    error_M = (prediction_NM - target_NM).square().mean(0)
    return float((1.0 - error_M / target_NM.var(0, unbiased=False).clamp(min=1e-12)).mean())


def _scaled(
    answer_N: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return targets (N, M) on their robust scale, centre and scale (M,); cut so that their squares stay numbers."""
    answer_NM = np.asarray(answer_N, dtype=np.float64).reshape(len(answer_N), -1)
    centre_M, scale_M = robust_scaling(answer_NM)
    with np.errstate(over="ignore"):  # a difference past the largest number is past the cut, too
        return ((answer_NM - centre_M) / scale_M).clip(-FURTHEST, FURTHEST), centre_M, scale_M


def robust_scaling(answer_NK: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each target's median and interquartile range / 1.349 (its standard deviation, were it normal).

    Where half of the targets are equal the standard deviation takes its place. A constant target has scale 1.
    """
    low_K, centre_K, high_K = np.quantile(answer_NK, (0.25, 0.5, 0.75), axis=0)
    spread_K = (high_K - low_K) / 1.349
    with np.errstate(over="ignore", invalid="ignore"):
        spread_K = np.where(spread_K > 0, spread_K, answer_NK.std(axis=0))
    return centre_K, np.where((spread_K > 0) & np.isfinite(spread_K), spread_K, 1.0)


def read_outputs(output_NK: NDArray[np.float32], task: str, record: Mapping[str, Any]) -> NDArray[Any]:
    """Return predictions: classes (N,), label sets (N, K), or targets in the drop's units (N,) or (N, M)."""
    if task == "classification":
        return np.asarray(output_NK.argmax(axis=1), dtype=np.int64)
    if task == "multilabel":
        return np.asarray(output_NK > 0, dtype=np.int64)
    output_NK = output_NK.astype(np.float64)
    if "ranges" in record:
        ends = np.cumsum([len(mean) for mean in record["ranges"]])[:-1]
        parts = zip(np.split(output_NK, ends, axis=1), record["ranges"], strict=True)
        prediction_NM = np.stack(
            [scipy.special.softmax(part, axis=1) @ np.asarray(mean) for part, mean in parts], axis=1
        )
    else:
        prediction_NM = output_NK * np.asarray(record["scale"]) + np.asarray(record["centre"])
    return np.asarray(prediction_NM[:, 0] if prediction_NM.shape[1] == 1 else prediction_NM)
