"""FLARE: how unlikely a sample's activations are to every normalisation layer; the stable large cluster is benign.

Source: Hou et al., "FLARE: Towards Universal Dataset Purification against Backdoor Attacks", IEEE TIFS 2025, algorithm
1: the least log-likelihood of a layer's activations under its running mean and variance; UMAP to two dimensions;
HDBSCAN's condensed tree followed down the larger branch, at most three levels, to the first that lives for more than
``gap``; where there is none, the last layers are left out one by one. The clusters are those that stand when that
branch begins (the released program takes those left when it ends, by when a looser cluster may have dissolved). Needs
the optional extra ``bench`` (umap-learn, hdbscan).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from telltale_core.bench.detectors.contract import Detector, Evidence, Mask, Need, Opinion, Sizes, counted, untested
from telltale_core.bench.detectors.evidence import the
from telltale_core.bench.detectors.optional_deps import require
from telltale_core.errors import ConfigError


@dataclass(kw_only=True)
class Flare(Detector):
    """Flags every cluster but the largest, at the density where the largest branch becomes stable.

    ``embedding`` "none" clusters the standardised likelihoods without UMAP, which the paper does not do. Needs neither
    labels nor clean data. ``least_cluster`` is 100 in the paper, for 50,000 samples; a fiftieth of the drop is taken
    where that is less. ``suspicion_``: 1 for a flagged sample, plus at most 1 by its distance from the largest cluster.
    Complexity O(N log N) a number of layers; memory O(N neighbours).
    """

    gap: float = 0.02
    levels: int = 3
    neighbours: int = 40
    least_cluster: int = 100
    embedding: Literal["umap", "none"] = "umap"
    seed: int = 0
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "flare"
    title: ClassVar[str] = "FLARE"
    source: ClassVar[str] = "Hou et al., TIFS 2025"
    cost: ClassVar[str] = "O(N log N) a try"
    same_rows_same_suspicion: ClassVar[bool] = False
    least: ClassVar[int] = 60

    def __post_init__(self) -> None:
        if self.embedding not in ("umap", "none"):
            raise ConfigError(f"embedding must be 'umap' or 'none', got {self.embedding!r}")
        if self.gap < 0 or self.levels < 1 or self.neighbours < 2 or self.least_cluster < 5:
            raise ConfigError("gap must be >= 0, levels >= 1, neighbours >= 2, least_cluster >= 5")

    @property
    def needs(self) -> frozenset[Need]:
        """The least log-likelihoods of every normalisation layer."""
        return frozenset({Need.NORMS})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return the neighbour graph as the two libraries hold it (measured), and what they bring with them."""
        return 8 * sizes.n * (60 * self.neighbours + 6 * sizes.layers) + (200 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion at the first number of layers that gives a stable branch."""
        norms_ND = np.asarray(the(evidence.norms), dtype=np.float64)
        for left_out in range(norms_ND.shape[1]):
            part = norms_ND[:, : norms_ND.shape[1] - left_out]
            clusters = self._clusters(part)
            if clusters is not None:
                return self._opinion(part, clusters, left_out)
        return untested(len(evidence), "not judged: no stable branch at any number of layers")

    def _clusters(self, part_ND: NDArray[np.float64]) -> NDArray[np.int64] | None:
        hdbscan = require("hdbscan", "bench")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries warn of their own dependencies
            placed_N2 = self._placed(part_ND)
            size = max(5, min(self.least_cluster, len(part_ND) // 50))
            tree = hdbscan.HDBSCAN(min_cluster_size=size, core_dist_n_jobs=1, gen_min_span_tree=True).fit(placed_N2)
            cut = stable_density(tree.condensed_tree_.to_numpy(), self.gap, self.levels)
            if cut is None:
                return None
            return np.asarray(tree.single_linkage_tree_.get_clusters(1 / cut, min_cluster_size=size), dtype=np.int64)

    def _placed(self, part_ND: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.embedding == "none":
            spread_D = part_ND.std(axis=0)
            return np.asarray((part_ND - part_ND.mean(axis=0)) / np.where(spread_D > 0, spread_D, 1.0))
        umap = require("umap", "bench")
        near = min(self.neighbours, len(part_ND) - 1)
        plane = umap.UMAP(n_neighbors=near, min_dist=0.0, n_components=2, random_state=self.seed, n_jobs=1)
        return np.asarray(plane.fit_transform(part_ND.astype(np.float32)), dtype=np.float64)

    def _opinion(self, part_ND: NDArray[np.float64], cluster_N: NDArray[np.int64], left_out: int) -> Opinion:
        sizes = np.bincount(cluster_N[cluster_N >= 0], minlength=1)
        flagged_N: Mask = (cluster_N >= 0) & (cluster_N != sizes.argmax())
        benign = part_ND[cluster_N == sizes.argmax()] if sizes.any() else part_ND
        centre = np.median(benign, axis=0)
        spread = 1.4826 * np.median(np.abs(benign - centre), axis=0) + 1e-9
        away_N = np.abs((part_ND - centre) / spread).mean(axis=1)
        return Opinion(
            suspicion=flagged_N + away_N / (1 + away_N),
            flagged=flagged_N,
            reason="in a cluster of normalisation likelihoods apart from the largest one",
            statement=counted(flagged_N, f": {int((sizes > 0).sum())} clusters, the last {left_out} layers left out"),
            details={"clusters": sizes.tolist(), "layers_left_out": left_out},
        )


def stable_density(tree: NDArray[Any], gap: float, levels: int) -> float | None:
    """Return the density at which the first stable branch begins: one that lives for more than ``gap``.

    ``tree`` has a row for each child: ``parent``, ``child``, ``lambda_val`` (density at which it comes off), its size.
    The descent starts at the largest child and follows the larger branch.
    """
    if not len(tree):
        return None
    node = tree[tree["child_size"].argmax()]
    for _ in range(levels):
        below = tree[tree["parent"] == node["child"]]
        if not len(below):
            return None
        child = below[below["child_size"].argmax()]
        if child["lambda_val"] - node["lambda_val"] > gap:
            return float(node["lambda_val"]) * (1 + 1e-9) + 1e-12
        node = child
    return None
