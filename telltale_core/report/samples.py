"""Samples made visible: one renderer a modality turns a sample into a fragment of HTML; images are here.

A further modality adds one function to ``RENDERERS`` (and may add one to ``COMMON`` for what a set of samples shares).
A renderer gets the drop, a row number and the size in pixels, and returns safe markup: what it shows of the data must
go through ``markupsafe`` or be bytes of its own making, as here.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from PIL import Image

from telltale_core.report.evidence import Focus

if TYPE_CHECKING:
    from telltale_core.drop import Drop

Floats = npt.NDArray[np.float64]
FEWEST = 5
MOST = 2000
BATCH = 128


def data_uri(data: bytes, kind: str = "image/png") -> Markup:
    """Return bytes as a ``data:`` URI that may stand in an attribute."""
    return Markup(f"data:{kind};base64,{base64.b64encode(data).decode()}")  # noqa: S704 - base64 needs no escaping


def _pixels(drop: Drop, row: int) -> npt.NDArray[np.uint8]:
    pixels = np.asarray(drop.inputs[row])
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]


def image_fragment(drop: Drop, row: int, px: int) -> Markup:
    """Return an ``img`` of the decoded pixels (the model's input, not the original file), at most ``px`` on a side."""
    image = Image.fromarray(np.ascontiguousarray(_pixels(drop, row)), "RGB")
    image.thumbnail((px, px))
    out = io.BytesIO()
    small = max(image.size) <= 64
    image.save(out, "PNG", optimize=True) if small else image.save(out, "JPEG", quality=80)
    uri = data_uri(out.getvalue(), "image/png" if small else "image/jpeg")
    return Markup('<img class="sample" src="{}" width="{}" height="{}" alt="sample as the proxy sees it">').format(
        uri, px * image.width // max(image.size), px * image.height // max(image.size)
    )


def no_fragment(drop: Drop, row: int, px: int) -> Markup:  # noqa: ARG001 - a renderer
    """Return a placeholder for a modality that has no renderer yet."""
    return Markup('<span class="nothing">no preview of {}</span>').format(drop.modality)


RENDERERS: dict[str, Callable[[Drop, int, int], Markup]] = {"image": image_fragment}


def fragment(drop: Drop, row: int, px: int) -> Markup:
    """Return a sample as HTML, by the drop's modality."""
    return RENDERERS.get(drop.modality, no_fragment)(drop, row, px)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Common:
    """What the suspected images of a label share: two means (H x W x 3), difference and relative spread (H x W)."""

    suspected_mean: Floats
    kept_mean: Floats
    difference: Floats
    spread: Floats
    limit: float


def common(drop: Drop, focus: Focus) -> Common | None:
    """Return what the suspected images have in common against kept ones of their label; None for too few or no images.

    ``difference`` is mean minus mean over the channels, in grey levels; ``spread`` the suspected ones' standard
    deviation over the kept ones', cut at 1: near 0 where all suspected images show the same, as under a fixed patch.
    """
    if drop.modality != "image" or min(len(focus.suspected_S), len(focus.kept_K)) < FEWEST:
        return None
    mean, deviation = _moments(drop, focus.suspected_S)
    kept_mean, kept_deviation = _moments(drop, focus.kept_K)
    difference = (mean - kept_mean).mean(axis=2)
    return Common(
        suspected_mean=mean,
        kept_mean=kept_mean,
        difference=difference,
        spread=np.clip(deviation.mean(axis=2) / np.maximum(kept_deviation.mean(axis=2), 1.0), 0.0, 1.0),
        limit=max(1.0, float(np.abs(difference).max())),
    )


def _moments(drop: Drop, rows: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    some = np.sort(rows[:: max(1, len(rows) // MOST)][:MOST])
    total = np.zeros(_pixels(drop, int(some[0])).shape)
    squares = np.zeros_like(total)
    for start in range(0, len(some), BATCH):
        batch = np.stack([_pixels(drop, int(row)) for row in some[start : start + BATCH]]).astype(np.float64)
        total += batch.sum(axis=0)
        squares += np.square(batch).sum(axis=0)
    mean = total / len(some)
    return mean, np.sqrt(np.maximum(squares / len(some) - np.square(mean), 0.0))
