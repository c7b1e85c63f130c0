"""The bridge against a queue that speaks SQS and a server in its place; the real server is in tests/e2e."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from flows.bridge import Bridge
from flows.webhook import webhook
from telltale_core.errors import ConfigError, NotFound, Transient
from telltale_core.storage.notifications import notified
from telltale_core.storage.queue import Message, open_queue
from tests.support import storage as support

boto3 = pytest.importorskip("boto3")
TOKEN = "a-token-of-the-test-0001"


class Server:
    """What the bridge asks of a Prefect server: a deployment, runs by idempotency key, events."""

    def __init__(self, inbox: str) -> None:
        self.parameters = {"inbox": inbox, "clean": "s3://clean/sets", "quiet_s": 900.0, "datasets": None}
        self.runs: dict[str, dict[str, Any]] = {}
        self.events: list[Any] = []
        self.away = False

    def __enter__(self) -> Server:
        if self.away:
            raise ConnectionError
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read_deployment_by_name(self, name: str) -> Any:
        return SimpleNamespace(id=name, parameters=self.parameters, work_pool_name="cpu")

    def read_flow_runs(self, *, flow_run_filter: Any, limit: int) -> list[Any]:
        asked = flow_run_filter.idempotency_key.any_
        return [SimpleNamespace(idempotency_key=key) for key in asked if key in self.runs]

    def create_flow_run_from_deployment(self, deployment: str, *, idempotency_key: str, **options: Any) -> Any:
        self.runs.setdefault(idempotency_key, options)
        return SimpleNamespace(id="run", name="run")

    def request(self, method: str, path: str, json: Any) -> None:
        self.events.append(json)


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    """Clients of a real S3 server whose bucket ``raw`` notifies a real queue."""
    with pytest.MonkeyPatch.context() as patch, support.s3_server() as (host, port):
        for name, value in support.CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.delenv("AWS_PROFILE", raising=False)
        s3, sqs = boto3.client("s3"), boto3.client("sqs")
        s3.create_bucket(Bucket="raw")
        assert notified("s3://raw/inbox") == []
        url = sqs.create_queue(QueueName="drops", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rules = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        s3.put_bucket_notification_configuration(Bucket="raw", NotificationConfiguration=rules)
        yield SimpleNamespace(s3=s3, url=url)
        s3.close()
        sqs.close()


@pytest.fixture
def server() -> Server:
    return Server("s3://raw/inbox")


@pytest.fixture
def bridge(server: Server) -> Bridge:
    return Bridge(lambda: server)  # type: ignore[arg-type,return-value]


def until_empty(bridge: Bridge, url: str) -> None:
    """Let the bridge serve the queue until nothing is left in it."""
    queue, stop = open_queue(url), threading.Event()
    thread = threading.Thread(target=bridge.serve, args=(queue, stop, 1))
    thread.start()
    empty = 0
    while empty < 4:
        stop.wait(0.5)
        empty = empty + 1 if queue.depth() == 0 else 0
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_the_bucket_says_whom_it_notifies(store: Any) -> None:
    assert notified("s3://raw/inbox") == ["queue drops"]


def test_a_drop_of_two_files_and_a_mark_is_started_once_with_its_addresses(
    store: Any, server: Server, bridge: Bridge
) -> None:
    for name in ("a.parquet", "b.parquet", "_SUCCESS", "_SUCCESS"):
        store.s3.put_object(Bucket="raw", Key=f"inbox/signs/monday/{name}", Body=name.encode())
    until_empty(bridge, store.url)
    [(key, options)] = server.runs.items()
    assert key.startswith("cleanse:s3://raw/inbox/signs/monday:")
    places = {"source": "s3://raw/inbox/signs/monday", "destination": "s3://clean/sets/signs"}
    assert options["parameters"] == {**places, "receipt": True}
    assert (bridge.counts["started"], bridge.counts["started"] + bridge.counts["known"] <= 4) == (1, True)
    [[event]] = server.events
    assert (event["event"], event["payload"]["files"]) == ("telltale.drop.started", 2)


def test_the_same_drop_gives_the_same_event_id_and_another_content_another_run(
    store: Any, server: Server, bridge: Bridge
) -> None:
    def upload(body: bytes) -> None:
        store.s3.put_object(Bucket="raw", Key="inbox/signs/again/a.parquet", Body=body)
        store.s3.put_object(Bucket="raw", Key="inbox/signs/again/_SUCCESS", Body=b"")
        until_empty(bridge, store.url)

    upload(b"one")
    upload(b"one")
    assert len(server.runs) == 1
    other = Server("s3://raw/inbox")
    notice = {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "raw"}, "object": {}}}]}
    notice["Records"][0]["s3"]["object"] = {"key": "inbox/signs/again/_SUCCESS"}  # type: ignore[index]
    Bridge(lambda: other).take(json.dumps(notice))  # type: ignore[arg-type,return-value]
    assert other.events[0][0]["id"] == server.events[0][0]["id"]
    upload(b"two")
    assert len(server.runs) == 2


def test_a_message_stays_while_the_server_is_away(store: Any, server: Server, bridge: Bridge) -> None:
    server.away = True
    store.s3.put_object(Bucket="raw", Key="inbox/signs/later/a.parquet", Body=b"x")
    store.s3.put_object(Bucket="raw", Key="inbox/signs/later/_SUCCESS", Body=b"")
    queue = open_queue(store.url)
    stop = threading.Event()
    thread = threading.Thread(target=bridge.serve, args=(queue, stop, 1))
    thread.start()
    stop.wait(3)
    assert server.runs == {}
    assert bridge.counts["failed"] > 0
    server.away = False
    stop.wait(6)
    stop.set()
    thread.join(30)
    until_empty(bridge, store.url)
    assert len(server.runs) == 1


def test_a_message_that_is_no_notification_is_put_aside_and_does_not_come_again(
    store: Any, server: Server, bridge: Bridge
) -> None:
    class One:
        def __init__(self) -> None:
            self.confirmed: list[str] = []

        def confirm(self, message: Message) -> None:
            self.confirmed.append(message.receipt)

    queue = One()
    assert bridge._one(queue, Message(body="hello", receipt="r", deliveries=1)) is None  # type: ignore[arg-type]
    assert (queue.confirmed, dict(bridge.counts)) == (["r"], {"not understood": 1})


def test_a_queue_that_is_not_there_is_told_as_such(store: Any) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        open_queue(store.url.replace("/drops", "/absent")).receive(0)


def test_a_queue_that_does_not_answer_may_pass(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Transient, match="could not look at the queue"):
        open_queue(store.url).depth()


@pytest.mark.parametrize("url", ["drops", "s3://drops", "https://user:pw@host/drops", "https://host/drops?x=1"])
def test_a_queue_is_named_by_its_url_without_secrets(url: str) -> None:
    with pytest.raises(ConfigError, match="SQS queue URL"):
        open_queue(url)


@pytest.fixture
def webhook_url(bridge: Bridge) -> Iterator[str]:
    webhook_server = webhook(bridge, "127.0.0.1:0", TOKEN)
    webhook_server.start()
    yield f"http://127.0.0.1:{webhook_server.port}"
    webhook_server.stop()


def post(url: str, body: bytes, token: str | None = TOKEN, **headers: str) -> int:
    request = urllib.request.Request(url, data=body, headers=headers)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return error.code


MINIO = {
    "EventName": "s3:ObjectCreated:Put",
    "Key": "raw/inbox/signs/minio/_SUCCESS",
    "Records": [
        {
            "eventVersion": "2.0",
            "eventSource": "minio:s3",
            "eventName": "s3:ObjectCreated:Put",
            "s3": {"bucket": {"name": "raw"}, "object": {"key": "inbox%2Fsigns%2Fminio%2F_SUCCESS", "size": 0}},
        }
    ],
}


def test_a_webhook_of_minio_starts_a_drop_once_and_answers_when_its_run_stands(
    store: Any, server: Server, webhook_url: str
) -> None:
    store.s3.put_object(Bucket="raw", Key="inbox/signs/minio/a.parquet", Body=b"x")
    store.s3.put_object(Bucket="raw", Key="inbox/signs/minio/_SUCCESS", Body=b"")
    body = json.dumps(MINIO).encode()
    server.away = True
    assert post(webhook_url, body) == 503
    server.away = False
    assert [post(webhook_url, body) for _ in range(3)] == [200] * 3
    assert len(server.runs) == 1


def test_a_webhook_refuses_strangers_and_too_much(server: Server, webhook_url: str) -> None:
    body = json.dumps(MINIO).encode()
    assert post(webhook_url, body, None) == 401
    assert post(webhook_url, body, TOKEN + "x") == 401
    assert post(webhook_url, b"x" * (2 << 20)) == 413
    assert post(webhook_url, b"hello") == 200  # put aside
    assert server.runs == {}


def test_a_webhook_without_a_token_does_not_open(bridge: Bridge) -> None:
    with pytest.raises(ConfigError, match="TELLTALE_WEBHOOK_TOKEN"):
        webhook(bridge, "127.0.0.1:0", "")
    with pytest.raises(ConfigError, match="host:port"):
        webhook(bridge, "8090", TOKEN)
