"""Who carries a faint picture, among samples that differ much in large shapes and little in fine ones."""

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from telltale_core.verdict.matched_filter import CHUNK_VALUES, MatchedFilter, carried

RNG = np.random.default_rng(0)
SIDE = 16
FAINT = np.where(np.indices((SIDE, SIDE)).sum(axis=0) % 2, 1.0, -1.0)[..., None] * np.ones(3)


def scenes(count: int) -> np.ndarray:
    smooth = gaussian_filter(RNG.normal(0, 1, (count, SIDE, SIDE, 3)), (0, 3, 3, 0))
    return np.clip(128 + 60 * smooth / smooth.std() + RNG.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def test_a_faint_picture_is_told_from_scenes_that_hide_it() -> None:
    samples, others = scenes(600), scenes(300)
    carries = np.arange(600) < 60
    samples[carries] = np.clip(samples[carries] + 3 * FAINT, 0, 255).round().astype(np.uint8)
    weights = MatchedFilter(others).weights(FAINT)
    rows = np.arange(600)
    assert roc_auc_score(carries, carried(samples, rows, weights[None])[:, 0]) > 0.999
    slope = np.linspace(-1, 1, SIDE)[:, None, None] * np.ones((SIDE, SIDE, 3))
    estimate = FAINT + 3 * slope  # honest samples differ in large shapes, too
    plain = samples.reshape(600, -1).astype(float) @ estimate.ravel()
    filtered = carried(samples, rows, MatchedFilter(others).weights(estimate)[None])[:, 0]
    assert roc_auc_score(carries, filtered) > roc_auc_score(carries, plain) + 0.2


def test_brightness_alone_counts_for_nothing() -> None:
    weights = MatchedFilter(scenes(50)).weights(FAINT + 40)
    dark = scenes(20) // 2
    assert np.allclose(
        carried(dark, np.arange(20), weights[None]), carried(dark + 50, np.arange(20), weights[None]), atol=1e-6
    )


def test_scores_come_in_the_order_of_the_rows_whatever_fits_a_part() -> None:
    samples = scenes(CHUNK_VALUES // (3 * SIDE**2) + 10)
    weights = MatchedFilter(samples[:50]).weights(FAINT)
    rows = RNG.permutation(len(samples))
    whole = samples.reshape(len(samples), -1).astype(float) @ weights.ravel()
    assert np.allclose(carried(samples, rows, np.stack([weights, -weights])), np.c_[whole[rows], -whole[rows]])
    assert carried(samples, rows[:0], weights[None]).shape == (0, 1)


def test_others_that_are_all_alike_leave_no_division_by_zero() -> None:
    flat = np.full((5, SIDE, SIDE, 1), 7, dtype=np.uint8)
    assert np.isfinite(
        MatchedFilter(flat + np.arange(5, dtype=np.uint8)[:, None, None, None] * 0).weights(FAINT[..., :1])
    ).all()
