"""The loss log: every sample's loss at every snapshot of the proxy's training, on disk and as a matrix."""

from telltale_core.losslog.alignment import Alignment, check_alignment
from telltale_core.losslog.epochs import LogPlan
from telltale_core.losslog.log import LossLog
from telltale_core.losslog.stored import Losses, StoredLog
from telltale_core.losslog.writer import LossLogWriter

__all__ = ["Alignment", "LogPlan", "LossLog", "LossLogWriter", "Losses", "StoredLog", "check_alignment"]
