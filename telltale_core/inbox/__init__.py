"""What arrives: the drops below an inbox, when a drop is complete, and what a store's notification says.

An inbox is an address such as ``s3://raw/inbox``; a drop is a folder ``<inbox>/<folder>/<drop>/``, and the operator's
allow-list says which dataset a folder feeds. Nothing here starts or remembers anything: the same objects give the same
answer to whoever asks, the bridge or the sweep.
"""

from telltale_core.drop.source import RECEIPT
from telltale_core.inbox.allowed import AllowList, allow_list
from telltale_core.inbox.listing import MANIFEST, MARKER, Arrival, Inbox
from telltale_core.inbox.notices import Notice, read_notice

__all__ = ["MANIFEST", "MARKER", "RECEIPT", "AllowList", "Arrival", "Inbox", "Notice", "allow_list", "read_notice"]
