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

    Counts of samples, the verdict's statement, smallest p-value and what its leave-out retraining did. Four shares in
    [0, 1]: ``tpr`` of the poison and ``fpr`` of the clean samples were quarantined; ``precision`` is the share of
    poison in the quarantine; ``auroc`` is of the suspicion. None where there is no poison, nothing clean, none
    quarantined. ``trigger_turned`` and ``trigger_control``: shares of the samples that a trigger was put on.
    """
    verdict = Verdict.open(verdict_dir)
    record, decision = verdict.record, verdict.decision
    truth = np.isin(verdict.sample_ids, sorted(poisoned))
    quarantined = decision == "quarantine"
    both = truth.any() and not truth.all()
    return {
        "poisoned": int(truth.sum()),
        "found": int((quarantined & truth).sum()),
        "clean": int((~truth).sum()),
        "wrongly_quarantined": int((quarantined & ~truth).sum()),
        "review": int((decision == "review").sum()),
        "tpr": round(float(quarantined[truth].mean()), 4) if truth.any() else None,
        "fpr": round(float(quarantined[~truth].mean()), 5) if not truth.all() else None,
        "precision": round(float(truth[quarantined].mean()), 4) if quarantined.any() else None,
        "auroc": round(float(roc_auc_score(truth, verdict.suspicion)), 4) if both else None,
        "poison_found": record.poison_found,
        "p_value": record.p_value,
        "retraining": _retraining_outcome(record.groups),
        **_trigger(record.groups),
        "statement": record.statement,
    }


def _trigger(groups: Sequence[Group]) -> dict[str, Any]:
    """Return how the trigger that turned most did, of the samples that it was put on; None where none was tried."""
    tried = [group.trigger for group in groups if group.trigger is not None]
    best = max(tried, key=lambda test: test.turned / test.tried, default=None)
    return {
        "trigger": None if best is None else best.words,
        "trigger_turned": None if best is None else round(best.turned / best.tried, 4),
        "trigger_control": None if best is None else round(best.at_random / best.tried, 4),
    }


def _retraining_outcome(groups: Sequence[Group]) -> str:
    """Return what came of the leave-out retraining: confirmed or refuted, else whether one was run."""
    for outcome in ("confirmed", "refuted"):
        if any(getattr(group, outcome) for group in groups):
            return outcome
    cohorts = [group for group in groups if group.own is not None]
    if not cohorts:
        return "none"
    return "nothing changed" if any(group.called for group in groups) else "not confirmed"
