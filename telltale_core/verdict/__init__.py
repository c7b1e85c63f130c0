"""Stage 4: spectra become clusters, clusters a decision on every sample and one statement on the drop."""

from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.decision import Decisions, decide
from telltale_core.verdict.detector import TelltaleDetector
from telltale_core.verdict.record import Verdict, judge
from telltale_core.verdict.statement import Group

__all__ = ["Decisions", "Group", "TelltaleDetector", "Verdict", "VerdictConfig", "decide", "judge"]
