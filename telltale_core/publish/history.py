"""Reading what is published: always by version number, never by time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from telltale_core.errors import Corrupt, NotFound
from telltale_core.publish.manifest import FOLDER, Version, key_of, number_of, parse
from telltale_core.storage import Store, open_store

Dataset = str | os.PathLike[str] | Store
PARALLEL_READS = 16


def as_store(dataset: Dataset) -> Store:
    """Return the dataset's store, opened if a URL or path was given."""
    return dataset if isinstance(dataset, Store) else open_store(dataset)


def read_numbered(store: Store, number: int) -> Version:
    """Return one version by number; raises :class:`NotFound` or :class:`Corrupt`."""
    return parse(store, number, store.read(key_of(number)))


def log(dataset: Dataset) -> list[Version]:
    """Return all versions, oldest (number 1) first; an empty list where nothing is published.

    Raises :class:`Corrupt` if a manifest is damaged or a number is missing in between.
    """
    store = as_store(dataset)
    numbers = sorted(number for key in store.list(FOLDER) if (number := number_of(key)) is not None)
    if gap := next((wanted for wanted, number in enumerate(numbers, 1) if wanted != number), None):
        raise Corrupt(f"{store.url(key_of(gap))} is missing, but later versions stand: restore it from a backup")
    if len(numbers) < 3:
        return [read_numbered(store, number) for number in numbers]
    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        return list(pool.map(lambda number: read_numbered(store, number), numbers))


def read_version(dataset: Dataset, number: int | None = None) -> Version:
    """Return version ``number``, or the newest; raises :class:`NotFound` if there is none."""
    store = as_store(dataset)
    if number is not None:
        return read_numbered(store, number)
    numbers = [found for key in store.list(FOLDER) if (found := number_of(key)) is not None]
    if not numbers:
        raise NotFound(f"{store.location.url} holds no published version")
    return read_numbered(store, max(numbers))
