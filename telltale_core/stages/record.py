"""Names and places: which key a stage's result has, where its folder lies, whether it is complete."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from telltale_core.config import from_dict
from telltale_core.digest import code_version, digest_of
from telltale_core.drop import Drop, DropConfig, check_url, fingerprint, public_source
from telltale_core.losslog import LossLog
from telltale_core.proxy import ProxyConfig
from telltale_core.storage import WorkArea
from telltale_core.storage.names import parse_url

log = logging.getLogger(__name__)

Record = dict[str, Any]
Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a stage keeps its folders, the file that makes a folder complete, the settings and source it depends on."""

    name: str
    settings: str
    folder: str
    record: str
    rooms: tuple[str, ...]


STAGES = {
    stage.name: stage
    for stage in (
        Stage(name="ingest", settings="drop", folder="drops", record="manifest.json", rooms=("drop", "modality")),
        Stage(name="join", settings="history", folder="joined", record="manifest.json", rooms=("drop", "modality")),
        Stage(
            name="train", settings="proxy", folder="train", record="train.json", rooms=("proxy", "losslog", "modality")
        ),
        Stage(name="spectrum", settings="spectrum", folder="spectrum", record="spectrum.json", rooms=("spectrum",)),
        Stage(
            name="cluster",
            settings="verdict",
            folder="verdict",
            record="verdict.json",
            rooms=("verdict", "proxy", "modality"),
        ),
        Stage(name="report", settings="report", folder="report", record="report.json", rooms=("report", "modality")),
    )
}
# The rooms whose source decides what is published.
DECIDING = ("drop", "modality", "proxy", "losslog", "spectrum", "verdict", "publish")
# Which source led to which drop: drops are named by their content, which is only known once they were read.
SOURCES = Stage(name="ingest", settings="drop", folder="ingest", record="ingest.json", rooms=("drop", "modality"))

JOINED = "joined"
"""In a verdict's folder, the verdict on a drop together with published versions; beside it that on the drop alone."""


def check_addresses(source: str, destination: str, work: str) -> None:
    """Raise :class:`BadInput` or :class:`ConfigError` for an address that is not allowed, or that holds credentials.

    To be called before anything keeps the addresses: an orchestrator stores and shows a run's parameters.
    """
    check_url(source)
    parse_url(destination)
    parse_url(work)


def key_for(stage: str, upstream: Record | str, settings: Settings) -> str:
    """Return the key of a stage's result; ``upstream`` is a stage record, or the source's address for ``ingest``.

    An ingest is told by what it says of its source, too, and a report by all it shows: the same rows under another name
    are read and reported again, but not trained on again.
    """
    if isinstance(upstream, str):
        content = fingerprint(upstream, from_dict(DropConfig, settings, "drop"))
        origin = digest_of([content, public_source(upstream)])
    else:
        origin = digest_of(upstream) if stage == "report" else upstream["key"]
    return digest_of([stage, origin, deciding(stage, settings), code_version(STAGES[stage].rooms)])


def deciding(stage: str, settings: Settings) -> dict[str, Any]:
    """Return the settings on which a stage's result depends: not how many workers train, nor until when."""
    return from_dict(ProxyConfig, settings, "proxy").recipe() if stage == "train" else dict(settings)


def standing(stage: str, key: str, upstream: Record | str, settings: Settings, work: str) -> Record | None:
    """Return the record of a stage that is complete in the work area, or None."""
    area = WorkArea(work)
    if isinstance(upstream, str):  # an ingest
        if not area.has(SOURCES.folder, key, SOURCES.record):
            return None
        place = area.fetch(SOURCES.folder, key, SOURCES.record) / SOURCES.record
        known = json.loads(place.read_text(encoding="utf-8"))
        key, upstream = known["drop_digest"], read_in(known["origin"])
    if not area.has(STAGES[stage].folder, key, STAGES[stage].record):
        return None
    return record_of(stage, key, upstream, settings)


def read_in(origin: dict[str, Any]) -> Record:
    """Return what an ingest has for its upstream record: no stage, but where the rows came from."""
    return {"keys": {}, "settings": {}, "origin": origin}


def folder_of(record: Record, stage: str, work: str) -> Path:
    """Return the local folder of one of the stages that a record rests on; fetched first if the work area is remote."""
    return WorkArea(work).fetch(STAGES[stage].folder, record["keys"][stage], STAGES[stage].record)


def open_drop(record: Record, work: str) -> Drop:
    """Return the drop that a stage record rests on, with the name and source that this run gave it."""
    return Drop.open(folder_of(record, "ingest", work)).with_origin(record["origin"])


def learnt_drop(record: Record, work: str) -> Drop:
    """Return the drop that the proxy learns and the verdict compares: joined with published versions, if it is."""
    if "join" not in record["keys"]:
        return open_drop(record, work)
    return Drop.open(folder_of(record, "join", work))


def judged_folder(record: Record, work: str) -> Path:
    """Return the folder of the verdict on all that the proxy learnt: the rows of :func:`learnt_drop`."""
    folder = folder_of(record, "cluster", work)
    return folder / JOINED if "join" in record["keys"] else folder


def open_losslog(record: Record, work: str) -> LossLog:
    """Return the loss log that a stage record rests on."""
    return LossLog.open(folder_of(record, "train", work) / "losslog")


def read_record(record: Record, stage: str, work: str) -> dict[str, Any]:
    """Return the room's own JSON record (``verdict.json``, ...) of one of the stages that a stage record rests on."""
    if stage == "ingest":
        return open_drop(record, work).manifest
    text = (folder_of(record, stage, work) / STAGES[stage].record).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def finish(stage: str, key: str, upstream: Record, settings: Settings, area: WorkArea) -> Record:
    """Return the record of a stage whose folder is now complete; a remote work area receives it first."""
    area.push(STAGES[stage].folder, key, STAGES[stage].record)
    return record_of(stage, key, upstream, settings)


def record_of(stage: str, key: str, upstream: Record, settings: Settings) -> Record:
    """Return the stage record; where the work area lies is left out, it differs from host to host."""
    return {
        "format": "telltale.stage/1",
        "stage": stage,
        "key": key,
        "keys": {**upstream["keys"], stage: key},
        "settings": {**upstream["settings"], STAGES[stage].settings: deciding(stage, settings)},
        "origin": upstream["origin"],
    }


@contextlib.contextmanager
def alone(
    stage: str, key: str, upstream: Record | str, settings: Settings, work: str
) -> Iterator[tuple[WorkArea, Record | None]]:
    """Hold the stage's lock, which the system frees when a process dies: two runs on one host compute a stage once."""
    area = WorkArea(work)
    with area.lock(f"{stage}-{key}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = standing(stage, key, upstream, settings, work)
        log.info("%s: %s", stage, "reused, nothing to compute" if done else "started")
        yield area, done
