"""A drop of which no row can be kept: why, in words, with what mends it, and its rejected rows as a file."""

from __future__ import annotations

import contextlib
import itertools
import logging
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from telltale_core.digest import sha256_file
from telltale_core.drop.decode_pass import Job
from telltale_core.drop.readers.base import Row
from telltale_core.drop.record import REJECTED
from telltale_core.drop.rejected_rows import RejectedRows
from telltale_core.drop.values import Task
from telltale_core.drop.writers import ParquetStream, table_of
from telltale_core.errors import BadInput
from telltale_core.modality.columns import Column, is_number
from telltale_core.modality.layout_spec import Packing
from telltale_core.modality.reasons import bad, sentence, shown

log = logging.getLogger(__name__)
FOLDER = "refused"
MOST_BLANKS = 4
"""In the name of a column; more are in a sentence."""
CURES = {
    "id": 'set drop.id_column, or drop.id_column = "" to let the content give the ids',
    "label": "set drop.label_column, or drop.label_names or drop.num_classes",
    "target": "set drop.target_column, or drop.label_column if it is a class",
    "media_missing": "add the files, or set drop.media_root or drop.input_column",
    "media_unsupported": "convert the files, or set drop.input_column or drop.modality",
    "media_unreadable": "write the files again",
    "path": "copy the files into the drop and name them relative to it",
    "values": "set drop.modality, drop.input_column or drop.input_columns",
    "text": "set drop.input_column or drop.modality",
    "split": 'fill the column of splits, or set drop.split = "all"',
    "row": "check how the file was written, or save it as Parquet",
}
"""What to try by a reason's code, or by the code's first word."""


COLUMNS_DIFFER = "set drop.files to the name of the file, or to a pattern of the files, that list the samples"
NO_HEADER = "the first line reads like a row, not like names: write one above it that names the columns"


def with_cure(error: BadInput, columns: Sequence[Column]) -> BadInput:
    """Return why the columns of a drop cannot be read, with the cure that its reader cannot know of, if any.

    ``columns`` are those that a first line names: there are none in other formats.
    """
    reads_like_a_row = any(is_number(column.name) or column.name.count(" ") > MOST_BLANKS for column in columns)
    cure = COLUMNS_DIFFER if error.code == "schema_mismatch" else ""
    cure = NO_HEADER if error.code == "column_missing" and reads_like_a_row else cure
    return bad(error.code, sentence(error) + (f"; {cure}" if cure else ""))


class NoRowKeptError(BadInput):
    """No row of a drop can be kept; it knows how the drop was read, so that the rows can be written down."""

    def __init__(
        self, job: Job, reasons: Counter[str], task: Task | None = None, packing: Packing | None = None
    ) -> None:
        super().__init__("no_row_kept", f"all {reasons.total():,} rows were rejected ({_listed(reasons)})")
        self.job, self.task, self.packing, self.reasons = job, task, packing, reasons


@contextlib.contextmanager
def telling_why(drops_dir: Path) -> Iterator[None]:
    """Have a drop of which no row can be kept refused in words, with the file of its rows beside the drops."""
    try:
        yield
    except NoRowKeptError as error:
        with error.job.decoder.session():
            raise _in_words(error, drops_dir) from error


def _in_words(error: NoRowKeptError, drops_dir: Path) -> BadInput:
    """Return the error with the first reason, what mends it, and the file of rejected rows that it wrote."""
    folder = drops_dir / FOLDER
    folder.mkdir(exist_ok=True)
    partial = folder / f".tmp-{secrets.token_hex(8)}"
    try:
        first = _write_rows(error, partial)
        path = folder / sha256_file(partial)[:16] / "rejected.parquet"
        path.parent.mkdir(exist_ok=True)
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    code = error.reasons.most_common(1)[0][0]
    cure = CURES.get(code) or CURES.get(code.split("_")[0])
    log.info("every rejected row with its reason: %s", path)
    return bad(
        "no_row_kept",
        f"all {error.reasons.total():,} rows were rejected ({_listed(error.reasons)}); the first: {first}"
        + (f"; {cure}" if cure else "")
        + f"; every row with its reason is in {FOLDER}/{path.parent.name}/rejected.parquet beside the drops",
    )


def _write_rows(error: NoRowKeptError, path: Path) -> str:
    """Write each row with its reason; return the first in words."""
    rows, stream, first, place = RejectedRows(error.job.reader, error.job.config), ParquetStream(path, REJECTED), "", 0
    try:
        for batch in error.job.reader.batches():
            records = []
            for position, row in enumerate(batch.rows):
                if row.aside is None:
                    reason = _reason(error, row)
                    records.append(rows.record(batch, position, reason, place))
                    first = first or f"{shown(row.source, 200)}: {sentence(reason)}"
                    place += 1
            if records:
                stream.add(table_of(REJECTED, records))
        stream.close()
    finally:
        stream.abandon()
    return first


def _reason(error: NoRowKeptError, row: Row) -> BadInput:
    """Return why a row is rejected, as the pass that found no row to keep did."""
    decoder, task, packing = error.job.decoder, error.task, error.packing
    try:
        media = row.found_media()
        if task is None or packing is None:
            decoder.probe(media)
        else:
            task.number(row.value)
            decoder.examined(media, packing)
    except BadInput as reason:
        return reason
    return bad("sample_too_slow", "the row was rejected and can be read now")


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{code}: {count:,}" for code, count in itertools.islice(reasons.most_common(), 6))
