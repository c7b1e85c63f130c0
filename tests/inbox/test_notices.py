from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale_core.errors import BadInput
from telltale_core.inbox import Notice, read_notice

S3 = {"bucket": {"name": "raw"}, "object": {"key": "inbox/a+b/%C3%A9t%C3%A9/_SUCCESS", "eTag": "d41d8"}}
EXPECTED = [Notice(bucket="raw", key="inbox/a b/été/_SUCCESS")]


def records(event: str) -> dict[str, Any]:
    return {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event, "s3": S3}]}


@pytest.mark.parametrize(
    "message",
    [
        records("ObjectCreated:Put"),
        records("ObjectCreated:CompleteMultipartUpload"),
        {**records("s3:ObjectCreated:Put"), "EventName": "s3:ObjectCreated:Put", "Key": "raw/inbox"},  # MinIO
        {"Type": "Notification", "TopicArn": "arn", "Message": json.dumps(records("ObjectCreated:Copy"))},  # SNS
    ],
)
def test_every_way_in_which_stores_tell_of_a_created_object_is_understood(message: dict[str, Any]) -> None:
    assert read_notice(json.dumps(message)) == EXPECTED
    assert read_notice(json.dumps(message).encode()) == EXPECTED


def test_an_event_through_eventbridge_has_a_plain_key() -> None:
    detail = {"bucket": {"name": "raw"}, "object": {"key": "inbox/a+b/c/_SUCCESS"}}
    message = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    assert read_notice(json.dumps(message)) == [Notice(bucket="raw", key="inbox/a+b/c/_SUCCESS")]


def test_a_notification_of_ceph_has_a_plain_key() -> None:
    """As Ceph 16.2.15 posts it."""
    s3 = {"s3SchemaVersion": "1.0", "configurationId": "bridge", "bucket": {"name": "raw", "arn": "arn:aws:s3:::raw"}}
    s3["object"] = {"key": "inbox/a+b/c%20d/_SUCCESS", "size": 1, "eTag": "c4ca4", "sequencer": "30E70D6B554B4511"}
    record = {"eventVersion": "2.2", "eventSource": "ceph:s3", "eventName": "ObjectCreated:Put", "s3": s3}
    assert read_notice(json.dumps({"Records": [record]})) == [Notice(bucket="raw", key="inbox/a+b/c%20d/_SUCCESS")]


@pytest.mark.parametrize(
    "message",
    [{"Service": "Amazon S3", "Event": "s3:TestEvent"}, records("ObjectRemoved:Delete"), {"detail-type": "Other"}],
)
def test_what_creates_nothing_starts_nothing(message: dict[str, Any]) -> None:
    assert read_notice(json.dumps(message)) == []


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '"x"', '{"Records": 3}', '{"Records": [{}]}', "[" * 100_000])
def test_what_is_no_notification_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="notice_invalid"):
        read_notice(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["Records", "s3", "bucket", "object", "eventName", "Message", "TopicArn"]), inner
        )
    ),
)


@pytest.mark.slow
@given(JSON)
def test_nothing_but_a_refusal_escapes(message: Any) -> None:
    with contextlib.suppress(BadInput):
        assert all(isinstance(notice, Notice) for notice in read_notice(json.dumps(message)))
