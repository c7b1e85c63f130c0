"""What a miss looks like: the losses of the poison that was not found, beside those of the samples it hides among."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.attacks import Poisoned
from telltale_core.losslog import LossLog
from telltale_core.records import write_json

log = logging.getLogger(__name__)
MISSED = 0.9
"""A case of which less than this share is found is drawn; the weakest of the targets asks for it."""
QUANTILES = (0.1, 0.5, 0.9)
POISON, OTHERS = "#C2410C", "#0072B2"
COLUMNS = 3


def write_miss(folder: Path, row: dict[str, Any], poisoned_set: Poisoned, ids: Sequence[str], losses: LossLog) -> None:
    """Write ``folder/DATA-ATTACK-RATE-SEED.json``: quantiles by snapshot of the first proxy's log losses.

    Of the poison, and of *others*: the clean samples with a label that the poison bears; of targets all clean samples.
    ``ids`` are those of ``poisoned_set``'s rows. Nothing is written, and what was there is removed, where at least
    :data:`MISSED` was found.
    """
    path = folder / f"{row['data']}-{row['attack']}-{row['rate']:g}-{row['seed']}.json"
    if row["tpr"] is None or row["tpr"] >= MISSED:
        path.unlink(missing_ok=True)
        return
    at = {name: place for place, name in enumerate(losses.sample_ids.tolist())}
    order = np.array([at[name] for name in ids])
    labels, truth = poisoned_set.data.labels, poisoned_set.truth
    others = ~truth if poisoned_set.data.num_classes is None else ~truth & np.isin(labels, np.unique(labels[truth]))
    snapshots = len(losses.epochs)
    epoch_T = np.arange(snapshots) * (int(losses.epochs.max()) + 1) / snapshots
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        path,
        {
            **{name: row[name] for name in ("data", "attack", "rate", "seed", "found", "poisoned")},
            "epochs": epoch_T.round(3).tolist(),
            "poison": _quantiles(losses.log_loss[order[truth]]),
            "others": _quantiles(losses.log_loss[order[others]]),
        },
    )


def draw_misses(folder: Path, to: Path) -> Path | None:
    """Return ``to/misses.png``, one panel a missed case in ``folder``; None where there is none, or no matplotlib."""
    cases = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    path = to / "misses.png"
    if not cases:
        path.unlink(missing_ok=True)
        return None
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        log.info("no picture: matplotlib is not installed")
        return None
    rows = -(-len(cases) // COLUMNS)
    figure = Figure(figsize=(3.4 * COLUMNS, 0.6 + 2.3 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, case in zip(panels, cases, strict=False):
        for name, colour in (("others", OTHERS), ("poison", POISON)):
            low, middle, high = case[name]
            panel.fill_between(case["epochs"], low, high, color=colour, alpha=0.18, linewidth=0)
            panel.plot(case["epochs"], middle, color=colour, linewidth=1.4, label=name)
        words = f"{case['attack'].replace('_', ' ')} {100 * case['rate']:g} %, seed {case['seed']}"
        panel.set_title(f"{words}: {case['found']} of {case['poisoned']} found", loc="left", fontsize=8)
        panel.grid(color="#E4E8EE", linewidth=0.8)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(cases) :]:
        panel.set_visible(False)
    for panel in panels[max(0, len(cases) - COLUMNS) : len(cases)]:
        panel.set_xlabel("epoch", fontsize=9)
        panel.tick_params(labelbottom=True)
    figure.supylabel("log loss: median, tenth to ninetieth percentile", fontsize=9)
    handles, _ = panels[0].get_legend_handles_labels()
    names = ["clean samples of the same labels", "poison"]
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.savefig(path, dpi=140)
    return path


def _quantiles(losses_NT: NDArray[np.float32]) -> list[list[float]]:
    finite = losses_NT[np.isfinite(losses_NT).all(axis=1)].astype(np.float64)
    return [values.round(4).tolist() for values in np.quantile(finite, QUANTILES, axis=0)]
