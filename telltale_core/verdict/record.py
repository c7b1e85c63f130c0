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

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from telltale_core.config import to_dict
from telltale_core.drop import Drop
from telltale_core.drop.cohorts import Cohorts
from telltale_core.errors import Corrupt, NotFound
from telltale_core.losslog.files import write_json
from telltale_core.questions import as_record
from telltale_core.spectrum import Spectra, Spectrum
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.decision import Decisions, decide
from telltale_core.verdict.leave_out import Retrain
from telltale_core.verdict.review_questions import questions_on, statement_on
from telltale_core.verdict.statement import caveats, least_p_value

FORMAT = "telltale.verdict/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A verdict: ``record`` is the content of ``verdict.json``, ``table`` that of ``verdict.parquet``."""

    record: dict[str, Any]
    table: pa.Table

    @classmethod
    def open(cls, folder: Path) -> Verdict:
        """Return the verdict recorded in ``folder``; raises :class:`NotFound` or :class:`Corrupt`."""
        path = folder / "verdict.json"
        if not path.is_file():
            raise NotFound(f"no verdict in {folder}: expected {path.name}; run the cluster stage")
        record = json.loads(path.read_text(encoding="utf-8"))
        table = pq.read_table(folder / "verdict.parquet")
        if record.get("format") != FORMAT or table.num_rows != record["counts"]["samples"]:
            raise Corrupt(f"{folder} holds no whole verdict of format {FORMAT!r}; run the cluster stage again")
        return cls(record=record, table=table)


def conclude_on(
    sample_ids: NDArray[np.str_],
    spectra: Spectra,
    cohorts: Cohorts | None,
    config: VerdictConfig,
    retrain: Retrain | None = None,
    *,
    leaders: NDArray[np.str_] | None = None,
) -> Decisions:
    """Return the decisions on a drop's cohorts, None where all samples are compared with all, and its leaders."""
    if cohorts is None:
        return decide(sample_ids, spectra, None, None, config, leaders=leaders)
    number, names, word = cohorts.number, cohorts.names, cohorts.word
    return decide(sample_ids, spectra, number, names, config, word=word, retrain=retrain, leaders=leaders)


def judge(
    spectrum_dir: Path, drop: Drop, out: Path, config: VerdictConfig | None = None, retrain: Retrain | None = None
) -> Verdict:
    """Return the verdict on a drop from its recorded spectra and write it to the folder ``out``, its record last.

    ``retrain`` trains for a leave-out retraining of what is doubtful; without it none is done. Raises :class:`Corrupt`
    when the spectra belong to another drop.
    """
    config = config or VerdictConfig()
    spectrum = Spectrum.open(spectrum_dir)
    if spectrum.drop_digest != drop.digest or not np.array_equal(spectrum.sample_ids, drop.sample_ids):
        raise Corrupt(f"the spectra in {spectrum_dir} are of drop {spectrum.drop_digest[:12]}, not {drop.digest[:12]}")
    made = conclude_on(spectrum.sample_ids, spectrum.spectra, drop.cohorts, config, retrain, leaders=drop.leaders)
    return write_verdict(made, drop, out, config)


def write_verdict(made: Decisions, drop: Drop, out: Path, config: VerdictConfig) -> Verdict:
    """Return the verdict made of decisions in the drop's row order, and write it to the folder ``out``, record last."""
    verdict = Verdict(record=_record(made, drop, config), table=_table(drop.sample_ids, made))
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(verdict.table, out / "verdict.parquet", compression="zstd")
    write_json(out / "verdict.json", verdict.record)
    return verdict


def _table(sample_ids: NDArray[np.str_], made: Decisions) -> pa.Table:
    return pa.table(
        {
            "sample_id": pa.array(sample_ids.tolist(), pa.string()),
            "suspicion": pa.array(made.suspicion, pa.float64()),
            "cluster": pa.array(made.cluster, pa.int32()),
            "decision": pa.array(made.decision.tolist(), pa.string()),
            "reason": pa.array(made.reason.tolist(), pa.string()),
        }
    )


def _record(made: Decisions, drop: Drop, config: VerdictConfig) -> dict[str, Any]:
    counts = {name: int((made.decision == name).sum()) for name in ("keep", "quarantine", "review")}
    questions, doubtful = questions_on(made, config), int(made.doubtful.sum())
    return {
        "format": FORMAT,
        "drop_digest": drop.digest,
        "statement": statement_on(made, config),
        "poison_found": any(group.called for group in made.groups),
        "questions": as_record(questions),
        "needs_review": bool(questions),
        "p_value": least_p_value(made.groups),
        "false_alarm_rate": config.false_alarm_rate,
        "counts": {"samples": len(made.decision), **counts},
        "groups": [dataclasses.asdict(group) for group in made.groups],
        "untested": int(made.untested.sum()),
        "doubtful_labels": doubtful,
        "caveats": caveats(made.groups, doubtful, 0 if drop.cohorts is None else drop.cohorts.pooled),
        "config": to_dict(config),
    }
