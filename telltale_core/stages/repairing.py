"""Repairing a published version from what its run left in the work area."""

from __future__ import annotations

import contextlib

from telltale_core import publish as publication
from telltale_core.config import from_dict
from telltale_core.drop import Drop
from telltale_core.errors import NotFound
from telltale_core.publish import PublishConfig, Repair, Sources, Version
from telltale_core.stages.results import folder_of


def repair(dataset: str, work: str, number: int | None = None) -> Repair:
    """Return what of a version (default: the newest) was written again from ``work``, and what could not be.

    See :func:`telltale_core.publish.repair`.
    """

    def find(version: Version) -> Sources:
        lineage = version.manifest["lineage"]
        if not {"keys", "settings"} <= lineage.keys():
            message = f"version {version.number} does not say by which stages it was made: no work area can hold them"
            raise NotFound(message)
        record = {"keys": lineage["keys"]}
        page = None
        with contextlib.suppress(NotFound, KeyError):
            page = folder_of(record, "report", work) / "report.html"
        return Sources(
            drop=Drop.open(folder_of(record, "ingest", work)),
            verdict_dir=folder_of(record, "cluster", work),
            config=from_dict(PublishConfig, lineage["settings"]["publish"], "publish"),
            report=page,
        )

    return publication.repair(dataset, find, number)
