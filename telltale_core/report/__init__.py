"""The report: one self-contained HTML file that tells a curator what was found in a drop, and shows it."""

from typing import TYPE_CHECKING

from telltale_core.lazy_imports import on_demand
from telltale_core.report.config import ReportConfig
from telltale_core.report.run import Counts, Outline, Run, read_outline, read_run

if TYPE_CHECKING:
    from telltale_core.report.page import write_report

__all__ = ["Counts", "Outline", "ReportConfig", "Run", "read_outline", "read_run", "write_report"]

__getattr__ = on_demand(
    __name__,
    page=("write_report",),
)
