"""Which format a drop is in, told from the names of its files."""

from __future__ import annotations

import contextlib
import fnmatch
from collections import Counter
from collections.abc import Callable, Iterator

from telltale_core.drop import arrow_files
from telltale_core.drop.config import DropConfig
from telltale_core.drop.delta_tables import REWRITE, is_delta
from telltale_core.drop.readers.array_files import IDX_NAME
from telltale_core.drop.readers.base import Reader
from telltale_core.drop.readers.folder import FolderReader
from telltale_core.drop.readers.json_arrays import is_array
from telltale_core.drop.readers.npy import NpyReader
from telltale_core.drop.readers.parquet import ParquetReader
from telltale_core.drop.readers.table import TableReader
from telltale_core.drop.readers.webdataset import WebdatasetReader, is_webdataset
from telltale_core.drop.source import Source, SourceFile
from telltale_core.errors import BadInput
from telltale_core.modality import modalities
from telltale_core.modality.reasons import bad, sentence, shown

SUFFIXES = {
    "parquet": {".parquet", ".pq"},
    "table": {".csv", ".tsv", ".jsonl", ".ndjson", ".json"},
    "npy": {".npy", ".npz"},
}
ALL_SUFFIXES = frozenset[str]().union(*SUFFIXES.values())
ARCHIVES = {".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tbz2", ".lz4"}
UNPACKED = {".zip", ".tar", ".tgz", ".gz"} | arrow_files.SUFFIXES
NOT_THERE = {"column_missing", "drop_empty", "format_unclear", "labels_unclear", "no_row_kept"}
"""Codes of drops that may be refused for what lies in a packed file."""
PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".joblib", ".bin", ".ckpt"}
ARCHIVE_MAGIC = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd")
NOTICES = {"README", "LICENSE", "LICENCE", "NOTICE", "CITATION.CFF", "DATASET_INFO.JSON", "DATASET_INFOS.JSON"}
NOTICES |= {"DATASET_DICT.JSON", "STATE.JSON"}
DOCUMENTS = {".md", ".txt", ".rst", ".toml", ".yaml", ".yml", ".html", ".bib"}
CONVERSIONS = {
    (".xlsx", ".xls", ".ods"): ": save the sheet as CSV",
    (".h5", ".hdf5", ".mat"): ": save its arrays as .npz",
    (".tfrecord", ".rec", ".lmdb", ".mdb"): ": write its samples as Parquet, such as by datasets",
    (".orc", ".avro", ".db", ".sqlite"): ": write its rows as Parquet",
    (".json",): ": write one array of objects (in pandas orient='records'), or JSON lines",
    (".xml",): ": write its rows as CSV or JSON lines",
}
"""What to do about files of other kinds, by their endings."""
READERS: dict[str, Callable[[Source, list[SourceFile], DropConfig], Reader]] = {
    "parquet": ParquetReader,
    "table": TableReader,
    "npy": NpyReader,
    "webdataset": WebdatasetReader,
    "folder": FolderReader,
}


def open_reader(source: Source, config: DropConfig) -> Reader:
    """Return the reader for the drop's format: given, or the only one that its file names show.

    Parquet, table and .npy files make their format; otherwise files in subfolders make an image folder. Raises
    ``format_unclear`` for none or several, ``archive_refused`` and ``pickle_refused`` for what is never opened.
    """
    if is_delta(source):
        raise bad(
            "format_unclear",
            "a Delta table, whose Parquet files may hold rows that were removed: set drop.unpack, by which it is read "
            f"by its log, or {REWRITE}",
        )
    format_ = config.format or _format(source, config)
    files = [source.files[key] for key in data_files(source, format_)]
    if format_ != "folder" and config.files is not None:
        files = [file for file in files if fnmatch.fnmatchcase(file.key, config.files)]
    if not files:
        _refuse_unreadable(source, config)
        raise bad(
            "drop_empty", f"the drop holds no file of format {format_!r}{' matching files' if config.files else ''}"
        )
    for file in files if format_ in {"parquet", "table"} else ():
        with source.open(file) as handle:
            if handle.read(6).startswith(ARCHIVE_MAGIC):
                raise bad("archive_refused", f"{shown(file.key)} is an archive in disguise")
    return READERS[format_](source, files, config)


def data_files(source: Source, format_: str) -> list[str]:
    """Return the keys of the files that hold a drop of this format, whatever ``files`` selects among them.

    Of a folder of classes these are all files but documents about the drop and tables.
    """
    suffixes = SUFFIXES.get(format_)
    if format_ == "webdataset":
        return [file.key for file in source.files.values() if not about_the_drop(file)]
    if suffixes is None:
        return [f.key for f in source.files.values() if not about_the_drop(f) and not holds_rows(f)]
    arrays = format_ == "npy"
    return [
        file.key
        for file in source.files.values()
        if (file.suffix in suffixes and _is_data(source, file)) or (arrays and is_idx(file))
    ]


def holds_rows(file: SourceFile) -> bool:
    """Return whether a file is called like one that holds rows, not the media of one row."""
    return file.suffix in ALL_SUFFIXES or is_idx(file)


def is_packed(file: SourceFile) -> bool:
    """Return whether a file is one that ``drop.unpack`` alone opens."""
    return file.suffix in UNPACKED


@contextlib.contextmanager
def naming_packed_files(source: Source, config: DropConfig) -> Iterator[None]:
    """Have a refusal for what is not there name what unpacks it, where a packed file was left as it is."""
    try:
        yield
    except BadInput as error:
        packed = next((file for file in source.files.values() if is_packed(file)), None)
        if packed is None or error.code not in NOT_THERE:
            raise
        raise bad(error.code, f"{sentence(error)}; {shown(packed.key)} {_left_packed(packed, config)}") from error


def _left_packed(file: SourceFile, config: DropConfig) -> str:
    """Return in words why a packed file was left as it is, and what to do about it."""
    again = "write it as Parquet" if file.suffix in arrow_files.SUFFIXES else "unpack it"
    if not config.unpack:
        return f"was not unpacked: set drop.unpack, or {again} and ingest the folder"
    where = "in an archive" if file.spooled else "beside other files than archives and tables"
    return f"was not unpacked, for it lies {where}: {again} and ingest the folder"


def is_idx(file: SourceFile) -> bool:
    """Return whether a file is called as MNIST's arrays are."""
    return IDX_NAME.fullmatch(file.key) is not None


def _is_data(source: Source, file: SourceFile) -> bool:
    """Return whether a file of this ending holds rows: of ``.json`` files only arrays of objects do."""
    if file.suffix != ".json" or file.key.upper() in NOTICES:
        return file.suffix != ".json"
    try:
        with source.open(file) as handle:
            return is_array(handle)
    except BadInput:
        return False


def class_folders(source: Source) -> Counter[str]:
    """Return the names of folders with the media files below each, where two or more hold some, as classes do."""
    suffixes = frozenset[str]().union(*(kind.suffixes for kind in modalities()))
    media = [file.key.rpartition("/")[0] for file in source.files.values() if file.suffix in suffixes]
    several = len({*media} - {""}) > 1
    return Counter(name for folder in media if several and folder for name in {*folder.split("/")})


def about_the_drop(file: SourceFile) -> bool:
    """Return whether a file at the top of a drop is about it, not of it."""
    return "/" not in file.key and (file.suffix in DOCUMENTS or file.key.upper() in NOTICES)


def _format(source: Source, config: DropConfig) -> str:
    if is_webdataset(list(source.files)):
        return "webdataset"
    matches = [name for name in SUFFIXES if data_files(source, name)]
    if len(matches) > 1:
        raise bad("format_unclear", f"the drop holds {' and '.join(matches)} files: give format")
    if matches:
        return matches[0]
    _refuse_unreadable(source, config)
    if any("/" in file.key for file in source.files.values()):
        return "folder"
    if all(about_the_drop(file) for file in source.files.values()):
        texts = " but documents; a table in a .txt file must be called .csv or .tsv" if source.files else ""
        raise bad("drop_empty", f"the drop holds no files{texts}")
    keys = shown(list(source.files)[:9], 200)
    suffixes = {file.suffix for file in source.files.values() if not about_the_drop(file)}
    cure = next((cure for endings, cure in CONVERSIONS.items() if suffixes & set(endings)), "")
    raise bad(
        "format_unclear", f"no Parquet, CSV, JSON, .npy or Arrow file and no class subfolders; there is {keys}{cure}"
    )


def _refuse_unreadable(source: Source, config: DropConfig) -> None:
    """Raise when what lies at the top of a drop without a readable format is an archive or a pickle."""
    for file in source.files.values():
        if "/" in file.key:
            continue
        if file.suffix in ARCHIVES:
            left = (
                _left_packed(file, config)
                if is_packed(file)
                else "is never opened here: unpack it, then ingest the folder"
            )
            raise bad("archive_refused", f"the archive {shown(file.key)} {left}")
        if file.suffix in PICKLES:
            raise bad("pickle_refused", f"{shown(file.key)} may hold pickled objects, which are never loaded")
