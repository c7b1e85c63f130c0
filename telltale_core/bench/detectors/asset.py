"""ASSET: a model whose outputs are made flat on clean samples and steep on suspects gives poison the larger loss.

Source: Pan et al., "ASSET: Robust Backdoor Data Detection Across a Multiplicity of Deep Learning Paradigms", USENIX
Security 2023, algorithms 1 and 2 (outer offset loop, inner poison concentration, adjusted outlyingness) and the
threshold of its appendix. All losses are taken in evaluation mode, poison or not. The density level is inverted as
sqrt(-2 ln(level sigma sqrt(2 pi))), which is what a Gaussian's density gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from telltale_core.bench.detectors.contract import Detector, Evidence, Mask, Need, Opinion, Sizes, counted
from telltale_core.bench.detectors.evidence import the
from telltale_core.errors import ConfigError
from telltale_core.proxy.data import Resident
from telltale_core.proxy.hardware import running
from telltale_core.proxy.loop import evaluate
from telltale_core.proxy.models import build
from telltale_core.proxy.recording import observe

LEVEL = 1e-6
PAPER_STEPS = 98
"""One epoch over CIFAR-10's 50,000 images in batches of 512."""


@dataclass(kw_only=True)
class Asset(Detector):
    """Flags samples whose loss lies above what a Gaussian fitted to the lower half of the losses can explain.

    Needs a clean set (labels unused), the inputs, labels and the trained proxy as poisoned feature extractor. Takes
    ``steps`` batches, as many as the paper's one epoch over 50,000 samples; a smaller drop is gone through repeatedly.
    ``suspicion_``: the log of the loss. Complexity O(steps (batch training + 200 small steps)); memory of a training.
    """

    steps: int = PAPER_STEPS
    batch: int = 512
    inner_steps: int = 100
    lr: float = 1e-4
    seed: int = 0
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "asset"
    title: ClassVar[str] = "ASSET"
    source: ClassVar[str] = "Pan et al., USENIX Security 2023"
    cost: ClassVar[str] = "steps x (a batch + 200 small steps)"
    least: ClassVar[int] = 32

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 16 or self.inner_steps < 1 or self.lr <= 0:
            raise ConfigError("steps and inner_steps must be >= 1, batch >= 16, lr > 0")

    @property
    def needs(self) -> frozenset[Need]:
        """Inputs, labels, the trained proxy, settings of a fresh one, and a clean set with inputs."""
        return frozenset({Need.INPUTS, Need.LABELS, Need.MODEL, Need.RETRAINING, Need.CLEAN})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return a small net's training at this batch, features of all samples, the medcouple's matrix."""
        batch = min(self.batch, sizes.n)
        return 150 * batch * sizes.input_values * 4 + 8 * batch**2 + sizes.n * 4096 + (256 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion of the trained model's losses."""
        model, clean, inputs = the(evidence.model), the(evidence.clean), the(evidence.inputs)
        if clean.inputs is None:
            raise ConfigError("asset needs the clean set's inputs")
        features = [_scaled(observe(model, x, ["features"])["features"]) for x in (inputs, clean.inputs)]
        retraining = the(evidence.retraining).settled(evidence.modality)
        classes = evidence.num_classes or int(the(evidence.labels).max()) + 1
        net = build(
            retraining.model, evidence.modality, model.front.shape, retraining.width, classes, seed=self.seed + 1
        ).to(model.hardware.device)
        labels = torch.from_numpy(the(evidence.labels).copy()).to(model.hardware.device)
        data = [Resident(x, model.front, model.hardware.device) for x in (inputs, clean.inputs)]
        with running(model.hardware):
            torch.manual_seed(self.seed)
            self._train(net, data, features, labels)
            net.eval()
            with torch.inference_mode():
                outputs = evaluate(net, data[0], model.hardware)
                loss_N = functional.cross_entropy(outputs.double(), labels, reduction="none").cpu().numpy()
        threshold = upper_bound(loss_N)
        flagged_N: Mask = loss_N > threshold
        return Opinion(
            suspicion=np.log(loss_N + 1e-12),
            flagged=flagged_N,
            reason="a model made flat on clean samples and steep on suspects gives it an outlying loss",
            statement=counted(flagged_N, f"; clean set: {clean.source}"),
            details={"threshold": round(float(threshold), 6), "median_loss": round(float(np.median(loss_N)), 6)},
        )

    def _train(self, net: nn.Module, data: list[Resident], features: list[torch.Tensor], labels: torch.Tensor) -> None:
        flat, steep = (torch.optim.Adam(net.parameters(), lr=self.lr) for _ in range(2))
        draw = torch.Generator().manual_seed(self.seed)
        queue: list[torch.Tensor] = []
        batch = min(self.batch, len(labels))
        net.train()
        for _ in range(self.steps):
            queue = queue or list(torch.split(torch.randperm(len(labels), generator=draw), batch))
            rows = queue.pop()
            honest = torch.randperm(len(data[1]), generator=draw)[: len(rows)]
            if len(rows) < 2:
                continue
            loss = net(data[1].rows(honest)).var(dim=1).mean()
            _step(flat, loss)
            value = self._concentrate(features[0][rows], features[1][honest])
            suspects = rows[torch.from_numpy(adjusted_outlyingness(value) > 2)]
            if len(suspects) > 1:
                _step(steep, -functional.cross_entropy(net(data[0].rows(suspects)), labels[suspects]))

    def _concentrate(self, inspected: torch.Tensor, honest: torch.Tensor) -> NDArray[np.float64]:
        """Return how much a small net, taught to tell inspected from clean features, takes each for inspected."""
        width, wide = inspected.shape[1], 128
        layers = [nn.Linear(width, wide), nn.ReLU(), nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, 1), nn.Sigmoid()]
        small = nn.Sequential(*layers)
        small.to(inspected.device)
        towards, away = (torch.optim.Adam(small.parameters(), lr=self.lr) for _ in range(2))
        for _ in range(self.inner_steps):
            _step(towards, (small(inspected) - 1).square().mean())
            _step(away, small(honest).square().mean())
        with torch.no_grad():
            return np.asarray(small(inspected)[:, 0].double().cpu().numpy())


def _step(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _scaled(feature: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(feature, dtype=np.float32))


def medcouple(values: NDArray[np.float64]) -> float:
    """Return the medcouple, a robust skewness in [-1, 1] (Brys, Hubert, Struyf, 2004), in O(n^2) time and memory."""
    centred = np.sort(np.asarray(values, dtype=np.float64)) - np.median(values)
    upper, lower = centred[centred >= 0], centred[centred <= 0]
    gap = upper[:, None] - lower[None, :]
    kernel = np.divide(upper[:, None] + lower[None, :], gap, out=np.zeros_like(gap), where=gap > 0)
    ties = int((centred == 0).sum())
    if ties:
        place = np.arange(ties)
        kernel[:ties, len(lower) - ties :] = np.sign(place[:, None] + place[None, :] - ties + 1)
    return float(np.median(kernel))


def adjusted_outlyingness(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each value is from the median in units of its side's fence (Hubert, Van der Veeken, 2008)."""
    values = np.asarray(values, dtype=np.float64)
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    skew, span = medcouple(values), high - low
    shape = (-4.0, 3.0) if skew >= 0 else (-3.0, 4.0)
    least = values[values >= low - 1.5 * np.exp(shape[0] * skew) * span].min()
    most = values[values <= high + 1.5 * np.exp(shape[1] * skew) * span].max()
    above = (values - median) / max(most - median, 1e-12)
    below = (median - values) / max(median - least, 1e-12)
    return np.asarray(np.where(values >= median, above, below))


def upper_bound(loss_N: NDArray[np.float64]) -> float:
    """Return where the density of a Gaussian, fitted to the losses below their median mirrored at it, falls to 1e-6."""
    middle = float(np.median(loss_N))
    sigma = float(np.sqrt(np.mean(np.square(loss_N[loss_N <= middle] - middle)))) or 1e-12
    inside = -2 * np.log(min(LEVEL * sigma * np.sqrt(2 * np.pi), 1.0))
    return middle + sigma * float(np.sqrt(inside))
