"""The samples a reviewer looks at first: the most suspicious of each group that is held back, as picture or text."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from telltale_core.display.sanitize import clean
from telltale_core.modality import modality_named
from telltale_core.verdict.record import Verdict
from telltale_core.wording import WORDS

if TYPE_CHECKING:
    from telltale_core.drop import Drop

_PICTURE = re.compile(r'src="(data:image/[a-z]+;base64,[A-Za-z0-9+/=]+)"')
TEXT = 2000  # characters of one sample
NO_GROUP = "held back one by one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """One sample: ``suspicion`` in [0, 1], higher is worse; ``picture`` is a data URI, or else ``text`` says it.

    ``source`` is its file in the drop, or its row in a file.
    """

    id: str
    source: str
    group: str
    decision: str
    suspicion: float
    reason: str
    picture: str
    text: str


def worst_samples(drop: Drop, verdict_dir: Path, *, each: int, px: int = 96, dpi: int = 60) -> Iterator[Worst]:
    """Yield the ``each`` most suspicious samples of every group that is held back, group by group, the worst first."""
    verdict = Verdict.open(verdict_dir, drop=drop)
    viewer = modality_named(drop.modality).viewer(drop, [], dpi)
    names = {group.number: group.title for group in verdict.record.groups}
    held = verdict.rows("quarantine", "review")
    cluster, reasons = verdict.table["cluster"].to_numpy().astype(np.int64), verdict.table["reason"]
    decision, suspicion = verdict.decision, verdict.suspicion
    held = held[np.argsort(-suspicion[held], kind="stable")]
    for number in dict.fromkeys(cluster[held].tolist()):
        for row in held[cluster[held] == number][:each].tolist():
            shown = viewer.fragment(row, px)
            picture = _PICTURE.search(shown)
            yield Worst(
                id=str(drop.sample_ids[row]),
                source=drop.sources[row],
                group=names.get(number, NO_GROUP),
                decision=WORDS[str(decision[row])],
                suspicion=float(suspicion[row]),
                reason=str(reasons[row].as_py() or ""),
                picture=_enlarged(picture[1], px) if picture else "",
                text="" if picture else clean(shown.striptags(), TEXT),
            )


def _enlarged(uri: str, px: int) -> str:
    """Return a small PNG by a whole number larger, up to ``px``: Markdown shows a picture in its own size."""
    from PIL import Image

    head, _, data = uri.partition(",")
    if not head.startswith("data:image/png"):
        return uri
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    if (times := px // max(image.size)) < 2:
        return uri
    out = io.BytesIO()
    larger = image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST)
    larger.save(out, "PNG", optimize=True)
    return f"{head},{base64.b64encode(out.getvalue()).decode()}"
