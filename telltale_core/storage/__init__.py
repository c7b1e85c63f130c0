"""The one way to files and object stores: conditional create, retries, deadlines, integrity.

``open_store(url)`` gives a :class:`Store`; ``WorkArea(url)`` gives the folders that the stages exchange.
Nothing else in Telltale talks to a file system of a published dataset, and nothing else retries.
"""

from telltale_core.storage.retry import RetryPolicy
from telltale_core.storage.store import Store, open_store
from telltale_core.storage.transport import Content, Entry
from telltale_core.storage.work import WorkArea

__all__ = ["Content", "Entry", "RetryPolicy", "Store", "WorkArea", "open_store"]
