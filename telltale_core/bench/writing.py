"""Sets of samples as drops on disk, and packed as a drop is: what a suite needs of each kind of data."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from telltale_core.attacks import ImageSet, Samples, TableSet, TextSet, WaveSet
from telltale_core.drop import Drop, pack
from telltale_core.drop.demo import ROW_GROUP_ROWS, write_image_drop

Columns = dict[str, tuple[pa.Array, dict[str, Any]]]


@functools.singledispatch
def media_of(samples: Samples) -> list[Any]:
    """Return the inputs as the rows of a drop hold them, one for each sample."""
    raise NotImplementedError(f"no rule for {type(samples).__name__}")


@functools.singledispatch
def columns_of(samples: Samples, ids: Sequence[str]) -> Columns:
    """Return the input columns by name, each with its Hugging Face feature."""
    raise NotImplementedError(f"no rule for {type(samples).__name__}")


@media_of.register
def _(samples: WaveSet) -> list[Any]:
    import soundfile

    found = []
    for wave in samples.waves:
        out = io.BytesIO()
        soundfile.write(out, wave, samples.rate, format="WAV", subtype="PCM_16")
        found.append(out.getvalue())
    return found


@columns_of.register
def _(samples: WaveSet, ids: Sequence[str]) -> Columns:
    media = [{"bytes": one, "path": f"{name}.wav"} for one, name in zip(media_of(samples), ids, strict=True)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return {"audio": (pa.array(media, kind), {"_type": "Audio", "sampling_rate": samples.rate})}


@media_of.register
def _(samples: TextSet) -> list[Any]:
    return list(samples.texts)


@columns_of.register
def _(samples: TextSet, ids: Sequence[str]) -> Columns:  # noqa: ARG001 - a rule of columns_of
    return {"text": (pa.array(media_of(samples), pa.string()), {"dtype": "string", "_type": "Value"})}


@media_of.register
def _(samples: ImageSet) -> list[Any]:
    found = []
    for pixels in samples.images:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, format="PNG")
        found.append(out.getvalue())
    return found


@columns_of.register
def _(samples: ImageSet, ids: Sequence[str]) -> Columns:
    media = [{"bytes": one, "path": f"{name}.png"} for one, name in zip(media_of(samples), ids, strict=True)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return {"image": (pa.array(media, kind), {"_type": "Image"})}


@media_of.register
def _(samples: TableSet) -> list[Any]:
    return list(samples.values.tolist())


@columns_of.register
def _(samples: TableSet, ids: Sequence[str]) -> Columns:  # noqa: ARG001
    feature = {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "Sequence"}
    return {"features": (pa.array(samples.values.tolist(), pa.list_(pa.float32())), feature)}


def write_drop(folder: Path, samples: Samples, ids: Sequence[str], names: Sequence[str] | None, seed: int) -> Path:
    """Return the path of ``folder/train.parquet``: id, input, and label with its class names (or target), shuffled."""
    if isinstance(samples, ImageSet) and names is not None and samples.num_classes is not None:
        return write_image_drop(folder, samples.images, samples.labels, ids, names, seed=seed)
    order = np.random.default_rng([seed, 2]).permutation(len(samples))
    value: tuple[pa.Array, dict[str, Any]] = (pa.array(samples.labels), {"dtype": "float64", "_type": "Value"})
    if names is not None and samples.num_classes is not None:
        value = (pa.array(samples.labels), {"names": list(names), "_type": "ClassLabel"})
    columns: Columns = {
        "id": (pa.array(list(ids), pa.string()), {"dtype": "string", "_type": "Value"}),
        **columns_of(samples, ids),
        "label" if samples.num_classes is not None else "target": value,
    }
    features = {name: feature for name, (_, feature) in columns.items()}
    table = pa.table({name: values for name, (values, _) in columns.items()}).take(pa.array(order))
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "train.parquet", compression="zstd", row_group_size=ROW_GROUP_ROWS)
    return folder / "train.parquet"


def packed(drop: Drop, samples: Samples) -> npt.NDArray[Any]:
    """Return samples packed as the drop is, (N, ...): what a net that is trained on the drop can read."""
    own = isinstance(samples, ImageSet) and samples.images.shape[1:] == tuple(drop.manifest["input"]["shape"][1:])
    return samples.inputs if own else pack(drop, media_of(samples))
