"""Images on the page: thumbnails, and what the suspected ones of a label share."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from PIL import Image

from telltale_core.display.plotting import panels_png
from telltale_core.modality.drop_protocols import ViewedDrop
from telltale_core.modality.parts import Viewer
from telltale_core.modality.viewing import FEWEST, MOST, Focus, Shown, data_uri

Floats = npt.NDArray[np.float64]
BATCH = 128


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Common:
    """What the suspected images of a label share: two means (H x W x 3), difference and relative spread (H x W)."""

    suspected_mean: Floats
    kept_mean: Floats
    difference: Floats
    spread: Floats
    limit: float


class ImageViewer(Viewer):
    """Shows the decoded pixels: what the proxy saw, not the original file."""

    def __init__(self, drop: ViewedDrop, dpi: int) -> None:
        self._drop, self._dpi = drop, dpi

    def fragment(self, row: int, px: int) -> Markup:
        """Return an ``img``, at most ``px`` on a side."""
        return self.packed(np.asarray(self._drop.inputs[row]), px)

    def packed(self, sample: npt.NDArray[Any], px: int) -> Markup:
        """See :meth:`Viewer.packed`."""
        image = Image.fromarray(np.ascontiguousarray(_coloured(sample)), "RGB")
        image.thumbnail((px, px))
        out = io.BytesIO()
        small = max(image.size) <= 64
        image.save(out, "PNG", optimize=True) if small else image.save(out, "JPEG", quality=80)
        uri = data_uri(out.getvalue(), "image/png" if small else "image/jpeg")
        return Markup('<img class="sample" src="{}" width="{}" height="{}" alt="sample as the proxy sees it">').format(
            uri, px * image.width // max(image.size), px * image.height // max(image.size)
        )

    def shared(self, focus: Focus) -> list[Shown]:
        """Return the means' difference and the spread as one picture; none for too few images."""
        pair = common(self._drop, focus)
        if pair is None:
            return []
        return [
            Shown(
                title=f"What the {focus.word} have in common",
                uri=data_uri(common_png(pair, self._dpi, focus.word)),
                alt=f"Four panels: mean {focus.word} image, mean kept image, their difference, and their spread.",
                caption="A hint, not evidence: a sharp local shape in the difference, or a dark spot in the spread "
                "(all suspected images show the same there), suggests a visible trigger. Its absence says nothing.",
            )
        ]


def _pixels(drop: ViewedDrop, row: int) -> npt.NDArray[np.uint8]:
    return _coloured(np.asarray(drop.inputs[row]))


def _coloured(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]


def common(drop: ViewedDrop, focus: Focus) -> Common | None:
    """Return what the suspected images have in common against kept ones of their label; None for too few.

    ``difference`` is mean minus mean over the channels, in grey levels; ``spread`` the suspected ones' standard
    deviation over the kept ones', cut at 1: near 0 where all suspected images show the same, as under a fixed patch.
    """
    if min(len(focus.suspected_rows), len(focus.kept_rows)) < FEWEST:
        return None
    mean, deviation = _moments(drop, focus.suspected_rows)
    kept_mean, kept_deviation = _moments(drop, focus.kept_rows)
    difference = (mean - kept_mean).mean(axis=2)
    return Common(
        suspected_mean=mean,
        kept_mean=kept_mean,
        difference=difference,
        spread=np.clip(deviation.mean(axis=2) / np.maximum(kept_deviation.mean(axis=2), 1.0), 0.0, 1.0),
        limit=max(1.0, float(np.abs(difference).max())),
    )


def _moments(drop: ViewedDrop, rows: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    some = np.sort(rows[:: max(1, len(rows) // MOST)][:MOST])
    total = np.zeros(_pixels(drop, int(some[0])).shape)
    squares = np.zeros_like(total)
    for start in range(0, len(some), BATCH):
        batch = np.stack([_pixels(drop, int(row)) for row in some[start : start + BATCH]]).astype(np.float64)
        total += batch.sum(axis=0)
        squares += np.square(batch).sum(axis=0)
    mean = total / len(some)
    return mean, np.sqrt(np.maximum(squares / len(some) - np.square(mean), 0.0))


def common_png(pair: Common, dpi: int = 140, word: str = "quarantined") -> bytes:
    """Return what suspected images, called ``word``, share: their mean, the kept ones', the difference, the spread."""
    return panels_png(
        (
            (f"mean, {word}", pair.suspected_mean.round().astype(np.uint8), {"vmin": 0, "vmax": 255}),
            ("mean, kept", pair.kept_mean.round().astype(np.uint8), {"vmin": 0, "vmax": 255}),
            ("difference", pair.difference, {"cmap": "PuOr_r", "vmin": -pair.limit, "vmax": pair.limit}),
            ("spread against kept", pair.spread, {"cmap": "viridis", "vmin": 0, "vmax": 1}),
        ),
        dpi,
    )
