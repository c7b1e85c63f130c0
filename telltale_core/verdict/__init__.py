"""Stage 4: spectra become clusters, clusters a decision on every sample and one statement on the drop."""

from typing import TYPE_CHECKING

from telltale_core.lazy_imports import on_demand
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.record import Group, Verdict, VerdictRecord

if TYPE_CHECKING:
    from telltale_core.verdict.conclude import Decisions
    from telltale_core.verdict.detector import TelltaleDetector
    from telltale_core.verdict.history import write_restricted
    from telltale_core.verdict.judgement import judge
    from telltale_core.verdict.leave_out import Retrain

__all__ = [
    "Decisions",
    "Group",
    "Retrain",
    "TelltaleDetector",
    "Verdict",
    "VerdictConfig",
    "VerdictRecord",
    "judge",
    "write_restricted",
]

__getattr__ = on_demand(
    __name__,
    conclude=("Decisions",),
    detector=("TelltaleDetector",),
    history=("write_restricted",),
    judgement=("judge",),
    leave_out=("Retrain",),
)
