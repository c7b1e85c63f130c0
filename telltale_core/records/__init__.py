"""How results lie on disk: data files first, the JSON record last, opened by one rule."""

from telltale_core.records.files import sweep_temporaries, write_json, write_table, write_whole
from telltale_core.records.kind import RecordKind, Samples

__all__ = ["RecordKind", "Samples", "sweep_temporaries", "write_json", "write_table", "write_whole"]
