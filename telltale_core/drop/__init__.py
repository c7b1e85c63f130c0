"""Stage 1, ingest: formats in, limits, validation; a drop is named by its content. See README.md in this folder."""

from telltale_core.drop.config import Declared, DropConfig, Limits
from telltale_core.drop.ingest import fingerprint, ingest
from telltale_core.drop.pack_samples import pack
from telltale_core.drop.record import Drop, verify_drop
from telltale_core.drop.source_url import check_url, public_source

__all__ = [
    "Declared",
    "Drop",
    "DropConfig",
    "Limits",
    "check_url",
    "fingerprint",
    "ingest",
    "pack",
    "public_source",
    "verify_drop",
]
