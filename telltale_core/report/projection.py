"""Two coordinates for the cluster picture. For the eye only: no decision is ever taken on them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def project(features_ND: npt.NDArray[np.float32], method: Literal["pca", "tsne"], seed: int) -> Floats:
    """Return N x 2 coordinates of rows that are all finite, the same for the same rows, method and seed."""
    if method == "tsne" and len(features_ND) > 10:
        return _tsne(features_ND, seed)
    return _pca(features_ND)


def _pca(features_ND: npt.NDArray[np.float32]) -> Floats:
    centred = features_ND.astype(np.float64) - features_ND.mean(axis=0, dtype=np.float64)
    scatter = centred.T @ centred if centred.shape[1] <= 2048 else None
    if scatter is None:
        axes = np.linalg.svd(centred, full_matrices=False)[2][:2].T
    else:
        axes = np.linalg.eigh(scatter)[1][:, ::-1][:, :2]
    # An axis has no sign of its own: point its largest weight up, so that the picture does not flip between machines.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] + 1e-300)
    points = centred @ axes
    return points if points.shape[1] == 2 else np.pad(points, ((0, 0), (0, 2 - points.shape[1])))


def _tsne(features_ND: npt.NDArray[np.float32], seed: int) -> Floats:
    from sklearn.manifold import TSNE

    few = features_ND.astype(np.float64)
    if few.shape[1] > 50:
        centred = few - few.mean(axis=0)
        few = centred @ np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :50]
    perplexity = float(min(30, (len(few) - 1) // 3))
    points: Floats = TSNE(init="pca", random_state=seed, perplexity=perplexity).fit_transform(few)
    return points
