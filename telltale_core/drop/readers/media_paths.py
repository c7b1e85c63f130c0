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
    """Finds files by path: beside the table, from the top, below ``media_root``; else by a name that only one has.

    A name without an ending is that of the media file with this stem. Backslashes are slashes, and a name is the same
    in every Unicode normal form.
    """

    def __init__(self, source: Source, media_root: str | None) -> None:
        self._source, self._root = source, media_root

    def find(self, path: str, table: SourceFile) -> SourceFile:
        """Return the file that a cell of this table names; raises the reason why there is none."""
        if path.startswith("/") or "\0" in path or SCHEME.match(path):
            what = "a link: download the file first" if "://" in path else "absolute: make it relative to the drop"
            raise bad("path_outside_drop", f"{shown(path)} is {what}; the file must lie in the drop")
        plain = unicodedata.normalize("NFC", path.replace("\\", "/"))
        for text in (path, plain):
            if ".." in text.split("/"):
                raise bad("path_outside_drop", f"{shown(path)} climbs with '..'")
        roots = (*((self._root.strip("/"),) if self._root else ()), posixpath.dirname(table.key), "")
        for text in (path, plain):
            key = posixpath.normpath(text)
            for root in roots:
                file = self._source.files.get(posixpath.join(root, key))
                if file is not None:
                    return file
        found = self._named(posixpath.normpath(plain))
        if len(found) > 1:
            first = " and ".join(shown(key) for key in found[:2])
            raise bad("media_missing", f"{shown(path)} may be {first}: set drop.media_root")
        if not found:
            raise bad("media_missing", f"{shown(path)} is no file of the drop: add it, or set drop.media_root")
        return self._source.files[found[0]]

    def _named(self, path: str) -> Sequence[str]:
        """Return the keys of media files whose path ends with this one, with an ending of its own or without."""
        folder, name = posixpath.split(path)
        found = self._by_name.get(name, ())
        return [key for key in found if not folder or f"/{posixpath.dirname(_plain(key))}".endswith(f"/{folder}")]

    @functools.cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Keys of media files by name, and by name without the ending."""
        keys: defaultdict[str, list[str]] = defaultdict(list)
        for file in self._source.files.values():
            name = posixpath.basename(_plain(file.key))
            stem, ending = posixpath.splitext(name)
            keys[name].append(file.key)
            if ending.lower() in _suffixes():
                keys[stem].append(file.key)
        return keys

    def kind_named_by(self, values: Iterable[object], table: SourceFile) -> str | None:
        """Return the kind of data whose files a column with these values names; None if it is no column of paths."""
        texts = [str(value).strip() for value in values if isinstance(value, str | int) and str(value).strip()]
        kinds = Counter(kind for text in texts if (kind := self._kind_of(text, table)))
        return kinds.most_common(1)[0][0] if texts and kinds.total() >= NAMING * len(texts) else None

    def _kind_of(self, text: str, table: SourceFile) -> str | None:
        try:
            suffix = self.find(text, table).suffix
        except BadInput:
            return None
        return next((kind.name for kind in modalities() if suffix in kind.suffixes), None)


@functools.cache
def _suffixes() -> frozenset[str]:
    return frozenset[str]().union(*(kind.suffixes for kind in modalities()))


def _plain(key: str) -> str:
    return unicodedata.normalize("NFC", key)
