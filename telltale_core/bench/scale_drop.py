"""A drop of any size for the suite ``scale``, made up and written by the project's own writer: nothing is decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telltale_core.digest import sha256_file
from telltale_core.drop.manifest import DROP, Manifest
from telltale_core.drop.record import Drop, samples_schema
from telltale_core.drop.writers import DropWriter
from telltale_core.modality.layout_spec import Packing

DIGEST = "0" * 64
PX, MEDIA_BYTES, PART, PART_BYTES = 8, 1000, 1 << 12, 1 << 25
"""A packed picture's side, the bytes of its file, and the rows and bytes that are written at a time."""


def ids_of(samples: int) -> Iterator[str]:
    """Yield the ids: digests, as those of samples that their content names."""
    return (hashlib.sha256(b"%d" % row).hexdigest() for row in range(samples))


def write_made_up_drop(folder: Path, label_N: NDArray[np.int64], media_bytes: int = MEDIA_BYTES) -> Drop:
    """Return a drop of pictures of noise with these labels: each 8 x 8 pixels, and a file of ``media_bytes``."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, ids, count = np.random.default_rng(1), ids_of(len(label_N)), len(label_N)
    packing = Packing(shape=(PX, PX, 3), dtype="uint8", settings={}, rule="as it is")
    step = max(1, min(PART, PART_BYTES // media_bytes))
    with DropWriter(folder, packing, count, samples_schema(several=False)) as writer:
        for start in range(0, count, step):
            label_n = label_N[start : start + step]
            part = [next(ids) for _ in label_n]
            columns = {
                "sample_id": pa.array(part),
                "label": pa.array(label_n),
                "target": pa.nulls(len(part), pa.float64()),
                "source": pa.array([f"part-0.parquet:{row}" for row in range(start, start + len(part))]),
                "content_sha256": pa.array(part),
            }
            writer.samples.add(pa.Table.from_arrays(list(columns.values()), schema=samples_schema(several=False)))
            media = [rng.bytes(media_bytes) for _ in part]
            writer.payload.add(pa.table({"id": part, "image": pa.array(media), "label": label_n}))
            for picture in rng.integers(0, 256, (len(part), PX, PX, 3), dtype=np.uint8):
                writer.inputs.add(picture)
    DROP.write(folder, _manifest(folder, count, int(label_N.max()) + 1))
    return Drop.open(folder)


def _manifest(folder: Path, count: int, labels: int) -> Manifest:
    empty: dict[str, Any] = {}
    return Manifest(
        digest=DIGEST,
        name="made up",
        description=None,
        source="made up",
        modality="image",
        task="classification",
        columns={"id": "id", "input": "image", "label": "label"},
        label_names=[f"label {label}" for label in range(labels)],
        num_classes=labels,
        absent_classes=[],
        counts={"seen": count, "kept": count, "rejected": 0, "by_reason": {}, "same_content": 0},
        input={"file": "inputs.npy", "shape": [count, PX, PX, 3], "dtype": "uint8"},
        packing={"shape": [PX, PX, 3], "rule": "as it is"},
        config=empty,
        stated=empty,
        inferred=empty,
        metadata_left_out=empty,
        spellings=[],
        unread=[],
        accounting={"files": None, "lines": None},
        lost=empty,
        repeats=empty,
        questions=[],
        files={"payload.parquet": sha256_file(folder / "payload.parquet")},
    )
