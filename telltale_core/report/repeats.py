"""How much of what is suspected are copies of each other: a group of copies is one piece of evidence."""

from __future__ import annotations

import numpy as np

from telltale_core.report.run import Run

LEAST_SHARE = 0.2


def repeats_among_suspects(run: Run) -> list[str]:
    """Return a sentence for each label of whose suspected samples a fifth or more are near-duplicates."""
    size_N = run.drop.repeats
    suspected_N = run.decision_N != "keep"
    number_N = run.labels_N if run.labels_N is not None else np.zeros(len(size_N), dtype=np.int64)
    lines = []
    for label in np.unique(number_N[suspected_N]):
        rows = np.flatnonzero(suspected_N & (number_N == label))
        repeated = rows[size_N[rows] > 1]
        if len(repeated) < max(2, LEAST_SHARE * len(rows)):
            continue
        different = len(rows) - len(repeated) + len(np.unique(run.drop.leaders[repeated]))
        where = run.label_name(None if run.labels_N is None else int(label))
        lines.append(
            f"Of the {len(rows):,} suspected samples of {where} {len(repeated):,} are near-duplicates: {different:,} "
            "different samples in all. Copies move together whatever they are; look at one of each."
        )
    return lines
