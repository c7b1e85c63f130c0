"""Clusters within one cohort: dense cores by a radius from the data, grown by a mixture of Gaussians."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree
from sklearn.cluster import DBSCAN
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from telltale_core.verdict.constants import SPLIT


def reduce(features_nF: NDArray[np.floating], dimensions: int) -> NDArray[np.float64]:
    """Return the cohort's principal components (n, D), scaled so that the first has variance 1.

    A smaller number of components is a slice of the columns of a larger one.
    """
    limit = min(dimensions, features_nF.shape[0] - 1, features_nF.shape[1])
    point_nD = np.asarray(PCA(limit, svd_solver="full").fit_transform(features_nF), dtype=np.float64)
    unit = point_nD[:, 0].std()
    return point_nD / (unit if unit > 0 else 1.0)


def dense_cores(point_nD: NDArray[np.float64], min_cluster: int) -> tuple[NDArray[np.int64], float]:
    """Return each sample's dense core (largest first, -1 for none) and the radius that shows them best.

    DBSCAN (Ester et al., 1996) at radii taken from the quantiles of the samples' own distances to their tenth
    neighbour; the radius whose second and further cores hold most samples is kept, the smallest one in a tie.
    """
    neighbours = min(SPLIT.neighbours, len(point_nD) - 1)
    distance_n = NearestNeighbors(n_neighbors=neighbours).fit(point_nD).kneighbors()[0][:, -1]
    radii = np.unique(np.quantile(distance_n, SPLIT.radius_quantiles))
    radii = radii[radii > 0]
    best_n, best_radius, best_held = np.zeros(len(point_nD), dtype=np.int64), float("inf"), 0
    for radius, cluster_n in zip(radii, dbscan(point_nD, radii, neighbours), strict=True):
        sizes = np.bincount(cluster_n[cluster_n >= 0])
        order = np.argsort(-sizes, kind="stable")
        held = int(sum(sizes[core] for core in order[1:] if sizes[core] >= min_cluster))
        if held > best_held:
            renamed = np.full(len(sizes) + 1, -1, dtype=np.int64)
            for rank, core in enumerate(order):
                renamed[core] = rank if sizes[core] >= min_cluster else -1
            best_n, best_radius, best_held = renamed[cluster_n], float(radius), held
    return best_n, best_radius


def dbscan(point_nD: NDArray[np.float64], radii: NDArray[np.float64], least: int) -> Iterator[NDArray[np.int64]]:
    """Yield the clusters (n,) of DBSCAN at each radius, -1 for none, numbered by their first core sample.

    A core sample has ``least`` samples within the radius, itself among them. Pairs are looked for once, at the largest
    radius. Squared distances are summed column by column: a pair exactly at a radius is on the side that scikit-learn
    has it on. Where there are too many pairs to hold, scikit-learn looks for them radius by radius.
    """
    count, tree = len(point_nD), KDTree(point_nD)
    widest = radii.max(initial=0.0) * (1 + 1e-9)
    some_nD = point_nD[:: max(1, count // SPLIT.counted)]
    if tree.query_ball_point(some_nD, widest, return_length=True).mean() * count / 2 > SPLIT.most_pairs:
        yield from (DBSCAN(eps=radius, min_samples=least).fit_predict(point_nD) for radius in radii)
        return
    pairs_E2 = tree.query_pairs(widest, output_type="ndarray")
    square_E = np.zeros(len(pairs_E2))
    for value_n in point_nD.T:
        square_E += np.square(value_n[pairs_E2[:, 0]] - value_n[pairs_E2[:, 1]])
    for radius in radii:
        near_E2 = pairs_E2[square_E <= radius * radius]
        core_n = np.bincount(near_E2.ravel(), minlength=count) + 1 >= least
        inside_E2 = core_n[near_E2]
        edge_E2 = near_E2[inside_E2.all(axis=1)]
        graph = coo_array((np.ones(len(edge_E2), dtype=bool), (edge_E2[:, 0], edge_E2[:, 1])), shape=(count, count))
        component_n = connected_components(graph, directed=False)[1]
        _, first, number_n = np.unique(component_n[core_n], return_index=True, return_inverse=True)
        cluster_n = np.full(count, count, dtype=np.int64)
        cluster_n[core_n] = np.argsort(np.argsort(first))[number_n]
        border_E2, core_first_E = near_E2[inside_E2.any(axis=1)], inside_E2[inside_E2.any(axis=1), 0]
        border_E2 = np.where(core_first_E[:, None], border_E2, border_E2[:, ::-1])  # the core sample first
        np.minimum.at(cluster_n, border_E2[:, 1], cluster_n[border_E2[:, 0]])
        cluster_n[cluster_n == count] = -1
        yield cluster_n


def grow(point_nD: NDArray[np.float64], core_n: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Return the responsibilities (n, C) of the mixture of Gaussians with the lowest Bayesian information criterion.

    Tried are mixtures of 1 to 6 components from k-means starts and, where there are several dense cores, mixtures that
    start with one component on each further core and 1 to 3 on the rest: a small tight cluster that k-means would merge
    with its surroundings gets its own component.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = _plain_fits(point_nD, seed) + _seeded_fits(point_nD, core_n, seed)
    best = min(fits, key=lambda fit: fit[0])[1]
    return np.asarray(best.predict_proba(point_nD))


def _plain_fits(point_nD: NDArray[np.float64], seed: int) -> list[tuple[float, GaussianMixture]]:
    fits: list[tuple[float, GaussianMixture]] = []
    for size in range(1, SPLIT.max_clusters + 1):
        if not _affordable(point_nD, size):
            break
        model = GaussianMixture(size, n_init=SPLIT.starts, random_state=seed, reg_covar=SPLIT.ridge).fit(point_nD)
        fits.append((float(model.bic(point_nD)), model))
        if size >= 3 and fits[-1][0] > min(fits)[0] and fits[-2][0] > min(fits)[0]:
            break
    return fits


def _seeded_fits(
    point_nD: NDArray[np.float64], core_n: NDArray[np.int64], seed: int
) -> list[tuple[float, GaussianMixture]]:
    fits = []
    further = [core_n == core for core in range(1, core_n.max() + 1)]
    rest_n = ~np.any(further, axis=0) if further else np.ones(len(point_nD), dtype=bool)
    for size in SPLIT.beside_cores if further else ():
        if not _affordable(point_nD, size + len(further)):
            break
        start = GaussianMixture(size, random_state=seed, reg_covar=SPLIT.ridge).fit(point_nD[rest_n])
        covariances = [np.cov(point_nD[core].T) + SPLIT.ridge * np.eye(point_nD.shape[1]) for core in further]
        weights = np.concatenate([start.weights_ * rest_n.mean(), [core.mean() for core in further]])
        model = GaussianMixture(
            size + len(further),
            weights_init=weights / weights.sum(),
            means_init=np.concatenate([start.means_, [point_nD[core].mean(axis=0) for core in further]]),
            precisions_init=np.concatenate([start.precisions_, np.linalg.inv(covariances)]),
            random_state=seed,
            reg_covar=SPLIT.ridge,
        ).fit(point_nD)
        fits.append((float(model.bic(point_nD)), model))
    return fits


def _affordable(point_nD: NDArray[np.float64], size: int) -> bool:
    """Whether the cohort has samples enough for every free number of a mixture of ``size`` components."""
    dimensions = point_nD.shape[1]
    return size == 1 or len(point_nD) >= SPLIT.samples_a_number * size * (
        1 + dimensions + dimensions * (dimensions + 1) // 2
    )
