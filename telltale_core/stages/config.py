"""The settings of a whole run: the general ones, and those of one dataset over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from telltale_core.config import Settings, from_dict, merged
from telltale_core.drop import DropConfig
from telltale_core.proxy import ProxyConfig
from telltale_core.publish import PublishConfig
from telltale_core.report import ReportConfig
from telltale_core.scale import ScaleConfig
from telltale_core.spectrum import SpectrumConfig
from telltale_core.verdict import VerdictConfig


class CleanseConfig(Settings, frozen=True):
    """Everything that can be set in a run; each part belongs to the stage that uses it, ``scale`` to all of them."""

    drop: DropConfig = Field(default=DropConfig(), description="How the drop is read, and what it may hold.")
    proxy: ProxyConfig = Field(default=ProxyConfig(), description="How the proxy is trained.")
    spectrum: SpectrumConfig = Field(default=SpectrumConfig(), description="How losses become spectra.")
    verdict: VerdictConfig = Field(default=VerdictConfig(), description="How spectra become decisions.")
    report: ReportConfig = Field(default=ReportConfig(), description="What the report shows.")
    publish: PublishConfig = Field(default=PublishConfig(), description="How the dataset is written.")
    scale: ScaleConfig = Field(default=ScaleConfig(), description="How many processes share the work, and where.")

    @model_validator(mode="after")
    def _one_reading_with_history(self) -> Self:
        if self.verdict.with_history and (self.drop.also_inputs or self.drop.also_labels):
            raise ValueError(
                "verdict.with_history joins one reading of a drop with published versions: "
                "leave out drop.also_inputs and drop.also_labels, or set verdict.with_history = 0"
            )
        return self


class RunConfig(CleanseConfig, frozen=True):
    """The settings of all runs of a deployment: general ones, and for some datasets their own over them."""

    datasets: dict[str, CleanseConfig] = Field(
        default={},
        title="Settings by dataset",
        description="What is set otherwise for one dataset, by the last part of its destination, such as "
        '{"signs": {"drop": {"label_column": "label"}}}.',
    )


def dataset_of(destination: str) -> str:
    """Return what a dataset is called: the last part of where it is published, such as ``signs``."""
    return destination.rstrip("/").rsplit("/", 1)[-1]


def settings_of(values: Mapping[str, Any] | RunConfig, destination: str = "") -> CleanseConfig:
    """Return the settings of a run that publishes at ``destination``: its dataset's tables over the general ones.

    ``values`` are those of :class:`RunConfig`. All of its tables are checked, whichever is used.
    """
    settings = values if isinstance(values, RunConfig) else from_dict(RunConfig, values, "settings")
    general = settings.model_dump(mode="json", exclude_unset=True)
    tables = general.pop("datasets", {})
    by_dataset = {
        name: from_dict(CleanseConfig, merged(general, table), f"settings.datasets.{name}")
        for name, table in tables.items()
    }
    return by_dataset.get(dataset_of(destination)) or from_dict(CleanseConfig, general, "settings")
