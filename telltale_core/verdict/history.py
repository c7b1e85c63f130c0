"""The verdict on a drop alone, taken from the one on the drop together with published versions of its dataset."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from telltale_core.drop import Drop
from telltale_core.errors import Corrupt
from telltale_core.questions import Question
from telltale_core.records import Ids
from telltale_core.verdict.config import NEW
from telltale_core.verdict.record import History, Verdict, VerdictRecord, counts_of

_OF_VERSION = re.compile(r"v(\d+)/(.*)", re.DOTALL)
SUSPECTS = "history.parquet"


def write_restricted(joined: Verdict, drop: Drop, folder: Path) -> Verdict:
    """Return the verdict on ``drop`` and write it to ``folder``, its record last.

    Decisions are those of the joined verdict. ``history.parquet`` names the published rows that it would not keep
    (``version``, ``sample_id``, ``decision``, ``suspicion``, ``reason``); where there are any, a person is asked.
    """
    verdict, suspects = restricted(joined, drop)
    return verdict.write(folder, **{Path(SUSPECTS).stem: suspects})


def known_as(name: str) -> tuple[str, int | None]:
    """Return how people know a sample of a joined drop: its own id, and the version that published it, if one did."""
    part = _OF_VERSION.fullmatch(name)
    return (part[2], int(part[1])) if part else (name.removeprefix(NEW), None)


def restricted(joined: Verdict, drop: Drop) -> tuple[Verdict, pa.Table]:
    """Return the verdict on ``drop`` alone, in its row order, and the published rows that the joined one suspects."""
    ids = joined.sample_ids
    place = {name.removeprefix(NEW): row for row, name in enumerate(ids) if name.startswith(NEW)}
    names = [str(name) for name in drop.sample_ids]
    if len(place) != len(names) or any(name not in place for name in names):
        raise Corrupt(f"the joined verdict does not hold the {len(names)} samples of drop {drop.digest[:12]} once")
    table = joined.table.take(pa.array([place[name] for name in names], pa.int64()))
    table = table.set_column(0, "sample_id", pa.array(names, pa.string())).combine_chunks()
    suspects = _suspects(joined.table)
    return Verdict(record=_record(joined.record, table, suspects, ids, drop), table=table), suspects


def _suspects(table: pa.Table) -> pa.Table:
    table = table.filter(pc.not_equal(table["decision"], "keep"))
    parts = [_OF_VERSION.fullmatch(name) for name in table["sample_id"].to_pylist()]
    table = table.filter(pa.array([part is not None for part in parts], pa.bool_()))
    published = [part for part in parts if part is not None]
    return pa.table(
        {
            "version": pa.array([int(part[1]) for part in published], pa.int64()),
            "sample_id": pa.array([part[2] for part in published], pa.string()),
            **{name: table[name] for name in ("decision", "suspicion", "reason")},
        }
    )


def _record(joined: VerdictRecord, table: pa.Table, suspects: pa.Table, ids: Ids, drop: Drop) -> VerdictRecord:
    counts = counts_of(np.asarray(table["decision"].to_pylist(), dtype="U10"))
    versions = sorted({int(part[1]) for name in ids if (part := _OF_VERSION.fullmatch(name))})
    before, called = len(ids) - table.num_rows, suspects.filter(pc.equal(suspects["decision"], "quarantine")).num_rows
    said = _numbers(versions)
    statement = f"{joined.statement} It was judged together with {before:,} published samples of {said}."
    questions = list(joined.questions)
    if joined.poison_found:
        statement += f" Of the quarantined, {counts['quarantine']:,} are of this drop and "
        statement += f"{called:,} were published before."
    if called:
        text = f"{called:,} samples that {said} published stand in the same groups as this drop's suspects: "
        questions.append(
            Question(code="history_suspected", text=text + "look at them and at what was trained on them.")
        )
    return dataclasses.replace(
        joined,
        drop_digest=drop.digest,
        statement=statement,
        counts=counts,
        questions=questions,
        needs_review=bool(joined.needs_review or questions),
        history=History(versions=versions, samples=before, suspected=called),
    )


def _numbers(versions: list[int]) -> str:
    if len(versions) == 1:
        return f"version {versions[0]}"
    return f"versions {', '.join(map(str, versions[:-1]))} and {versions[-1]}"
