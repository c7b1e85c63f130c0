"""``manifest.json``: the record of an ingested drop, which names it by its content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from telltale_core.digest import digest_of
from telltale_core.records import RecordKind


class Counts(TypedDict):
    """Rows of a drop: seen = kept + rejected, the latter by reason code; ``same_content`` repeat another's bytes."""

    seen: int
    kept: int
    rejected: int
    by_reason: dict[str, int]
    same_content: int


class OtherSplit(TypedDict):
    """A split that was not judged: its ``rows`` in ``file``, the ``unlabelled`` among them, and who was left out."""

    split: str
    file: str
    rows: int
    unlabelled: int
    left_out: dict[str, int]


class Packed(TypedDict):
    """The file of packed samples, its ``shape`` (N, ...) and dtype."""

    file: str
    shape: list[int]
    dtype: str


class Manifest(TypedDict):
    """What ``manifest.json`` says of a drop. What one ingest knows of where the rows came from is in ``ORIGIN``."""

    digest: str
    name: str
    description: str | None
    source: str
    modality: str
    task: str
    columns: dict[str, Any]
    label_names: list[str] | None
    num_classes: int | None
    absent_classes: list[int]
    counts: Counts
    input: Packed
    packing: dict[str, Any]
    config: dict[str, Any]
    stated: dict[str, Any]
    inferred: dict[str, Any]
    metadata_left_out: dict[str, Any]
    spellings: list[dict[str, Any]]
    unread: list[dict[str, Any]]
    accounting: dict[str, Any]
    lost: dict[str, Any]
    repeats: dict[str, Any]
    questions: list[dict[str, str]]
    files: dict[str, str]
    other_splits: NotRequired[list[OtherSplit]]


DROP = RecordKind(
    type=Manifest, name="ingested drop", file="manifest.json", format="telltale.drop/1", cure="ingest the drop"
)
NAMED_BY = ("modality", "task", "columns", "label_names", "num_classes", "input", "counts", "files")
# What one ingest knows about where its rows came from. Not part of the name: two ingests of the same rows may differ.
ORIGIN = (
    "name", "description", "source", "stated", "inferred", "config", "accounting", "metadata_left_out", "unread",
    "questions",
)  # fmt: skip


def drop_digest(manifest: Mapping[str, Any]) -> str:
    """Return the name of a drop: the digest of what it holds, not of where it came from, 64 hex digits."""
    named_by = (*NAMED_BY, *({"other_splits"} & manifest.keys()))
    return digest_of({"format": DROP.format, **{key: manifest[key] for key in named_by}})
