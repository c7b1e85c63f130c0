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
import pyarrow.compute as pc
import pyarrow.parquet as pq

from telltale_core.config import from_dict, to_dict
from telltale_core.digest import code_version, digest_of
from telltale_core.drop import DropConfig
from telltale_core.losslog.files import write_json
from telltale_core.questions import Question, as_record, questions_of
from telltale_core.stages.inputs import Record, Settings
from telltale_core.stages.pipeline import cluster, ingest, join, spectrum, train
from telltale_core.stages.results import folder_of, open_drop, read_record
from telltale_core.stages.stage import Stage, produce
from telltale_core.storage import WorkArea

OF_AN_ANSWER = ("target_column", "label_columns", "target_columns", "num_classes", "label_names", "task")
Run = Callable[[Stage, Record | str, Settings], Record]
"""Runs a stage with its own settings: here, or as a task of an orchestrator."""
RANK = {"keep": 0, "review": 1, "quarantine": 2}


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
    own = open_drop(verdicts[0], work)
    table = pq.read_table(folder_of(verdicts[0], "cluster", work) / "verdict.parquet")
    records = [read_record(verdict, "cluster", work) for verdict in verdicts]
    names = [_drop_name(open_drop(verdict, work).manifest) for verdict in verdicts]
    sources = own.samples().select(["sample_id", "source"])
    place = dict(zip(sources["sample_id"].to_pylist(), sources["source"].to_pylist(), strict=True))
    rows = [place[name] for name in table["sample_id"].to_pylist()]
    columns = {name: table[name].to_pylist() for name in ("suspicion", "cluster", "decision", "reason")}
    for verdict, name in zip(verdicts[1:], names[1:], strict=True):
        _join(columns, rows, _by_source(verdict, work), name)
    for name, values in columns.items():
        table = table.set_column(
            table.schema.get_field_index(name), name, pa.array(values, table.schema.field(name).type)
        )
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "verdict.parquet", compression="zstd")
    config = from_dict(DropConfig, settings, "drop")
    joined = _record(records, names, columns["decision"])
    write_json(folder / "verdict.json", {**joined, "also_judged": [*config.also_inputs, *config.also_labels]})


def _by_source(verdict: Record, work: str) -> dict[str, tuple[float, str, str]]:
    """Return suspicion, decision and reason by where a row stands in the source: ids may differ between readings."""
    judged = pq.read_table(folder_of(verdict, "cluster", work) / "verdict.parquet")
    samples = open_drop(verdict, work).samples()
    order = pc.index_in(judged["sample_id"], samples["sample_id"].combine_chunks())
    sources = samples["source"].take(order).to_pylist()
    values = (judged[name].to_pylist() for name in ("suspicion", "decision", "reason"))
    return dict(zip(sources, zip(*values, strict=True), strict=True))


def _join(
    columns: dict[str, list[Any]], rows: Sequence[str], other: dict[str, tuple[float, str, str]], name: str
) -> None:
    for row, source in enumerate(rows):
        suspicion, decision, reason = other.get(
            source, (0.0, "review", "the row cannot be read so, and was not judged")
        )
        columns["suspicion"][row] = max(columns["suspicion"][row], suspicion)
        if RANK[decision] > RANK[columns["decision"][row]]:
            columns["decision"][row], columns["cluster"][row] = decision, -1
            columns["reason"][row] = f"{reason} (by {name})"


def _record(records: Sequence[dict[str, Any]], names: Sequence[str], decisions: Sequence[str]) -> dict[str, Any]:
    first, decided = records[0], np.asarray(decisions)
    held, most = float((decided != "keep").mean()), first["config"].get("review_share", 1.0)
    questions = [
        dataclasses.replace(question, text=f"{question.text} (by {name})")
        for record, name in zip(records, names, strict=True)
        for question in questions_of(record)
    ]
    if held > most:
        text = f"all verdicts together hold back {held:.1%} of the samples, more than {most:.1%}"
        questions.append(Question(code="held_together", text=text, cure="verdict.review_share"))
    return {
        **first,
        "statement": " ".join(f"By {name}: {one['statement']}" for one, name in zip(records, names, strict=True)),
        "poison_found": any(record["poison_found"] for record in records),
        "needs_review": held > most or any(record["needs_review"] for record in records),
        "p_value": min(record["p_value"] for record in records),
        "counts": {"samples": len(decided), **{name: int((decided == name).sum()) for name in RANK}},
        "caveats": list(dict.fromkeys(caveat for record in records for caveat in record["caveats"])),
        "questions": as_record(questions),
        "readings": [
            {"by": name, "drop_digest": record["drop_digest"], "groups": record["groups"]}
            for name, record in zip(names, records, strict=True)
        ],
    }


def _drop_name(manifest: dict[str, Any]) -> str:
    columns = manifest["columns"]
    answer = columns.get("label", columns.get("target"))
    return f"{columns['input']!a} and {answer!a}"
