"""Dense cores: all radii from one search of pairs, exactly as DBSCAN has them one by one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from telltale_core.verdict import clusters
from telltale_core.verdict.clusters import dbscan, dense_cores
from telltale_core.verdict.constants import SPLIT


def cloud(samples: int, dimensions: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 1, (samples, dimensions)) * np.linspace(1, 0.3, dimensions)
    points[: samples // 8] = points[0] + rng.normal(0, 0.05, (samples // 8, dimensions))
    return rng.permutation(points)


CASES = {
    "three dimensions": cloud(150, 3, 0),
    "four": cloud(401, 4, 1),
    "twelve": cloud(300, 12, 2),
    "a grid, where all distances are tied": np.random.default_rng(3).integers(0, 4, (200, 3)).astype(float),
    "copies": np.repeat(cloud(60, 3, 4), 4, axis=0),
    "one dimension": cloud(90, 1, 5),
    "all alike": np.ones((50, 3)),
}


@pytest.mark.parametrize("case", CASES)
def test_clusters_are_those_of_dbscan(case: str) -> None:
    points = CASES[case]
    distances = np.sort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)
    # some radii are exactly a distance of two samples: quantiles are, of one cohort in five
    radii = np.unique([*np.quantile(distances[:, 10], (0.1, 0.2, 0.5, 0.8, 0.9)), *distances[::40, 10], 1.0, 2.0])
    radii = radii[radii > 0]
    for radius, number_n in zip(radii, dbscan(points, radii, 10), strict=True):
        assert number_n.tolist() == DBSCAN(eps=radius, min_samples=10).fit_predict(points).tolist(), radius


def test_many_pairs_are_looked_for_radius_by_radius_with_the_same_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    points, radii = CASES["four"], np.array([0.5, 1.0])
    before = [once.tolist() for once in dbscan(points, radii, 10)]
    monkeypatch.setattr(clusters, "SPLIT", dataclasses.replace(SPLIT, most_pairs=100))
    monkeypatch.setattr(clusters, "coo_array", None)  # nobody holds all pairs
    assert [again.tolist() for again in dbscan(points, radii, 10)] == before


def test_samples_that_are_all_alike_have_no_second_core() -> None:
    core, radius = dense_cores(CASES["all alike"], 5)
    assert (core == 0).all()
    assert radius == float("inf")
