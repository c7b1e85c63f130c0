"""``train.json``: the record of a complete training, beside its loss log and the trained proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from telltale_core.records import RecordKind, Samples


class ProxyEntry(TypedDict):
    """The trained proxy: its seed, its score on the drop, the seconds that each part took, and its file of weights."""

    member: int
    seed: int
    train_score: float
    timings: dict[str, float]
    model_file: str
    model_sha256: str


class Train(TypedDict):
    """What ``train.json`` says: of which drop and log, the whole recipe, on what hardware, and how it went."""

    drop_digest: str
    log_digest: str
    config: dict[str, Any]
    recipe_digest: str
    model: str
    task: str
    outputs: int
    answers: dict[str, Any]
    input: dict[str, Any]
    augmented: bool
    hardware: dict[str, Any]
    versions: dict[str, str]
    members: list[ProxyEntry]
    alignment: dict[str, Any]
    wall_s: float


TRAIN = RecordKind(
    type=Train, name="training", file="train.json", format="telltale.train/1", cure="run the train stage"
)


def read_train_record(train_dir: Path, drop: Samples | None = None) -> Train:
    """Return the record of a complete training, of this drop where one is given.

    Raises :class:`NotFound` without one, :class:`Corrupt` for one that is not whole, or of another drop.
    """
    record = TRAIN.read(train_dir)
    if drop is not None:
        TRAIN.check_drop(record["drop_digest"], drop)
    return record


def proxy_entry(record: Train) -> ProxyEntry:
    """Return what a training's record says of its proxy."""
    if len(record["members"]) != 1:  # a list, for earlier releases could train several
        TRAIN.corrupt(f"the training must have 1 proxy, found {len(record['members'])}")
    return record["members"][0]
