"""Settings of the spectrum stage."""

from __future__ import annotations

from dataclasses import dataclass

from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumConfig:
    """How a loss trajectory becomes a spectrum.

    Log loss, window chosen from the data, common mode removed, complex spectrum with each frequency brought to a like
    scale.
    """

    start: float | None = None
    """Share of each member's snapshots dropped at the start, in [0, 1); None: chosen from the data."""
    stop: float = 1.0
    """Share of each member's snapshots at which the window ends, in (0, 1]."""
    whitening: float = 0.5
    """0 leaves each frequency its power, 1 makes all frequencies equally strong, in [0, 1]."""

    def __post_init__(self) -> None:
        if self.start is not None and not 0 <= self.start < 1:
            raise ConfigError(f"spectrum.start must be in [0, 1) or unset, got {self.start}")
        if not 0 < self.stop <= 1:
            raise ConfigError(f"spectrum.stop must be in (0, 1], got {self.stop}")
        if self.start is not None and self.start >= self.stop:
            raise ConfigError(f"spectrum.start must be less than spectrum.stop, got {self.start} and {self.stop}")
        if not 0 <= self.whitening <= 1:
            raise ConfigError(f"spectrum.whitening must be in [0, 1], got {self.whitening}")
