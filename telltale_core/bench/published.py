"""Poison that others published, as an attack: their rows as they are, at the rate that is asked, and their trigger.

``hiddenkiller-sst2``: SST-2 with the syntactic trigger, sentences that were paraphrased in one template (Qi et al.,
Hidden Killer, ACL 2021, arXiv 2105.12400). Its folder has ``train.parquet`` (id, sentence, label), ``truth.parquet``
(id, is_poison), ``test.parquet`` and ``test-triggered.parquet`` (sentence, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from telltale_core.attacks import Attack, Poisoned, Samples, Triggered
from telltale_core.bench.attacks import TextSet
from telltale_core.errors import ConfigError

NAME = "published"
FOLDERS = {"hiddenkiller-sst2": "third-party/hiddenkiller-sst2"}
CLASSES = ("negative", "positive")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Published(Attack):
    """``poisoned`` (N,) says which rows of the training set are poison; ``triggered`` are held-out ones (M,)."""

    name = NAME
    source = "Qi et al., ACL 2021, arXiv 2105.12400, as published"
    label_rule = "dirty"
    modality = "text"

    poisoned: NDArray[np.bool_]
    triggered: NDArray[np.object_]

    def poison(self, data: Samples, rate: float, target: float, seed: int) -> Poisoned:
        """Return the clean rows and as many poisoned ones, drawn by the seed, as make ``rate`` of all."""
        self.check(data)
        clean, bad = np.flatnonzero(~self.poisoned), np.flatnonzero(self.poisoned)
        count = min(len(bad), round(rate / (1 - rate) * len(clean))) if 0 < rate < 1 else 0
        if count == 0:
            raise ConfigError(f"rate must leave clean rows and at least one poisoned one, got {rate}")
        drawn = np.random.default_rng(seed).choice(bad, count, replace=False)
        rows = np.sort(np.concatenate([clean, drawn]))
        nothing = np.zeros(len(rows), dtype=bool)
        return Poisoned(
            data=data.rows(rows),
            truth=self.poisoned[rows],
            cover=nothing,
            mislabelled=nothing,
            attack=self.name,
            target=target,
            details={"name": self.name, "rate": rate, "seed": seed, "poisoned": count},
        )

    def trigger(self, data: Samples, target: float, seed: int) -> Triggered:  # noqa: ARG002
        """Return the published triggered rows, repeated where the held-out set is larger; these do not count."""
        return Triggered(
            inputs=np.resize(self.triggered, len(data)),
            expected=np.full(len(data), int(target), dtype=np.int64),
            counts=np.arange(len(data)) < len(self.triggered),
        )


def published(name: str, root: Path | None) -> Published:
    """Return the poison of a published set below the folder of the data sets."""
    folder = _folder(name, root)
    ids, poisoned = (pq.read_table(folder / "truth.parquet")[column].to_pylist() for column in ("id", "is_poison"))
    bad = {sample for sample, is_poison in zip(ids, poisoned, strict=True) if is_poison}
    rows = pq.read_table(folder / "train.parquet", columns=["id"])["id"].to_pylist()
    return Published(
        poisoned=np.array([sample in bad for sample in rows]),
        triggered=_sentences(folder / "test-triggered.parquet"),
    )


def read_published(name: str, root: Path | None) -> tuple[TextSet, TextSet]:
    """Return all training rows, the poisoned ones among them, and the plain held-out ones."""
    folder = _folder(name, root)
    train, test = (_labelled(folder / f"{part}.parquet") for part in ("train", "test"))
    return train, test


def _folder(name: str, root: Path | None) -> Path:
    folder = None if root is None else root / FOLDERS[name]
    if folder is None or not (folder / "truth.parquet").is_file():
        raise ConfigError(f"{name} needs --data ROOT with {FOLDERS[name]}/train.parquet and truth.parquet in it")
    return folder


def _labelled(path: Path) -> TextSet:
    labels = np.asarray(pq.read_table(path, columns=["label"])["label"].to_numpy(), dtype=np.int64)
    return TextSet(texts=_sentences(path), labels=labels, num_classes=len(CLASSES))


def _sentences(path: Path) -> NDArray[np.object_]:
    return np.array(pq.read_table(path, columns=["sentence"])["sentence"].to_pylist(), dtype=object)
