"""What ingest noted of a drop, in sentences: spellings, losses, near-duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from telltale_core.drop.manifest import Manifest
from telltale_core.modality import modality_named
from telltale_core.modality.reasons import shown

MOST = 3


def noted_lines(manifest: Manifest) -> list[str]:
    """Return a sentence for each thing that a reader of the drop's manifest should know; none where all is plain."""
    kind = modality_named(manifest["modality"]).plural
    lines = []
    for folded in manifest["spellings"][:MOST]:
        ways = ", ".join(f"{shown(text)} ({rows:,})" for text, rows in list(folded["spellings"].items())[:MOST])
        lines.append(f"The class {shown(folded['class'])} is written in several ways and published in one: {ways}.")
    losses = manifest["lost"]
    for word, count in losses.get("by_cause", {}).items():
        lines.append(f"Lost ({word}): {count:,} of the {kind} {losses['said'][word]}.")
    repeats = manifest["repeats"]
    if repeats.get("groups"):
        largest = repeats["largest"][0]
        lines.append(
            f"Near-duplicates: {repeats['samples']:,} of the {kind}, groups: {repeats['groups']:,}, the largest of "
            f"{largest['size']:,} ({shown(largest['sample_id'])}).{_mixed(repeats['under_two_labels'])}"
        )
    return lines


def _mixed(mixed: Mapping[str, Any]) -> str:
    if not mixed["groups"]:
        return ""
    first = mixed["largest"][0]
    labels = ", ".join(f"{shown(name)} ({count:,})" for name, count in list(first["labels"].items())[:MOST])
    return f" Groups with different answers: {mixed['groups']:,}, such as {shown(first['sample_id'])}: {labels}."
