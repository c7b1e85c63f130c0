"""Samples made visible: what the page shows of them is the business of the drop's modality, by its viewer.

A viewer returns safe markup: what it shows of the data must go through ``markupsafe``, or be bytes of its own making.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from telltale_core.modality import Viewer, modality_named
from telltale_core.report.config import ReportConfig

if TYPE_CHECKING:
    from telltale_core.drop import Drop
    from telltale_core.report.evidence import Focus

FEWEST = 5  # samples on either side, for what they share to mean anything
MOST = 2000  # samples looked at on either side


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One figure as the template places it: a picture (``uri``, with ``alt``), or markup such as a table (``html``)."""

    title: str
    caption: str
    uri: Markup | None = None
    alt: str = ""
    html: Markup | None = None


def data_uri(data: bytes, kind: str = "image/png") -> Markup:
    """Return bytes as a ``data:`` URI that may stand in an attribute."""
    return Markup(f"data:{kind};base64,{base64.b64encode(data).decode()}")  # noqa: S704 - base64 needs no escaping


class PlainViewer(Viewer):
    """Shows the first packed values of a sample as numbers."""

    def __init__(self, drop: Drop) -> None:
        self._drop = drop

    def fragment(self, row: int, px: int) -> Markup:
        """Return the numbers, as many as fit ``px`` pixels."""
        values = np.asarray(self._drop.inputs[row]).ravel()
        said = ", ".join(f"{value:.3g}" for value in values[: max(1, px // 6)].tolist())
        return Markup("<code>{}{}</code>").format(said, ", ..." if len(values) > px // 6 else "")


def viewer_of(drop: Drop, focuses: Sequence[Focus], config: ReportConfig) -> Viewer:
    """Return who shows the drop's samples on a page with evidence for these labels."""
    return modality_named(drop.modality).viewer(drop, focuses, config)
