"""Which source led to which drop: a drop's folder is named by its content, which is only known once it was read.

Below ``<stage>/<key>`` a note says which folder that is, and what this source calls the drop.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from telltale_core.digest import digest_of
from telltale_core.drop import Drop, DropConfig, fingerprint, public_source
from telltale_core.records import RecordKind
from telltale_core.stages.inputs import Place
from telltale_core.storage import WorkArea


class SourceNote(TypedDict):
    """Which drop a source led to, and what this source says of where its rows came from."""

    source_key: str
    drop_digest: str
    origin: dict[str, Any]


def source_key(source: str, config: DropConfig) -> str:
    """Return what a reading depends on beside its settings: the source's content, and what the source is called.

    The same rows under another name are read again, but not trained on again.
    """
    return digest_of([fingerprint(source, config), public_source(source)])


def find(stage: Place, key: str, area: WorkArea) -> SourceNote | None:
    """Return the note on a source that was read; None where it was not."""
    kind = _kind(stage)
    return kind.read(area.fetch(stage.name, key, kind.file)) if area.has(stage.name, key, kind.file) else None


def keep(stage: Place, key: str, drop: Drop, area: WorkArea) -> None:
    """Push the drop, unless it stands, then the note that leads to it.

    The same rows of another source are the same drop: others may be at it, and a push takes its record away at first.
    """
    kind = _kind(stage)
    if not area.has(stage.folder, drop.digest, stage.record):
        area.push(stage.folder, drop.digest, stage.record)
    kind.write(area.path(stage.name, key), {"source_key": key, "drop_digest": drop.digest, "origin": drop.origin})
    area.push(stage.name, key, kind.file)


def _kind(stage: Place) -> RecordKind[SourceNote]:
    name, cure = stage.name, f"run the {stage.name} stage"
    return RecordKind(
        type=SourceNote,
        name="note on a source",
        file=f"{name}.json",
        format=f"telltale.{name}/1",
        cure=cure,
    )
