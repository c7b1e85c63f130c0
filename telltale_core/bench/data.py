"""The labelled images that the suites poison: a set to train on and a held-out one, by name.

``digits`` ships inside scikit-learn. The others are folders below ``--data`` with ``train.parquet`` and
``test.parquet`` in the Hugging Face layout: ``cifar10`` (``cifar10-10k``: the ids of its ``subset10k_ids.txt``) and
``gtsrb``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from telltale_core.attacks import ImageSet
from telltale_core.drop import Drop, DropConfig, ingest
from telltale_core.drop.demo import DIGIT_NAMES, load_digits_images
from telltale_core.errors import ConfigError

_FOLDERS = {"cifar10-10k": "cifar10", "cifar10": "cifar10", "gtsrb": "gtsrb"}
DATA_SETS = ("digits", *_FOLDERS)
HELD_OUT_DIGITS = 297


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What is poisoned, what the attack is judged on, and the classes' names."""

    train: ImageSet
    test: ImageSet
    names: tuple[str, ...]


def load(name: str, root: Path | None, work: Path) -> Split:
    """Return a data set; decoded images are kept below ``work``. Raises :class:`ConfigError` where it is not there."""
    if name == "digits":
        images, labels = load_digits_images()
        order = np.random.default_rng(0).permutation(len(labels))
        parts = [
            ImageSet(images=images[rows], labels=labels[rows].astype(np.int64), num_classes=len(DIGIT_NAMES))
            for rows in (order[HELD_OUT_DIGITS:], order[:HELD_OUT_DIGITS])
        ]
        return Split(train=parts[0], test=parts[1], names=DIGIT_NAMES)
    if name not in _FOLDERS:
        raise ConfigError(f"{name!r} is not a data set of the bench; known: {', '.join(DATA_SETS)}")
    folder = None if root is None else root / _FOLDERS[name]
    if folder is None or not (folder / "train.parquet").is_file():
        raise ConfigError(f"{name} needs --data ROOT with {_FOLDERS[name]}/train.parquet and test.parquet in it")
    ids = folder / "subset10k_ids.txt" if name == "cifar10-10k" else None
    train, names = images_of(ingest(str(folder / "train.parquet"), work, DropConfig()), ids)
    test, _ = images_of(ingest(str(folder / "test.parquet"), work, DropConfig()))
    return Split(train=train, test=test, names=names)


def images_of(drop: Drop, ids: Path | None = None) -> tuple[ImageSet, tuple[str, ...]]:
    """Return the images of a drop (only those whose ids stand in the file ``ids``), and the names of their classes."""
    wanted = set(ids.read_text(encoding="utf-8").split()) if ids else None
    rows = np.flatnonzero([wanted is None or name in wanted for name in drop.sample_ids])
    classes = drop.num_classes or 0
    names = drop.label_names or tuple(str(number) for number in range(classes))
    labels = np.asarray(drop.labels, dtype=np.int64)[rows]
    return ImageSet(images=np.asarray(drop.inputs[rows]), labels=labels, num_classes=classes), names
