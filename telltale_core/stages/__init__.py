"""The pipeline of stages: a record goes in, settings too, a record comes out. Begin with ``pipeline.py``.

A stage's folder in the work area is named by the digest of what it depends on: the upstream key, its own settings, and
the source of the packages it runs. A folder that holds its record is complete and is never computed again. The command
line, a notebook and the Prefect flow all go through here, so they share one cache; a killed stage is simply run again::

    drop = stages.ingest("s3://raw/drop7", work, {})
    losses = stages.train(drop, work, {"epochs": 20})

A stage record is ``{"format", "stage", "key", "keys", "settings", "origin"}``: JSON, free of secrets, arrays and
machine paths; ``keys`` and ``settings`` are those of this stage and of all that it rests on, ``origin`` says how this
run calls the drop and where it found it (the same rows may have been found elsewhere before).
"""

from telltale_core.stages.compute import load_libraries
from telltale_core.stages.config import CleanseConfig, RunConfig, dataset_of, settings_of
from telltale_core.stages.history import earlier_versions
from telltale_core.stages.inputs import Context, Inputs, Record
from telltale_core.stages.leave_out import retrain, retrained
from telltale_core.stages.picture_size import drop_settings
from telltale_core.stages.pipeline import (
    FOLDERS,
    PIPELINE,
    STAGES,
    cluster,
    ingest,
    join,
    publish,
    report,
    spectrum,
    train,
)
from telltale_core.stages.repairing import repair
from telltale_core.stages.results import check_addresses, folder_of, open_drop, opened
from telltale_core.stages.several import judged, readings, through, together
from telltale_core.stages.stage import Outcome, Stage, key_for, run_stage, standing

__all__ = [
    "FOLDERS",
    "PIPELINE",
    "STAGES",
    "CleanseConfig",
    "Context",
    "Inputs",
    "Outcome",
    "Record",
    "RunConfig",
    "Stage",
    "check_addresses",
    "cluster",
    "dataset_of",
    "drop_settings",
    "earlier_versions",
    "folder_of",
    "ingest",
    "join",
    "judged",
    "key_for",
    "load_libraries",
    "open_drop",
    "opened",
    "publish",
    "readings",
    "repair",
    "report",
    "retrain",
    "retrained",
    "run_stage",
    "settings_of",
    "spectrum",
    "standing",
    "through",
    "together",
    "train",
]
