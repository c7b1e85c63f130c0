"""Stage 4: spectra become clusters, clusters a decision on every sample and one statement on the drop."""

from typing import TYPE_CHECKING

from telltale_core.lazy_imports import on_demand
from telltale_core.verdict.config import VerdictConfig

if TYPE_CHECKING:
    from telltale_core.verdict.decision import Decisions, decide
    from telltale_core.verdict.detector import TelltaleDetector
    from telltale_core.verdict.history import write_restricted
    from telltale_core.verdict.leave_out import Look
    from telltale_core.verdict.record import Verdict, judge
    from telltale_core.verdict.statement import Group

__all__ = [
    "Decisions",
    "Group",
    "Look",
    "TelltaleDetector",
    "Verdict",
    "VerdictConfig",
    "decide",
    "judge",
    "write_restricted",
]

__getattr__ = on_demand(
    __name__,
    decision=("Decisions", "decide"),
    detector=("TelltaleDetector",),
    history=("write_restricted",),
    leave_out=("Look",),
    record=("Verdict", "judge"),
    statement=("Group",),
)
