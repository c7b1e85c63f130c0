"""Every file and line of a drop accounted for: what was read, what is about the drop, what was left aside and why.

files = read + about the drop + ignored; lines of text tables = rows + headers + inside quoted fields + blank. What is
not read is not published either, so it is said and not asked, except where the drop itself may have been missed: media
in class folders beside a table, or more media files left unread than read.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from telltale_core.drop.config import DropConfig
from telltale_core.drop.decode_pass import Plan
from telltale_core.drop.formats import about_the_drop, data_files, is_packed
from telltale_core.drop.manifest import Manifest
from telltale_core.drop.readers.base import Reader
from telltale_core.drop.readers.quoting import Lines
from telltale_core.drop.source import Source, SourceFile
from telltale_core.modality import modalities
from telltale_core.modality.reasons import bad, shown
from telltale_core.questions import Question

FIRST = 5
NAME_CHARS = 200
UNREADABLE_MEDIA = {".heic", ".heif", ".jxl", ".jxr", ".svg", ".psd", ".dng", ".cr2", ".nef", ".exr", ".dcm"}
UNREADABLE_MEDIA |= {".m4a", ".aac", ".wma", ".amr"}
UNREADABLE_MEDIA |= {".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg"}
"""File extensions of media that nothing here decodes: unread beside a table they may be the drop all the same."""
UNMATCHED, UNNAMED, OTHER = "not matched by files", "no table names it", "another format"
PACKED = "packed: drop.unpack is not set"
PICTURES_OF_A_README = 10
"""Media files that may lie beside texts or a table of values without being the drop."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """What became of a drop's files and lines, as the manifest holds it, and what a person must decide of it."""

    record: dict[str, Any]
    questions: list[Question]


def account(source: Source, reader: Reader, config: DropConfig, plan: Plan) -> Accounting:
    """Return what became of every file and line, after all rows were read; ``config`` is the operator's alone.

    Raises ``file_corrupt`` where lines and rows do not add up.
    """
    aside = {reason: list(keys) for reason, keys in source.ignored.items()}
    about, unread, data = list[str](), list[str](), set(data_files(source, reader.format))
    for file in source.files.values():
        if file.key in reader.read_files:
            continue
        if about_the_drop(file):
            about.append(file.key)
            continue
        reason = _reason(file, config, is_data=file.key in data)
        aside.setdefault(reason, []).append(file.key)
        if reason == UNNAMED:
            unread.append(file.key)
    record = {
        "found": len(source.files) + sum(map(len, source.ignored.values())),
        "read": len(reader.read_files),
        "about": _counted(about),
        "ignored": {reason: _counted(keys) for reason, keys in sorted(aside.items())},
    }
    questions = _questions(unread, reader, config, plan.rows)
    lines = _lines(reader.lines, plan.rows, sum(plan.aside.values()))
    splits = {"read": plan.split, "rows_of_others": dict(sorted(plan.aside.items()))} if plan.split else None
    record_of_all: dict[str, Any] = {"files": record, "lines": lines, **({"splits": splits} if splits else {})}
    record_of_all |= {"doubts": list(plan.doubts)} if plan.doubts else {}
    encoded: dict[str, list[str]] = {}
    for key, name in reader.encodings.items():
        encoded.setdefault(name, []).append(key)
    encodings = {name: _counted(keys) for name, keys in sorted(encoded.items()) if name != "utf-8"}
    record_of_all |= {"encodings": encodings} if encodings else {}
    return Accounting(record=record_of_all, questions=questions)


def _counted(keys: Sequence[str]) -> dict[str, Any]:
    return {"count": len(keys), "first": [key[:NAME_CHARS] for key in keys[:FIRST]]}


def _reason(file: SourceFile, config: DropConfig, *, is_data: bool) -> str:
    if is_data and config.files is not None and not fnmatch.fnmatchcase(file.key, config.files):
        return UNMATCHED
    if is_packed(file) and not config.unpack:
        return PACKED
    return UNNAMED if file.suffix in _media_suffixes() else OTHER


def _media_suffixes() -> set[str]:
    return UNREADABLE_MEDIA.union(*(kind.suffixes for kind in modalities()))


def _lines(lines: Lines | None, row_count: int, aside: int) -> dict[str, int] | None:
    if lines is None:
        return None
    if lines.rows != row_count + aside or lines.lines != lines.rows + lines.header + lines.quoted + lines.blank:
        raise bad("file_corrupt", f"the drop changed while it was read: {lines}, {row_count} rows")
    counted = dataclasses.asdict(lines)
    return {**counted, "rows": row_count, "aside": aside} if aside else counted


def _questions(unread: Sequence[str], reader: Reader, config: DropConfig, row_count: int) -> list[Question]:
    """Return a question where media that nothing read may be the drop, unless the operator has set the format."""
    if config.format is not None or not unread:
        return []
    suffixes = _media_suffixes()
    read = sum(posixpath.splitext(key)[1].lower() in suffixes for key in reader.read_files)
    embedded = 0 if reader.modality.inline else row_count
    folders = 0 if read else _class_folders(unread)
    if folders < 2 and len(unread) <= (read or embedded or PICTURES_OF_A_README):
        return []
    where = f" in {folders} folders" if folders >= 2 else ""
    text = (
        f"{len(unread):,} media files{where} were not read, {_names(unread)}: the drop was read as {reader.format}, "
        f"whose {row_count:,} rows name {read:,} media files"
    )
    return [Question(code="media_unread", text=text, cure=f'drop.format = "folder" or "{reader.format}"')]


def _names(keys: Sequence[str]) -> str:
    return shown(keys[0]) + (", ..." if len(keys) > 1 else "")


def _class_folders(keys: Iterable[str]) -> int:
    """Return how many folders hold several of these files, as folders of classes do."""
    return sum(count > 1 for count in Counter(map(posixpath.dirname, keys)).values())


def accounted_lines(manifest: Manifest) -> list[str]:
    """Return what a drop's manifest says of its files and lines, as sums that a person can check."""
    record = manifest["accounting"]
    files, lines = record.get("files"), record.get("lines")
    return [*([_files_sum(files)] if files else []), *([_lines_sum(lines)] if lines else [])]


def _files_sum(files: Mapping[str, Any]) -> str:
    about, ignored = files["about"]["count"], {why: group["count"] for why, group in files["ignored"].items()}
    why = ", ".join(f"{count:,} {reason}" for reason, count in ignored.items())
    return (
        f"files: {files['found']:,} = {files['read']:,} read"
        + (f" + {about:,} about the drop" if about else "")
        + f" + {sum(ignored.values()):,} ignored"
        + (f" ({why})" if why else "")
    )


def _lines_sum(lines: Mapping[str, int]) -> str:
    headers = "header" if lines["header"] == 1 else "headers"
    parts = {
        "rows": "rows",
        "aside": "rows of other splits",
        "header": headers,
        "quoted": "inside quoted fields",
        "blank": "blank",
    }
    summands = [f"{lines[name]:,} {words}" for name, words in parts.items() if lines.get(name) or name == "rows"]
    return f"lines: {lines['lines']:,} = {' + '.join(summands)}"
