"""Beatrix: Gram matrices of a layer's maps, of orders 1 to 8, tell samples whose channels fire together unusually.

Source: Ma et al., "The 'Beatrix' Resurrections: Robust Backdoor Detection via Gram Matrices", NDSS 2023, section IV
(Gram matrix of the p-th power, its p-th root, median and MAD bounds; kernel two-sample test by class). A bound of an
entry that is zero on the clean samples has no relative deviation: bounds are floored at a thousandth of their median.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from telltale_core.bench.detectors.contract import (
    Detector,
    Evidence,
    Mask,
    Need,
    Opinion,
    Sizes,
    by_class,
    counted,
    mad_index,
)  # fmt: skip
from telltale_core.bench.detectors.evidence import the
from telltale_core.errors import ConfigError

Matrix = NDArray[np.float32]
CHUNK = 64
MOST_COMPARED = 300


@dataclass(kw_only=True)
class Beatrix(Detector):
    """Flags samples whose Gram features leave the clean samples' bounds, in classes that the two-sample test calls.

    Bounds: median +- ``width`` MAD of the class's clean samples; the threshold is the ``quantile`` of the deviations of
    clean samples held out in five folds. ``rule`` "class": only in classes whose kernel distance between kept and
    flagged samples has a MAD index above e squared; "samples": in all. ``suspicion_``: log of the deviation over the
    threshold. Complexity O(N P C^2 orders), streamed; memory orders x C^2/2 for the class's clean samples and a chunk.
    """

    orders: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    width: float = 10.0
    quantile: float = 0.95
    least_clean: int = 30
    rule: str = "class"
    seed: int = 0
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "beatrix"
    title: ClassVar[str] = "Beatrix"
    source: ClassVar[str] = "Ma et al., NDSS 2023"
    cost: ClassVar[str] = "O(N P C^2) an order"

    def __post_init__(self) -> None:
        if not self.orders or min(self.orders) < 1 or self.width <= 0 or not 0.5 <= self.quantile < 1:
            raise ConfigError("orders must be >= 1, width > 0 and quantile in [0.5, 1)")
        if self.least_clean < 10 or self.rule not in ("class", "samples"):
            raise ConfigError("least_clean must be >= 10 and rule 'class' or 'samples'")

    @property
    def needs(self) -> frozenset[Need]:
        """Convolutional maps, labels, and a clean set with both."""
        return frozenset({Need.MAPS, Need.LABELS, Need.CLEAN})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return the Gram features of the clean samples of a class (all, should they be of one), a few times."""
        entries = sizes.channels * (sizes.channels + 1) // 2 * len(self.orders)
        return 4 * (4 * max(sizes.clean, 1) * entries + 6 * CHUNK * sizes.channels**2 + CHUNK * entries) + (8 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion: deviations by class, then the classes that are called."""
        clean = evidence.clean
        if clean is None or clean.maps is None:
            raise ConfigError("beatrix needs the clean set's maps under the drop's own proxy")
        suspicion_N, over_N = np.zeros(len(evidence)), np.zeros(len(evidence), dtype=bool)
        distance: dict[int, float] = {}
        left_out = []
        for label, rows in by_class(the(evidence.labels)):
            honest = clean.maps[clean.labels == label]
            if len(honest) < self.least_clean:
                left_out.append(label)
                continue
            threshold = self._threshold(honest)
            bounds = self._bounds(self._features(honest))
            deviation_n = self._deviations(the(evidence.maps)[rows], bounds)
            suspicion_N[rows] = np.log((deviation_n + 1e-6) / (threshold + 1e-6))
            over_N[rows] = deviation_n > threshold
            distance[label] = self._distance(the(evidence.maps)[rows], over_N[rows], label)
        index = dict(zip(distance, mad_index(np.array(list(distance.values()))), strict=True)) if distance else {}
        called = [label for label, high in index.items() if high > np.e**2]
        flagged_N = over_N & (np.isin(the(evidence.labels), called) if self.rule == "class" else True)
        classes = {
            str(label): {"distance": round(distance[label], 4), "index": round(min(float(high), 1e6), 3)}
            for label, high in index.items()
        }
        details: dict[str, Any] = {"classes": classes, "over_threshold": int(over_N.sum())}
        details["labels_without_enough_clean_samples"] = left_out
        where = f" in labels {', '.join(map(str, called)) or 'none'}" if self.rule == "class" else ""
        without = f"; labels {left_out} have too few clean samples" if left_out else ""
        return Opinion(
            suspicion=suspicion_N,
            flagged=flagged_N,
            reason="its channels fire together in a way that the clean samples of its class do not",
            statement=counted(flagged_N, f"{where}; clean set: {clean.source}{without}"),
            details=details,
        )

    def _features(self, maps_nCP: NDArray[Any]) -> Matrix:
        """Return the Gram features (n, orders x C (C + 1) / 2): sign(G) |G|^(1/p) of G = F^p (F^p)', upper triangle."""
        upper = np.triu_indices(maps_nCP.shape[1])
        parts = []
        for order in self.orders:
            power = np.asarray(maps_nCP, dtype=np.float32) ** order
            gram = np.einsum("ncp,ndp->ncd", power, power, optimize=True)[:, upper[0], upper[1]]
            parts.append(np.sign(gram) * np.abs(gram) ** np.float32(1 / order))
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _bounds(self, gram_nD: Matrix) -> tuple[Matrix, Matrix]:
        median_D = np.median(gram_nD, axis=0)
        mad_D = np.median(np.abs(gram_nD - median_D), axis=0)
        return median_D - self.width * mad_D, median_D + self.width * mad_D

    def _deviations(self, maps_nCP: NDArray[Any], bounds: tuple[Matrix, Matrix]) -> NDArray[np.float64]:
        """Return the mean relative deviation (n,) from the bounds, a chunk of samples at a time."""
        scale = [np.maximum(np.abs(bound), 1e-3 * np.median(np.abs(bounds[1])) + 1e-12) for bound in bounds]
        deviations = []
        for start in range(0, len(maps_nCP), CHUNK):
            gram = self._features(maps_nCP[start : start + CHUNK])
            below = np.maximum(bounds[0] - gram, 0) / scale[0]
            deviations.append((below + np.maximum(gram - bounds[1], 0) / scale[1]).mean(axis=1, dtype=np.float64))
        return np.concatenate(deviations)

    def _threshold(self, maps_RCP: NDArray[Any], folds: int = 5) -> float:
        """Return the quantile of the deviations of clean samples, each from the bounds of the other folds."""
        fold_R = np.random.default_rng([self.seed, len(maps_RCP)]).permutation(len(maps_RCP)) % folds
        gram = self._features(maps_RCP)
        held = [self._deviations(maps_RCP[fold_R == fold], self._bounds(gram[fold_R != fold])) for fold in range(folds)]
        return float(np.quantile(np.concatenate(held), self.quantile))

    def _distance(self, maps_nCP: NDArray[Any], over_n: Mask, label: int) -> float:
        """Return the kernel distance between kept and flagged samples of a class; 0 where either has fewer than two."""
        random = np.random.default_rng([self.seed, label])
        sides = [np.flatnonzero(side) for side in (~over_n, over_n)]
        if min(len(side) for side in sides) < 2:
            return 0.0
        some = [random.choice(side, min(len(side), MOST_COMPARED), replace=False) for side in sides]
        x, y = (maps_nCP[np.sort(rows)].reshape(len(rows), -1).astype(np.float64) for rows in some)
        return kernel_distance(x, y)


def kernel_distance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the scaled maximum mean discrepancy (V-statistic) under Gaussian kernels about the median distance."""
    both = np.concatenate([x, y])
    square = np.square(both).sum(axis=1)
    away = np.maximum(square[:, None] + square[None] - 2 * both @ both.T, 0)
    median = float(np.median(away)) or 1.0
    kernel = np.exp(-away / median) + np.exp(-away / (2 * median))
    n, m = len(x), len(y)
    gap = kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()
    return float(gap * n * m / (n + m))
