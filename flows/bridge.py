"""Turns notifications of the bucket into runs: a long poll on the queue, and a webhook for stores that have no queue.

A message is confirmed only once the run of its drop stands in the server's database, or once it is clear that there is
nothing to start: not a drop, not complete yet (its later files notify, too), gone. Killed at any moment, it loses
nothing: the queue delivers again, and a drop's run is made once.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable

from prefect.client.orchestration import SyncPrefectClient, get_client

from flows.start_run import Feed, read_feed, refuse, start
from telltale_core.errors import BadInput, TelltaleError
from telltale_core.inbox import Notice, read_notice
from telltale_core.storage.queue import WAIT_S, Message, Queue

log = logging.getLogger(__name__)
FEED_FOR_S = 60.0
MOST_REFUSED = 10_000  # places remembered of which was said that they are not taken
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


class Bridge:
    """Handles notifications one after another; ``counts`` says what came of them.

    ``in_a_row``: by source (``queue``, ``webhook``), how often in succession nothing could be got from it or done about
    what came. They are apart: that one source works says nothing of the other.
    """

    def __init__(self, client: Callable[[], SyncPrefectClient] = lambda: get_client(sync_client=True)) -> None:
        self.connect = client
        self.counts: Counter[str] = Counter()
        self.in_a_row = dict.fromkeys(("queue", "webhook"), 0)
        self._feed: tuple[float, Feed] | None = None
        self._refused: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._counting = threading.Lock()

    def take(self, text: str | bytes, by: str = "notification") -> None:
        """Do what a notification asks for; it need not come again. Raises what may pass (server, store)."""
        try:
            notices = read_notice(text)
        except BadInput as error:  # it would be no notification the next time, either
            self.counts["not understood"] += 1
            log.warning("a message was put aside: %s", error)
            return
        with self._lock, self.connect() as client:
            feed = self._read_feed(client)
            for place in sorted(_places(feed, notices)):
                self.counts[self._drop(client, feed, place, by)] += 1

    def _drop(self, client: SyncPrefectClient, feed: Feed, place: tuple[str, str], by: str) -> str:
        inbox = feed.open()
        why = inbox.refusal(*place)
        arrival = None if why else inbox.arrival(*place)
        if why := why or (arrival.refused if arrival else ""):  # it would be refused the next time, too
            self._refuse(client, feed, place, why)
            return "refused"
        if arrival is None:
            return "gone"
        if not arrival.complete:
            log.info("%s/%s: waits: %s", arrival.folder, arrival.name, arrival.why)
            return "incomplete"
        return "started" if start(client, feed, arrival, by) else "known"

    def _refuse(self, client: SyncPrefectClient, feed: Feed, place: tuple[str, str], why: str) -> None:
        """Say once that what lies at a place is not taken."""
        if place not in self._refused:
            refuse(client, feed, place, why)
            if len(self._refused) >= MOST_REFUSED:
                self._refused.clear()
            self._refused.add(place)

    def _read_feed(self, client: SyncPrefectClient) -> Feed:
        if self._feed is None or time.monotonic() - self._feed[0] > FEED_FOR_S:
            self._feed = time.monotonic(), read_feed(client)
        return self._feed[1]

    def serve(self, queue: Queue, stop: threading.Event, wait_s: int = WAIT_S) -> None:
        """Read the queue until ``stop``; what fails is left to come again, and asked for with growing pauses."""
        pause_s = 0.0
        while not stop.wait(pause_s):
            try:
                messages = queue.receive(wait_s)
            except TelltaleError as error:
                pause_s = self._failed(pause_s, error)
                continue
            failed = [failure for message in messages if (failure := self._one(queue, message)) is not None]
            if failed:
                pause_s = self._failed(pause_s, failed[0])
            else:
                pause_s = 0.0
                self.came("queue")

    def came(self, source: str, error: Exception | None = None) -> str:
        """Count what came from a source, from any thread; return how a log tells the error."""
        with self._counting:
            self.in_a_row[source] = self.in_a_row[source] + 1 if error else 0
            if error:
                self.counts["failed"] += 1
        return str(error) if isinstance(error, TelltaleError) else type(error).__name__

    def _one(self, queue: Queue, message: Message) -> Exception | None:
        try:
            self.take(message.body)
            queue.confirm(message)
        except Exception as failure:  # noqa: BLE001 - whatever it was, the message comes again
            return failure
        return None

    def _failed(self, pause_s: float, error: Exception) -> float:
        """Return the next pause, with jitter."""
        reason = self.came("queue", error)
        longest = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * pause_s))
        log.warning("tried again in at most %.0f s: %s", longest, reason)
        return random.uniform(longest / 2, longest)  # noqa: S311 - jitter


def _places(feed: Feed, notices: list[Notice]) -> set[tuple[str, str]]:
    inbox = feed.open()
    return {place for notice in notices if (place := inbox.place_of(notice.bucket, notice.key)) is not None}
