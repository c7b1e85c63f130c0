"""Which format a drop is in, told from the names of its files."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable

from telltale_core.drop.config import DropConfig
from telltale_core.drop.readers.base import Reader
from telltale_core.drop.readers.folder import FolderReader
from telltale_core.drop.readers.npy import NpyReader
from telltale_core.drop.readers.parquet import ParquetReader
from telltale_core.drop.readers.table import TableReader
from telltale_core.drop.source import Source, SourceFile
from telltale_core.modality.reasons import bad, shown

SUFFIXES = {
    "parquet": {".parquet", ".pq"},
    "table": {".csv", ".tsv", ".jsonl", ".ndjson"},
    "npy": {".npy"},
}
ARCHIVES = {".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".npz", ".tbz2", ".lz4"}
PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".joblib", ".bin", ".ckpt"}
ARCHIVE_MAGIC = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd")
NOTICES = {"README", "LICENSE", "LICENCE", "NOTICE", "CITATION.CFF", "DATASET_INFO.JSON", "DATASET_INFOS.JSON"}
DOCUMENTS = {".md", ".txt", ".rst", ".toml", ".yaml", ".yml", ".html", ".bib"}
READERS: dict[str, Callable[[Source, list[SourceFile], DropConfig], Reader]] = {
    "parquet": ParquetReader,
    "table": TableReader,
    "npy": NpyReader,
    "folder": FolderReader,
}


def open_reader(source: Source, config: DropConfig) -> Reader:
    """Return the reader for the drop's format: given, or the only one that its file names show.

    Parquet, table and .npy files make their format; otherwise files in subfolders make an image folder. Raises
    ``format_unclear`` for none or several, ``archive_refused`` and ``pickle_refused`` for what is never opened.
    """
    format_ = config.format or _format(source)
    if format_ == "folder":
        files = [file for file in source.files.values() if not about_the_drop(file)]
    else:
        files = [file for file in source.files.values() if file.suffix in SUFFIXES[format_]]
        if config.files is not None:
            files = [file for file in files if fnmatch.fnmatchcase(file.key, config.files)]
    if not files:
        _refuse_unreadable(source)
        raise bad(
            "drop_empty", f"the drop holds no file of format {format_!r}{' matching files' if config.files else ''}"
        )
    for file in files if format_ != "folder" else ():
        with source.open(file) as handle:
            if handle.read(6).startswith(ARCHIVE_MAGIC):
                raise bad("archive_refused", f"{shown(file.key)} is an archive in disguise")
    return READERS[format_](source, files, config)


def data_files(source: Source, format_: str) -> list[str]:
    """Return the keys of the files that hold a drop of this format, whatever ``files`` selects among them."""
    suffixes = SUFFIXES.get(format_)
    return [file.key for file in source.files.values() if suffixes is None or file.suffix in suffixes]


def about_the_drop(file: SourceFile) -> bool:
    """Return whether a file at the top of a drop is about it, not of it."""
    return "/" not in file.key and (file.suffix in DOCUMENTS or file.key.upper() in NOTICES)


def _format(source: Source) -> str:
    suffixes = {file.suffix for file in source.files.values()}
    matches = [name for name, format_suffixes in SUFFIXES.items() if suffixes & format_suffixes]
    if len(matches) > 1:
        raise bad("format_unclear", f"the drop holds {' and '.join(matches)} files: give format")
    if matches:
        return matches[0]
    _refuse_unreadable(source)
    if any("/" in file.key for file in source.files.values()):
        return "folder"
    if all(about_the_drop(file) for file in source.files.values()):
        raise bad("drop_empty", "the drop holds no files")
    keys = shown(list(source.files)[:9], 200)
    raise bad("format_unclear", f"no Parquet, CSV, JSON lines or .npy file and no class subfolders; there is {keys}")


def _refuse_unreadable(source: Source) -> None:
    """Raise when what lies at the top of a drop without a readable format is an archive or a pickle."""
    for file in source.files.values():
        if "/" in file.key:
            continue
        if file.suffix in ARCHIVES:
            raise bad("archive_refused", f"{shown(file.key)} is an archive: unpack it, then ingest the folder")
        if file.suffix in PICKLES:
            raise bad("pickle_refused", f"{shown(file.key)} may hold pickled objects, which are never loaded")
