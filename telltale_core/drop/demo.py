"""A real drop that needs no network: the handwritten digits that ship inside scikit-learn, and a writer of image drops.

Source of the digits: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), 1,797 images.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from telltale_core.errors import ConfigError

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# Settings of a proxy for the digits: small images, few of them, so a narrow net learns all there is within a minute.
DIGITS_PROXY: dict[str, Any] = {"epochs": 30, "snapshots_per_epoch": 2, "width": 16, "lr": 0.02, "threads": 1}
ROW_GROUP_ROWS = 500


def load_digits_images(side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return the 1,797 digits as images, (N, side, side, 3) uint8, and their labels, (N,) int64 in 0..9.

    The 8 x 8 originals with 17 grey levels are scaled to 0..255 and, for another ``side``, resized bilinearly.
    """
    from sklearn.datasets import load_digits

    if side < 8:
        raise ConfigError(f"side must be >= 8, got {side}")
    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    if side != 8:
        size, filter_ = (side, side), Image.Resampling.BILINEAR
        grey = np.stack([np.asarray(Image.fromarray(image).resize(size, filter_)) for image in grey])
    return np.repeat(grey[..., None], 3, axis=3), np.asarray(digits.target, dtype=np.int64)


def plain_ids(count: int, seed: int, prefix: str = "sample") -> list[str]:
    """Return ``count`` different ids in random order: neither an id nor the order of ids tells anything about a row."""
    numbers = np.random.default_rng([seed, 1]).permutation(count)
    return [f"{prefix}-{number:06d}" for number in numbers]


def write_image_drop(
    folder: Path,
    images_NHWC: np.ndarray,
    labels: np.ndarray,
    ids: Sequence[str],
    label_names: Sequence[str],
    *,
    seed: int = 0,
) -> Path:
    """Return the path of ``folder/train.parquet``: the images as PNG in the Hugging Face layout, rows shuffled by seed.

    ``images_NHWC``: (N, H, W, 3) uint8; ``labels``: (N,) integers below ``len(label_names)``. Columns: ``id``,
    ``image`` (struct of bytes and path), ``label`` with its class names. Whatever is known about poison stays out.
    """
    count = len(images_NHWC)
    if images_NHWC.dtype != np.uint8 or images_NHWC.ndim != 4 or not len(labels) == len(ids) == count:
        raise ConfigError(
            f"needs N x H x W x 3 uint8 images and N labels and ids, got {images_NHWC.shape}, {len(labels)}"
        )
    order = np.random.default_rng([seed, 2]).permutation(count)
    features = {
        "id": {"dtype": "string", "_type": "Value"},
        "image": {"_type": "Image"},
        "label": {"names": list(label_names), "_type": "ClassLabel"},
    }
    media = [{"bytes": _png(images_NHWC[i]), "path": f"{ids[i]}.png"} for i in order]
    table = pa.table(
        {
            "id": pa.array([ids[i] for i in order], pa.string()),
            "image": pa.array(media, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "label": pa.array([int(labels[i]) for i in order], pa.int64()),
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "train.parquet"
    pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP_ROWS)
    return path


def write_digits_drop(folder: Path, *, seed: int = 0, side: int = 16) -> Path:
    """Return the path of the clean digits written as a drop."""
    images, labels = load_digits_images(side)
    return write_image_drop(folder, images, labels, plain_ids(len(images), seed, "digit"), DIGIT_NAMES, seed=seed)


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, format="PNG")
    return buffer.getvalue()
