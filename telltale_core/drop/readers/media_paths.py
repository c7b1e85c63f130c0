"""The file of a drop that a cell of a table names: looked up in the listing, never joined to a path of the machine."""

from __future__ import annotations

import base64
import binascii
import functools
import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from telltale_core.drop.source import Source, SourceFile
from telltale_core.errors import BadInput
from telltale_core.modality import modalities
from telltale_core.modality.reasons import bad, shown

DATA_URL = re.compile(r"data:[a-z0-9.+/-]*(;[a-z0-9=.-]+)*;base64,", re.IGNORECASE)
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
NAMING = 0.9
"""Share of a column's values that must name files of the drop for the column to be one of paths."""


def embedded(text: str) -> bytes | None:
    """Return the bytes of a ``data:`` URL in base64; None for any other text."""
    match = DATA_URL.match(text[:200])
    if match is None:
        return None
    try:
        return base64.b64decode(text[match.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad("media_unreadable", "the data: URL is not valid base64") from error


class MediaPaths:
    """Finds files by path: all of a table below one folder, where its first paths are; else by how their paths end.

    The folder is ``media_root``, or that of the table, or the top. Only where it holds fewer than half of the first
    paths that are found at all is a file taken whose path ends with the cell's, with an ending of its own or without,
    if it is the only one. So a missing file is never replaced by another one of its name. Backslashes are slashes, and
    a name is the same in every Unicode normal form.
    """

    def __init__(self, source: Source, media_root: str | None) -> None:
        self._source, self._root = source, None if media_root is None else media_root.strip("/")

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

    def find(self, path: str, folder: str | None) -> SourceFile:
        """Return the file that a cell names, below this folder or told by its end; raises why there is none."""
        if path.startswith("/") or "\0" in path or SCHEME.match(path):
            what = "a link: download the file first" if "://" in path else "absolute: make it relative to the drop"
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
        texts = [path for value in values if (path := _path(value)) is not None]
        folder = self.folder(texts, table)
        kinds = Counter(kind for text in texts if (kind := self._kind_of(text, folder)))
        return kinds.most_common(1)[0][0] if texts and kinds.total() >= NAMING * len(texts) else None

    def _kind_of(self, text: str, folder: str | None) -> str | None:
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


def _path(value: object) -> str | None:
    """Return a cell as a path; None where it is none."""
    return (str(value).strip() or None) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _plain(key: str) -> str:
    return unicodedata.normalize("NFC", key)
