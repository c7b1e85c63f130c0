"""Settings of the report: how much to show and how large the file may grow; nothing here touches a decision."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from telltale_core.config import Settings


class ReportConfig(Settings, frozen=True):
    """What the report shows. Counts are upper bounds; ``max_bytes`` bounds the finished file."""

    thumbnails: int = Field(default=24, ge=0, description="Most samples shown of each group; 0: none.")
    thumbnail_px: int = Field(
        default=96, ge=1, title="Thumbnail size", description="Longer side of a thumbnail, in pixels."
    )
    evidence_labels: int = Field(
        default=3, ge=1, title="Labels with pictures", description="Most labels whose losses and spectra are drawn."
    )
    heat_rows: int = Field(
        default=40, ge=1, title="Rows of the heat map", description="Most samples of each side in the map of losses."
    )
    label_rows: int = Field(
        default=30, ge=1, title="Rows of the table", description="Most labels in the table of labels."
    )
    rejected_examples: int = Field(default=20, ge=0, description="Most rejected rows shown of each reason; 0: none.")
    cluster_picture: Literal["pca", "tsne"] = Field(
        default="pca", description="How clusters are drawn in two dimensions; for the eye only."
    )
    cluster_points: int = Field(default=5000, ge=1, description="Most samples drawn in the picture of clusters.")
    max_text: int = Field(
        default=500,
        ge=400,  # the page's own sentences have up to that many
        title="Longest text",
        description="Most characters shown of any text, of a contributor's among them.",
    )
    dpi: int = Field(default=140, ge=50, le=300, title="Resolution", description="Dots per inch of the pictures.")
    seed: int = Field(default=0, ge=0, description="Seed of the choice of which samples are drawn.")
    max_bytes: int = Field(
        default=5_000_000, ge=200_000, title="Largest file", description="Most bytes of the finished page."
    )
