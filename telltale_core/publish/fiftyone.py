"""Verdicts as labels that FiftyOne imports: ``labels.json`` of its FiftyOneImageClassificationDataset."""

from __future__ import annotations

import json
import math
import mimetypes
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from telltale_core.errors import ConfigError
from telltale_core.publish.finding import latest, new_file, verdicts
from telltale_core.publish.history import Dataset, as_store, read_numbered
from telltale_core.publish.manifest import Version

ATTRIBUTES = ("sample_id", "suspicion", "cluster", "reason")


def export_fiftyone(dataset: Dataset, path: Path, number: int | None = None) -> int:
    """Write the verdicts of version ``number``, or the newest one, as labels of its media files; return their count.

    A label is the decision: ``keep``, ``quarantine`` or ``review``. FiftyOne finds a file by its path below the drop,
    without ending. :class:`ConfigError` where the file stands already, where a sample has no file or one that is not
    called as a picture, and where two files differ in their endings alone.
    """
    version = read_numbered(as_store(dataset), number) if number is not None else latest(dataset)
    rows = 0
    with new_file(path) as file:
        file.write(b'{"labels": {')
        for name, label in _labels(version):
            file.write(f"{',' if rows else ''}\n{json.dumps(name)}: {json.dumps(label)}".encode())
            rows += 1
        file.write(b"\n}}\n")
    return rows


def _labels(version: Version) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each judged sample's file, without ending, and its verdict as FiftyOne's classification."""
    names: dict[str, str] = {}
    for table in verdicts(version):
        for row in table.to_pylist():
            path = row["media_path"]
            if not path:
                raise ConfigError(
                    f"the sample {row['sample_id']!r} of version {version.number} has no media file, by which FiftyOne "
                    "finds its verdict: use --csv or --parquet"
                )
            if not (mimetypes.guess_type(path, strict=False)[0] or "").startswith("image/"):
                raise ConfigError(f"by its ending {path!r} is no picture to FiftyOne: use --csv or --parquet")
            name = posixpath.splitext(path)[0]
            if (other := names.setdefault(name, path)) is not path:
                raise ConfigError(f"{path!r} and {other!r} are one name to FiftyOne: use --csv or --parquet")
            plain = {key: value for key in ATTRIBUTES if (value := _plain(row[key])) is not None}
            yield name, {"label": row["decision"], "attributes": plain}


def _plain(value: object) -> object:
    """Return a value as JSON holds it: what is no number is left out."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
