"""What a version records of how its drop was read: which columns were judged, what the next drop is compared with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pyarrow as pa

from telltale_core.drop.manifest import Manifest
from telltale_core.questions import Question

UNREAD = {
    "media": "media files that were not read",
    "numbers": "lists of numbers, as pictures or features are",
    "text": "free text",
    "long": "long values, as encoded media are",
    "nested": "lists or nested values",
    "label": "what looks like another label",
}


def reading_of(manifest: Manifest) -> dict[str, Any]:
    """Return the part of a drop's manifest that the next drop of the dataset is compared with."""
    names = ("modality", "task", "columns", "label_names", "num_classes")
    return {
        **{name: value for name, value in manifest.items() if name in names},
        "sample_shape": manifest["input"]["shape"][1:],
        "kept": manifest["counts"]["kept"],
    }


def judged_columns(manifest: Manifest) -> list[str]:
    """Return the columns that a drop's input and answer were read from, in this order."""
    roles = manifest["columns"]
    named = [roles.get("input"), roles["target"] if "target" in roles else roles.get("label")]
    lists = [[value] if isinstance(value, str) else list(value or ()) for value in named]
    return list(dict.fromkeys(name for names in lists for name in names))


def unread_questions(unread: Iterable[Mapping[str, Any]]) -> list[Question]:
    """Return a question for each kind of unread columns that a model could be trained on, naming them."""
    by_kind: dict[str, list[str]] = {}
    for entry in unread:
        if entry.get("asks"):
            by_kind.setdefault(str(entry["like"]), []).append(str(entry["column"]))
    return [
        Question(
            code="two_labels" if kind == "label" else f"unread_{kind}",
            text=f"{_named(names)}, {UNREAD.get(kind, kind)}, would be published unjudged: the proxy did not see "
            f"{'it' if len(names) == 1 else 'them'}",
            cure=f"drop.{role}_column to say which is read, drop.also_{role}s to have it judged, too, or "
            'publish.unread = "keep" or "drop"',
        )
        for kind, names in by_kind.items()
        for role in ["label" if kind == "label" else "input"]
    ]


def _named(names: list[str], most: int = 8) -> str:
    shown = ", ".join(ascii(name[:60]) for name in names[:most])
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"the column{'s' if len(names) > 1 else ''} {shown}{more}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a version's shards: ``published`` in order, ``left_out`` of them, ``unread`` ones as recorded."""

    published: list[str]
    left_out: list[str]
    unread: list[dict[str, Any]]

    @classmethod
    def of(cls, manifest: Manifest, schema: pa.Schema, policy: str, also: Collection[str] = ()) -> Columns:
        """Return what of a drop's columns is published: with the policy ``"drop"`` only what was judged, and the id.

        ``also`` are columns that were judged by further readings of the drop.
        """
        unread = [dict(entry) for entry in manifest["unread"] if entry["column"] not in also]
        id_column = manifest["columns"].get("id")
        out = {str(entry["column"]) for entry in unread} - {id_column} if policy == "drop" else set()
        published = [name for name in schema.names if name not in out]
        return cls(published=published, left_out=[name for name in schema.names if name in out], unread=unread)

    def described(self, schema: pa.Schema) -> list[dict[str, Any]]:
        """Return the manifest's ``schema``: name, type, and whether the proxy judged the column."""
        unread = {entry["column"] for entry in self.unread}
        return [
            {"name": field.name, "type": str(field.type), "judged": field.name not in unread}
            for field in schema
            if field.name in self.published
        ]

    def select(self, table: pa.Table) -> pa.Table:
        """Return the published columns that a table has, their Hugging Face metadata cut to them."""
        if not self.left_out:
            return table
        metadata = dict(table.schema.metadata or {})
        if b"huggingface" in metadata:
            try:
                record = json.loads(metadata[b"huggingface"])
                for name in self.left_out:
                    record["info"]["features"].pop(name, None)
                metadata[b"huggingface"] = json.dumps(record).encode()
            except (ValueError, KeyError, TypeError, AttributeError):
                del metadata[b"huggingface"]  # not the layout that datasets writes: it would refuse the shard
        names = [name for name in self.published if name in table.column_names]
        return table.select(names).replace_schema_metadata(metadata or None)
