"""The clean drops on which the rate of false alarms is measured: parts of every data set, small and large.

A part is named ``DATA/SAMPLES/CLASSES/SEED``, such as ``cifar10-10k/600/3/7``: so many samples of so many classes, both
drawn by the seed; 0 classes: all of them, or targets. No sample is altered.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn import datasets

from telltale_core.attacks import Samples
from telltale_core.bench.attacks import TableSet
from telltale_core.errors import ConfigError

PART = re.compile(r"([\w-]+)/(\d+)/(\d+)/(\d+)")
PARTS: tuple[tuple[str, tuple[tuple[int, int], ...], int], ...] = (
    ("cifar10-10k", ((300, 3), (600, 0), (1200, 5), (2500, 0), (5000, 0)), 3),
    ("gtsrb", ((600, 5), (1200, 10), (2500, 20), (5000, 0)), 3),
    ("digits", ((300, 0), (600, 5), (1200, 0)), 4),
    ("fsdd", ((300, 3), (600, 0), (1200, 0), (2500, 0)), 3),
    ("sst2", ((300, 0), (1200, 0), (5000, 0)), 4),
    ("agnews", ((300, 0), (1200, 0), (5000, 0)), 4),
    ("steering", ((300, 0), (1200, 0), (5000, 0)), 3),
    ("housing", ((300, 0), (1200, 0), (5000, 0)), 3),
    ("iris", ((150, 0),), 4),
    ("wine", ((178, 0),), 4),
    ("breast_cancer", ((569, 0),), 4),
    ("diabetes", ((442, 0),), 4),
)
"""Data set, sizes with their numbers of classes (0: all), and how often each is drawn: 109 drops."""
TABLES = ("iris", "wine", "breast_cancer", "diabetes")
"""Tables that ship inside scikit-learn."""


def parts(first_seed: int) -> list[tuple[str, int]]:
    """Return every part's name with the seed of its proxy, the small ones first; seeds count from ``first_seed``."""
    sized = [
        (samples, f"{data}/{samples}/{classes}/{seed}", seed)
        for data, sizes, draws in PARTS
        for samples, classes in sizes
        for seed in range(first_seed, first_seed + draws)
    ]
    return [(name, seed) for _, name, seed in sorted(sized, key=lambda part: part[0])]


def part_of(name: str) -> tuple[str, tuple[int, int, int] | None]:
    """Return the data set of a name, and samples, classes and seed where it names a part of it."""
    match = PART.fullmatch(name)
    return (match[1], (int(match[2]), int(match[3]), int(match[4]))) if match else (name, None)


def drawn(
    train: Samples, names: tuple[str, ...] | None, samples: int, classes: int, seed: int
) -> tuple[Samples, tuple[str, ...] | None]:
    """Return so many samples of so many classes and the names of these; their numbers begin at zero.

    Raises :class:`ConfigError` where there are not so many.
    """
    rng = np.random.default_rng(seed)
    if classes and names is not None:
        chosen = np.sort(rng.choice(len(names), classes, replace=False))
        some: Any = train.rows(np.flatnonzero(np.isin(train.labels, chosen)))
        labels = np.searchsorted(chosen, some.labels).astype(np.int64)
        train, names = replace(some, labels=labels, num_classes=classes), tuple(names[label] for label in chosen)
    if samples > len(train):
        raise ConfigError(f"{samples} samples were asked for, {len(train)} are there")
    return train.rows(np.sort(rng.choice(len(train), samples, replace=False))), names


def table(name: str) -> tuple[TableSet, tuple[str, ...] | None]:
    """Return a table that ships inside scikit-learn, and the names of its classes; None: it has targets."""
    bunch = getattr(datasets, f"load_{name}")()
    values = np.asarray(bunch.data, dtype=np.float32)
    if name == "diabetes":
        return TableSet(values=values, labels=np.asarray(bunch.target, dtype=np.float64), num_classes=None), None
    names = tuple(str(label) for label in bunch.target_names)
    return TableSet(values=values, labels=np.asarray(bunch.target, dtype=np.int64), num_classes=len(names)), names
