"""Other ways to find poison, behind one contract; Telltale's own detector is in :mod:`telltale_core.verdict`."""

from telltale_core.bench.detectors.contract import Detector, Need, Opinion
from telltale_core.bench.detectors.evidence import CleanSet, Evidence
from telltale_core.bench.detectors.registry import DETECTORS, make_detector

__all__ = ["DETECTORS", "CleanSet", "Detector", "Evidence", "Need", "Opinion", "make_detector"]
