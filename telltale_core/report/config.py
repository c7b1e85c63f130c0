"""Settings of the report: how much to show and how large the file may grow; nothing here touches a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """What the report shows. Counts are upper bounds; ``max_bytes`` bounds the finished file."""

    thumbnails: int = 24
    thumbnail_px: int = 96
    evidence_labels: int = 3
    heat_rows: int = 40
    label_rows: int = 30
    rejected_examples: int = 20
    cluster_picture: Literal["pca", "tsne"] = "pca"
    cluster_points: int = 5000
    max_text: int = 500
    dpi: int = 140
    seed: int = 0
    max_bytes: int = 5_000_000

    def __post_init__(self) -> None:
        for name in ("thumbnails", "rejected_examples", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be >= 0, got {getattr(self, name)}")
        for name in ("thumbnail_px", "evidence_labels", "heat_rows", "label_rows", "cluster_points"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be >= 1, got {getattr(self, name)}")
        if self.cluster_picture not in ("pca", "tsne"):
            raise ConfigError(f"cluster_picture must be 'pca' or 'tsne', got {self.cluster_picture!r}")
        if self.max_text < 400:  # the page's own sentences have up to that many
            raise ConfigError(f"max_text must be >= 400 characters, got {self.max_text}")
        if not 50 <= self.dpi <= 300:
            raise ConfigError(f"dpi must be in 50..300, got {self.dpi}")
        if self.max_bytes < 200_000:
            raise ConfigError(f"max_bytes must be >= 200000, got {self.max_bytes}")
