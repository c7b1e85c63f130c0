"""Delta tables, read by their log: the files that the newest version names, so that removed rows stay removed.

The log is read by the library ``deltalake`` (the extra ``delta``) from copies in the scratch folder; the rows are read
as those of any Parquet file. Only with ``drop.unpack``, as a log is a file that may ask for much memory.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from telltale_core.drop.config import Limits
from telltale_core.drop.readers.hive import partitions_of
from telltale_core.drop.source import Source, SourceFile
from telltale_core.drop.source_url import printable
from telltale_core.errors import ConfigError
from telltale_core.modality.reasons import bad, shown

if TYPE_CHECKING:
    from deltalake import DeltaTable

LOG = "_delta_log"
LOG_NAME = re.compile(r"\d{20}(\.json|\.checkpoint(\.\d{10}\.\d{10})?\.parquet)|_last_checkpoint")
"""Names in a log that are copied; a table that needs others, such as checkpoints of the second kind, is refused."""
MAX_LOG_BYTES = 256 << 20
READABLE = {"timestampNtz", "vacuumProtocolCheck", "columnMapping"}
"""What a table may ask of its readers; of mapped columns, whether it has any is looked at. Not deletion vectors: the
library would open whatever file the log says that they lie in."""
NOT_NAMED, OF_THE_LOG = "removed, or not named by the Delta log", "the log of a Delta table"
REWRITE = "write its rows as Parquet first, such as by deltalake's DeltaTable(path).to_pyarrow_table()"


def is_delta(source: Source) -> bool:
    """Return whether a drop holds a Delta table."""
    return any(LOG in key.split("/")[:-1] for key in source.files)


def keep_delta_rows(source: Source, limits: Limits) -> None:
    """Leave out of a Delta table's files those that its newest version does not name, and its log.

    ``format_unclear`` for several tables and for what only Delta's own readers know; ``file_corrupt`` for a log that
    cannot be read, and for one that names a file which is not there.
    """
    if not is_delta(source):
        return
    tops = {key.split(f"{LOG}/")[0] for key in source.files if LOG in key.split("/")[:-1]}
    if len(tops) > 1:
        raise bad("format_unclear", f"the drop holds {len(tops)} Delta tables: ingest them one by one")
    top = tops.pop()
    log = [file for file in source.files.values() if file.key.startswith(f"{top}{LOG}/")]
    named = _named_files(_copied(source, log, top, limits), top)
    if missing := sorted(named.keys() - source.files.keys()):
        raise bad("file_corrupt", f"the Delta log names {shown(missing[0])} (of {len(missing)}), which is not there")
    for file in log:
        source.ignore(file.key, OF_THE_LOG)
    for key in [key for key in source.files if key.startswith(top) and key.endswith(".parquet") and key not in named]:
        source.ignore(key, NOT_NAMED)
    for key, partition in partitions_of(list(named), ()).items():
        if partition != named[key]:
            raise bad("format_unclear", f"the folders of {shown(key)} are not its partition in the log: {REWRITE}")


def _copied(source: Source, log: list[SourceFile], top: str, limits: Limits) -> Path:
    """Return a folder that holds the log alone, under names that are Delta's own."""
    chosen = [file for file in log if LOG_NAME.fullmatch(file.key.removeprefix(f"{top}{LOG}/"))]
    size_bytes, most = sum(file.size_bytes for file in chosen), min(MAX_LOG_BYTES, limits.max_drop_bytes)
    if size_bytes > most:
        raise bad("drop_too_large", f"the Delta log has {size_bytes:,} bytes, more than {most:,}: {REWRITE}")
    folder = source.scratch_path("the log of a Delta table")
    (folder / LOG).mkdir(parents=True)
    source.prefetch(chosen)
    for file in chosen:
        (folder / LOG / file.key.rpartition("/")[2]).write_bytes(source.read(file, most))
    return folder


def _named_files(folder: Path, top: str) -> dict[str, dict[str, str | None]]:
    """Return the keys of the files that hold the table's rows, each with its partition."""
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError as error:
        raise ConfigError("a Delta table needs the library deltalake: pip install 'telltale-cleanse[delta]'") from error
    try:
        table = DeltaTable(folder)
        _check_readable(table)
        actions = table.get_add_actions(flatten=True)
        paths = [unquote(path) for path in actions["path"].to_pylist()]
        columns = {name: actions[f"partition.{name}"].to_pylist() for name in table.metadata().partition_columns}
    except (DeltaError, OSError, ValueError, KeyError) as error:
        why = f"the Delta log cannot be read ({type(error).__name__}): {REWRITE}"
        raise bad("file_corrupt", why) from error
    rows = [{name: _text(values[row]) for name, values in columns.items()} for row in range(len(paths))]
    return {printable(top + path): row for path, row in zip(paths, rows, strict=True)}


def _check_readable(table: DeltaTable) -> None:
    """Raise ``format_unclear`` where reading the files as they are would give other rows than Delta's readers do."""
    mode = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    asked = set(table.protocol().reader_features or ()) - READABLE
    if asked or mode != "none":
        what = f"columns mapped by {mode}" if mode != "none" else ", ".join(sorted(asked))
        raise bad("format_unclear", f"a Delta table with {shown(what)}, which is not read here: {REWRITE}")


def _text(value: object) -> str | None:
    """Return a partition's value as the names of folders hold it."""
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
