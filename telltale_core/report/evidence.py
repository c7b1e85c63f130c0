"""What there is to see in one label: its suspected samples beside its kept ones, as arrays ready to be drawn.

Nothing here decides anything: rows are chosen by the verdict that stands, and drawn at random with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telltale_core.modality.viewing import MOST_SUSPICIOUS, Focus
from telltale_core.report.config import ReportConfig
from telltale_core.report.run import Run

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
DRAWN_ROWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """Quantiles 0.1, 0.5, 0.9 (first axis) of suspected and kept samples over ``x``."""

    x: Floats
    suspected: Floats
    kept: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heat:
    """Centred log10 losses, ``suspected`` (S, W) and ``kept`` (K, W), and the mean correlation of two rows of each."""

    suspected: Floats
    kept: Floats
    suspected_coherence: float
    kept_coherence: float


def focuses(run: Run, config: ReportConfig) -> list[Focus]:
    """Return what to show evidence for: labels with most samples quarantined, else set aside, else the outstanding one.

    In a clean run without a near miss this is one label, with its most suspicious kept samples in the place of
    suspected ones.
    """
    for decision, word in (("quarantine", "quarantined"), ("review", "set aside")):
        rows = _beside_kept(run, run.worst_first(decision))
        if len(rows) and (run.status in ("poison", "review") or run.near_miss):
            return [_focus(run, label, rows, word) for label in _busiest(run, rows, config.evidence_labels)]
    rows = run.worst_first()
    if not len(rows):
        return []
    label = _outstanding(run)
    inside = rows if label is None or run.labels is None else rows[run.labels[rows] == label]
    top = inside[: min(config.heat_rows, max(1, len(inside) // 4))]
    return [_focus(run, label, top, MOST_SUSPICIOUS)]


def _beside_kept(run: Run, rows: Rows) -> Rows:
    """Return those of the rows whose label has kept samples, too: without them there is nothing to compare."""
    kept_N = run.decision == "keep"
    if run.labels is None:
        return rows if kept_N.any() else rows[:0]
    return rows[np.isin(run.labels[rows], run.labels[kept_N])]


def _busiest(run: Run, rows: Rows, most: int) -> list[int | None]:
    if run.labels is None:
        return [None]
    labels, counts = np.unique(run.labels[rows], return_counts=True)
    return [int(label) for label in labels[np.argsort(-counts, kind="stable")][:most]]


def _outstanding(run: Run) -> int | None:
    if run.labels is None:
        return None
    present = set(run.labels.tolist())
    labels = [group.label for group in run.groups() if group.label in present]
    return labels[0] if labels else int(run.labels[run.worst_first()[0]])


def _focus(run: Run, label: int | None, rows: Rows, word: str) -> Focus:
    inside = np.ones(len(run.decision), dtype=bool)
    if label is not None and run.labels is not None:
        inside = run.labels == label
    suspected = rows[inside[rows]]
    kept = np.setdiff1d(np.flatnonzero(inside & (run.decision == "keep")), suspected)
    return Focus(
        label=label, name=run.label_name(label), word=word, suspected_rows=suspected, kept_rows=kept, within=run.word
    )


def columns(run: Run, *, windowed: bool) -> Rows:
    """Return the loss log's columns, all of them or those inside the spectrum's window (at least four)."""
    every = np.arange(len(run.epochs))
    start, stop = run.spectrum.window if run.spectrum else (0, len(every))
    inside = every[start:stop] if windowed else every
    return inside if len(inside) >= 4 else every


def epochs_of(run: Run, cols: Rows) -> Floats:
    """Return the time of columns in epochs, fractions between an epoch's snapshots (the last one ends the epoch)."""
    epoch = run.epochs[cols].astype(np.float64)
    out = np.empty(len(cols))
    for value in np.unique(epoch):
        same = np.flatnonzero(epoch == value)
        out[same] = value + (np.arange(len(same)) + 1) / len(same)
    return out


def read_losses(run: Run, shown: Sequence[Focus], seed: int) -> None:
    """Read the losses of all rows that are drawn in one go: to read a few takes nearly as long."""
    drawn = [np.empty(0, dtype=np.int64)]
    for focus in shown:
        drawn += [_drawn(focus.suspected_rows, seed), focus.suspected_rows[:DRAWN_ROWS], _drawn(focus.kept_rows, seed)]
    run.log_loss(np.unique(np.concatenate(drawn)))


def _drawn(rows: Rows, seed: int) -> Rows:
    """Return at most ``DRAWN_ROWS`` of the rows, drawn at random."""
    if len(rows) <= DRAWN_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, DRAWN_ROWS, replace=False))


def _rows(run: Run, rows: Rows, cols: Rows, seed: int) -> Floats:
    """Return log10 losses of some of ``rows``, without rows that are not finite."""
    values = np.asarray(run.log_loss(_drawn(rows, seed)), dtype=np.float64)[:, cols] / np.log(10.0)
    finite: Floats = values[np.isfinite(values).all(axis=1)]
    return finite


def trajectories(run: Run, focus: Focus, seed: int) -> Curves | None:
    """Return log10 losses over epochs; None where there is nothing to compare."""
    cols = columns(run, windowed=False)
    pair = [_rows(run, rows, cols, seed) for rows in (focus.suspected_rows, focus.kept_rows)]
    if not len(cols) or not all(len(part) for part in pair):
        return None
    suspected, kept = (np.quantile(part, (0.1, 0.5, 0.9), axis=0) for part in pair)
    return Curves(x=epochs_of(run, cols), suspected=suspected, kept=kept)


def heat(run: Run, focus: Focus, config: ReportConfig) -> Heat | None:
    """Return both groups' log10 loss in the window, less the label's common course and each row's own mean."""
    cols = columns(run, windowed=True)
    suspected = _rows(run, focus.suspected_rows[:DRAWN_ROWS], cols, config.seed)
    kept = _rows(run, focus.kept_rows, cols, config.seed)
    if len(suspected) < 2 or len(kept) < 2 or len(cols) < 4:
        return None
    common = np.median(kept, axis=0)
    suspected, kept = (_centred(part - common) for part in (suspected, kept))
    some = np.sort(np.random.default_rng(config.seed + 1).permutation(len(kept))[: config.heat_rows])
    return Heat(
        suspected=suspected[: config.heat_rows],
        kept=kept[some],
        suspected_coherence=coherence(suspected),
        kept_coherence=coherence(kept),
    )


def _centred(values: Floats) -> Floats:
    centred: Floats = values - values.mean(axis=1, keepdims=True)
    return centred


def coherence(rows_NT: Floats) -> float:
    """Return the mean correlation over all pairs of centred rows, in [-1, 1]; 0 for fewer than two moving rows."""
    norm = np.linalg.norm(rows_NT, axis=1, keepdims=True)
    unit = rows_NT[norm[:, 0] > 1e-9] / norm[norm[:, 0] > 1e-9]
    n = len(unit)
    return float((np.square(unit.sum(axis=0)).sum() - n) / (n * (n - 1))) if n > 1 else 0.0


def spectra(run: Run, focus: Focus, seed: int) -> Curves | None:
    """Return |rfft| of centred log10 losses in the window by cycles per epoch, without frequency 0."""
    cols = columns(run, windowed=True)
    pair = [_rows(run, rows, cols, seed) for rows in (focus.suspected_rows, focus.kept_rows)]
    if len(cols) < 4 or not all(len(part) for part in pair):
        return None
    magnitudes = [np.abs(np.fft.rfft(_centred(part), axis=1))[:, 1:] for part in pair]
    suspected, kept = (np.quantile(part, (0.1, 0.5, 0.9), axis=0) for part in magnitudes)
    per_epoch = len(cols) / max(1, len(np.unique(run.epochs[cols])))
    cycles = np.arange(1, len(cols) // 2 + 1) / len(cols)
    return Curves(x=cycles * per_epoch, suspected=suspected, kept=kept)
