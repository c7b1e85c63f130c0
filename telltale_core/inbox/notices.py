"""What a store's notification says: AWS S3 to SQS, through SNS or EventBridge, and the webhooks of MinIO and Ceph.

Sources: "Event message structure" and "EventBridge event message structure", Amazon S3 User Guide; "Publish events to a
webhook", MinIO documentation (the same records below ``Records``, with ``EventName`` and ``Key`` beside them).
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any
from urllib.parse import unquote_plus

from telltale_core.errors import BadInput

MAX_NOTICE_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One object that was created: its bucket and its key, decoded."""

    bucket: str
    key: str


def read_notice(text: str | bytes) -> list[Notice]:
    """Return the objects whose creation a notification tells; of a test event or a deletion, none.

    Raises :class:`BadInput` ``notice_invalid`` for what is no notification.
    """
    if len(text) > MAX_NOTICE_BYTES:
        raise BadInput("notice_invalid", f"a notification must have at most {MAX_NOTICE_BYTES} bytes")
    try:
        event = json.loads(text)
        if isinstance(event, dict) and isinstance(event.get("Message"), str) and "TopicArn" in event:  # through SNS
            event = json.loads(event["Message"])
        return _objects(event)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput("notice_invalid", f"not a notification of an object store: {type(error).__name__}") from None


def _objects(event: Any) -> list[Notice]:
    if event.get("Event") == "s3:TestEvent":
        return []
    if "Records" in event:
        return [_record(record) for record in event["Records"] if _creates(record["eventName"])]
    if event["detail-type"] == "Object Created":  # EventBridge; its keys are not encoded
        return [_notice(event["detail"]["bucket"]["name"], event["detail"]["object"]["key"])]
    return []


def _creates(event: str) -> bool:
    return event.removeprefix("s3:").startswith("ObjectCreated:")


def _record(record: dict[str, Any]) -> Notice:
    bucket, key = record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
    return _notice(bucket, key if record.get("eventSource") == "ceph:s3" else unquote_plus(key))  # Ceph encodes nothing


def _notice(bucket: Any, key: Any) -> Notice:
    if not isinstance(bucket, str) or not isinstance(key, str):
        raise TypeError
    return Notice(bucket=bucket, key=key)
