"""From log-loss trajectories to spectra: window, common mode, transform along time, whitening.

Nothing here looks at truth, at row order or at a rate: permuting the rows permutes the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from telltale_core.errors import BadInput
from telltale_core.spectrum.config import SpectrumConfig

MIN_SNAPSHOTS = 4
LEARNT_SHARE = 0.05
"""A proxy has begun to learn when the median log loss has fallen by this share of its whole fall."""
BEFORE_THE_END = 0.75
"""Motion is measured up to this share of a run: at its end even random labels are learnt by heart."""
STILL = 1e-6
CHUNK_BYTES = 32 << 20
"""Of float64 numbers that are held at a time; nothing hangs on it but memory and time."""
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
    """Return the spectra of all samples under one joint transform; raises as :class:`Transform` does."""
    joint, begin = Transform(log_loss_NT, labels, config), 0
    count = len(log_loss_NT)
    columns: dict[str, NDArray[Any]] = {
        "features": np.empty((count, joint.n_features), dtype=np.float32),
        "level": np.empty(count),
        "trend": np.empty(count),
        "motion": np.empty((count, QUARTERS, 3)),
    }
    for part in joint.parts():
        rows = slice(begin, begin + len(part.level))
        for name, column in columns.items():
            column[rows] = getattr(part, name)
        begin = rows.stop
    return Spectra(**columns, finite=joint.finite, window=joint.window, window_choice=joint.window_choice)


class Transform:
    """One joint transform of all samples: what they have in common is measured first, then each is transformed.

    ``finite`` (N,), ``window`` and ``window_choice`` as in :class:`Spectra`. ``labels`` (N,) or None; they only serve
    to measure, within labels, how strong each frequency usually is. Raises :class:`BadInput` (``too_few_snapshots``)
    when the window holds fewer than 4 snapshots, and (``no_finite_losses``) when no sample has finite losses.
    """

    def __init__(
        self, log_loss_NT: NDArray[np.float32], labels: NDArray[np.int64] | None, config: SpectrumConfig
    ) -> None:
        finite = [np.isfinite(log_loss_NT[part]).all(axis=1) for part in _parts(*log_loss_NT.shape)]
        self.finite: NDArray[np.bool_] = np.concatenate(finite)
        if not self.finite.any():
            count = len(log_loss_NT)
            raise BadInput("no_finite_losses", f"none of the {count} samples has finite losses at all snapshots")
        self.window_choice, self._rows = _say(config), np.flatnonzero(self.finite)
        median_T = _medians(log_loss_NT, self._rows)
        self.window = start, stop = choose_window(median_T.astype(log_loss_NT.dtype), config)
        self.n_features = stop - start - 1
        self._window = _Window(losses=log_loss_NT, start=start, stop=stop, median=median_T[start:stop])
        cohorts = [self._rows] if labels is None else _by_label(self._rows, labels[self._rows])
        self._weight_F = _usual_power(self._window, cohorts) ** (-config.whitening / 2)

    def parts(self) -> Iterator[Spectra]:
        """Yield the spectra of all samples in order, some rows at a time."""
        spans, threads = _parts(len(self._rows), self.n_features + 1), ThreadpoolController()
        ends = [*(int(self._rows[span.stop]) for span in spans[:-1]), len(self.finite)]
        for span, begin, end in zip(spans, [0, *ends], ends, strict=False):
            with threads.limit(limits=1):  # a product's last bit would else hang on their number
                part = self._part(self._rows[span], begin, end)
            yield part

    def _part(self, chunk: NDArray[np.int64], begin: int, end: int) -> Spectra:
        """Return the spectra of the samples ``begin`` to ``end``, of which those in ``chunk`` have finite losses."""
        start, stop = self.window
        count, at, loss_nT = end - begin, chunk - begin, self._window.losses_of(chunk)
        features_NF = np.zeros((count, self.n_features), dtype=np.float32)
        level_N, trend_N, motion_NQ3 = np.zeros(count), np.zeros(count), np.zeros((count, QUARTERS, 3))
        time_T = np.arange(stop - start) - (stop - start - 1) / 2
        still_after = round(BEFORE_THE_END * self._window.losses.shape[1]) - start
        spectrum_nF = self._window.spectrum(loss_nT)
        features_NF[at] = _whitened(spectrum_nF, self._weight_F, even=(stop - start) % 2 == 0)
        level_N[at] = loss_nT.mean(axis=1)
        trend_N[at] = loss_nT @ time_T / (time_T @ time_T)
        motion_NQ3[at] = _motion(loss_nT, still_after)
        return Spectra(
            features=features_NF,
            level=level_N,
            trend=trend_N,
            motion=motion_NQ3,
            finite=self.finite[begin:end],
            window=self.window,
            window_choice=self.window_choice,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Window:
    """The snapshots ``start`` to ``stop`` of ``losses`` (N, T) float32, with their medians (W,) over all samples."""

    losses: NDArray[np.float32]
    start: int
    stop: int
    median: NDArray[np.float64]

    def losses_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the log losses (n, W) of some rows."""
        return self.losses[rows, self.start : self.stop].astype(np.float64)

    def spectrum(self, loss_nT: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the orthonormal spectra (n, F) of such losses without common mode, level and constant."""
        residual_nT = loss_nT - self.median
        residual_nT -= residual_nT.mean(axis=1, keepdims=True)
        return np.asarray(np.fft.rfft(residual_nT, axis=1, norm="ortho")[:, 1:])


def _parts(rows: int, columns: int) -> list[slice]:
    """Return slices of rows of which one, as float64 numbers, takes about ``CHUNK_BYTES``."""
    size = max(1, CHUNK_BYTES // (8 * max(1, columns)) // 64 * 64)
    return [slice(start, start + size) for start in range(0, rows, size)] or [slice(0, 0)]


def _medians(log_loss_NT: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median (T,) of each snapshot over the rows, a few snapshots at a time."""
    middle = [(len(rows) - 1) // 2, len(rows) // 2]
    size = max(1, CHUNK_BYTES // (8 * len(rows)))
    medians = []
    for start in range(0, log_loss_NT.shape[1], size):
        sorted_nT = np.partition(log_loss_NT[rows, start : start + size], middle, axis=0)
        medians.append(sorted_nT[middle].astype(np.float64).mean(axis=0))
    return np.concatenate(medians)


def _by_label(rows: NDArray[np.int64], labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the rows of each label, in the order of the labels."""
    order = np.argsort(labels, kind="stable")
    return np.split(rows[order], np.flatnonzero(np.diff(labels[order])) + 1)


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


def _whitened(spectrum_nF: NDArray[np.complex128], weight_F: NDArray[np.float64], *, even: bool) -> NDArray[np.float64]:
    """Return real and imaginary parts of spectra times the weights; the phase is the signal."""
    spectrum_nF = spectrum_nF * weight_F * np.sqrt(2)
    parts = [spectrum_nF.real, spectrum_nF.imag]
    if even:  # the highest frequency of an even window is real, and stands once, not twice
        parts[0][:, -1] /= np.sqrt(2)
        parts[1] = parts[1][:, :-1]
    return np.concatenate(parts, axis=1)


def _usual_power(window: _Window, cohorts: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return each frequency's median power within labels (mean of the labels' medians): a minority cannot move it."""
    power_F = np.mean([_power_of(window, rows) for rows in cohorts], axis=0)
    floor = 1e-12 + 1e-6 * power_F.max(initial=0.0)
    return np.asarray(np.maximum(power_F, floor))


def _power_of(window: _Window, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median power (F,) of the rows about their median; a large cohort's a few frequencies at a time.

    Transforming a large cohort again for each few frequencies takes seconds; its spectra would take gigabytes.
    """
    frequencies = (window.stop - window.start) // 2
    size = max(1, min(frequencies, CHUNK_BYTES // (16 * len(rows))))
    powers = []
    for first in range(0, frequencies, size):
        parts = _parts(len(rows), window.stop - window.start)
        part_nF = np.empty((len(rows), min(size, frequencies - first)), dtype=np.complex128)
        for part in parts:
            part_nF[part] = window.spectrum(window.losses_of(rows[part]))[:, first : first + size]
        centre_F = np.median(part_nF.real, axis=0) + 1j * np.median(part_nF.imag, axis=0)
        powers.append(np.median(np.abs(part_nF - centre_F) ** 2, axis=0))
    return np.concatenate(powers)


def _say(config: SpectrumConfig) -> str:
    if config.start is not None:
        return f"snapshots from {config.start:.0%} to {config.stop:.0%} of the run, as configured"
    return "snapshots from where the median loss has made 5 % of its fall to the end of the run"
