"""Stage 3: every sample's loss trajectory becomes a spectrum, by one joint transform for all samples."""

from telltale_core.spectrum.config import SpectrumConfig
from telltale_core.spectrum.record import Spectrum, compute_spectrum
from telltale_core.spectrum.transform import Spectra, choose_window, transform

__all__ = ["Spectra", "Spectrum", "SpectrumConfig", "choose_window", "compute_spectrum", "transform"]
