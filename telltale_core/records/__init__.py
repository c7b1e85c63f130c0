"""How results lie on disk: data files first, the JSON record last, opened by one rule."""

from telltale_core.records.files import sweep_temporaries, write_json, write_table, write_tables, write_whole
from telltale_core.records.ids import Ids, as_column, as_ids
from telltale_core.records.kind import RecordKind, Samples, in_order

__all__ = [
    "Ids",
    "RecordKind",
    "Samples",
    "as_column",
    "as_ids",
    "in_order",
    "sweep_temporaries",
    "write_json",
    "write_table",
    "write_tables",
    "write_whole",
]
