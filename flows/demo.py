"""The demo: a real dataset, poisoned here and now, cleansed by the same flow as any other; then scored by the truth.

The truth is kept beside the drop, never in it, and is read only after the verdict stands.
"""

from __future__ import annotations

import json
import logging
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from telltale_core.attacks import ImageSet
from telltale_core.attacks.badnets import BadNets
from telltale_core.digest import digest_of
from telltale_core.drop import Drop, ingest
from telltale_core.drop.demo import DIGIT_NAMES, DIGITS_PROXY, load_digits_images, plain_ids, write_image_drop
from telltale_core.errors import BadInput, ConfigError

log = logging.getLogger(__name__)

CIFAR_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_ROW_BYTES = 1 + 3 * 32 * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisoning:
    """A poisoned drop: where it and its truth lie, and what was done."""

    drop: Path
    truth: Path
    samples: int
    poisoned: int
    target: str
    settings: dict[str, Any]


def place(data: str | None, home: Path, *, rate: float, target: int, seed: int, samples: int) -> Path:
    """Return the folder below ``home`` of this demo and no other: two data sets never share a drop or its truth."""
    what = "digits"
    if data is not None:
        named = data if data == "cifar10" else str(Path(data).expanduser().resolve())
        what = f"images-{digest_of([named, samples])[:8]}"
    return home / f"{what}-rate{rate:g}-target{target}-seed{seed}"


def poison(data: str | None, home: Path, *, rate: float, target: int, seed: int, samples: int) -> Poisoning:
    """Return a drop below ``home``, poisoned with the BadNets patch at ``rate`` towards label ``target``.

    ``data``: None for scikit-learn's digits, else what :func:`load_images` takes (what it fetches is kept in
    ``home/source`` for other rates and seeds); of that, ``samples`` rows are drawn.
    """
    if not rate > 0:
        raise ConfigError(f"--rate must be > 0, got {rate}: without poison there is nothing to find")
    if samples < 1:
        raise ConfigError(f"--samples must be >= 1, got {samples}")
    names: list[str]
    settings: dict[str, Any]
    if data is None:
        images, labels = load_digits_images()
        names, prefix, settings = list(DIGIT_NAMES), "digit", {"proxy": dict(DIGITS_PROXY)}
    else:
        images, labels, names = load_images(data, home / "source")
        chosen = np.sort(np.random.default_rng([seed, 3]).permutation(len(images))[:samples])
        images, labels = images[chosen], labels[chosen]
        prefix, settings = "sample", {}
    if not 0 <= target < len(names):
        raise ConfigError(f"--target must be a label, 0 to {len(names) - 1}, got {target}")
    clean_set = ImageSet(images=images, labels=labels, num_classes=len(names))
    poisoned_set = BadNets().poison(clean_set, rate, target, seed)
    ids = plain_ids(len(images), seed, prefix)
    folder = place(data, home, rate=rate, target=target, seed=seed, samples=samples)
    drop = write_image_drop(
        folder / "drop", poisoned_set.data.inputs, poisoned_set.data.labels, ids, names, seed=seed
    ).parent
    truth = folder / "truth.json"
    truth_record = {"attack": poisoned_set.details, "poisoned": sorted(np.asarray(ids)[poisoned_set.truth].tolist())}
    truth.write_text(json.dumps(truth_record, indent=1) + "\n", encoding="utf-8")
    poisoned = int(poisoned_set.truth.sum())
    return Poisoning(
        drop=drop, truth=truth, samples=len(ids), poisoned=poisoned, target=names[target], settings=settings
    )


def poisoned_ids(truth: Path) -> list[str]:
    """Return the ids of the poisoned samples, sorted; to be called once the verdict stands."""
    ids: list[str] = json.loads(truth.read_text(encoding="utf-8"))["poisoned"]
    return ids


def load_images(data: str, folder: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], list[str]]:
    """Return images (N, H, W, 3), labels (N,) and class names.

    ``data``: ``cifar10`` (fetched by torchvision where the network allows), a folder with CIFAR-10's binary files
    ``data_batch_*.bin``, or any drop of labelled images. Pickled batches are refused: unpickling runs their code.
    """
    if data == "cifar10":
        return _downloaded(folder)
    place = Path(data)
    batches = sorted(place.rglob("data_batch_*.bin")) if place.is_dir() else []
    if batches:
        return _binary(batches)
    if place.is_dir() and any(place.rglob("data_batch_1")):
        raise BadInput(
            "pickled_batches",
            f"{place} holds CIFAR-10's pickled batches, which are not opened: unpickling runs code. "
            "Use the binary version (data_batch_*.bin)",
        )
    drop: Drop = ingest(data, folder)
    if drop.labels is None or drop.modality != "image":
        raise BadInput(
            "not_labelled_images", f"the demo poisons labelled images; {data} is {drop.modality}, {drop.task}"
        )
    names = list(drop.label_names or map(str, range(drop.num_classes or 0)))
    return np.asarray(drop.inputs), drop.labels, names


def _binary(batches: list[Path]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], list[str]]:
    parts = []
    for path in batches:
        size = path.stat().st_size
        if size == 0 or size % CIFAR_ROW_BYTES or size > 10_000 * CIFAR_ROW_BYTES:
            raise BadInput("not_cifar10", f"{path} must hold up to 10,000 rows of {CIFAR_ROW_BYTES} bytes, has {size}")
        parts.append(np.fromfile(path, dtype=np.uint8).reshape(-1, CIFAR_ROW_BYTES))
    rows = np.concatenate(parts)
    images = np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return images, rows[:, 0].astype(np.int64), list(CIFAR_NAMES)


def _downloaded(folder: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], list[str]]:
    """Return CIFAR-10 by torchvision, which checks the files against known digests before it opens them."""
    from torchvision.datasets import CIFAR10

    try:
        data = CIFAR10(str(folder), train=True, download=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise BadInput(
            "no_download",
            f"CIFAR-10 could not be fetched ({type(error).__name__}: {error}). Where the network does not allow it, "
            "pass --data a folder with data_batch_*.bin",
        ) from error
    return np.asarray(data.data), np.asarray(data.targets, dtype=np.int64), list(CIFAR_NAMES)
