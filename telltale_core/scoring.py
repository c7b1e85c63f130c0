"""A verdict held against the truth. Nothing that decides may import this: truth is read once the verdict stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from telltale_core.verdict import Group, Verdict


def score(verdict_dir: Path, poisoned: Collection[str]) -> dict[str, Any]:
    """Return what the verdict found of the truth; ``poisoned`` are ids.

    Counts of samples, the verdict's statement, smallest p-value and what its second look did; four shares in [0, 1]:
    ``tpr`` of the poison and ``fpr`` of the clean samples were quarantined, ``precision`` of the quarantined are
    poison, ``auroc`` of the suspicion. None where there is no poison, nothing clean, or nothing quarantined.
    """
    verdict = Verdict.open(verdict_dir)
    record, decision = verdict.record, verdict.decision_N
    ids = np.asarray(verdict.sample_ids)
    truth = np.isin(ids, sorted(poisoned))
    held = decision == "quarantine"
    both = truth.any() and not truth.all()
    return {
        "poisoned": int(truth.sum()),
        "found": int((held & truth).sum()),
        "clean": int((~truth).sum()),
        "wrongly_quarantined": int((held & ~truth).sum()),
        "review": int((decision == "review").sum()),
        "tpr": round(float(held[truth].mean()), 4) if truth.any() else None,
        "fpr": round(float(held[~truth].mean()), 5) if not truth.all() else None,
        "precision": round(float(truth[held].mean()), 4) if held.any() else None,
        "auroc": round(float(roc_auc_score(truth, verdict.suspicion_N)), 4) if both else None,
        "poison_found": record.poison_found,
        "p_value": record.p_value,
        "second_look": _second_look(record.groups),
        "statement": record.statement,
    }


def _second_look(groups: Sequence[Group]) -> str:
    """Return what came of the second look: what was called or held for it, else whether one was taken."""
    for outcome in ("confirmed", "refuted"):
        if any(getattr(group, outcome) for group in groups):
            return outcome
    asked = [group for group in groups if group.own is not None]
    if not asked:
        return "none"
    return "nothing changed" if any(group.called for group in groups) else "not confirmed"
