"""The bucket policies on an S3 server that enforces them: each role can do its work, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from telltale_core.publish.blob_writer import DEADLINE_S
from tests.support import storage as support
from tests.support.roles import DROP, OBJECTS, QUEUE, RENDER, ROLES, WHOLE_BUCKET, become, rendered

boto3 = pytest.importorskip("boto3")

pytestmark = pytest.mark.server
ROOT = Path(__file__).parents[2]


def test_what_killed_uploads_leave_is_removed_by_a_rule_of_the_bucket_and_nothing_else_is(s3_url: str) -> None:
    rule = json.loads((ROOT / "infra" / "lifecycle.json").read_text())
    client = boto3.client("s3", region_name="us-east-1")
    bucket = s3_url.split("/")[2]
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rule)
    [stands] = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    client.close()
    assert stands["Status"] == "Enabled"
    assert stands["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] * 86_400 > DEADLINE_S
    assert not {"Expiration", "NoncurrentVersionExpiration", "Transitions"} & set(stands)
    assert "infra/lifecycle.json" in (ROOT / "infra" / "README.md").read_text()


def put(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")


def get(s3: Any, bucket: str, key: str) -> None:
    s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def listing(s3: Any, bucket: str, _key: str) -> None:
    s3.list_objects_v2(Bucket=bucket)


def delete(s3: Any, bucket: str, key: str) -> None:
    s3.delete_object(Bucket=bucket, Key=key)


VERSION, MIRRORED = "signs/_versions/00000001.json", "signs/_mirror/00000001.json"
WORK, CLEAN = OBJECTS["work"], OBJECTS["clean"]
MAY: list[tuple[str, Any, str, str]] = [
    ("contributor", put, "raw", "inbox/signs/two/train.parquet"),
    ("contributor", put, "raw", "inbox/signs/two/_SUCCESS"),
    ("contributor", get, "raw", "inbox/signs/one/_RECEIPT.json"),
    ("publisher", put, "raw", "inbox/signs/one/_RECEIPT.json"),
    ("reviewer", get, "work", WORK),
    ("reviewer", get, "work", WHOLE_BUCKET),
    ("reviewer", get, "clean", CLEAN),
    ("reviewer", listing, "work", ""),
    ("worker", get, "work", WORK),
    ("worker", put, "work", "area/train/ab/train.json"),
    ("worker", put, "work", "area/results/train-ab"),
    ("worker", delete, "work", "area/train/ab/old"),
    ("worker", listing, "work", ""),
    ("publisher", get, "raw", DROP),
    ("publisher", listing, "raw", ""),
    ("publisher", put, "work", "area/results/x"),
    ("publisher", put, "clean", "signs/blobs/sha256/cd/cd.parquet"),
    ("publisher", put, "clean", VERSION),
    ("publisher", put, "clean", MIRRORED),
    ("publisher", get, "clean", CLEAN),
    ("publisher", listing, "clean", ""),
    ("bridge", listing, "raw", ""),
    ("bridge", get, "raw", DROP),
    ("metrics", listing, "raw", ""),
    ("metrics", listing, "clean", ""),
    ("reader", get, "clean", CLEAN),
    ("reader", listing, "clean", ""),
    ("janitor", delete, "clean", "signs/blobs/sha256/ef/ef.parquet"),
    ("janitor", put, "clean", MIRRORED),
]
MAY_NOT: list[tuple[str, Any, str, str]] = [
    ("contributor", get, "raw", DROP),
    ("contributor", listing, "raw", ""),
    ("contributor", delete, "raw", DROP),
    ("contributor", put, "raw", "inbox/others/two/train.parquet"),
    ("contributor", put, "raw", "elsewhere/x"),
    *(("contributor", act, bucket, OBJECTS[bucket]) for act in (get, put, listing) for bucket in ("work", "clean")),
    ("contributor", put, "work", "area/results/train-ab"),
    *(("worker", act, "clean", CLEAN) for act in (get, put, listing, delete)),
    *(("worker", act, "raw", DROP) for act in (get, put, listing, delete)),
    ("publisher", delete, "clean", CLEAN),
    ("publisher", delete, "clean", VERSION),
    ("publisher", delete, "clean", MIRRORED),
    ("publisher", put, "clean", "signs/_gc/sha256/ab/ab.parquet"),
    ("publisher", put, "clean", "signs/elsewhere.txt"),
    ("publisher", put, "raw", DROP),
    ("publisher", delete, "raw", DROP),
    *(("bridge", act, bucket, OBJECTS[bucket]) for act in (get, put) for bucket in ("work", "clean")),
    ("bridge", put, "raw", DROP),
    *(("metrics", act, bucket, OBJECTS[bucket]) for act in (get, put) for bucket in ("raw", "work", "clean")),
    ("metrics", put, "clean", VERSION),
    ("metrics", listing, "work", ""),
    ("reader", put, "clean", VERSION),
    ("reader", delete, "clean", CLEAN),
    *(("reader", act, bucket, OBJECTS[bucket]) for act in (get, put, listing) for bucket in ("raw", "work")),
    *(("reviewer", act, bucket, OBJECTS[bucket]) for act in (put, delete) for bucket in ("raw", "work", "clean")),
    ("reviewer", get, "raw", DROP),
    ("reviewer", get, "work", "area/drops/ab/inputs.npy"),
    ("reviewer", get, "work", "area/results/train-ab"),
    ("contributor", get, "raw", "inbox/others/one/_RECEIPT.json"),
    ("janitor", delete, "clean", VERSION),
    ("janitor", delete, "clean", MIRRORED),
    ("janitor", put, "clean", VERSION),
    ("janitor", get, "raw", DROP),
]


def named(case: tuple[str, Any, str, str]) -> str:
    role, act, bucket, key = case
    return f"{role}-{act.__name__}-{bucket}-{key.split('/')[-1]}"


@pytest.mark.parametrize("case", MAY, ids=named)
def test_a_role_can_do_its_work(client: Callable[..., Any], case: tuple[str, Any, str, str]) -> None:
    role, act, bucket, key = case
    act(client(role), bucket, key)


@pytest.mark.parametrize("case", MAY_NOT, ids=named)
def test_a_role_can_do_nothing_else(client: Callable[..., Any], case: tuple[str, Any, str, str]) -> None:
    from botocore.exceptions import ClientError

    role, act, bucket, key = case
    with pytest.raises(ClientError) as refused:
        act(client(role), bucket, key)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_the_janitor_removes_what_no_version_names(
    client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The line of the runbook, a week later."""
    from telltale_core.publish import gc, publish

    publisher, janitor = client("publisher"), client("janitor")

    become(monkeypatch, publisher)
    named = {
        blob.path for blob in publish(*support.make_job(tmp_path), "s3://clean/unused", lineage=support.CODE).blobs()
    }
    blob = "unused/blobs/sha256/ab/ab.parquet"
    put(publisher, "clean", blob)
    become(monkeypatch, janitor)
    assert gc("s3://clean/unused", dry_run=True).young == 1
    module, now = sys.modules["telltale_core.publish.gc"], time.time()
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: now + 8 * 24 * 3600))
    assert gc("s3://clean/unused", dry_run=False).removed == (blob.removeprefix("unused/"),)
    assert publisher.list_objects_v2(Bucket="clean", Prefix="unused/blobs/")["KeyCount"] == len(named)


def test_the_numbers_are_measured_with_a_role_that_reads_no_sample(
    client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from s3fs import S3FileSystem

    from flows import metrics
    from flows.start_run import Feed
    from telltale_core.publish import publish

    def measured(datasets: dict[str, list[str]] | None) -> dict[tuple[str, ...], float]:
        feed = Feed(inbox="s3://raw/inbox", clean="s3://clean/numbers", quiet_s=1e6, datasets=datasets)
        monkeypatch.setattr(metrics, "read_feed", lambda _client: feed)
        nobody: Any = None
        families = [*metrics._drops(nobody), *metrics.Telltale()._datasets(nobody)]
        return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}

    become(monkeypatch, client("publisher"))
    publish(*support.make_job(tmp_path), "s3://clean/numbers/counted", lineage=support.CODE)
    become(monkeypatch, client("metrics"))
    S3FileSystem.clear_instance_cache()  # which may have the keys of before
    monkeypatch.setattr(metrics, "started_keys", lambda *_: set())
    areas: tuple[dict[str, list[str]] | None, ...] = ({"counted": ["signs"]}, None)
    before = [measured(datasets) for datasets in areas]  # other tests have drops there, too
    for name, body in (("train.parquet", b"x"), ("_MANIFEST.json", b'{"files": {"train.parquet": 1}}')):
        client("contributor").put_object(Bucket="raw", Key=f"inbox/signs/counted/{name}", Body=body)
    S3FileSystem.clear_instance_cache()
    for datasets, earlier in zip(areas, before, strict=True):
        samples, waiting = measured(datasets), ("telltale_drops_waiting", "signs" if datasets is None else "counted")
        assert samples["telltale_dataset_version", "counted"] == 1
        assert samples[waiting] == earlier.get(waiting, 0) + 1


def test_nobody_without_a_name_gets_in(client: Callable[..., Any]) -> None:
    from botocore.exceptions import ClientError

    stranger = boto3.client(
        "s3", endpoint_url=client("reader").meta.endpoint_url, region_name="us-east-1",
        aws_access_key_id="nobody", aws_secret_access_key="nothing-at-all",
    )  # fmt: skip
    with pytest.raises(ClientError) as refused:
        listing(stranger, "clean", "")
    stranger.close()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


SQS: dict[str, tuple[str, dict[str, Any]]] = {
    "receive": ("receive_message", {"WaitTimeSeconds": 0}),
    "depth": ("get_queue_attributes", {"AttributeNames": ["ApproximateNumberOfMessages"]}),
    "confirm": ("delete_message", {"ReceiptHandle": "gone"}),
    "send": ("send_message", {"MessageBody": "x"}),
    "purge": ("purge_queue", {}),
}


def code(client: Any, queue: str, act: str) -> str:
    """Return what the queue's server answers: an error's code, or nothing."""
    from botocore.exceptions import ClientError

    name, arguments = SQS[act]
    try:
        getattr(client, name)(QueueUrl=f"{client.meta.endpoint_url}/123456789012/{queue}", **arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_the_bridge_reads_its_queue_and_nobody_else_does(client: Callable[..., Any]) -> None:
    bridge = client("bridge", "sqs")
    assert [code(bridge, "drops", act) for act in ("receive", "depth")] == ["", ""]
    assert code(bridge, "drops", "confirm") == "ReceiptHandleIsInvalid"  # it was let in
    assert [code(bridge, "drops", act) for act in ("send", "purge")] == ["403"] * 2
    assert [code(bridge, "others", act) for act in ("receive", "depth", "confirm")] == ["403"] * 3
    for role in set(ROLES) - {"bridge"}:
        assert [code(client(role, "sqs"), "drops", act) for act in SQS] == ["403"] * len(SQS)


def run_render(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    names = ["--inbox", "raw", "--clean", "clean", "--work", "work", "--out", str(folder), *more]
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, str(RENDER), *names], check=False, timeout=60, env=environment, capture_output=True, text=True
    )


TOPIC, RULE = "arn:aws:sns:us-east-1:123456789012:drops", "arn:aws:events:us-east-1:123456789012:rule/drops"


def test_templates_leave_no_name_open_and_allow_no_star_action(tmp_path: Path) -> None:
    done = run_render(tmp_path, "--queue-arn", QUEUE, "--topic-arn", TOPIC, "--rule-arn", RULE)
    assert (done.returncode, done.stdout) == (0, "")
    for path in sorted(tmp_path.iterdir()):
        text = path.read_text()
        assert "${" not in text
        for statement in json.loads(text)["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert statement["Effect"] == "Deny" or not [action for action in actions if "*" in action], path.name
    queue = {"bridge-queue", "queue-s3", "queue-sns", "queue-eventbridge"}
    assert {path.stem for path in tmp_path.iterdir()} == {*ROLES, "bucket-clean", *queue}
    senders = {
        "queue-s3": ("s3.amazonaws.com", {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::raw"}}),
        "queue-sns": ("sns.amazonaws.com", {"ArnEquals": {"aws:SourceArn": TOPIC}}),
        "queue-eventbridge": ("events.amazonaws.com", {"ArnEquals": {"aws:SourceArn": RULE}}),
    }
    for name, (service, condition) in senders.items():
        [statement] = json.loads((tmp_path / f"{name}.json").read_text())["Statement"]
        assert (statement["Principal"], statement["Condition"]) == ({"Service": service}, condition)
        assert (statement["Action"], statement["Resource"]) == ("sqs:SendMessage", QUEUE)


def test_without_a_queue_no_policy_of_one_is_made_up(tmp_path: Path) -> None:
    (tmp_path / "queue-s3.json").write_text("of an earlier run")
    done = run_render(tmp_path)
    assert done.returncode == 0
    assert "left out queue-s3.json: give --queue-arn" in done.stdout
    assert {path.stem for path in tmp_path.iterdir()} == {*ROLES, "bucket-clean"}
    refused = run_render(tmp_path, "--queue-arn", "arn:aws:sqs:REGION:ACCOUNT:drops")
    assert refused.returncode == 2
    assert "--queue-arn must look like" in refused.stderr


@pytest.mark.parametrize("drop", ["signs/one", "team-a/signs/one"])
def test_receipts_may_be_written_where_a_star_stands_for_one_folder(drop: str) -> None:
    """On Ceph 16 a star before a slash ends at the first one, on AWS at any."""
    statements = json.loads(rendered()["publisher.json"])["Statement"]
    [patterns] = [one["Resource"] for one in statements if one["Sid"] == "AnswerContributors"]
    key = f"arn:aws:s3:::raw/inbox/{drop}/_RECEIPT.json"
    assert any(re.fullmatch(pattern.replace("*", "[^/]+"), key) for pattern in patterns)
