"""The report: one self-contained HTML file that tells a curator what was found in a drop, and shows it."""

from telltale_core.report.config import ReportConfig
from telltale_core.report.page import write_report
from telltale_core.report.run import Counts, Run, read_run

__all__ = ["Counts", "ReportConfig", "Run", "read_run", "write_report"]
