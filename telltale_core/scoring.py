"""A verdict held against the truth. Nothing that decides may import this: truth is read once the verdict stands."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn.metrics import roc_auc_score


def score(verdict_dir: Path, poisoned: Collection[str]) -> dict[str, Any]:
    """Return what the verdict found of the truth; ``poisoned`` are ids.

    Counts of samples, the verdict's statement, smallest p-value and what its leave-out retraining did; four shares in
    [0, 1]: ``tpr`` of the poison and ``fpr`` of the clean samples were quarantined, ``precision`` of the quarantined
    are poison, ``auroc`` of the suspicion. None where there is no poison, nothing clean, or nothing quarantined.
    """
    table = pq.read_table(verdict_dir / "verdict.parquet", columns=["sample_id", "decision", "suspicion"])
    ids, decision = np.asarray(table["sample_id"].to_pylist()), np.asarray(table["decision"].to_pylist())
    truth = np.isin(ids, sorted(poisoned))
    held = decision == "quarantine"
    both = truth.any() and not truth.all()
    record = json.loads((verdict_dir / "verdict.json").read_bytes())
    return {
        "poisoned": int(truth.sum()),
        "found": int((held & truth).sum()),
        "clean": int((~truth).sum()),
        "wrongly_quarantined": int((held & ~truth).sum()),
        "review": int((decision == "review").sum()),
        "tpr": round(float(held[truth].mean()), 4) if truth.any() else None,
        "fpr": round(float(held[~truth].mean()), 5) if not truth.all() else None,
        "precision": round(float(truth[held].mean()), 4) if held.any() else None,
        "auroc": round(float(roc_auc_score(truth, table["suspicion"].to_numpy())), 4) if both else None,
        "poison_found": bool(record["poison_found"]),
        "p_value": float(record["p_value"]),
        "second_look": _second_look(record["groups"]),
        "statement": record["statement"],
    }


def _second_look(groups: Sequence[Mapping[str, Any]]) -> str:
    """Return what came of the leave-out retraining: what was called or held for it, else whether one was taken."""
    for outcome in ("confirmed", "refuted"):
        if any(group.get(outcome) for group in groups):
            return outcome
    asked = [group for group in groups if group.get("own") is not None]
    if not asked:
        return "none"
    return "nothing changed" if any(group["called"] for group in groups) else "not confirmed"
