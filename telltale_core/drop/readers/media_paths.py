"""The file of a drop that a cell of a table names: looked up in the listing, never joined to a path of the machine."""

from __future__ import annotations

import functools
import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from telltale_core.drop.config import DropConfig
from telltale_core.drop.readers.base import Row
from telltale_core.drop.readers.cells import written_numbers
from telltale_core.drop.readers.data_urls import embedded, is_data_url, kind_of_url
from telltale_core.drop.source import Source, SourceFile
from telltale_core.errors import BadInput
from telltale_core.modality import modalities
from telltale_core.modality.reasons import bad, shown

Named = np.ndarray | list[object] | bytes | SourceFile | BadInput
"""What a cell may name or hold, or why it does not."""
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
NAMING = 0.9
"""Share of a column's values that must name files of the drop for the column to be one of paths."""


class MediaPaths:
    """Finds files by path: all of a table below one folder, where its first paths are; else by how their paths end.

    The folder is ``media_root``, or that of the table, or the top. Only where it holds fewer than half of the first
    paths that are found at all is a file taken whose path ends with the cell's, with an ending of its own or without,
    if it is the only one. So a missing file is never replaced by another one of its name. Backslashes are slashes, and
    a name is the same in every Unicode normal form.
    """

    def __init__(self, source: Source, config: DropConfig) -> None:
        self._source, self._limits = source, config.limits
        self._root = None if config.media_root is None else config.media_root.strip("/")

    def folder(self, values: Iterable[object], table: SourceFile) -> str | None:
        """Return the folder below which these cells name files; None where files are told by how their paths end."""
        folders = [posixpath.dirname(table.key), ""] if self._root is None else [self._root]
        paths = [path for value in values if (path := _path(value)) is not None]
        hits = Counter(folder for folder in folders for path in paths if self._at(path, folder) is not None)
        if not hits:
            return None
        best, count = hits.most_common(1)[0]
        anywhere = sum(self._at(path, best) is not None or bool(self._ending_so(path)) for path in paths)
        return best if 2 * count >= anywhere else None

    def medium(self, value: object, folder: str | None) -> np.ndarray | list[object] | bytes | SourceFile:
        """Return the file that a cell names, or the bytes or values that it holds; raises why it does neither."""
        if isinstance(value, list):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            raise bad("media_missing", "the row names no file and holds no values")
        text = value.strip()
        if (data := embedded(text, self._limits)) is not None:
            return data
        values = written_numbers(text)
        return self.find(text, folder) if values is None else values

    def read(self, rows: Iterable[tuple[Row, SourceFile]]) -> None:
        """Give rows the bytes of their files, or the fault why not."""
        rows, most = list(rows), self._limits.max_media_bytes
        self._source.prefetch(file for _, file in rows if file.size_bytes <= most)
        for row, file in rows:
            try:
                row.media = self._source.read(file, most) or None
                if row.media is None:
                    raise bad("media_missing", f"{shown(file.key)} is empty")
            except BadInput as error:
                row.fault = error

    def find(self, path: str, folder: str | None) -> SourceFile:
        """Return the file that a cell names, below this folder or told by its end; raises why there is none."""
        if path.startswith("/") or "\0" in path or SCHEME.match(path):
            what = "a link: download the file first" if "://" in path else "absolute: make it relative to the drop"
            what = "a data: URL without base64: write the file" if path.lower().startswith("data:") else what
            raise bad("path_outside_drop", f"{shown(path)} is {what}; the file must lie in the drop")
        if ".." in _slashed(path).split("/"):
            raise bad("path_outside_drop", f"{shown(path)} climbs with '..'")
        if folder is not None:
            file = self._at(path, folder)
            if file is None:
                where = f" below {shown(folder)}, where others of the table are" if folder else ""
                raise bad("media_missing", f"{shown(path)} is no file{where} of the drop: add it, or leave out the row")
            return file
        match = self._ending_so(path)
        if len(match) > 1:
            first = " and ".join(shown(key) for key in match[:2])
            raise bad("media_missing", f"{shown(path)} may be {first}: set drop.media_root")
        if not match:
            raise bad("media_missing", f"{shown(path)} is no file of the drop: add it, or set drop.media_root")
        return self._source.files[match[0]]

    def _at(self, path: str, folder: str) -> SourceFile | None:
        """Return the file at a path below a folder, in any Unicode normal form."""
        for text in (path, _plain(_slashed(path))):
            file = self._source.files.get(posixpath.join(folder, posixpath.normpath(text)))
            if file is not None:
                return file
        return None

    def _ending_so(self, path: str) -> Sequence[str]:
        """Return the keys of media files whose path ends with this one, with an ending of its own or without."""
        folder, name = posixpath.split(posixpath.normpath(_plain(_slashed(path))))
        candidates = self._by_name.get(name, ())
        return [key for key in candidates if not folder or f"/{posixpath.dirname(_plain(key))}".endswith(f"/{folder}")]

    @functools.cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Keys of media files by name, and by name without the ending."""
        keys: defaultdict[str, list[str]] = defaultdict(list)
        for file in self._source.files.values():
            if self._root and not file.key.startswith(f"{self._root}/"):
                continue
            name = posixpath.basename(_plain(file.key))
            stem, ending = posixpath.splitext(name)
            keys[name].append(file.key)
            if ending.lower() in _suffixes():
                keys[stem].append(file.key)
        return keys

    def kind_named_by(self, values: Iterable[object], table: SourceFile) -> str | None:
        """Return the kind of data whose files a column with these values names; None if it is no column of paths."""
        texts = [text for value in values if (text := _text(value)) is not None]
        folder = self.folder(texts, table)
        kinds = Counter(kind for text in texts if (kind := self._kind_of(text, folder)))
        return kinds.most_common(1)[0][0] if texts and kinds.total() >= NAMING * len(texts) else None

    def _kind_of(self, text: str, folder: str | None) -> str | None:
        if is_data_url(text):
            return kind_of_url(text)
        try:
            suffix = self.find(text, folder).suffix
        except BadInput:
            several = self._ending_so(text)[1:] if folder is None else ()
            if not several:
                return None
            suffix = self._source.files[several[0]].suffix  # which of them, only a setting can say
        return next((kind.name for kind in modalities() if suffix in kind.suffixes), None)


@functools.cache
def _suffixes() -> frozenset[str]:
    return frozenset[str]().union(*(kind.suffixes for kind in modalities()))


def _text(value: object) -> str | None:
    """Return a cell as a text; None where it is none."""
    return (str(value).strip() or None) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _path(value: object) -> str | None:
    """Return a cell as a path; None where it is none."""
    text = _text(value)
    return None if text is None or is_data_url(text) else text


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _plain(key: str) -> str:
    return unicodedata.normalize("NFC", key)
