"""An S3 and SQS server that enforces the policies of ``infra/policies``: a client by role, as its keys have it."""

from __future__ import annotations

import contextlib
import runpy
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import storage

RENDER = Path(__file__).parents[2] / "infra" / "policies" / "render.py"
ROLES = ("contributor", "worker", "publisher", "bridge", "metrics", "reader", "reviewer", "janitor")
QUEUE = "arn:aws:sqs:us-east-1:123456789012:drops"  # the account of every caller on the test's server
DROP = "inbox/signs/one/train.parquet"
WHOLE_BUCKET = "verdict/ab/verdict.json"  # of a work area that is a bucket, without a folder
OBJECTS = {
    "raw": DROP,
    "work": "area/verdict/ab/verdict.json",
    "clean": "signs/blobs/sha256/ab/ab.parquet",
}


def rendered() -> dict[str, str]:
    names = {"INBOX_BUCKET": "raw", "INBOX_PREFIX": "inbox", "CLEAN_BUCKET": "clean", "WORK_BUCKET": "work"}
    variables = {**names, "DATASET": "signs", "QUEUE_ARN": QUEUE}
    documents, left_out = runpy.run_path(str(RENDER))["render"](variables)
    assert left_out == {"queue-sns.json": ["TOPIC_ARN"], "queue-eventbridge.json": ["RULE_ARN"]}
    policies: dict[str, str] = documents
    return policies


@contextlib.contextmanager
def enforcing() -> Iterator[Callable[..., Any]]:
    """A client by role and service, on a server with one object in each bucket and a queue that asks who is calling."""
    import boto3

    with storage.s3_server() as (host, port):
        url = f"http://{host}:{port}"

        def connect(service: str, key: str, secret: str) -> Any:
            known = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": "us-east-1"}
            return boto3.client(service, endpoint_url=url, **known)

        root, iam = connect("s3", "root", "root-of-the-tests"), connect("iam", "root", "root-of-the-tests")
        for bucket, key in OBJECTS.items():
            root.create_bucket(Bucket=bucket)
            root.put_object(Bucket=bucket, Key=key, Body=b"{}")
        root.put_object(Bucket="raw", Key="inbox/signs/one/_RECEIPT.json", Body=b"{}")
        root.put_object(Bucket="work", Key=WHOLE_BUCKET, Body=b"{}")
        sqs = connect("sqs", "root", "root-of-the-tests")
        assert sqs.create_queue(QueueName="drops")["QueueUrl"].endswith("/123456789012/drops")
        rule = {"QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"]}
        root.put_bucket_notification_configuration(
            Bucket="raw", NotificationConfiguration={"QueueConfigurations": [rule]}
        )
        sqs.create_queue(QueueName="others")
        policies, clients = rendered(), {}
        for role in ROLES:
            iam.create_user(UserName=role)
            iam.put_user_policy(UserName=role, PolicyName=role, PolicyDocument=policies[f"{role}.json"])
            if role == "bridge":
                iam.put_user_policy(UserName=role, PolicyName="queue", PolicyDocument=policies["bridge-queue.json"])
            key = iam.create_access_key(UserName=role)["AccessKey"]
            for service in ("s3", "sqs"):
                clients[role, service] = connect(service, key["AccessKeyId"], key["SecretAccessKey"])
        _ask_who_is_calling(url, 0)
        yield lambda role, service="s3": clients[role, service]
        for one in (root, iam, sqs, *clients.values()):
            one.close()


def _ask_who_is_calling(url: str, after: float) -> None:
    """Let the server check every call's policy once ``after`` calls were made."""
    kind = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(f"{url}/moto-api/reset-auth", data=str(after).encode(), headers=kind)
    with urllib.request.urlopen(request, timeout=20) as reply:
        assert reply.status == 200


def become(monkeypatch: pytest.MonkeyPatch, role: Any) -> None:
    """Give this process the keys of a client, as its environment would have them."""
    key = role._request_signer._credentials
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", role.meta.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
