"""What a decoded image does not hold of its file."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from telltale_core.modality.information_loss import Loss

ROWS = 256
ORIENTATION = 0x0112  # of EXIF


def losses_of_image(image: Image.Image, media: bytes) -> Loss:
    """Return what is lost of a decoded image but its size: found in the pixels where they tell, else in the header."""
    losses = Loss.NONE
    with contextlib.suppress(Exception):  # EXIF is a stranger's: one that cannot be read turns nothing
        if image.getexif().get(ORIENTATION, 1) in range(2, 9):
            losses |= Loss.ORIENTATION
    if _has_frames(image, media):
        losses |= Loss.FRAMES
    if any(np.asarray(plane).min() < 255 for plane in _alpha(image)):
        losses |= Loss.ALPHA
    if image.mode.startswith("I"):
        grey = np.asarray(image)
        parts = (grey[begin : begin + ROWS] for begin in range(0, len(grey), ROWS))  # not all at once: it may be large
        if any((((part & 255) != 0) & ((part & 255) != part >> 8)).any() for part in parts):
            losses |= Loss.BITS
    elif media.startswith(b"\x89PNG") and media[24:25] == b"\x10":  # Pillow gives 8 of 16 bits of a colour
        losses |= Loss.BITS
    return losses


def _has_frames(image: Image.Image, media: bytes) -> bool:
    """Return whether there is a second frame; in GIF and TIFF, which do not state it, only that one is looked for."""
    if image.format not in {"GIF", "TIFF"}:
        return int(getattr(image, "n_frames", 1)) > 1
    with Image.open(io.BytesIO(media), formats=[image.format]) as other, contextlib.suppress(Exception):
        other.seek(1)  # past the last frame is an EOFError, in a damaged file whatever else
        return True
    return False


def _alpha(image: Image.Image) -> Iterator[Image.Image]:
    if "A" in image.getbands():
        yield image.getchannel("A")
    elif "transparency" in image.info:
        yield image.convert("RGBA").getchannel("A")
