"""The page's figures: pictures with their title, alternative text and caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from telltale_core.display.sanitize import middle
from telltale_core.modality.viewing import MOST_SUSPICIOUS, Focus, Shown, data_uri
from telltale_core.report import pictures
from telltale_core.report.config import ReportConfig
from telltale_core.report.evidence import (
    Floats,
    columns,
    epochs_of,
    focuses,
    heat,
    read_losses,
    spectra,
    trajectories,
)
from telltale_core.report.projection import project
from telltale_core.report.run import Run
from telltale_core.report.targets import targets_shown
from telltale_core.report.triggers import triggers_shown

if TYPE_CHECKING:
    from telltale_core.modality.parts import Viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """The figures of one label."""

    heading: str
    name: str
    note: str
    figures: list[Shown]


def evidence(run: Run, shown: Sequence[Focus], viewer: Viewer, config: ReportConfig) -> list[Item]:
    """Return the figures of every label that is worth showing; empty where there is nothing to compare."""
    items = []
    read_losses(run, shown, config.seed)
    for focus in shown:
        drawn = (_trajectories(run, focus, config), _heat(run, focus, config), _spectra(run, focus, config))
        shared = viewer.shared(focus) if focus.word != MOST_SUSPICIOUS else []
        if focus.word != MOST_SUSPICIOUS and (targets := targets_shown(run, focus, config)) is not None:
            shared = [*shared, targets]
        tried = triggers_shown(run, focus, viewer, any_label=focus is shown[0])
        figures = [*tried, *(figure for figure in drawn if figure is not None), *shared]
        note = f"{len(focus.suspected_rows):,} {focus.word}, {len(focus.kept_rows):,} other kept samples{focus.same}."
        if not figures:
            note += " Too few samples or snapshots for pictures."
        heading = run.word.capitalize() if focus.label is not None else "Group:"
        items.append(Item(heading=heading, name=middle(focus.name, 60), note=note, figures=figures))
    return items


def _window(run: Run) -> tuple[float, float] | None:
    every, inside = columns(run, windowed=False), columns(run, windowed=True)
    if len(inside) == len(every):
        return None
    times = epochs_of(run, every)
    return float(times[inside[0]]), float(times[inside[-1]])


def _trajectories(run: Run, focus: Focus, config: ReportConfig) -> Shown | None:
    curves = trajectories(run, focus, config.seed)
    if curves is None:
        return None
    window = _window(run)
    gap = curves.suspected[1, -1] - curves.kept[1, -1]
    end = f"{10 ** abs(gap):.2g} times {'above' if gap > 0 else 'below'}" if abs(gap) > 0.02 else "level with"
    return Shown(
        title="Loss over training",
        uri=data_uri(pictures.trajectories_png(curves, focus, window, config.dpi)),
        alt=f"Median loss by epoch on a log scale; at the end the {focus.word} samples are {end} the other kept ones.",
        caption="Median and middle 80 % of the samples' losses at each snapshot"
        + ("; shaded: the window that the spectrum read." if window else "."),
    )


def _heat(run: Run, focus: Focus, config: ReportConfig) -> Shown | None:
    panels = heat(run, focus, config)
    if panels is None:
        return None
    pair = panels.suspected_coherence, panels.kept_coherence
    course = f"the {focus.within}'s common course" if focus.label is not None else "the common course of the others"
    figures = f"{pair[0]:.2f} among the {focus.word}, {pair[1]:.2f} among the other kept ones"
    return Shown(
        title="Do they move together?",
        uri=data_uri(pictures.heat_png(panels, focus, config.dpi)),
        alt=f"Two panels of centred log losses, a row for each sample; mean correlation of two rows: {figures}.",
        caption=f"One row is one sample: its log loss less {course} and its own mean. Upright "
        "stripes through a panel mean that its samples rise and fall together. Mean correlation of two rows: "
        f"{figures}.",
    )


def _spectra(run: Run, focus: Focus, config: ReportConfig) -> Shown | None:
    curves = spectra(run, focus, config.seed)
    if curves is None:
        return None
    ratio = 10 ** float(np.median(np.log10(curves.suspected[1] + 1e-12) - np.log10(curves.kept[1] + 1e-12)))
    return Shown(
        title="Spectra of the losses",
        uri=data_uri(pictures.spectra_png(curves, focus, config.dpi)),
        alt=f"Magnitude by frequency; the median of the {focus.word} is typically {ratio:.2g} times that of the rest.",
        caption="Magnitude of each sample's centred log loss by frequency, median and middle 80 %. Magnitude "
        "leaves out the timing, which the picture of rows shows.",
    )


def overall(run: Run, config: ReportConfig) -> list[Shown]:
    """Return the cluster picture and the histogram of suspicion."""
    if not len(run.decision):
        return []
    return [shown for shown in (_clusters(run, config), _histogram(run, config)) if shown is not None]


def _histogram(run: Run, config: ReportConfig) -> Shown:
    held = run.counts.quarantined + run.counts.review
    return Shown(
        title="Suspicion",
        uri=data_uri(pictures.histogram_png(run.suspicion, run.decision, config.dpi)),
        alt=f"Histogram of suspicion from 0 to 1 over {len(run.decision):,} samples, {held:,} of them held back.",
        caption="All samples by suspicion, coloured by decision."
        + (
            " The wider the gap between kept and held back, the easier the decision." if held else " None is held back."
        ),
    )


def _clusters(run: Run, config: ReportConfig) -> Shown | None:
    finite = np.flatnonzero(run.finite)
    if run.spectrum is None or run.spectrum.n_features < 2:
        return None
    panels = [("all samples", finite)]
    shown = focuses(run, config)
    if run.labels is not None and shown and shown[0].label is not None:
        panels.append((f"{run.word} {shown[0].name}", finite[run.labels[finite] == shown[0].label]))
    drawn = [(title, _some(run, rows, config)) for title, rows in panels]
    thinned = any(len(some) < len(rows) for (_, some), (_, rows) in zip(drawn, panels, strict=True))
    points: list[tuple[str, Floats, npt.NDArray[np.str_]]] = [
        (title, project(run.features(rows), config.cluster_picture, config.seed), run.decision[rows])
        for title, rows in drawn
        if len(rows) >= 5
    ]
    if not points:
        return None
    method, axis = {"pca": ("principal components", "component"), "tsne": ("t-SNE", "t-SNE")}[config.cluster_picture]
    return Shown(
        title="Clusters in the spectrum features",
        uri=data_uri(pictures.cluster_png(points, axis, config.dpi)),
        alt=f"Scatter plot of the spectrum features on two {method}, coloured by decision.",
        caption=f"Spectrum features on two {method}"
        + (f", {sum(len(rows) for _, rows in drawn):,} points drawn, held-back ones first" if thinned else "")
        + ". For the eye only: the decision is not taken on this plane.",
    )


def _some(run: Run, rows: npt.NDArray[np.int64], config: ReportConfig) -> npt.NDArray[np.int64]:
    most = config.cluster_points if config.cluster_picture == "pca" else min(config.cluster_points, 2000)
    if len(rows) <= most:
        return rows
    mixed = np.random.default_rng(config.seed).permutation(rows)
    held_first = np.argsort(run.decision[mixed] == "keep", kind="stable")
    chosen: npt.NDArray[np.int64] = np.sort(mixed[held_first][:most])
    return chosen
