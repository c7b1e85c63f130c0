"""Label issues by confident learning: samples whose given label the model's held-out probabilities do not support.

Source: Northcutt, Jiang, Chuang, "Confident Learning", JAIR 2021, through the library ``cleanlab`` (optional extra
``bench``). It looks for wrong labels, not for poison. What it is given, honestly: either (``source="features"``) a
linear classifier's probabilities, cross-validated over the samples - but on features which the proxy learnt with all
labels, so they are not held out from the proxy; or (``source="early"``) the proxy's own probabilities averaged over the
first snapshots, when it has not learnt labels by heart - in-sample, but early.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from telltale_core.bench.detectors.contract import Detector, Evidence, Need, Opinion, Sizes, counted, untested
from telltale_core.bench.detectors.evidence import the
from telltale_core.bench.detectors.optional_deps import require
from telltale_core.errors import ConfigError


@dataclass(kw_only=True)
class LabelIssues(Detector):
    """Flags what confident learning calls a label issue. ``suspicion_``: one minus the label's quality, in [0, 1].

    Labels with fewer samples than ``folds`` are left out. Complexity O(N D K) an iteration of the classifier; memory
    O(N (D + K)).
    """

    source_of: Literal["features", "early"] = "features"
    folds: int = 5
    early: float = 0.3
    seed: int = 0
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "label_issues"
    title: ClassVar[str] = "Label issues (cleanlab)"
    source: ClassVar[str] = "Northcutt et al., JAIR 2021"
    cost: ClassVar[str] = "O(N D K) an iteration"
    same_rows_same_suspicion: ClassVar[bool] = False  # copies fall into different folds

    def __post_init__(self) -> None:
        if self.source_of not in ("features", "early") or self.folds < 2 or not 0 < self.early <= 1:
            raise ConfigError("source_of must be 'features' or 'early', folds >= 2, early in (0, 1]")

    @property
    def needs(self) -> frozenset[Need]:
        """Labels, and features or the logits of every epoch."""
        return frozenset({Need.LABELS, Need.FEATURES if self.source_of == "features" else Need.LOGITS})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return the features a few times in float64 (a fold's copy, scaled), and the probabilities."""
        inner = 4 * sizes.d + 10 * max(sizes.classes, 2) + max(sizes.epochs, 1) * sizes.classes
        return 8 * sizes.n * inner + (16 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion of confident learning on the classes that are large enough."""
        cleanlab_filter, rank = require("cleanlab.filter", "bench"), require("cleanlab.rank", "bench")
        labels = the(evidence.labels)
        sizes = np.bincount(labels)
        rows = np.flatnonzero(sizes[labels] >= self.folds)
        names, indices = np.unique(labels[rows], return_inverse=True)
        if len(names) < 2:
            return untested(len(evidence), "not judged: fewer than two labels are large enough")
        chance_nK = self._probabilities(evidence, rows, names, indices)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library warns of small classes; what was left out is stated here
            wrong_n = cleanlab_filter.find_label_issues(indices, chance_nK, n_jobs=1)
            quality_n = rank.get_label_quality_scores(indices, chance_nK)
        suspicion_N, flagged_N = np.zeros(len(evidence)), np.zeros(len(evidence), dtype=bool)
        suspicion_N[rows], flagged_N[rows] = 1 - np.asarray(quality_n), np.asarray(wrong_n)
        held = "cross-validated on the proxy's features" if self.source_of == "features" else "of the first snapshots"
        return Opinion(
            suspicion=suspicion_N,
            flagged=flagged_N,
            reason="probabilities that were held out do not support its label",
            statement=counted(flagged_N, f"; probabilities {held}; it looks for wrong labels, not for poison"),
            details={"labels_left_out": int((sizes[sizes > 0] < self.folds).sum())},
        )

    def _probabilities(
        self, evidence: Evidence, rows: NDArray[np.int64], names: NDArray[np.int64], indices: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        if self.source_of == "early":
            first = max(1, round(self.early * the(evidence.logits).shape[1]))
            early_nTK = the(evidence.logits)[rows][:, :first][:, :, names].astype(np.float64)
            return np.asarray(softmax(early_nTK, axis=2).mean(axis=1))
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
        folds = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        x = np.asarray(the(evidence.features)[rows], dtype=np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return np.asarray(cross_val_predict(model, x, indices, cv=folds, method="predict_proba"))
