"""From recorded spectra to the verdict: the decisions on a drop's cohorts, and what is said of them as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telltale_core.config import to_dict
from telltale_core.drop import Drop
from telltale_core.drop.grouping import Grouping
from telltale_core.records import Ids, as_column
from telltale_core.spectrum import Spectrum
from telltale_core.verdict.conclude import Decisions, conclude_on
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.experiment import Ask, experiment_on
from telltale_core.verdict.leave_out import Retrain
from telltale_core.verdict.proposals.carriers import Carriers
from telltale_core.verdict.record import SCHEMA, Verdict, VerdictRecord, counts_of
from telltale_core.verdict.review_questions import questions_on, statement_on
from telltale_core.verdict.statement import caveats, least_p_value


def judge(
    spectrum_dir: Path,
    drop: Drop,
    out: Path,
    config: VerdictConfig | None = None,
    retrain: Retrain | None = None,
    *,
    trained: NDArray[np.floating] | None = None,
    answers: NDArray[np.int64] | None = None,
    ask: Ask | None = None,
) -> Verdict:
    """Return the verdict on a drop from its recorded spectra and write it to the folder ``out``, its record last.

    ``retrain`` trains for a leave-out retraining of what is doubtful; without it none is done. ``trained`` (N, F) is
    what the proxy's last layer was given of the drop's samples, ``answers`` (N,) what it took each for early. ``ask``
    has the proxy answer to changed samples: without it no trigger is tried. Raises :class:`Corrupt` when the spectra
    belong to another drop.
    """
    config = config or VerdictConfig()
    spectrum = Spectrum.open(spectrum_dir, drop=drop)
    experiment = None if ask is None else experiment_on(drop, ask, config.seed)
    decisions = conclude_on(
        spectrum.sample_ids,
        spectrum.spectra,
        drop.cohorts,
        config,
        retrain,
        leaders=drop.leaders,
        label_sets=drop.label_sets,
        trained=trained,
        experiment=experiment,
        search=None
        if experiment is None or answers is None
        else Carriers(drop=drop, experiment=experiment, answers=answers, seed=config.seed),
    )
    return write_verdict(decisions, drop, out, config)


def write_verdict(decisions: Decisions, drop: Drop, out: Path, config: VerdictConfig) -> Verdict:
    """Return the verdict made of decisions in the drop's row order, and write it to the folder ``out``, record last."""
    verdict = Verdict(record=_record(decisions, drop, config), table=_table(drop.sample_ids, decisions))
    return verdict.write(out, triggers=decisions.triggers)


def _table(sample_ids: Ids, decisions: Decisions) -> pa.Table:
    columns = (
        as_column(sample_ids),
        decisions.suspicion,
        decisions.cluster,
        pa.array(decisions.decision, pa.string()),
        pa.array(decisions.reason, pa.string()),
    )
    return pa.table(list(columns), schema=SCHEMA)


def _record(decisions: Decisions, drop: Drop, config: VerdictConfig) -> VerdictRecord:
    questions, doubtful = list(dict.fromkeys(questions_on(decisions, config))), int(decisions.doubtful.sum())
    pooled, grouping = (0, Grouping.NONE) if drop.cohorts is None else (drop.cohorts.pooled, drop.cohorts.grouping)
    return VerdictRecord(
        drop_digest=drop.digest,
        statement=statement_on(decisions, config),
        poison_found=any(group.called for group in decisions.groups),
        questions=questions,
        needs_review=bool(questions),
        p_value=least_p_value(decisions.groups),
        false_alarm_rate=config.false_alarm_rate,
        counts=counts_of(decisions.decision),
        groups=list(decisions.groups),
        untested=int(decisions.untested.sum()),
        doubtful_labels=doubtful,
        caveats=caveats(decisions.groups, doubtful, pooled, grouping),
        config=to_dict(config),
    )
