"""``telltale doctor`` proves what a role can do in the areas, on a server that enforces the policies."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from flows.checks import Check
from flows.doctor_stores import NEEDS, Area, examine_stores
from telltale_core.storage.s3 import S3Transport
from tests.support import storage
from tests.support.roles import become

pytestmark = pytest.mark.server
AREAS = [Area(name=name, url=url) for name, url in
         (("inbox", "s3://raw/inbox"), ("work", "s3://work/area"), ("clean", "s3://clean/sets"))]  # fmt: skip


def checks_of(role: str) -> dict[str, Check]:
    return {check.name: check for check in examine_stores(AREAS, role)}


@pytest.mark.parametrize("role", NEEDS)
def test_a_role_can_do_all_that_it_must_and_is_told_no_problem_twice(
    client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    become(monkeypatch, client(role))
    for _ in range(2):  # the probe that stays in the clean area is the next one's, too
        checks = checks_of(role)
        assert {check.status for check in checks.values()} == {"ok"}, checks
        assert set(checks) == {f"{name} area" for name in NEEDS[role]}


def test_nothing_but_the_two_probes_that_nobody_may_delete_is_left(
    client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, client("publisher"))
    checks_of("publisher")
    left = {
        bucket: [one["Key"] for one in client("publisher").list_objects_v2(Bucket=bucket).get("Contents", [])]
        for bucket in ("raw", "work", "clean")
    }
    assert [key for keys in left.values() for key in keys if "_doctor" in key] == [
        "inbox/_doctor/_doctor/_RECEIPT.json",  # as deep as a drop's: Ceph's policies tell depths apart
        "sets/_doctor/blobs/probe",
    ]


def test_the_keys_of_another_role_are_a_problem_that_names_what_failed(
    client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, client("reader"))
    checks = checks_of("publisher")
    assert [(name, check.status) for name, check in checks.items()] == [
        ("inbox area", "problem"),
        ("work area", "problem"),
        ("clean area", "problem"),
    ]
    assert "s3://clean/sets: write: " in checks["clean area"].found
    assert "403" in checks["work area"].found


def test_a_store_that_writes_over_what_stands_is_a_problem(
    client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ceph 16 does in a bucket with versioning: it ignores ``If-None-Match``, and says nothing."""
    become(monkeypatch, client("publisher"))
    with monkeypatch.context() as ignoring:
        ignoring.setattr(S3Transport, "create", S3Transport.put)
        checks = checks_of("publisher")
        assert {name: check.status for name, check in checks.items()} == {
            "inbox area": "ok", "work area": "ok", "clean area": "problem",
        }  # fmt: skip
        assert "If-None-Match" in checks["clean area"].found
    assert checks_of("publisher")["clean area"].status == "ok"  # the probe holds its bytes again


def test_a_key_that_was_deleted_is_a_problem(client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    become(monkeypatch, client("publisher"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIADELETEDLONGAGO01")
    assert {check.status for check in checks_of("publisher").values()} == {"problem"}


def test_a_store_that_is_away_is_a_problem_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    checks = checks_of("publisher")
    assert {check.status for check in checks.values()} == {"problem"}
    assert "reachable" in checks["inbox area"].found


def test_a_store_that_lists_nothing_is_asked_nothing_more(
    client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, client("publisher"))
    address = urlsplit(client("publisher").meta.endpoint_url)
    proxy = storage.LossyProxy((str(address.hostname), int(address.port or 0)))
    proxy.plan = lambda _line: 403
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    try:
        assert {check.status for check in checks_of("publisher").values()} == {"problem"}
    finally:
        proxy.close()
    assert [line.split()[0] for line in proxy.requests] == ["GET"] * len(AREAS)  # of a list each
