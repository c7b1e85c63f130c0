"""The verdict stage's record on disk: ``verdict.parquet`` (one row a sample) and, written last, ``verdict.json``.

==============  =======  ===========================================================================
column          type     meaning
==============  =======  ===========================================================================
``sample_id``   string   the drop's id
``suspicion``   double   in [0, 1], higher is worse; above one half only in a called cohort
``cluster``     int32    number of the cohort that it is set aside with, or on whose suspected side, -1: none
``decision``    string   ``keep``, ``quarantine`` or ``review``: set aside, or held for a person
``reason``      string   one sentence
==============  =======  ===========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from telltale_core.questions import Question
from telltale_core.records import Ids, RecordKind, Samples, as_ids
from telltale_core.verdict.constants import EXPERIMENT
from telltale_core.verdict.kind import Kind

Decision = Literal["keep", "quarantine", "review"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
SEVERITY: dict[str, int] = {"keep": 0, "review": 1, "quarantine": 2}
SCHEMA = pa.schema(
    {
        "sample_id": pa.string(),
        "suspicion": pa.float64(),
        "cluster": pa.int32(),
        "decision": pa.string(),
        "reason": pa.string(),
    }
)

TRIGGERS = pa.schema(
    {
        "cluster": pa.int32(),
        "sample_id": pa.string(),
        "turned": pa.bool_(),
        "after": pa.binary(),
    }
)
"""``triggers.parquet``: of each group that was tried, some samples with the trigger on them, packed as in the drop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerTest:
    """What became of kept samples of other labels that got what a called group shares (``words``) put on.

    Of ``tried`` samples, none of which the proxy took for the group's label before, it takes ``turned`` for it now;
    ``at_random``, of the same samples, as the best control of the same size does.
    """

    words: str
    tried: int
    turned: int
    at_random: int

    @property
    def works(self) -> bool:
        """Whether it turns more than a control does, by more than chance and by a tenth of the samples."""
        more = self.turned - self.at_random >= EXPERIMENT.least_share * self.tried
        return more and self.p_value <= EXPERIMENT.level

    @property
    def p_value(self) -> float:
        """The chance of so many more than of a control, did both turn alike (Fisher's test)."""
        from scipy.stats import fisher_exact  # here: reading a verdict should not take scipy.stats' import time

        table = [[self.turned, self.tried - self.turned], [self.at_random, self.tried - self.at_random]]
        return float(fisher_exact(table, alternative="greater").pvalue)

    @property
    def obeyed(self) -> bool:
        """Whether it turns so many more than a control does that the proxy obeys it: this is decided by."""
        return self.turned - self.at_random >= EXPERIMENT.obeyed * self.tried

    def sentence(self, into: str) -> str:
        """Return the finding as a clause."""
        put = f"{self.words}, which they share, put on {self.tried:,} kept samples with other answers"
        control = f"a control of the same size {self.at_random:,}"
        if self.works:
            return f"{put}, turned {self.turned:,} of them into {into}, {control}"
        return f"{put}, turned {self.turned:,} of them into {into}, {control}: that is no trigger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A cohort's line: ``statistic`` is d' between the two sides, ``p_value`` is corrected for the number of cohorts.

    It is None where d' is too far below ``threshold`` for anything to hang on it.
    ``kind`` "together": losses that move in step; "scatter": that swing otherwise than the rest's (the statistic is the
    gain of two Gaussians over one in nats a sample, the p-value the leave-out retraining's); "guess": losses held at
    that of a guess, whose statistic is that of Silverman's test; "features": samples of any label that share a feature,
    with the figures of "scatter"; "carriers": that carry a trigger, whose statistic is the share of others that it
    turns beyond a control. ``label`` None: all samples. ``size`` samples on the
    suspected side where the split is significant, else 0. A leave-out retraining leaves the share of them that a proxy
    which learnt without them gives their own label (``own``), the same of samples left out at random (``own_usual``),
    and how diverse the other answers are (``spread``, 1: as the drop); ``confirmed``: the cohort is called for these;
    ``refuted``: it is set aside for these, and else would be called; ``turned``: they made the smaller side the
    suspected one. ``number`` is its samples' in the column ``cluster``. Of the ``size`` samples ``copies`` are
    near-duplicates of each other, of ``originals`` different ones; ``only_copies``: it is set aside for
    them, and else would be called. ``taken_for`` is the line of the table of decisions that fits it.
    ``trigger``: what an experiment on it found, see ``experiment.py``; None where none was made.
    """

    label: int | None
    label_name: str | None
    samples: int
    size: int
    statistic: float
    threshold: float
    p_value: float | None
    tested: bool
    called: bool
    quarantined: int = 0
    review: int = 0
    kind: Kind = Kind.TOGETHER
    word: str = "label"
    confirmed: bool = False
    own: float | None = None
    own_usual: float | None = None
    spread: float | None = None
    refuted: bool = False
    turned: bool = False
    number: int | None = None
    copies: int = 0
    originals: int = 0
    only_copies: bool = False
    taken_for: str = ""
    trigger: TriggerTest | None = None

    @property
    def title(self) -> str:
        """What the group is called where people decide: by its answer, and by the number that names it."""
        name = self.label_name or "all samples"
        return name if self.number is None else f"{name} (group {self.number})"

    @property
    def different(self) -> int:
        """How many different samples the suspected side has: a group of near-duplicates is one."""
        return self.size - self.copies + self.originals


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The published samples that a drop was judged with: of which versions, how many, and how many are suspected."""

    versions: list[int]
    samples: int
    suspected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One of several readings of a drop: by which columns, the digest of the drop read so, and its cohorts."""

    by: str
    drop_digest: str
    groups: list[Group]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRecord:
    """What is said of the drop as a whole: the content of ``verdict.json``.

    ``counts``: samples in all (``samples``) and by decision. ``p_value`` is the smallest of the cohorts that were
    tested, ``untested`` and ``doubtful_labels`` count samples. The last three are there only where a drop was judged
    with published versions, or by several inputs or labels.
    """

    drop_digest: str
    statement: str
    poison_found: bool
    questions: list[Question]
    needs_review: bool
    p_value: float
    false_alarm_rate: float
    counts: dict[str, int]
    groups: list[Group]
    untested: int
    doubtful_labels: int
    caveats: list[str]
    config: dict[str, Any]
    history: History | None = None
    readings: list[Reading] | None = None
    also_judged: list[str] | None = None

    @property
    def open_questions(self) -> list[Question]:
        """What a person must decide; a verdict that only says that it needs one asks its statement."""
        if self.needs_review and not self.questions:
            return [Question(code="verdict", text=self.statement.rstrip("."))]
        return self.questions

    @property
    def values(self) -> dict[str, Any]:
        """The record as JSON values, as they are published."""
        return VERDICT.values(self)


VERDICT = RecordKind(
    type=VerdictRecord,
    name="verdict",
    file="verdict.json",
    format="telltale.verdict/1",
    cure="run the cluster stage",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict:
    """A verdict: ``record`` on the drop as a whole, ``table`` with one row a sample (see ``SCHEMA``)."""

    record: VerdictRecord
    table: pa.Table

    @classmethod
    def open(cls, folder: Path, *, drop: Samples | None = None) -> Verdict:
        """Return the verdict in ``folder``, in the row order of ``drop`` if it is given.

        Raises :class:`NotFound` without one, and :class:`Corrupt` for one that is not whole, of another drop, or that
        does not judge each sample of the drop exactly once.
        """
        record, path = VERDICT.read(folder), folder / "verdict.parquet"
        if drop is not None:
            VERDICT.check_drop(record.drop_digest, drop)
        table = VERDICT.table(path, SCHEMA)
        if drop is not None:
            table = VERDICT.aligned(table, drop)
        verdict = cls(record=record, table=table)
        if unknown := set(pc.unique(table["decision"]).to_pylist()) - set(DECISIONS):
            name = str(unknown.pop())[:40]
            VERDICT.corrupt(f"{path}: decision must be one of {', '.join(DECISIONS)}, found {name!r}")
        if not bool(((verdict.suspicion >= 0) & (verdict.suspicion <= 1)).all()):
            VERDICT.corrupt(f"{path}: every suspicion must be in [0, 1]")
        if (counts := counts_of(verdict.decision)) != record.counts:
            VERDICT.corrupt(f"{folder / VERDICT.file} states counts {record.counts}, {path.name} holds {counts}")
        return verdict

    def write(self, folder: Path, **tables: pa.Table) -> Verdict:
        """Return the verdict, written to ``folder`` beside further tables, its record last."""
        VERDICT.write(folder, self.record, verdict=self.table, **tables)
        return self

    @property
    def sample_ids(self) -> Ids:
        """Ids of the samples (N,), in order."""
        return as_ids(self.table["sample_id"])

    @property
    def decision(self) -> NDArray[np.str_]:
        """Decisions, (N,) of text."""
        number_N = pc.index_in(self.table["decision"], pa.array(DECISIONS)).to_numpy()
        return np.array(DECISIONS, dtype="U10")[np.asarray(number_N, dtype=np.int64)]

    @property
    def suspicion(self) -> NDArray[np.float64]:
        """Suspicion, (N,) float64 in [0, 1], higher is worse."""
        return np.asarray(self.table["suspicion"].to_numpy(), dtype=np.float64)

    def rows(self, *decisions: str) -> NDArray[np.int64]:
        """Return the row numbers, ascending, that carry one of the decisions."""
        return np.flatnonzero(np.isin(self.decision, decisions))


def counts_of(decision_N: NDArray[np.str_]) -> dict[str, int]:
    """Return how many samples there are, and how many of each decision."""
    return {"samples": len(decision_N), **{name: int((decision_N == name).sum()) for name in DECISIONS}}
