"""A message queue that speaks SQS: receive, confirm, how many wait. The bridge reads notifications here.

Endpoint, region and credentials come from the operator's environment (``AWS_ENDPOINT_URL_SQS``,
``AWS_ENDPOINT_URL`` and the usual AWS chain), never from data.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from telltale_core.errors import ConfigError, NotFound, StorageError, Transient
from telltale_core.storage.names import check_endpoint

WAIT_S, BATCH = 20, 10  # the most that SQS allows
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that stays hidden from others until its visibility time ends; ``receipt`` confirms it."""

    body: str
    receipt: str
    deliveries: int


class Queue(Protocol):
    """At-least-once delivery: a message that is not confirmed comes again."""

    def receive(self, wait_s: int = WAIT_S) -> list[Message]:
        """Return up to ten messages, waiting for the first one at most ``wait_s`` seconds (0 to 20)."""
        ...

    def confirm(self, message: Message) -> None:
        """Remove a message: what it asks for is done."""
        ...

    def depth(self) -> int:
        """Return about how many messages wait."""
        ...


def open_queue(url: str) -> Queue:
    """Return the queue at an SQS queue URL; nothing is contacted yet. Raises :class:`ConfigError` for another URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query:
        raise ConfigError("a queue must be an SQS queue URL such as https://sqs.eu-central-1.amazonaws.com/1234/drops")
    return _Sqs(url)


class _Sqs:
    def __init__(self, url: str) -> None:
        try:
            from botocore import exceptions
            from botocore.config import Config
            from botocore.session import get_session
        except ModuleNotFoundError as error:
            message = f"a queue needs the extra 's3' (pip install 'telltale-cleanse[s3]'): {error.name} is missing"
            raise StorageError(message) from None
        self.url, self._errors = url, exceptions
        endpoint = os.environ.get("AWS_ENDPOINT_URL_SQS") or os.environ.get("AWS_ENDPOINT_URL")
        config = Config(connect_timeout=5, read_timeout=WAIT_S + 10, retries={"total_max_attempts": 3})
        with self._errors_translated("open"):
            self._client: Any = get_session().create_client("sqs", endpoint_url=check_endpoint(endpoint), config=config)

    @contextmanager
    def _errors_translated(self, action: str) -> Iterator[None]:
        """Turn what botocore raises into errors that say class and code only."""
        where = f"could not {action} the queue {self.url.rsplit('/', 1)[-1]!r}"
        try:
            yield
        except self._errors.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))[:80]
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if "NonExistentQueue" in code or "QueueDoesNotExist" in code:
                raise NotFound(f"{where}: it does not exist") from None
            family = Transient if status >= 500 or status == 429 or "Throttl" in code else StorageError
            raise family(f"{where}: HTTP {status} {code}") from None
        except (self._errors.NoCredentialsError, self._errors.NoRegionError) as error:
            raise ConfigError(f"{where}: {type(error).__name__}; set the usual AWS variables") from None
        except self._errors.BotoCoreError as error:
            raise Transient(f"{where}: {type(error).__name__}") from None

    def _call(self, action: str, call: Callable[..., T], **parameters: Any) -> T:
        with self._errors_translated(action):
            return call(QueueUrl=self.url, **parameters)

    def receive(self, wait_s: int = WAIT_S) -> list[Message]:
        names = ["ApproximateReceiveCount"]
        options = {"WaitTimeSeconds": wait_s, "MaxNumberOfMessages": BATCH, "MessageSystemAttributeNames": names}
        reply: Any = self._call("read", self._client.receive_message, **options)
        return [
            Message(
                body=message["Body"],
                receipt=message["ReceiptHandle"],
                deliveries=int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
            )
            for message in reply.get("Messages", [])
        ]

    def confirm(self, message: Message) -> None:
        self._call("confirm a message of", self._client.delete_message, ReceiptHandle=message.receipt)

    def depth(self) -> int:
        name = "ApproximateNumberOfMessages"
        reply: Any = self._call("look at", self._client.get_queue_attributes, AttributeNames=[name])
        return int(reply["Attributes"][name])
