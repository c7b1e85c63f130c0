"""Samples on a page: what is shown of them, and the rows that evidence is shown for.

A viewer returns safe markup: what it shows of the data must go through ``markupsafe``, or be bytes of its own making.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

FEWEST = 5  # samples on either side, for what they share to mean anything
MOST = 2000  # samples looked at on either side
MOST_SUSPICIOUS = "most suspicious (kept)"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Focus:
    """Rows of one label: ``suspected_rows`` by falling suspicion and called ``word``, ``kept_rows`` in row order.

    ``within`` is what the rows are of where it is no label: a target range, a label set.
    """

    label: int | None
    name: str
    word: str
    suspected_rows: npt.NDArray[np.int64]
    kept_rows: npt.NDArray[np.int64]
    within: str = "label"

    @property
    def same(self) -> str:
        """What the other kept samples have in common with the suspected ones: " of the same label"; of all, nothing."""
        return "" if self.label is None else f" of the same {self.within}"


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
