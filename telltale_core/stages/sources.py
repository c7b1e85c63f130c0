"""Which source led to which drop: a drop's folder is named by its content, which is only known once it was read.

Below ``<stage>/<key>`` a note says which folder that is, and what this source calls the drop.
"""

from __future__ import annotations

import json
from typing import Any

from telltale_core.digest import digest_of
from telltale_core.drop import Drop, DropConfig, fingerprint, public_source
from telltale_core.losslog.files import write_json
from telltale_core.stages.inputs import Place
from telltale_core.storage import WorkArea


def source_key(source: str, config: DropConfig) -> str:
    """Return what a reading depends on beside its settings: the source's content, and what the source is called.

    The same rows under another name are read again, but not trained on again.
    """
    return digest_of([fingerprint(source, config), public_source(source)])


def find(stage: Place, key: str, area: WorkArea) -> dict[str, Any] | None:
    """Return the note on a source that was read: ``drop_digest`` and ``origin``; None where it was not."""
    record = f"{stage.name}.json"
    if not area.has(stage.name, key, record):
        return None
    source: dict[str, Any] = json.loads((area.fetch(stage.name, key, record) / record).read_bytes())
    return source


def keep(stage: Place, key: str, drop: Drop, area: WorkArea) -> None:
    """Push the drop, then the note that leads to it."""
    area.push(stage.folder, drop.digest, stage.record)
    place, record = area.path(stage.name, key), f"{stage.name}.json"
    place.mkdir(parents=True, exist_ok=True)
    entry = {"format": f"telltale.{stage.name}/1", "source_key": key, "drop_digest": drop.digest}
    write_json(place / record, {**entry, "origin": drop.origin})
    area.push(stage.name, key, record)
