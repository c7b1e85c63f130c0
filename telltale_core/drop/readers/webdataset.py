"""Webdataset tars: files of one name but for their endings are a sample, ``0001.png`` and ``0001.cls``."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence

from telltale_core.drop.config import DropConfig
from telltale_core.drop.readers.base import Batch
from telltale_core.drop.readers.lines import Parsed, checked
from telltale_core.drop.readers.quoting import Lines
from telltale_core.drop.readers.table import TableReader
from telltale_core.drop.source import Source, SourceFile
from telltale_core.errors import BadInput
from telltale_core.modality import modalities
from telltale_core.modality.reasons import bad, shown

NAMES = {"cls": "label", "cls.txt": "label", "label": "label", "txt": "text", "text": "text"}
SIDE = ("json", *NAMES)
SIDE_BYTES = 1 << 20


def is_webdataset(keys: Sequence[str]) -> bool:
    """Return whether most files have another of the same name with an ending that says something of it."""
    tars = [key for key in keys if ".tar/" in key.lower() or ".tgz/" in key.lower()]
    sides = {_parted(key)[0] for key in tars if _parted(key)[1] in SIDE}
    return bool(sides) and 2 * sum(_parted(key)[0] in sides for key in tars) > len(keys)


class WebdatasetReader(TableReader):
    """Reads samples in the order of their names; the media file of a sample is found as a table's is."""

    def __init__(self, source: Source, files: list[SourceFile], config: DropConfig) -> None:
        super().__init__(source, files[:1], config)
        self.format = "webdataset"
        self._parts: dict[str, dict[str, SourceFile]] = {}
        for file in files:
            base, ending = _parted(file.key)
            other = self._parts.setdefault(base, {}).setdefault(ending, file)
            if other is not file:
                what = f"{shown(other.key)} and {shown(file.key)} differ in capital letters alone: rename one"
                raise bad("format_unclear", what)
        self.read_files = {file.key for file in files}

    def _parsed(
        self,
        file: SourceFile,  # noqa: ARG002 - all parts, not one file
        count: Lines,
        only: re.Pattern[bytes] | None = None,  # noqa: ARG002 - of all parts all is read
    ) -> Iterator[Parsed]:
        for base, parts in self._parts.items():
            count.record(1)
            try:
                values = self._values(base, parts)
                yield Parsed(*checked(values, self._limits, set()), sum(part.size_bytes for part in parts.values()))
            except BadInput as error:
                yield Parsed(None, error)

    @property
    def _closed(self) -> bool:
        """Whether only parts of one value each are there: of these all columns are known."""
        return not any("json" in parts for parts in self._parts.values())

    def _may_hold_commas(self, file: SourceFile) -> bool:  # noqa: ARG002 - all parts, not one file
        return not self._closed and self._decimal != "."

    def _values(self, base: str, parts: dict[str, SourceFile]) -> dict[str, object]:
        values: dict[str, object] = {"__key__": base}
        for ending, part in sorted(parts.items(), key=lambda one: one[0].count(".")):  # "png" goes before "seg.png"
            if ending == "json":
                try:
                    fields = json.loads(self._source.read(part, SIDE_BYTES).decode("utf-8-sig"))
                except (ValueError, RecursionError) as error:
                    raise bad("row_unreadable", f"{shown(part.key)} is not valid JSON") from error
                values = (fields if isinstance(fields, dict) else {"json": fields}) | values  # its own parts come first
            elif ending in NAMES:
                try:
                    values[NAMES[ending]] = self._source.read(part, SIDE_BYTES).decode("utf-8").strip()
                except UnicodeDecodeError as error:
                    raise bad("row_unreadable", f"{shown(part.key)} is not UTF-8: write it again as such") from error
            else:
                kind = next((k.name for k in modalities() if f".{ending.rsplit('.', 1)[-1]}" in k.suffixes), ending)
                values[ending if kind in values else kind] = part.key
        return values

    def batches(self) -> Iterator[Batch]:
        """Yield rows; there are no lines to be accounted for."""
        yield from super().batches()
        self.lines = None


def _parted(key: str) -> tuple[str, str]:
    """Return a key up to the first dot of its name, and its ending in lower case."""
    folder, name = posixpath.split(key)
    base, _, ending = name.partition(".")
    return posixpath.join(folder, base), ending.lower()
