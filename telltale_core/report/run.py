"""One run as the report sees it: the records of all stages, aligned by sample id, with counts that add up.

Shape letters: N samples, T snapshots, D feature dimensions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from telltale_core.errors import Corrupt, NotFound
from telltale_core.questions import Question, questions_of

if TYPE_CHECKING:
    from telltale_core.drop import Drop
    from telltale_core.losslog import LossLog

DECISIONS = ("keep", "quarantine", "review")
NEAR_MISS = "No poison found, but a near miss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Where every ingested row went: ``ingested = published + quarantined + review + rejected``, or it raises.

    ``review`` counts what is set aside without being quarantined.
    """

    ingested: int
    published: int
    quarantined: int
    review: int
    rejected: int

    def __post_init__(self) -> None:
        parts = self.published + self.quarantined + self.review + self.rejected
        if self.ingested != parts:
            raise Corrupt(
                f"counts do not add up: {self.ingested} ingested, but {self.published} published + {self.quarantined} "
                f"quarantined + {self.review} set aside + {self.rejected} rejected = {parts}; run its stage again"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One cohort's line in the verdict; ``over``: the detector calls it, or its statistic is above the threshold.

    ``own`` and ``own_usual``: shares of the suspected samples, and of others, that a proxy which learnt without them
    gives their own answer; None where no leave-out retraining was done.
    """

    label: int | None
    name: str
    samples: int
    statistic: float
    threshold: float
    p_value: float | None
    quarantined: int
    review: int
    tested: bool
    over: bool
    own: float | None = None
    own_usual: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """What a run says as a whole: its verdict and where its rows went, without a record of each sample."""

    drop: Drop
    counts: Counts
    verdict: dict[str, Any]

    @property
    def word(self) -> str:
        """What samples are compared within: a label, a target range, a label set; a group where there are none."""
        return "group" if self.drop.cohorts is None else self.drop.cohorts.word

    @property
    def status(self) -> str:
        """``poison``, ``review``, ``untested`` or ``clean``: what the verdict says of the drop as a whole."""
        if self.verdict.get("poison_found"):
            return "poison"
        if self.questions or self.verdict.get("needs_review"):
            return "review"
        tested = [bool(group.get("tested", True)) for group in self.verdict.get("groups") or []]
        return "untested" if tested and not any(tested) else "clean"

    @property
    def questions(self) -> list[Question]:
        """What a person must decide before anything is published: on the drop, then on the verdict."""
        return [*questions_of(self.drop.manifest), *questions_of(self.verdict)]

    @property
    def near_miss(self) -> bool:
        """Whether nothing was called, but a group came near enough to be set aside."""
        return self.status == "clean" and any(group.review for group in self.groups() if group.tested)

    def label_name(self, label: int | None) -> str:
        """Return what to call a label; the whole drop where there is none."""
        if label is None:
            return "all samples"
        names = (None if self.drop.cohorts is None else self.drop.cohorts.names) or ()
        return str(names[label]) if 0 <= label < len(names) else f"{self.word} {label}"

    def groups(self) -> list[Group]:
        """Return the verdict's groups whose statistic is a number: called ones, then those nearest their threshold."""
        made = []
        for given in self.verdict.get("groups") or []:
            statistic, threshold = number(given.get("statistic")), number(given.get("threshold"))
            label = given.get("label")
            if statistic is not None and threshold is not None:
                group = Group(
                    label=label,
                    name=str(given.get("label_name") or self.label_name(label)),
                    samples=int(given.get("samples") or given.get("size") or 0),
                    statistic=statistic,
                    threshold=threshold,
                    p_value=number(given.get("p_value")),
                    quarantined=int(given.get("quarantined") or 0),
                    review=int(given.get("review") or 0),
                    tested=bool(given.get("tested", True)),
                    over=bool(given.get("called", statistic > threshold)),
                    own=number(given.get("own")),
                    own_usual=number(given.get("own_usual")),
                )
                made.append(group)
        return sorted(made, key=lambda group: (not group.over, group.threshold - group.statistic))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run(Outline):
    """The records of one run in the drop's row order; arrays are not to be written to."""

    spectrum: dict[str, Any]
    decision_N: npt.NDArray[np.str_]
    suspicion_N: npt.NDArray[np.float64]
    cluster_N: npt.NDArray[np.int64]
    reason_N: npt.NDArray[np.object_]
    log_loss_NT: npt.NDArray[np.float32]
    epoch_T: npt.NDArray[np.int64]
    step_T: npt.NDArray[np.int64]
    features_ND: npt.NDArray[np.float32] | None

    @property
    def labels_N(self) -> npt.NDArray[np.int64] | None:  # noqa: N802
        """Labels of all samples, else the numbers of their ranges of targets; None where there are none."""
        return None if self.drop.cohorts is None else self.drop.cohorts.number

    def worst_first(self, decision: str | None = None) -> npt.NDArray[np.int64]:
        """Return row numbers by falling suspicion, ties by row, of one decision or of all."""
        rows = np.arange(len(self.suspicion_N)) if decision is None else np.flatnonzero(self.decision_N == decision)
        return rows[np.argsort(-self.suspicion_N[rows], kind="stable")]


def read_outline(drop: Drop, verdict_dir: Path) -> Outline:
    """Return a run's verdict and counts; raises as :func:`read_run` does. Memory holds one column."""
    verdict = _json(verdict_dir / "verdict.json")
    _check_drop("verdict", verdict.get("drop_digest"), drop)
    decided = pq.read_table(verdict_dir / "verdict.parquet", columns=["decision"])["decision"].to_pylist()
    return Outline(drop=drop, verdict=verdict, counts=_counts(drop, verdict, _decisions(decided)))


def read_run(drop: Drop, losslog: LossLog, spectrum_dir: Path, verdict_dir: Path) -> Run:
    """Return the run's records aligned to the drop's rows.

    Raises :class:`NotFound` for an absent verdict and :class:`Corrupt` where records speak of other samples, another
    drop, or counts that do not add up.
    """
    verdict = _json(verdict_dir / "verdict.json")
    ids = [str(name) for name in drop.sample_ids]
    for what, digest in (("verdict", verdict.get("drop_digest")), ("loss log", losslog.drop_digest)):
        _check_drop(what, digest, drop)
    table = pq.read_table(verdict_dir / "verdict.parquet")
    order = _order(ids, table["sample_id"].to_pylist(), "verdict")
    decision = _decisions(table["decision"].to_pylist())[order]
    loss_order = _order(ids, [str(name) for name in losslog.sample_ids], "loss log")
    loss = losslog.log_loss
    in_order = bool(np.array_equal(loss_order, np.arange(len(ids))))
    return Run(
        drop=drop,
        counts=_counts(drop, verdict, decision),
        verdict=verdict,
        spectrum=_json(spectrum_dir / "spectrum.json", needed=False),
        decision_N=decision,
        suspicion_N=np.nan_to_num(table["suspicion"].to_numpy().astype(np.float64)[order], nan=0.0),
        cluster_N=table["cluster"].to_numpy().astype(np.int64)[order],
        reason_N=np.asarray([text or "" for text in table["reason"].to_pylist()], dtype=object)[order],
        log_loss_NT=loss if in_order else loss[loss_order],
        epoch_T=np.asarray(losslog.epoch_T, dtype=np.int64),
        step_T=np.asarray(losslog.step_T, dtype=np.int64),
        features_ND=_features(spectrum_dir / "spectrum.parquet", ids),
    )


def _check_drop(what: str, digest: object, drop: Drop) -> None:
    if digest is not None and digest != drop.digest:
        raise Corrupt(f"the {what} belongs to drop {str(digest)[:12]}, not to {drop.digest[:12]}; run its stage again")


def _decisions(decided: list[object]) -> npt.NDArray[np.str_]:
    strange = set(decided) - set(DECISIONS)
    if strange:
        raise Corrupt(f"verdict.parquet holds decision {str(strange.pop())[:40]!r}; known: {', '.join(DECISIONS)}")
    return np.asarray(decided, dtype="U10")


def number(value: Any) -> float | None:
    """Return a finite number as a float, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _json(path: Path, *, needed: bool = True) -> dict[str, Any]:
    if not path.is_file():
        if needed:
            raise NotFound(f"{path} does not exist: the stage before the report is not complete")
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise Corrupt(f"{path} must hold a JSON object, found {type(value).__name__}")
    return value


def _order(wanted: list[str], given: list[str], what: str) -> npt.NDArray[np.int64]:
    # Plain lists: a numpy string array is as wide as its longest id, and ids come from outside.
    if wanted == given:
        return np.arange(len(wanted))
    place = {name: row for row, name in enumerate(given)}
    missing = [name for name in wanted if name not in place]
    if missing or len(given) != len(wanted) or len(place) != len(given):
        raise Corrupt(
            f"the {what} has {len(given)} rows ({len(place)} different samples) and lacks {len(missing)} of the drop's "
            f"{len(wanted)} samples; run its stage again"
        )
    return np.asarray([place[name] for name in wanted], dtype=np.int64)


def _counts(drop: Drop, verdict: Mapping[str, Any], decision: npt.NDArray[np.str_]) -> Counts:
    found = {name: int(np.count_nonzero(decision == name)) for name in DECISIONS}
    stated = verdict.get("counts", {})
    for name in DECISIONS:
        if name in stated and stated[name] != found[name]:
            raise Corrupt(f"verdict.json states {stated[name]} samples to {name}, verdict.parquet holds {found[name]}")
    ingest = drop.manifest.get("counts", {})
    rejected = int(ingest.get("rejected", 0))
    return Counts(
        ingested=int(ingest.get("seen", len(decision) + rejected)),
        published=found["keep"],
        quarantined=found["quarantine"],
        review=found["review"],
        rejected=rejected,
    )


def _features(path: Path, ids: list[str]) -> npt.NDArray[np.float32] | None:
    if not path.is_file():
        return None
    table = pq.read_table(path)
    if "features" not in table.column_names or table.num_rows == 0:
        return None
    values = table["features"].combine_chunks()
    features = np.asarray(values.flatten(), dtype=np.float32).reshape(table.num_rows, -1)
    if "finite" in table.column_names:  # rows whose numbers stand for nothing
        features = np.where(np.asarray(table["finite"].to_pylist(), dtype=bool)[:, None], features, np.float32(np.nan))
    return features[_order(ids, table["sample_id"].to_pylist(), "spectrum")]
