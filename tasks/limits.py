"""One publication of a dataset at a time, across machines. Only politeness: the commit itself admits one of many."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency

from telltale_core.digest import sha256_bytes
from telltale_core.storage.names import parse_url

log = logging.getLogger(__name__)
LEASE_S = 60.0  # a killed holder frees its place after this
PATIENCE_S = float(os.environ.get("TELLTALE_PUBLICATION_WAIT_S", "120"))
"""How long a publication waits for its turn, then it goes on without: a holder that was killed keeps it for a lease."""


def name_of(dataset: str) -> str:
    """Return the limit's name for a dataset, such as ``publish-signs-3fa94c1b``, however its address is spelled."""
    dataset = parse_url(dataset).url
    last = "".join(char if char.isalnum() or char in "-_" else "-" for char in dataset.rstrip("/").rsplit("/", 1)[-1])
    return f"publish-{last[:40]}-{sha256_bytes(dataset.encode())[:8]}"


@contextlib.contextmanager
def one_publication(dataset: str) -> Iterator[None]:
    """Hold the dataset's only place on the server; without a server of one's own, or when it is away, just go on."""
    held = contextlib.ExitStack()
    if os.environ.get("PREFECT_API_URL"):
        try:
            with get_client(sync_client=True) as client:
                client.upsert_global_concurrency_limit_by_name(name_of(dataset), 1)
            held.enter_context(
                concurrency(name_of(dataset), timeout_seconds=PATIENCE_S, lease_duration=LEASE_S, strict=False)
            )
        except Exception as error:  # noqa: BLE001 - the commit is safe without it
            log.warning("publishing without the dataset's place: %s", type(error).__name__)
    try:
        yield
    finally:
        try:
            held.close()
        except Exception as error:  # noqa: BLE001 - what was committed stands, and the place is free after its lease
            log.warning("the dataset's place is given back by its lease alone: %s", type(error).__name__)
