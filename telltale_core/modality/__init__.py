"""Kinds of data: all that differs between images, audio and whatever is registered, behind one class each."""

from telltale_core.modality.contract import Decoder, Front, Modality, Preparing, Viewer
from telltale_core.modality.registry import modalities, modality_named, register

__all__ = ["Decoder", "Front", "Modality", "Preparing", "Viewer", "modalities", "modality_named", "register"]
