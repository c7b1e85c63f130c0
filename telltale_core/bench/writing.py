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

from telltale_core.attacks import ImageSet, Samples
from telltale_core.bench.attacks import TableSet, TextSet, WaveSet
from telltale_core.drop import Drop, pack
from telltale_core.drop.demo import ROW_GROUP_ROWS, write_image_drop
from telltale_core.errors import ConfigError

Columns = dict[str, tuple[pa.Array, dict[str, Any]]]


@functools.singledispatch
def media_of(samples: Samples) -> list[Any]:
    """Return the inputs as the rows of a drop hold them, one for each sample."""
    raise _unknown(samples)


@functools.singledispatch
def columns_of(samples: Samples, ids: Sequence[str]) -> Columns:  # noqa: ARG001 - its rules name files by id
    """Return the input columns by name, each with its Hugging Face feature."""
    raise _unknown(samples)


def _unknown(samples: Samples) -> ConfigError:
    kinds = ", ".join(sorted(kind.__name__ for kind in media_of.registry if kind is not object))
    return ConfigError(
        f"the bench cannot write {type(samples).__name__} as a drop, only {kinds}; register a rule with media_of and "
        "columns_of"
    )


def _files(samples: Samples, ids: Sequence[str], ending: str) -> pa.Array:
    media = [{"bytes": one, "path": f"{name}.{ending}"} for one, name in zip(media_of(samples), ids, strict=True)]
    return pa.array(media, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


@media_of.register
def _(samples: WaveSet) -> list[Any]:
    import soundfile

    encoded = []
    for wave in samples.waves:
        out = io.BytesIO()
        soundfile.write(out, wave, samples.rate, format="WAV", subtype="PCM_16")
        encoded.append(out.getvalue())
    return encoded


@columns_of.register
def _(samples: WaveSet, ids: Sequence[str]) -> Columns:
    return {"audio": (_files(samples, ids, "wav"), {"_type": "Audio", "sampling_rate": samples.rate})}


@media_of.register
def _(samples: TextSet) -> list[Any]:
    return list(samples.texts)


@columns_of.register
def _(samples: TextSet, ids: Sequence[str]) -> Columns:  # noqa: ARG001 - a rule of columns_of
    return {"text": (pa.array(media_of(samples), pa.string()), {"dtype": "string", "_type": "Value"})}


@media_of.register
def _(samples: ImageSet) -> list[Any]:
    encoded = []
    for pixels in samples.images:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, format="PNG")
        encoded.append(out.getvalue())
    return encoded


@columns_of.register
def _(samples: ImageSet, ids: Sequence[str]) -> Columns:
    return {"image": (_files(samples, ids, "png"), {"_type": "Image"})}


@media_of.register
def _(samples: TableSet) -> list[Any]:
    rows: list[Any] = samples.values.tolist()
    return rows


@columns_of.register
def _(samples: TableSet, ids: Sequence[str]) -> Columns:  # noqa: ARG001
    feature = {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "Sequence"}
    return {"features": (pa.array(media_of(samples), pa.list_(pa.float32())), feature)}


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
