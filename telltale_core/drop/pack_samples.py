"""New samples in the shape of an ingested drop: what a proxy that was trained on the drop can read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from telltale_core.config import from_dict
from telltale_core.drop.config import DropConfig
from telltale_core.drop.record import FILES, NOTES, Drop
from telltale_core.modality import modality_named
from telltale_core.modality.layout_spec import Packing
from telltale_core.modality.parts import Media


def pack(drop: Drop, media: Iterable[Media]) -> np.ndarray:
    """Return media, as a drop's rows hold them, packed as this drop is: (N, ...) in the shape and dtype of its inputs.

    Raises :class:`BadInput` for the first that would have been a rejected row.
    """
    settings = drop.packing
    packing = Packing(
        shape=tuple(drop.manifest["input"]["shape"][1:]),
        dtype=drop.manifest["input"]["dtype"],
        rule=str(settings.pop("rule", "")),
        settings={name: value for name, value in settings.items() if name != "shape"},
        files={name: drop.file_bytes(name) for name in drop.manifest["files"] if name not in (*FILES, NOTES)},
    )
    decoder = modality_named(drop.modality).decoder(from_dict(DropConfig, drop.manifest["config"], "drop"))
    with decoder.session():
        rows = [decoder.decode(one, packing) for one in media]
    return np.stack(rows) if rows else np.empty((0, *packing.shape), dtype=packing.dtype)
