"""A case judged by any detector behind the contract: from the same training, kept by content, with time and memory.

A clean set comes from outside the drop (:func:`telltale_core.bench.data.clean_set`); the known clean samples inside it,
which one detector asks for, are drawn at random from what the truth calls clean, as somebody's vouching would.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from telltale_core.attacks import Poisoned
from telltale_core.bench.cases import Case
from telltale_core.bench.detectors import DETECTORS, CleanSet
from telltale_core.bench.detectors.comparison import DEFAULT_QUORUM, compare
from telltale_core.bench.detectors.record import Recorded
from telltale_core.bench.detectors.runner import Question, ask
from telltale_core.drop import Drop

KNOWN_CLEAN = 250
"""As many as BaDLoss was published with, at most a twenty-fifth of the drop."""
COMBINED = "combined"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A poisoned and trained case: ``ids`` in ``poisoned_set``'s row order, the clean set, where things are kept."""

    case: Case
    poisoned_set: Poisoned
    ids: list[str]
    drop: Drop
    train_dir: Path
    clean: CleanSet
    work: Path


def opinions_on(trained: Trained, names: Iterable[str]) -> list[Recorded]:
    """Return the opinions of the named detectors on a trained drop; those that stand already are read."""
    question = Question(
        drop=trained.drop,
        train_dir=trained.train_dir,
        work=trained.work,
        clean=trained.clean,
        known_clean=_vouched(trained),
    )
    return ask(question, [name for name in names if name != COMBINED], strict=True).opinions


def _vouched(trained: Trained) -> list[str]:
    poisoned_set, ids = trained.poisoned_set, trained.ids
    honest = np.flatnonzero(~(poisoned_set.truth | poisoned_set.cover | poisoned_set.mislabelled))
    count = min(KNOWN_CLEAN, len(ids) // 25)
    return [ids[row] for row in np.random.default_rng([trained.case.seed, 1]).choice(honest, count, replace=False)]


def score_opinion(opinion: Recorded, poisoned: Collection[str]) -> dict[str, Any]:
    """Return an opinion held against the truth, in the words of :func:`telltale_core.verdict.scoring.score`.

    ``poison_found`` says only that somebody was flagged: nothing, of a detector that flags a set share.
    """
    usage, details = opinion.record["usage"], opinion.record["details"]
    return {
        **score_rows(opinion.sample_ids, opinion.flagged, opinion.suspicion, poisoned),
        "review": int(details.get("review", 0)),
        "p_value": float(details.get("p_value", 1.0)),
        "statement": opinion.record["statement"],
        "opinion_s": float(usage["seconds"]),
        "opinion_cpu_s": float(usage["cpu_s"]),
        "peak_mb": round(usage["peak_bytes"] / 1e6, 1),
        "estimate_mb": round(opinion.record["estimate_bytes"] / 1e6, 1),
        "needs": ", ".join(opinion.record["needs"]),
        "budgeted": bool(opinion.record["budgeted"]),
        "settings": json.dumps(opinion.record["params"], sort_keys=True),
    }


def score_combined(opinions: list[Recorded], poisoned: Collection[str]) -> dict[str, Any]:
    """Return the score of the stated rule that combines opinions: at least two voters flag a sample."""
    both = compare(opinions)
    flagged = both.combined()
    return {
        **score_rows(opinions[0].sample_ids, flagged, both.votes.astype(np.float64), poisoned),
        "review": 0,
        "p_value": 1.0,
        "statement": f"{int(flagged.sum())} samples flagged by at least {DEFAULT_QUORUM} of {', '.join(both.voters)}",
        **dict.fromkeys(("opinion_s", "opinion_cpu_s", "peak_mb", "estimate_mb"), 0.0),
        "needs": "the others' opinions",
        "budgeted": False,
        "settings": json.dumps({"quorum": DEFAULT_QUORUM, "voters": both.voters}, sort_keys=True),
    }


def score_rows(ids: Any, flagged: Any, suspicion: Any, poisoned: Collection[str]) -> dict[str, Any]:
    """Return counts and shares of flags and the AUROC of a suspicion, (N,) each, held against ids of the poison."""
    truth = np.isin(ids, sorted(poisoned))
    both = truth.any() and not truth.all()
    return {
        "poisoned": int(truth.sum()),
        "found": int((flagged & truth).sum()),
        "clean": int((~truth).sum()),
        "wrongly_quarantined": int((flagged & ~truth).sum()),
        "tpr": round(float(flagged[truth].mean()), 4) if truth.any() else None,
        "fpr": round(float(flagged[~truth].mean()), 5) if not truth.all() else None,
        "precision": round(float(truth[flagged].mean()), 4) if flagged.any() else None,
        "auroc": round(float(roc_auc_score(truth, suspicion)), 4) if both else None,
        "poison_found": bool(flagged.any()),
    }


def known_names() -> tuple[str, ...]:
    """Return the names that a suite may judge by, the combination last."""
    return (*DETECTORS, COMBINED)
