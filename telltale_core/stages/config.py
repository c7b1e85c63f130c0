"""The settings of a whole run."""

from __future__ import annotations

from dataclasses import dataclass, field

from telltale_core.drop import DropConfig
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
