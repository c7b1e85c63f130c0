"""Settings of the spectrum stage."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from telltale_core.config import Settings


class SpectrumConfig(Settings, frozen=True):
    """How a loss trajectory becomes a spectrum.

    Log loss, window chosen from the data, common mode removed, complex spectrum with each frequency brought to a like
    scale.
    """

    start: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        title="Window begins at",
        description="Share of the snapshots left out at the start; unset: chosen from the data.",
    )
    stop: float = Field(
        default=1.0,
        gt=0,
        le=1,
        title="Window ends at",
        description="Share of the snapshots at which the window ends.",
    )
    whitening: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="0 leaves each frequency its power, 1 makes all frequencies equally strong.",
    )

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.start is not None and self.start >= self.stop:
            raise ValueError(f"start must be less than stop, got {self.start} and {self.stop}")
        return self
