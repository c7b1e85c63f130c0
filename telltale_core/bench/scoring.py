"""A verdict held against the truth. Nothing that decides may import this: truth is read once the verdict stands."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq


def score(verdict_dir: Path, poisoned: Collection[str]) -> dict[str, Any]:
    """Return what the verdict found of the truth; ``poisoned`` are ids.

    Counts of samples, the verdict's statement, and two shares in [0, 1]: ``tpr`` of the poison and ``fpr`` of the clean
    samples were quarantined; None where there is no poison, or nothing clean.
    """
    table = pq.read_table(verdict_dir / "verdict.parquet", columns=["sample_id", "decision"])
    ids, decision = np.asarray(table["sample_id"].to_pylist()), np.asarray(table["decision"].to_pylist())
    truth = np.isin(ids, sorted(poisoned))
    held = decision == "quarantine"
    return {
        "poisoned": int(truth.sum()),
        "found": int((held & truth).sum()),
        "clean": int((~truth).sum()),
        "wrongly_quarantined": int((held & ~truth).sum()),
        "review": int((decision == "review").sum()),
        "tpr": round(float(held[truth].mean()), 4) if truth.any() else None,
        "fpr": round(float(held[~truth].mean()), 5) if not truth.all() else None,
        "statement": json.loads((verdict_dir / "verdict.json").read_bytes())["statement"],
    }
