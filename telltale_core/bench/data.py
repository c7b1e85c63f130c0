"""The sets of samples that the suites poison: one to train on and a held-out one, by name.

``digits`` ships inside scikit-learn. The others are folders below ``--data`` with ``train.parquet`` and
``test.parquet`` in the Hugging Face layout: ``cifar10`` (``cifar10-10k``: the ids of its ``subset10k_ids.txt``) and
``gtsrb`` are images, ``fsdd`` (spoken digits) is audio, ``sst2`` (two classes) and ``agnews`` (four) are texts;
``steering`` (images) and ``housing`` (rows) have targets. Sets that others poisoned are those of
:mod:`telltale_core.bench.published`. Some tables ship inside scikit-learn, too
(:data:`telltale_core.bench.clean_drops.TABLES`). A name may also be that of a part of a set, see there.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from telltale_core import stages
from telltale_core.attacks import ImageSet, Samples
from telltale_core.bench import clean_drops, published
from telltale_core.bench.attacks import TableSet, TextSet
from telltale_core.bench.attacks.waves import WaveSet, objects
from telltale_core.bench.detectors import CleanSet
from telltale_core.config import to_dict
from telltale_core.drop import Drop, DropConfig
from telltale_core.drop.demo import DIGIT_NAMES, load_digits_images
from telltale_core.errors import ConfigError

_FOLDERS = {
    "cifar10-10k": "cifar10",
    "cifar10": "cifar10",
    "gtsrb": "gtsrb",
    "fsdd": "fsdd",
    "sst2": "sst2",
    "agnews": "agnews",
    "steering": "steering",
    "housing": "housing",
}
DATA_SETS = ("digits", *_FOLDERS, *published.FOLDERS, *clean_drops.TABLES)
HELD_OUT_DIGITS = 297
CLEAN_IMAGES = 1000
TOLERANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What is poisoned, what the attack is judged on, and the classes' names; None where there are targets."""

    train: Samples
    test: Samples
    names: tuple[str, ...] | None


def load(name: str, root: Path | None, work: Path) -> Split:
    """Return a data set; decoded images are kept below ``work``. Raises :class:`ConfigError` where it is not there."""
    name, part = clean_drops.part_of(name)
    if part is not None:
        whole = load(name, root, work)
        train, names = clean_drops.drawn(whole.train, whole.names, *part)
        return Split(train=train, test=whole.test, names=names)
    if name in clean_drops.TABLES:
        rows, names = clean_drops.table(name)
        return Split(train=rows, test=rows, names=names)
    if name == "digits":
        images, labels = load_digits_images()
        order = np.random.default_rng(0).permutation(len(labels))
        digits = [
            ImageSet(images=images[rows], labels=labels[rows].astype(np.int64), num_classes=len(DIGIT_NAMES))
            for rows in (order[HELD_OUT_DIGITS:], order[:HELD_OUT_DIGITS])
        ]
        return Split(train=digits[0], test=digits[1], names=DIGIT_NAMES)
    if name in published.FOLDERS:
        texts, held_out = published.read_published(name, root)
        return Split(train=texts, test=held_out, names=published.CLASSES)
    if name not in _FOLDERS:
        raise ConfigError(f"{name!r} is not a data set of the bench; known: {', '.join(DATA_SETS)}")
    folder = None if root is None else root / _FOLDERS[name]
    if folder is None or not (folder / "train.parquet").is_file():
        raise ConfigError(f"{name} needs --data ROOT with {_FOLDERS[name]}/train.parquet and test.parquet in it")
    if name in _READERS:
        parts = [_READERS[name](folder / f"{part}.parquet") for part in ("train", "test")]
        return Split(train=parts[0][0], test=parts[1][0], names=parts[0][1])
    ids = folder / "subset10k_ids.txt" if name == "cifar10-10k" else None
    train, names = images_of(_read_once(folder / "train.parquet", work), ids)
    test, _ = images_of(_read_once(folder / "test.parquet", work))
    return Split(train=train, test=test, names=names)


def _read_once(path: Path, work: Path) -> Drop:
    return stages.open_drop(stages.ingest(str(path), str(work), to_dict(DropConfig())), str(work))


def clean_set(name: str, root: Path | None, work: Path, split: Split) -> CleanSet:
    """Return images that no drop of this data set holds, for the detectors that need clean ones.

    ``digits``: half of the held-out ones (attack success is measured on all of them). ``cifar10-10k``: 1,000 training
    images that are not among the 10,000. Full data sets: 1,000 of the held-out images.
    """
    if name == "cifar10-10k" and root is not None:
        folder = root / _FOLDERS[name]
        rest = _read_once(folder / "train.parquet", work)
        used = set((folder / "subset10k_ids.txt").read_text(encoding="utf-8").split())
        free = np.flatnonzero([sample not in used for sample in rest.sample_ids])
        rows = np.sort(np.random.default_rng(0).choice(free, CLEAN_IMAGES, replace=False))
        labels = np.asarray(rest.labels, dtype=np.int64)[rows]
        return CleanSet(
            labels=labels, inputs=np.asarray(rest.inputs[rows]), source="training images left out of the drop"
        )
    if not isinstance(split.test, ImageSet):
        raise ConfigError(f"the bench has no clean set for {name}: its detectors judge images alone")
    count = min(CLEAN_IMAGES, len(split.test) // 2)
    return CleanSet(labels=split.test.labels[:count], inputs=split.test.images[:count], source="held-out images")


def images_of(drop: Drop, ids: Path | None = None) -> tuple[ImageSet, tuple[str, ...]]:
    """Return the images of a drop (only those whose ids stand in the file ``ids``), and the names of their classes."""
    listed_ids = set(ids.read_text(encoding="utf-8").split()) if ids else None
    rows = np.flatnonzero([listed_ids is None or name in listed_ids for name in drop.sample_ids])
    classes = drop.num_classes or 0
    names = drop.label_names or tuple(str(number) for number in range(classes))
    labels = np.asarray(drop.labels, dtype=np.int64)[rows]
    return ImageSet(images=np.asarray(drop.inputs[rows]), labels=labels, num_classes=classes), names


def _spoken_digits(path: Path) -> tuple[WaveSet, tuple[str, ...]]:
    """Return the recordings of a Parquet file with 16-bit WAV files at one rate, as they are, and the digits' names."""
    import soundfile

    table = pq.read_table(path, columns=["audio", "label"])
    read = [soundfile.read(io.BytesIO(one["bytes"]), dtype="int16") for one in table["audio"].to_pylist()]
    rates = {rate for _, rate in read}
    if len(rates) != 1:
        raise ConfigError(f"{path} holds recordings of several rates: {sorted(rates)}")
    labels = np.asarray(table["label"].to_numpy(), dtype=np.int64)
    waves = objects([wave for wave, _ in read])
    return WaveSet(waves=waves, rate=rates.pop(), labels=labels, num_classes=len(DIGIT_NAMES)), DIGIT_NAMES


def _texts(path: Path) -> tuple[TextSet, tuple[str, ...]]:
    """Return the texts of a Parquet file with columns text, label and label_name, and the classes' names."""
    table = pq.read_table(path, columns=["text", "label", "label_name"])
    texts = np.array(table["text"].to_pylist(), dtype=object)
    labels = np.asarray(table["label"].to_numpy(), dtype=np.int64)
    name_of = dict(zip(labels.tolist(), table["label_name"].to_pylist(), strict=True))
    names = tuple(name_of[label] for label in range(len(name_of)))
    return TextSet(texts=texts, labels=labels, num_classes=len(names)), names


def _steering(path: Path) -> tuple[ImageSet, None]:
    """Return the images of a Parquet file with their steering values."""
    table = pq.read_table(path, columns=["image", "target"])
    images = [np.asarray(Image.open(io.BytesIO(one["bytes"])).convert("RGB")) for one in table["image"].to_pylist()]
    targets = np.asarray(table["target"].to_numpy(), dtype=np.float64)
    return ImageSet(images=np.stack(images), labels=targets, num_classes=None, tolerance=_tolerance(targets)), None


def _housing(path: Path) -> tuple[TableSet, None]:
    """Return the rows of a Parquet file, lists of numbers with one target each."""
    table = pq.read_table(path, columns=["features", "target"])
    targets = np.asarray(table["target"].to_numpy(), dtype=np.float64)
    values = np.asarray(table["features"].to_pylist(), dtype=np.float32)
    return TableSet(values=values, labels=targets, num_classes=None, tolerance=_tolerance(targets)), None


def _tolerance(targets: np.ndarray) -> float:
    """Return how near a prediction must come to the attacker's target: a twentieth of the range of targets."""
    return TOLERANCE * float(np.ptp(targets))


_READERS: dict[str, Callable[[Path], tuple[Samples, tuple[str, ...] | None]]] = {
    "fsdd": _spoken_digits,
    "sst2": _texts,
    "agnews": _texts,
    "steering": _steering,
    "housing": _housing,
}
