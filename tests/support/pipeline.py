"""The pipeline run once on a tiny drop, for tests of what every stage of it must keep."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from telltale_core import stages
from telltale_core.config import to_dict
from telltale_core.drop.demo import write_image_drop

SAMPLES = 150
QUICK = {
    "proxy": {"epochs": 3, "width": 4, "batch_size": 16, "threads": 1, "device": "cpu"},
    "verdict": {"leave_out": False},
    "report": {"thumbnails": 2, "evidence_labels": 1, "heat_rows": 4, "dpi": 50},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What the pipeline left: its settings, and the record of each stage by name."""

    folder: Path
    settings: dict[str, Any]
    records: dict[str, Any]
    approval: str = ""

    @property
    def work(self) -> str:
        """The work area."""
        return str(self.folder / "work")

    @property
    def out(self) -> str:
        """The dataset that was published."""
        return str(self.folder / "out")

    def upstream(self, stage: stages.Stage) -> Any:
        """Return the record, or the source's address, with which a stage is run."""
        place = stages.PIPELINE.index(stage)
        return self.records[stages.PIPELINE[place - 1].name] if place else str(self.folder / "drop")

    def run(self, stage: stages.Stage, **other: Any) -> stages.Outcome:
        """Run a stage as it was run before, but for other ``upstream`` or ``settings``."""
        upstream, settings = other.pop("upstream", self.upstream(stage)), other.pop("settings", self.settings_of(stage))
        return stages.run_stage(stage, upstream, self.work, settings, self.context(**other))

    def settings_of(self, stage: stages.Stage) -> dict[str, Any]:
        """Return a stage's own settings."""
        own_settings: dict[str, Any] = self.settings[stage.settings]
        return own_settings

    def context(self, **other: Any) -> stages.Context:
        """Return what the runs bring beside settings."""
        return stages.Context(destination=self.out, approve=self.approval, **other)

    def copy(self, folder: Path) -> Ran:
        """Return the same in another folder, for a test that spoils it."""
        shutil.copytree(self.folder, folder)
        ran = Ran(folder=folder, settings=self.settings, records=dict(self.records), approval=self.approval)
        ran.records["publish"] = ran.run(stages.publish).record  # it tells where the dataset lies
        return ran


def run_pipeline(folder: Path) -> Ran:
    """Write a drop of three classes below ``folder``, and run every stage on it."""
    labels = np.arange(SAMPLES) % 3
    images = np.random.default_rng(0).integers(0, 120, (SAMPLES, 8, 8, 3), dtype=np.uint8)
    for row, label in enumerate(labels):
        images[row, :, 2 * label : 2 * label + 2] += 100
    write_image_drop(folder / "drop", images, labels, [f"row-{row}" for row in range(SAMPLES)], list("abc"))
    ran = Ran(folder=folder, settings=to_dict(stages.settings_of(QUICK)), records={})
    for stage in stages.PIPELINE:
        ran.records[stage.name] = ran.run(stage).record
    ran = dataclasses.replace(ran, approval=ran.records["publish"].get("approval", ""))
    ran.records["publish"] = ran.run(stages.publish).record
    return ran
