"""Several inputs or labels of a drop judged together: one reading, one proxy and one verdict a pair, joined into one.

The first reading is the drop's own, whose rows are published; the others read the same rows by other columns. A sample
is quarantined if any verdict quarantines it, and held for review if any holds it or could not read it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telltale_core.config import from_dict, to_dict
from telltale_core.digest import code_version, digest_of
from telltale_core.drop import Drop, DropConfig
from telltale_core.drop.manifest import Manifest
from telltale_core.questions import Question
from telltale_core.stages.inputs import Record, Settings
from telltale_core.stages.pipeline import cluster, ingest, join, spectrum, train
from telltale_core.stages.results import opened
from telltale_core.stages.stage import Stage, produce
from telltale_core.storage import WorkArea
from telltale_core.verdict.record import SCHEMA, SEVERITY, Reading, Verdict, VerdictRecord, counts_of

OF_AN_ANSWER = ("target_column", "label_columns", "target_columns", "num_classes", "label_names", "task")
Run = Callable[[Stage, Record | str, Settings], Record]
"""Runs a stage with its own settings: here, or as a task of an orchestrator."""


def readings(settings: Settings) -> list[dict[str, Any]]:
    """Return the settings of each reading of a drop, its own first: each of its inputs with each of its labels."""
    config = from_dict(DropConfig, settings, "drop")
    plain = {**to_dict(config), "also_inputs": [], "also_labels": []}
    plans = []
    for input_, label in itertools.product((None, *config.also_inputs), (None, *config.also_labels)):
        by_input = {} if input_ is None else {"input_column": input_, "input_columns": None}
        by_label = {} if label is None else {**dict.fromkeys(OF_AN_ANSWER), "label_column": label}
        plans.append(to_dict(from_dict(DropConfig, {**plain, **by_input, **by_label}, "drop")))
    return plans


def through(stages: Iterable[Stage], upstream: Record | str, settings: Mapping[str, Settings], run: Run) -> Any:
    """Return the record of the last of ``stages``, each run with the record of the one before it."""
    for stage in stages:
        upstream = run(stage, upstream, settings[stage.settings])
    return upstream


def judged(
    source: str,
    settings: Mapping[str, Settings],
    run: Run,
    earlier: Callable[[Record], Sequence[Any]] = lambda _drop: (),
) -> list[Record]:
    """Return the record of the verdict on each reading of a drop; :func:`together` joins them.

    ``earlier`` says with which published versions a drop is judged, if with any.
    """
    verdicts = []
    for reading in readings(settings["drop"]):
        drop = run(ingest, source, reading)
        if versions := earlier(drop):
            drop = run(join, drop, {"versions": versions})
        verdicts.append(through((train, spectrum, cluster), drop, settings, run))
    return verdicts


def together(verdicts: Sequence[Record], work: str, settings: Settings) -> Record:
    """Return the record of the verdict that joins those of the readings of one drop; of a single one, itself.

    ``settings`` are those of :class:`DropConfig` that :func:`readings` was given.
    """
    first = verdicts[0]
    if len(verdicts) == 1:
        return first
    key = digest_of(["together", *(record["key"] for record in verdicts), code_version(("stages",))])

    def compute(area: WorkArea) -> None:
        _write(verdicts, work, area.path(cluster.folder, key), settings)
        area.push(cluster.folder, key, cluster.record)

    joined = produce(cluster, key, first, first["settings"]["verdict"], work, compute=compute).record
    return {**joined, "settings": {**joined["settings"], "drop": dict(settings)}}


def _write(verdicts: Sequence[Record], work: str, folder: Path, settings: Settings) -> None:
    areas = [opened(verdict, work) for verdict in verdicts]
    drops = [area.drop() for area in areas]
    opened_verdicts = [Verdict.open(area.folder("cluster"), drop=drop) for area, drop in zip(areas, drops, strict=True)]
    names, table = [_drop_name(drop.manifest) for drop in drops], opened_verdicts[0].table
    columns = {name: table[name].to_pylist() for name in SCHEMA.names}
    for drop, verdict, name in zip(drops[1:], opened_verdicts[1:], names[1:], strict=True):
        _join(columns, _sources(drops[0]), _by_source(drop, verdict), name)
    config = from_dict(DropConfig, settings, "drop")
    decision_N = np.asarray(columns["decision"], dtype="U10")
    record = _record([verdict.record for verdict in opened_verdicts], names, decision_N)
    record = dataclasses.replace(record, also_judged=[*config.also_inputs, *config.also_labels])
    Verdict(record=record, table=pa.table(columns, schema=SCHEMA)).write(folder)


def _sources(drop: Drop) -> list[str]:
    sources: list[str] = drop.sources.tolist()
    return sources


def _by_source(drop: Drop, verdict: Verdict) -> dict[str, tuple[float, str, str]]:
    """Return suspicion, decision and reason by where a row stands in the source: ids may differ between readings."""
    values = (verdict.table[name].to_pylist() for name in ("suspicion", "decision", "reason"))
    return dict(zip(_sources(drop), zip(*values, strict=True), strict=True))


def _join(
    columns: dict[str, list[Any]], rows: Sequence[str], other: dict[str, tuple[float, str, str]], name: str
) -> None:
    for row, source in enumerate(rows):
        suspicion, decision, reason = other.get(
            source, (0.0, "review", "the row cannot be read so, and was not judged")
        )
        columns["suspicion"][row] = max(columns["suspicion"][row], suspicion)
        if SEVERITY[decision] > SEVERITY[columns["decision"][row]]:
            columns["decision"][row], columns["cluster"][row] = decision, -1
            columns["reason"][row] = f"{reason} (by {name})"


def _record(records: Sequence[VerdictRecord], names: Sequence[str], decision_N: NDArray[np.str_]) -> VerdictRecord:
    first, counts = records[0], counts_of(decision_N)
    held, most = 1 - counts["keep"] / len(decision_N), first.config.get("review_share", 1.0)
    questions = [
        dataclasses.replace(question, text=f"{question.text} (by {name})")
        for record, name in zip(records, names, strict=True)
        for question in record.questions
    ]
    if held > most:
        text = f"all verdicts together hold back {held:.1%} of the samples, more than {most:.1%}"
        questions.append(Question(code="held_together", text=text, cure="verdict.review_share"))
    return dataclasses.replace(
        first,
        statement=" ".join(f"By {name}: {one.statement}" for one, name in zip(records, names, strict=True)),
        poison_found=any(record.poison_found for record in records),
        needs_review=held > most or any(record.needs_review for record in records),
        p_value=min(record.p_value for record in records),
        counts=counts,
        caveats=list(dict.fromkeys(caveat for record in records for caveat in record.caveats)),
        questions=list(dict.fromkeys(questions)),
        readings=[
            Reading(by=name, drop_digest=record.drop_digest, groups=record.groups)
            for name, record in zip(names, records, strict=True)
        ],
    )


def _drop_name(manifest: Manifest) -> str:
    columns = manifest["columns"]
    answer = columns.get("label", columns.get("target"))
    return f"{columns['input']!a} and {answer!a}"
