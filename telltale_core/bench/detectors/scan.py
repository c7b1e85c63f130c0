"""SCAn: explain features as class means plus a scatter that all classes share; a class that needs two means is suspect.

Source: Tang et al., "Demon in the Variant", USENIX Security 2021, section 5 (two-component decomposition, untangling,
hypothesis test). The mean of an untangled class is the posterior one, Su (n Su + Se)^-1 sum(x), in the test as in the
decomposition; the random start of the two means is tried several times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

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
    mad_index,
)  # fmt: skip
from telltale_core.bench.detectors.evidence import the
from telltale_core.errors import ConfigError

Matrix = NDArray[np.float64]


@dataclass(kw_only=True)
class Scan(Detector):
    """Flags one of the two groups of every class whose statistic's MAD index exceeds ``threshold`` (e squared).

    The flagged group is the one with the smaller share of the clean set's samples; where the clean set has none of the
    class, the smaller group. ``suspicion_``: the chance of the suspected group, weighted by the class's index.
    Complexity O(N D^2 + K D^3); memory O(N D + K D^2).
    """

    threshold: float = float(np.e**2)
    starts: int = 5
    seed: int = 0
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "scan"
    title: ClassVar[str] = "SCAn"
    source: ClassVar[str] = "Tang et al., USENIX Security 2021"
    cost: ClassVar[str] = "O(N D^2 + K D^3)"

    def __post_init__(self) -> None:
        if self.threshold <= 0 or self.starts < 1:
            raise ConfigError("threshold must be > 0 and starts >= 1")

    @property
    def needs(self) -> frozenset[Need]:
        """Features, labels, and a clean set with both."""
        return frozenset({Need.FEATURES, Need.LABELS, Need.CLEAN})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return float64 copies of drop and clean set, the two covariances and one posterior a class."""
        rows = 2 * sizes.largest_class + 6 * sizes.clean
        return 8 * (rows * sizes.d + (sizes.classes + 8) * sizes.d**2 + 8 * sizes.n) + (2 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion: a statistic a class, and one of two groups of the classes that stand out."""
        clean, suspicion_N, flagged_N = evidence.clean, np.zeros(len(evidence)), np.zeros(len(evidence), dtype=bool)
        if clean is None or clean.features is None:
            raise ConfigError("scan needs the clean set's features under the drop's own proxy")
        between, within = decompose(np.asarray(clean.features, dtype=np.float64), clean.labels)
        inverse: Matrix = np.asarray(np.linalg.pinv(within, hermitian=True), dtype=np.float64)
        centre = np.mean(the(evidence.features), axis=0, dtype=np.float64)
        splits: list[tuple[int, NDArray[np.int64], float, Matrix]] = []
        for label, rows in by_class(the(evidence.labels)):
            honest = np.asarray(clean.features[clean.labels == label], dtype=np.float64)
            x = np.concatenate([np.asarray(the(evidence.features)[rows], dtype=np.float64), honest]) - centre
            if len(rows) < self.least:
                continue
            second_n, means = untangle(x, inverse, self.starts, [self.seed, label])
            statistic = likelihood_gain(x, second_n, means, between=between, within=within, inverse=inverse)
            chance_n = self._chance(x, second_n, means, inverse, len(rows))
            splits.append((label, rows, statistic, chance_n))
        index = mad_index(np.array([statistic for _, _, statistic, _ in splits])) if splits else np.zeros(0)
        for (_, rows, _, chance_n), high in zip(splits, index, strict=True):
            suspicion_N[rows] = chance_n * (1.0 if np.isinf(high) else high / (high + self.threshold))
            flagged_N[rows] = (chance_n > 0.5) & (high > self.threshold)
        called = [str(label) for (label, *_), high in zip(splits, index, strict=True) if high > self.threshold]
        return Opinion(
            suspicion=suspicion_N,
            flagged=flagged_N,
            reason="its class needs two means, and it is in the group that the clean set is less in",
            statement=counted(flagged_N, f" in labels {', '.join(called) or 'none'}; clean set: {clean.source}"),
            details={"classes": _statistics(splits, index)},
        )

    @staticmethod
    def _chance(x: Matrix, second_n: Mask, means: Matrix, inverse: Matrix, drop_rows: int) -> Matrix:
        """Return each drop row's chance of the group that holds the smaller share of clean rows (or is smaller)."""
        inside, honest = second_n[:drop_rows], second_n[drop_rows:]
        suspected = (honest.mean() < 0.5) if len(honest) else (inside.mean() < 0.5)
        away = [np.einsum("nk,kl,nl->n", x - mean, inverse, x - mean, optimize=True) for mean in means]
        sign = 1 if suspected else -1
        half = np.clip(sign * 0.5 * (away[0] - away[1]), -50, 50)[:drop_rows]
        return np.asarray(1 / (1 + np.exp(-half)))


def _statistics(splits: list[Any], index: Matrix) -> dict[str, Any]:
    return {
        str(label): {"statistic": round(float(statistic), 4), "index": round(float(min(high, 1e6)), 3)}
        for (label, _, statistic, _), high in zip(splits, index, strict=True)
    }


def decompose(
    feature_RD: Matrix, labels: Labels, iterations: int = 100, tolerance: float = 1e-3
) -> tuple[Matrix, Matrix]:
    """Return the covariance between class means and the one within classes, (D, D) each, by expectation maximisation.

    Raises :class:`ConfigError` where the clean set has fewer than two classes with two samples.
    """
    x = feature_RD - feature_RD.mean(axis=0)
    groups = [rows for _, rows in by_class(labels) if len(rows) >= 2]
    if len(groups) < 2:
        raise ConfigError("the clean set must hold at least 2 samples of at least 2 classes")
    used = np.concatenate(groups)
    means = [x[rows].mean(axis=0) for rows in groups]
    between, within = _covariances(x, groups, means, used)
    for _ in range(iterations):
        before = between, within
        means = [posterior_mean(x[rows], between, within) for rows in groups]
        between, within = _covariances(x, groups, means, used)
        change = sum(float(np.linalg.norm(a - b)) for a, b in zip((between, within), before, strict=True))
        if change <= tolerance * (np.linalg.norm(between) + np.linalg.norm(within)):
            break
    return between, within


def posterior_mean(x: Matrix, between: Matrix, within: Matrix) -> Matrix:
    """Return the mean (D,) of a class given its samples: Su (n Su + Se)^-1 sum(x)."""
    return np.asarray(between @ np.linalg.pinv(len(x) * between + within, hermitian=True) @ x.sum(axis=0))


def _covariances(
    x: Matrix, groups: list[NDArray[np.int64]], means: list[Matrix], used: NDArray[np.int64]
) -> tuple[Matrix, Matrix]:
    residual = np.concatenate([x[rows] - mean for rows, mean in zip(groups, means, strict=True)])
    weights = np.array([len(rows) for rows in groups]) / len(used)
    stacked = np.stack(means) - weights @ np.stack(means)
    return (stacked * weights[:, None]).T @ stacked, np.cov(residual.T).reshape(x.shape[1], -1)


def untangle(x: Matrix, inverse: Matrix, starts: int, seed: list[int]) -> tuple[Mask, Matrix]:
    """Return which rows are in the second of two groups under the shared metric, and both means, (2, D)."""
    best: tuple[float, Mask, Matrix] = np.inf, np.zeros(len(x), dtype=bool), np.stack([x.mean(axis=0)] * 2)
    for start in range(starts):
        second_n = np.random.default_rng([*seed, start]).random(len(x)) >= 0.5
        means = np.stack([x.mean(axis=0)] * 2)
        for _ in range(100):
            if second_n.all() or not second_n.any():
                break
            means = np.stack([x[~second_n].mean(axis=0), x[second_n].mean(axis=0)])
            lean = means @ inverse
            bias = float(means[1] @ lean[1] - means[0] @ lean[0])
            now_n = bias - 2 * x @ (lean[1] - lean[0]) < 0
            if np.array_equal(now_n, second_n):
                break
            second_n = now_n
        own = np.where(second_n[:, None], means[1], means[0])
        spread = float(np.einsum("nk,kl,nl->", x - own, inverse, x - own, optimize=True))
        if spread < best[0]:
            best = spread, second_n, means
    return best[1], best[2]


def likelihood_gain(
    x: Matrix, second_n: Mask, means: Matrix, *, between: Matrix, within: Matrix, inverse: Matrix
) -> float:
    """Return by how much two means explain a class better than one, a sample: the test statistic J."""
    one = x - posterior_mean(x, between, within)
    two = x - np.where(second_n[:, None], means[1], means[0])
    form = [float(np.einsum("nk,kl,nl->", part, inverse, part, optimize=True)) for part in (one, two)]
    return (form[0] - form[1]) / len(x)
