"""All detectors by name."""

from __future__ import annotations

from typing import Any

from telltale_core.bench.detectors.activation_clustering import ActivationClustering
from telltale_core.bench.detectors.asset import Asset
from telltale_core.bench.detectors.badloss import BadLoss
from telltale_core.bench.detectors.beatrix import Beatrix
from telltale_core.bench.detectors.confusion_training import ConfusionTraining
from telltale_core.bench.detectors.contract import Detector
from telltale_core.bench.detectors.density_ratio import DensityRatio
from telltale_core.bench.detectors.early_loss import EarlyLoss
from telltale_core.bench.detectors.flare import Flare
from telltale_core.bench.detectors.label_issues import LabelIssues
from telltale_core.bench.detectors.scan import Scan
from telltale_core.bench.detectors.slides import Slides
from telltale_core.bench.detectors.spectral_signatures import SpectralSignatures
from telltale_core.bench.detectors.spectre import Spectre
from telltale_core.bench.detectors.telltale import Telltale
from telltale_core.errors import ConfigError

DETECTORS: dict[str, type[Detector]] = {
    kind.name: kind
    for kind in (
        Telltale,
        Slides,
        SpectralSignatures,
        ActivationClustering,
        Spectre,
        Scan,
        Beatrix,
        ConfusionTraining,
        Asset,
        BadLoss,
        EarlyLoss,
        Flare,
        DensityRatio,
        LabelIssues,
    )
}
EXTRA = {"flare": ("umap", "hdbscan"), "label_issues": ("cleanlab",)}
"""Detectors that need libraries of the extra ``bench``, and which."""


def make_detector(name: str, **params: Any) -> Detector:
    """Return a detector by name; raises :class:`ConfigError` for an unknown name or parameter."""
    if name not in DETECTORS:
        raise ConfigError(f"{name!r} is not a detector; known: {', '.join(DETECTORS)}")
    try:
        return DETECTORS[name](**params)
    except TypeError as error:
        raise ConfigError(f"{name}: {error}") from error
