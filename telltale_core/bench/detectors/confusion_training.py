"""Confusion training: unlearn what is honest on wrongly labelled clean samples; what is still learnt is the poison.

Source: Qi et al., "Towards a Proactive ML Approach for Detecting Backdoor Poison Samples", USENIX Security 2023,
algorithm 1 and appendix; rounds of distillation with shares 1/2, 1/5, 1/25, 1/50, 1/100, and the likelihood-ratio test
on two principal components of each class. Paper: 6 rounds of 100 and 40 epochs and 6,000 and 2,000 iterations with a
ResNet-18. Here a round takes ``effort`` times so many epochs (of at least 60 steps) and iterations, at a rate of
confusion raised by as much (0.01 at most), and the first round starts from the proxy that the drop was trained on, so
that a CPU can run it; ``effort=1`` is the paper's.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal
from torch.nn import functional

from telltale_core.bench.detectors.contract import (
    Detector,
    Evidence,
    Labels,
    Mask,
    Need,
    Opinion,
    Sizes,
    by_class,
    counted,
)  # fmt: skip
from telltale_core.bench.detectors.evidence import the
from telltale_core.errors import ConfigError
from telltale_core.proxy import Fitted
from telltale_core.proxy.data import Resident
from telltale_core.proxy.hardware import running
from telltale_core.proxy.loop import evaluate
from telltale_core.proxy.recording import observe

SHARES = (1 / 2, 1 / 5, 1 / 25, 1 / 50, 1 / 100)
WEIGHTS = (20, 20, 20, 30, 30, 15)
RATES = (1e-3, 1e-3, 1e-3, 1e-2, 1e-2, 1e-2)
EPOCHS = (100, 100, 40, 40, 40, 40)
STEPS = (6000, 6000, 6000, 6000, 2000, 2000)
MOST_RATIO, RATIO = 1.5, 2.0
BATCH, LEAST_STEPS, MOST_RATE = 32, 60, 1e-2


@dataclass(kw_only=True)
class ConfusionTraining(Detector):
    """Flags what the confused model still predicts as labelled, in classes that two Gaussians explain better than one.

    Needs a clean set, the inputs, the trained proxy and a lot of time. ``suspicion_``: minus the confused model's log
    loss, plus the log of the class's ratio. Complexity O(effort (200 N + 28,000 steps)); memory of a training.
    """

    effort: float = 0.1
    seed: int = 0
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "confusion_training"
    title: ClassVar[str] = "Confusion Training"
    source: ClassVar[str] = "Qi et al., USENIX Security 2023"
    cost: ClassVar[str] = "6 trainings of a share"
    least: ClassVar[int] = 32

    def __post_init__(self) -> None:
        if not 0 < self.effort <= 1:
            raise ConfigError(f"effort must be in (0, 1], got {self.effort}")

    @property
    def needs(self) -> frozenset[Need]:
        """Inputs, labels, the trained proxy, and a clean set with inputs."""
        return frozenset({Need.INPUTS, Need.LABELS, Need.MODEL, Need.CLEAN})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return three small nets in training, the batches, and the outputs for all samples."""
        return 400 * BATCH * sizes.input_values * 4 + sizes.n * (60 * sizes.classes + 2048) + (256 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion after the last round."""
        labels, clean = the(evidence.labels), the(evidence.clean)
        if clean.inputs is None:
            raise ConfigError("confusion_training needs the clean set's inputs")
        work = _Confusion(evidence, self.effort, self.seed)
        with running(work.model.hardware):
            distilled = np.arange(len(evidence))
            for number in range(len(WEIGHTS)):
                loss_N, predicted_N = work.round(number, distilled)
                if number < len(SHARES):
                    distilled = lowest(loss_N, labels, SHARES[number], 50 if number < len(SHARES) - 1 else 100)
        held_N: Mask = predicted_N == labels
        feature_ND = observe(work.fitted(), the(evidence.inputs), ["features"])["features"]
        ratios = {label: likelihood_ratio(feature_ND[rows], held_N[rows]) for label, rows in by_class(labels)}
        most = max(ratios, key=lambda label: ratios[label])
        called = [k for k, ratio in ratios.items() if ratio > RATIO or (k == most and ratio > MOST_RATIO)]
        flagged_N = held_N & np.isin(labels, called)
        where = ", ".join(map(str, called)) or "none"
        return Opinion(
            suspicion=np.log([ratios[int(label)] for label in labels]) - loss_N,
            flagged=flagged_N,
            reason="a model that was made to forget what is honest still gives it its label",
            statement=counted(flagged_N, f" in labels {where}; clean set: {clean.source}"),
            details={"ratios": {str(k): round(v, 4) for k, v in ratios.items()}, "held": int(held_N.sum())},
        )


class _Confusion:
    """The models and data of one run; ``base`` learns the distilled sets, ``net`` is confused from it each round."""

    def __init__(self, evidence: Evidence, effort: float, seed: int) -> None:
        self.model = the(evidence.model)
        self.base = copy.deepcopy(self.model.net)
        self.net = self.base
        device, clean = self.model.hardware.device, the(evidence.clean)
        self.data = Resident(the(evidence.inputs), self.model.front, device)
        self.clean = Resident(the(clean.inputs), self.model.front, device)
        self.labels = torch.from_numpy(the(evidence.labels).copy()).to(device)
        self.clean_labels = torch.from_numpy(clean.labels.copy()).to(device)
        self.classes = evidence.num_classes or int(the(evidence.labels).max()) + 1
        self.effort, self.generator = effort, torch.Generator().manual_seed(seed)
        self.guess = torch.from_numpy(self.model.predict(the(clean.inputs))).to(device)

    def fitted(self) -> Fitted:
        """Return the confused model as one that takes inputs."""
        return replace(self.model, net=self.net)

    def round(self, number: int, distilled: NDArray[np.int64]) -> tuple[NDArray[np.float64], Labels]:
        """Return every sample's loss and prediction (N,) after learning the distilled set and being confused."""
        self._learn(distilled, max(1, math.ceil(self.effort * EPOCHS[number])), with_clean=number == len(WEIGHTS) - 1)
        self.net = copy.deepcopy(self.base)
        sizes = torch.bincount(self.labels[torch.from_numpy(distilled)], minlength=self.classes).clamp(min=1)
        self._confuse(number, distilled, 1 / sizes.double().sqrt())
        self.net.eval()
        with torch.inference_mode():
            outputs = evaluate(self.net, self.data, self.model.hardware)
            loss = functional.cross_entropy(outputs.double(), self.labels, reduction="none")
        return loss.cpu().numpy(), outputs.argmax(1).cpu().numpy()

    def _batches(self, rows: NDArray[np.int64]) -> list[torch.Tensor]:
        order = torch.from_numpy(rows)[torch.randperm(len(rows), generator=self.generator)]
        return [part for part in torch.split(order, BATCH) if len(part) > 1]

    def _learn(self, distilled: NDArray[np.int64], epochs: int, *, with_clean: bool) -> None:
        if len(distilled) == len(self.data) and not with_clean:
            return  # the proxy has learnt the whole drop already
        sgd = torch.optim.SGD(self.base.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        self.base.train()
        epochs = max(epochs, math.ceil(LEAST_STEPS / max(1, len(distilled) // BATCH)))
        for _ in range(epochs):
            for rows in self._batches(distilled):
                x, y = self.data.rows(rows), self.labels[rows]
                if with_clean:
                    some = torch.randint(len(self.clean), (len(rows),), generator=self.generator)
                    x, y = torch.cat([x, self.clean.rows(some)]), torch.cat([y, self.clean_labels[some]])
                loss = functional.cross_entropy(self.base(x), y)
                sgd.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                sgd.step()

    def _confuse(self, number: int, distilled: NDArray[np.int64], weight_K: torch.Tensor) -> None:
        """Take the round's steps: clean samples never with the label they look like, every second one with suspects."""
        rate = min(RATES[number] / self.effort, MOST_RATE)
        sgd = torch.optim.SGD(self.net.parameters(), lr=rate, momentum=0.7, weight_decay=1e-4)
        share, queue = WEIGHTS[number], self._batches(distilled)
        self.net.train()
        for step in range(max(1, math.ceil(self.effort * STEPS[number]))):
            some = torch.randint(len(self.clean), (min(BATCH, len(self.clean)),), generator=self.generator)
            shift = 1 + step % (self.classes - 1)
            x, wrong = self.clean.rows(some), (self.guess[some] + shift) % self.classes
            if step % 2 == 0:
                queue = queue or self._batches(distilled)
                rows = queue.pop()
                y = self.labels[rows]
                each = functional.cross_entropy(
                    self.net(torch.cat([x, self.data.rows(rows)])), torch.cat([wrong, y]), reduction="none"
                )
                weight = weight_K[y] / weight_K[y].sum()
                inspected = (each[len(wrong) :] * weight.float()).sum()
                loss = ((share - 1) * each[: len(wrong)].mean() + inspected) / share
            else:
                loss = functional.cross_entropy(self.net(x), wrong)
            sgd.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            sgd.step()


def lowest(loss_N: NDArray[np.float64], labels: Labels, share: float, part: int) -> NDArray[np.int64]:
    """Return the rows with the lowest losses: ``share`` of all, and at least one in ``part`` of every class."""
    chosen = np.zeros(len(loss_N), dtype=bool)
    chosen[np.argsort(loss_N, kind="stable")[: max(2, int(share * len(loss_N)))]] = True
    for _, rows in by_class(labels):
        chosen[rows[np.argsort(loss_N[rows], kind="stable")[: max(1, len(rows) // part)]]] = True
    return np.flatnonzero(chosen)


def likelihood_ratio(feature_nD: NDArray[Any], held_n: Mask) -> float:
    """Return exp of the mean log ratio: own group's Gaussian over that of the rest, on two principal components."""
    held, rest = int(held_n.sum()), int((~held_n).sum())
    if min(held, rest) < 3:
        return 1.0
    centred = np.asarray(feature_nD, dtype=np.float64) - np.mean(feature_nD, axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    plane = centred @ vectors[:, -2:]

    def density(rows: Mask) -> NDArray[np.float64]:
        spread = np.cov(plane[rows].T) + 0.001 * np.eye(2)
        return np.asarray(multivariate_normal.logpdf(plane, plane[rows].mean(axis=0), spread, allow_singular=True))

    rest_n = density(~held_n)
    gain = np.where(held_n, density(held_n) - rest_n, 0.0).mean()
    return float(np.exp(min(gain, 50.0)))
