"""The stages by name, as functions of plain values: an upstream record in, settings in, a small record out.

A stage's folder in the work area is named by the digest of what it depends on: the upstream key, its own settings, and
the source of the rooms it runs. A folder that holds its record is complete and is never computed again. The command
line, a notebook and the Prefect flow all go through here, so they share one cache; a killed stage is simply run again.

A stage record is ``{"format", "stage", "key", "keys", "settings", "origin"}``: JSON, free of secrets, arrays and
machine paths; ``keys`` and ``settings`` are those of this stage and of all that it rests on, ``origin`` says how this
run calls the drop and where it found it (the same rows may have been found elsewhere before).
"""

from telltale_core.stages.config import CleanseConfig, RunConfig, dataset_of, settings_of
from telltale_core.stages.history import earlier_versions, join
from telltale_core.stages.picture_size import drop_settings
from telltale_core.stages.record import (
    STAGES,
    Record,
    check_addresses,
    folder_of,
    judged_folder,
    key_for,
    learnt_drop,
    open_drop,
    open_losslog,
    read_record,
    standing,
)
from telltale_core.stages.repairing import repair
from telltale_core.stages.second_look import answered, learn_without
from telltale_core.stages.several import readings, together
from telltale_core.stages.walk import cluster, ingest, publish, report, spectrum, train

__all__ = [
    "STAGES",
    "CleanseConfig",
    "Record",
    "RunConfig",
    "answered",
    "check_addresses",
    "cluster",
    "dataset_of",
    "drop_settings",
    "earlier_versions",
    "folder_of",
    "ingest",
    "join",
    "judged_folder",
    "key_for",
    "learn_without",
    "learnt_drop",
    "open_drop",
    "open_losslog",
    "publish",
    "read_record",
    "readings",
    "repair",
    "report",
    "settings_of",
    "spectrum",
    "standing",
    "together",
    "train",
]
