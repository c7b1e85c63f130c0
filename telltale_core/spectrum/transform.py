"""From log-loss trajectories to spectra: window, common mode, transform along time, whitening.

Nothing here looks at truth, at row order or at a rate: permuting the rows permutes the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.errors import BadInput
from telltale_core.spectrum.config import SpectrumConfig

MIN_SNAPSHOTS = 4
LEARNT_SHARE = 0.05
"""A proxy has begun to learn when the median log loss has fallen by this share of its whole fall."""
BEFORE_THE_END = 0.75
"""Motion is measured up to this share of a run: at its end even random labels are learnt by heart."""
STILL = 1e-6
QUARTERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectra:
    """The spectra of one loss log, rows in the log's order.

    ``features`` (N, F) float32; ``level`` (N,) mean log loss in the window and ``trend`` (N,) its rise per snapshot
    (natural-log units); ``motion`` (N, quarters, 3) level, log spread and log activity (mean absolute step) of the log
    loss in each quarter of the window's part before three quarters of the run; ``finite`` (N,) False for rows with a
    non-finite loss, whose numbers are 0; ``window`` the first and one past the last snapshot used; ``window_choice``
    says in a sentence how they were chosen.
    """

    features: NDArray[np.float32]
    level: NDArray[np.float64]
    trend: NDArray[np.float64]
    motion: NDArray[np.float64]
    finite: NDArray[np.bool_]
    window: tuple[int, int]
    window_choice: str


def transform(log_loss_NT: NDArray[np.float32], labels: NDArray[np.int64] | None, config: SpectrumConfig) -> Spectra:
    """Return the spectra of all samples under one joint transform.

    ``labels`` (N,) or None; they only serve to measure, within labels, how strong each frequency usually is. Raises
    :class:`BadInput` (``too_few_snapshots``) when the window holds fewer than 4 snapshots, and
    (``no_finite_losses``) when no sample has finite losses.
    """
    finite_N = np.asarray(np.isfinite(log_loss_NT).all(axis=1))
    if not finite_N.any():
        raise BadInput("no_finite_losses", f"none of the {len(log_loss_NT)} samples has finite losses at all snapshots")
    finite_NT = log_loss_NT[finite_N]
    start, stop = choose_window(np.median(finite_NT, axis=0), config)
    window_NT = finite_NT[:, start:stop].astype(np.float64)
    time_T = np.arange(window_NT.shape[1]) - (window_NT.shape[1] - 1) / 2
    motion_NQ3 = _motion(window_NT, round(BEFORE_THE_END * finite_NT.shape[1]) - start)
    cohort = None if labels is None else labels[finite_N]
    return Spectra(
        features=_spread(_complex(window_NT, cohort, config.whitening).astype(np.float32), finite_N),
        level=_spread(window_NT.mean(axis=1), finite_N),
        trend=_spread(window_NT @ time_T / (time_T @ time_T), finite_N),
        motion=_spread(motion_NQ3, finite_N),
        finite=finite_N,
        window=(start, stop),
        window_choice=_say(config),
    )


def choose_window(median_T: NDArray[np.floating], config: SpectrumConfig) -> tuple[int, int]:
    """Return the first and one past the last snapshot of the window.

    Unless ``config.start`` is given, the window opens once the median log loss has fallen by 5 % of its whole fall: the
    snapshots before show the random start and no learning. Measured: the converged tail adds little, but costs nothing.
    """
    snapshots = len(median_T)
    stop = max(1, round(config.stop * snapshots))
    if config.start is not None:
        start = int(config.start * snapshots)
    else:
        fall = median_T[0] - median_T[:stop].min()
        start = int(np.argmax(median_T <= median_T[0] - LEARNT_SHARE * fall))
    if stop - start < MIN_SNAPSHOTS:
        raise BadInput(
            "too_few_snapshots",
            f"the window holds {max(stop - start, 0)} of {snapshots} snapshots, at least {MIN_SNAPSHOTS} are needed; "
            "train for more epochs, record more snapshots an epoch, or widen spectrum.start and spectrum.stop",
        )
    return start, stop


def _motion(window_NT: NDArray[np.float64], stop: int) -> NDArray[np.float64]:
    """Return level, log spread and log activity (N, Q, 3) of the window's first ``stop`` snapshots (at least four).

    Where a quarter would have a single snapshot every quarter is the whole.
    """
    early_NT = window_NT[:, : max(stop, MIN_SNAPSHOTS)]
    enough = early_NT.shape[1] >= 2 * QUARTERS
    parts = np.array_split(early_NT, QUARTERS, axis=1) if enough else [early_NT] * QUARTERS
    spreads = [np.log(part_NT.std(axis=1) + STILL) for part_NT in parts]
    activities = [np.log(np.abs(np.diff(part_NT, axis=1)).mean(axis=1) + STILL) for part_NT in parts]
    levels = [part_NT.mean(axis=1) for part_NT in parts]
    return np.stack([np.stack(values, axis=1) for values in (levels, spreads, activities)], axis=2)


def _complex(window_NT: NDArray[np.float64], labels: NDArray[np.int64] | None, whitening: float) -> NDArray[np.float64]:
    """Real and imaginary parts of the orthonormal spectrum without its constant, whitened; the phase is the signal."""
    residual_NT = window_NT - np.median(window_NT, axis=0)
    residual_NT -= residual_NT.mean(axis=1, keepdims=True)
    spectrum_NF = np.fft.rfft(residual_NT, axis=1, norm="ortho")[:, 1:]
    weight_F = _usual_power(spectrum_NF, labels) ** (-whitening / 2)
    spectrum_NF = spectrum_NF * weight_F * np.sqrt(2)
    parts = [spectrum_NF.real, spectrum_NF.imag]
    if window_NT.shape[1] % 2 == 0:  # the highest frequency of an even window is real, and stands once, not twice
        parts[0][:, -1] /= np.sqrt(2)
        parts[1] = parts[1][:, :-1]
    return np.concatenate(parts, axis=1)


def _usual_power(spectrum_NF: NDArray[np.complex128], labels: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Return each frequency's median power within labels (mean of the labels' medians): a minority cannot move it."""
    groups = [np.ones(len(spectrum_NF), dtype=bool)] if labels is None else [labels == c for c in np.unique(labels)]
    power_GF = []
    for group in groups:
        part_NF = spectrum_NF[group]
        centre_F = np.median(part_NF.real, axis=0) + 1j * np.median(part_NF.imag, axis=0)
        power_GF.append(np.median(np.abs(part_NF - centre_F) ** 2, axis=0))
    power_F = np.mean(power_GF, axis=0)
    floor = 1e-12 + 1e-6 * power_F.max(initial=0.0)
    return np.asarray(np.maximum(power_F, floor))


def _spread(value_n: NDArray[Any], finite_N: NDArray[np.bool_]) -> NDArray[Any]:
    """Return values of the finite rows as those of all rows, 0 in the others."""
    value_N = np.zeros((len(finite_N), *value_n.shape[1:]), dtype=value_n.dtype)
    value_N[finite_N] = value_n
    return value_N


def _say(config: SpectrumConfig) -> str:
    if config.start is not None:
        return f"snapshots from {config.start:.0%} to {config.stop:.0%} of the run, as configured"
    return "snapshots from where the median loss has made 5 % of its fall to the end of the run"
