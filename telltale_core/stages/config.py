"""The settings of a whole run: the general ones, and those of one dataset over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from telltale_core.config import from_dict, merged
from telltale_core.drop import DropConfig
from telltale_core.errors import ConfigError
from telltale_core.proxy import ProxyConfig
from telltale_core.publish import PublishConfig
from telltale_core.report import ReportConfig
from telltale_core.spectrum import SpectrumConfig
from telltale_core.verdict import VerdictConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanseConfig:
    """Everything that can be set in a run; each part belongs to the stage that uses it."""

    drop: DropConfig = field(default_factory=DropConfig)
    proxy: ProxyConfig = field(default_factory=ProxyConfig)
    spectrum: SpectrumConfig = field(default_factory=SpectrumConfig)
    verdict: VerdictConfig = field(default_factory=VerdictConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    publish: PublishConfig = field(default_factory=PublishConfig)

    def __post_init__(self) -> None:
        if self.verdict.with_history and (self.drop.also_inputs or self.drop.also_labels):
            raise ConfigError(
                "verdict.with_history joins one reading of a drop with published versions: "
                "leave out drop.also_inputs and drop.also_labels, or set verdict.with_history = 0"
            )


DATASETS = "datasets"


def dataset_of(destination: str) -> str:
    """Return what a dataset is called: the last part of where it is published, such as ``signs``."""
    return destination.rstrip("/").rsplit("/", 1)[-1]


def settings_of(values: Mapping[str, Any], destination: str = "") -> CleanseConfig:
    """Return the settings of a run that publishes at ``destination``: its dataset's tables over the general ones.

    ``values`` are tables by stage, and ``datasets``, tables by stage for each dataset by its name:
    ``{"datasets": {"signs": {"drop": {"label_column": "label"}}}}``. All of them are checked, whichever is used.
    """
    general = {name: table for name, table in values.items() if name != DATASETS}
    by_dataset = values.get(DATASETS, {})
    if not isinstance(by_dataset, Mapping) or not all(isinstance(table, Mapping) for table in by_dataset.values()):
        raise ConfigError(f"{DATASETS} must hold a table of settings for each dataset, such as [datasets.signs.drop]")
    for name, table in by_dataset.items():
        from_dict(CleanseConfig, merged(general, table), f"{DATASETS}.{name}")
    own = by_dataset.get(dataset_of(destination), {}) if destination else {}
    return from_dict(CleanseConfig, merged(general, own), "settings")
