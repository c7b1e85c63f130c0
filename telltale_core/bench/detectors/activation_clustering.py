"""Activation clustering: the activations of a poisoned class fall into two clusters, the smaller one is the poison.

Source: Chen et al., "Detecting Backdoor Attacks on Deep Neural Networks by Activation Clustering", SafeAI@AAAI 2019,
algorithm 1 and section 4.2 (the three ways to decide which class is poisoned).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import silhouette_score

from telltale_core.bench.detectors.contract import (
    Detector,
    Evidence,
    Floats,
    Mask,
    Need,
    Opinion,
    Sizes,
    by_class,
    counted,
)
from telltale_core.bench.detectors.evidence import the
from telltale_core.errors import ConfigError
from telltale_core.proxy import fit

Split = tuple[Mask, NDArray[np.float64], float]


@dataclass(kw_only=True)
class ActivationClustering(Detector):
    """Splits the independent components of every class in two and flags the smaller cluster where ``rule`` says so.

    ``size``: it holds less than ``max_share`` of the class. ``silhouette``: the split's silhouette is at least
    ``min_silhouette``. ``exclusionary``: a model trained without it gives its samples another label more often than
    ``max_ratio`` times their own (needs a training a class). ``suspicion_``: nearness to the smaller cluster, weighted
    by what the rule looks at. Complexity O(N D components), for the silhouette O(n^2) of a class, in chunks.
    """

    rule: Literal["size", "silhouette", "exclusionary"] = "size"
    components: int = 10
    max_share: float = 0.35
    min_silhouette: float = 0.15
    max_ratio: float = 1.0
    seed: int = 0
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "activation_clustering"
    title: ClassVar[str] = "Activation Clustering"
    source: ClassVar[str] = "Chen et al., SafeAI 2019"
    cost: ClassVar[str] = "O(N D^2)"
    least: ClassVar[int] = 24

    def __post_init__(self) -> None:
        if self.rule not in ("size", "silhouette", "exclusionary"):
            raise ConfigError(f"rule must be 'size', 'silhouette' or 'exclusionary', got {self.rule!r}")
        if self.components < 1 or not 0 < self.max_share <= 0.5:
            raise ConfigError("components must be >= 1 and max_share in (0, 0.5]")

    @property
    def needs(self) -> frozenset[Need]:
        """Features and labels; inputs and retraining for the exclusionary rule."""
        more = {Need.INPUTS, Need.RETRAINING} if self.rule == "exclusionary" else set()
        return frozenset({Need.FEATURES, Need.LABELS, *more})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return a few float64 copies of the largest class; scikit-learn's silhouette works in chunks of 1 GiB."""
        inside = 8 * (5 * sizes.largest_class * sizes.d + 4 * sizes.d**2 + 12 * sizes.n)
        chunk = min(8 * sizes.largest_class**2, 1 << 30) if self.rule == "silhouette" else 0
        return inside + 3 * chunk + 2 * sizes.n * sizes.input_values + (8 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion: two clusters a class, one of them perhaps called."""
        suspicion_N, flagged_N = np.zeros(len(evidence)), np.zeros(len(evidence), dtype=bool)
        per_class: dict[str, Any] = {}
        for label, rows in by_class(the(evidence.labels)):
            split = self._split(the(evidence.features)[rows], label)
            if split is None:
                per_class[str(label)] = {"tested": False}
                continue
            small_n, margin_n, silhouette = split
            share = float(small_n.mean())
            called, weight = self._decide(evidence, rows[small_n], label, share=share, silhouette=silhouette)
            per_class[str(label)] = {"share": round(share, 4), "silhouette": round(silhouette, 4), "called": called}
            suspicion_N[rows] = weight * 0.5 * (1 + margin_n)
            flagged_N[rows] = small_n & called
        called_labels = [label for label, what in per_class.items() if what.get("called")]
        return Opinion(
            suspicion=suspicion_N,
            flagged=flagged_N,
            reason=f"in the smaller of its class's two clusters of activations ({self.rule} rule)",
            statement=counted(flagged_N, f" in labels {', '.join(called_labels) or 'none'}"),
            details={"classes": per_class},
        )

    def _split(self, feature_nD: Floats, label: int) -> Split | None:
        """Return the smaller of two clusters, how near to it each row is in [-1, 1], the silhouette (0: unasked)."""
        feature_nD = np.asarray(feature_nD, dtype=np.float64)
        spread_D = feature_nD.std(axis=0)
        alive_nD = feature_nD[:, spread_D > 1e-9 * max(1.0, float(np.abs(feature_nD).max()))]
        components = min(self.components, alive_nD.shape[1], len(alive_nD) - 1)
        if len(alive_nD) < self.least // 2 or components < 1 or len(np.unique(alive_nD, axis=0)) < 3:
            return None
        components = min(components, int(np.linalg.matrix_rank(alive_nD - alive_nD.mean(axis=0))))
        ica = FastICA(components, whiten="unit-variance", random_state=self.seed + label, max_iter=400)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # k-means then works on directions nearly independent
            part_nD = ica.fit_transform(alive_nD)
        means = KMeans(2, n_init=10, random_state=self.seed + label).fit(part_nD)
        small = int(np.bincount(means.labels_, minlength=2).argmin())
        away_n2 = means.transform(part_nD)
        margin_n = (away_n2[:, 1 - small] - away_n2[:, small]) / (away_n2.sum(axis=1) + 1e-12)
        by_silhouette = self.rule == "silhouette"
        silhouette = float(silhouette_score(part_nD, means.labels_)) if by_silhouette else 0.0
        return means.labels_ == small, margin_n, silhouette

    def _decide(
        self, evidence: Evidence, small: NDArray[np.int64], label: int, *, share: float, silhouette: float
    ) -> tuple[bool, float]:
        if self.rule == "size":
            return share < self.max_share, 1 - share
        if self.rule == "silhouette":
            return silhouette >= self.min_silhouette, max(silhouette, 0.0)
        ratio = self._exclusionary(evidence, small, label)
        return ratio <= self.max_ratio, 1 / (1 + ratio)

    def _exclusionary(self, evidence: Evidence, left_out: NDArray[np.int64], label: int) -> float:
        """Return own label over most frequent other label among the predictions of a model that never saw them."""
        training_rows = np.setdiff1d(np.arange(len(evidence)), left_out)
        config = the(evidence.retraining)
        config = config.replace(seed=config.seed + self.seed + 1 + label)
        inputs, labels, classes = the(evidence.inputs), the(evidence.labels), evidence.num_classes or 0
        model = fit(inputs[training_rows], labels[training_rows], classes, config, modality=evidence.modality)
        votes = np.bincount(model.predict(the(evidence.inputs)[left_out]), minlength=evidence.num_classes or 0)
        own, other = int(votes[label]), int(np.delete(votes, label).max())
        return own / max(other, 1)
