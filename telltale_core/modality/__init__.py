"""Kinds of data: all that differs between images, audio and whatever is registered, behind one class each."""

from telltale_core.modality.contract import Modality
from telltale_core.modality.layout_spec import Packing
from telltale_core.modality.parts import Decoder, Front, Preparing, Viewer
from telltale_core.modality.reasons import bad
from telltale_core.modality.registry import modalities, modality_named, register

__all__ = [
    "Decoder",
    "Front",
    "Modality",
    "Packing",
    "Preparing",
    "Viewer",
    "bad",
    "modalities",
    "modality_named",
    "register",
]
