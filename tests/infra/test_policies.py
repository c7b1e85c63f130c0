"""The bucket policies on an S3 server that enforces them: each role can do its work, and nothing else."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

boto3 = pytest.importorskip("boto3")

ROOT = Path(__file__).parents[2]
RENDER = ROOT / "infra" / "policies" / "render.py"
ROLES = ("contributor", "worker", "publisher", "bridge", "reader", "janitor")
DROP = "inbox/signs/one/train.parquet"
OBJECTS = {
    "raw": DROP,
    "work": "area/verdict/ab/verdict.json",
    "clean": "signs/blobs/sha256/ab/ab.parquet",
}


def _module(name: str, file: Path) -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def rendered() -> dict[str, str]:
    names = {"INBOX_BUCKET": "raw", "INBOX_PREFIX": "inbox", "CLEAN_BUCKET": "clean", "WORK_BUCKET": "work"}
    made: dict[str, str] = _module("telltale_render", RENDER).render(
        {**names, "DATASET": "signs", "QUEUE_ARN": "arn:x"}
    )
    return made


@pytest.fixture(scope="module")
def client() -> Iterator[Callable[[str], Any]]:
    """An S3 client by role, on a server with one object in each bucket; from here on it asks who is calling."""
    support = _module("telltale_storage_support", ROOT / "tests" / "storage" / "support.py")
    with support.s3_server() as (host, port):
        url = f"http://{host}:{port}"

        def connect(service: str, key: str, secret: str) -> Any:
            known = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": "us-east-1"}
            return boto3.client(service, endpoint_url=url, **known)

        root, iam = connect("s3", "root", "root-of-the-tests"), connect("iam", "root", "root-of-the-tests")
        for bucket, key in OBJECTS.items():
            root.create_bucket(Bucket=bucket)
            root.put_object(Bucket=bucket, Key=key, Body=b"{}")
        policies, clients = rendered(), {}
        for role in ROLES:
            iam.create_user(UserName=role)
            iam.put_user_policy(UserName=role, PolicyName=role, PolicyDocument=policies[f"{role}.json"])
            key = iam.create_access_key(UserName=role)["AccessKey"]
            clients[role] = connect("s3", key["AccessKeyId"], key["SecretAccessKey"])
        _ask_who_is_calling(url, 0)
        yield lambda role: clients[role]
        _ask_who_is_calling(url, float("inf"))
        for one in (root, iam, *clients.values()):
            one.close()


def _ask_who_is_calling(url: str, after: float) -> None:
    """Let the server check every call's policy once ``after`` calls were made."""
    kind = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(f"{url}/moto-api/reset-auth", data=str(after).encode(), headers=kind)
    with urllib.request.urlopen(request, timeout=20) as reply:
        assert reply.status == 200


def put(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")


def get(s3: Any, bucket: str, key: str) -> None:
    s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def listing(s3: Any, bucket: str, _key: str) -> None:
    s3.list_objects_v2(Bucket=bucket)


def delete(s3: Any, bucket: str, key: str) -> None:
    s3.delete_object(Bucket=bucket, Key=key)


VERSION = "signs/_versions/00000001.json"
WORK, CLEAN = OBJECTS["work"], OBJECTS["clean"]
MAY: list[tuple[str, Any, str, str]] = [
    ("contributor", put, "raw", "inbox/signs/two/train.parquet"),
    ("contributor", put, "raw", "inbox/signs/two/_SUCCESS"),
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
    ("publisher", get, "clean", CLEAN),
    ("publisher", listing, "clean", ""),
    ("bridge", listing, "raw", ""),
    ("bridge", get, "raw", DROP),
    ("reader", get, "clean", CLEAN),
    ("reader", listing, "clean", ""),
    ("janitor", delete, "clean", "signs/blobs/sha256/ef/ef.parquet"),
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
    ("publisher", put, "clean", "signs/_gc/sha256/ab/ab.parquet"),
    ("publisher", put, "clean", "signs/elsewhere.txt"),
    ("publisher", put, "raw", DROP),
    ("publisher", delete, "raw", DROP),
    *(("bridge", act, bucket, OBJECTS[bucket]) for act in (get, put) for bucket in ("work", "clean")),
    ("bridge", put, "raw", DROP),
    ("reader", put, "clean", VERSION),
    ("reader", delete, "clean", CLEAN),
    *(("reader", act, bucket, OBJECTS[bucket]) for act in (get, put, listing) for bucket in ("raw", "work")),
    ("janitor", delete, "clean", VERSION),
    ("janitor", put, "clean", VERSION),
    ("janitor", get, "raw", DROP),
]


def named(case: tuple[str, Any, str, str]) -> str:
    role, act, bucket, key = case
    return f"{role}-{act.__name__}-{bucket}-{key.split('/')[-1]}"


@pytest.mark.parametrize("case", MAY, ids=named)
def test_a_role_can_do_its_work(client: Callable[[str], Any], case: tuple[str, Any, str, str]) -> None:
    role, act, bucket, key = case
    act(client(role), bucket, key)


@pytest.mark.parametrize("case", MAY_NOT, ids=named)
def test_a_role_can_do_nothing_else(client: Callable[[str], Any], case: tuple[str, Any, str, str]) -> None:
    from botocore.exceptions import ClientError

    role, act, bucket, key = case
    with pytest.raises(ClientError) as refused:
        act(client(role), bucket, key)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_nobody_without_a_name_gets_in(client: Callable[[str], Any]) -> None:
    from botocore.exceptions import ClientError

    stranger = boto3.client(
        "s3", endpoint_url=client("reader").meta.endpoint_url, region_name="us-east-1",
        aws_access_key_id="nobody", aws_secret_access_key="nothing-at-all",
    )  # fmt: skip
    with pytest.raises(ClientError) as refused:
        listing(stranger, "clean", "")
    stranger.close()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_templates_leave_no_name_open_and_allow_no_star_action(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(RENDER),
        "--inbox",
        "raw",
        "--clean",
        "clean",
        "--work",
        "work",
        "--out",
        str(tmp_path),
    ]
    subprocess.run(command, check=True, timeout=60, env={"PATH": os.environ["PATH"]})
    for path in sorted(tmp_path.iterdir()):
        text = path.read_text()
        assert "${" not in text
        for statement in json.loads(text)["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert statement["Effect"] == "Deny" or not [action for action in actions if "*" in action], path.name
    assert {path.stem for path in tmp_path.iterdir()} == {*ROLES, "bucket-clean", "queue"}
