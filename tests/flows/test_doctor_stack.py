"""``telltale doctor`` on a real server: each broken state is a problem that says what to do, a whole stack is none."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows import names
from flows.checks import Check


@pytest.fixture
def stack(prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a server on which everything is registered, for local areas."""
    from prefect.client.orchestration import get_client

    from deployments.plan import Plan
    from deployments.register import register
    from flows.start_run import Feed

    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    feed = Feed(inbox=f"{tmp_path}/inbox", clean=f"{tmp_path}/clean", quiet_s=60.0, datasets={"signs": ["signs"]})
    register(Plan(feed=feed, work=f"{tmp_path}/work", results=f"{tmp_path}/results"))
    with get_client(sync_client=True) as client:
        yield client
        for pool in (names.CPU_POOL, names.GPU_POOL):
            client.delete_work_pool(pool)
        for name in names.DEPLOYMENTS:
            client.delete_deployment(client.read_deployment_by_name(name).id)


def checks_by_name() -> dict[str, Check]:
    from flows.doctor_stack import examine_server

    return {check.name: check for check in examine_server()}


def soon(right: Callable[[dict[str, Check]], bool]) -> dict[str, Check]:
    """Return the findings once they are right: the server stores events a moment later."""
    deadline = time.monotonic() + 60
    while not right(checks := checks_by_name()):
        assert time.monotonic() < deadline, checks
        time.sleep(0.3)
    return checks


def test_a_whole_stack_is_none_and_each_thing_that_lacks_is_a_problem_with_its_cure(
    stack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import alive

    checks = checks_by_name()
    assert {name for name, check in checks.items() if check.status == "problem"} == {
        "workers of cpu", "workers of gpu",
    }  # fmt: skip
    assert checks["retention"].status == "note"
    assert (checks["bridge"].status, "none heard of" in checks["bridge"].found) == ("note", True)  # a local inbox
    assert checks["work area"].found.startswith(f"{tmp_path}/work: can list, write, read, delete")
    for pool in (names.CPU_POOL, names.GPU_POOL):
        stack.send_worker_heartbeat(pool, f"{pool}-one", heartbeat_interval_seconds=30)
    bridge = alive.this_process("bridge")
    alive.tell(stack, bridge)
    checks = soon(lambda checks: checks["bridge"].status == "ok")
    assert "problem" not in {check.status for check in checks.values()}, checks
    assert [str(path) for path in tmp_path.rglob("*") if path.is_file() and "_doctor" not in path.parts] == []

    alive.tell(stack, dataclasses.replace(bridge, kind="worker-gpu", name="old", telltale="0.0.1"))
    checks = soon(lambda checks: checks["versions"].status == "problem")
    assert "worker-gpu old has" in checks["versions"].found
    assert "0.0.1" in checks["versions"].found
    monkeypatch.setattr(names, "SEEN_WITHIN_S", 0.0)
    assert checks_by_name()["workers of cpu"].status == "problem"


def test_standing_defaults_that_no_run_would_take_are_a_problem_that_names_the_setting(stack: Any) -> None:
    from prefect.client.schemas.actions import DeploymentUpdate

    assert checks_by_name()["standing settings"].status == "ok"
    cleanse = stack.read_deployment_by_name(names.CLEANSE)
    for config in ({"proxy": {"epoks": 3}}, {"datasets": {"signs": {"proxy": {"epoks": 3}}}}):
        stack.update_deployment(cleanse.id, DeploymentUpdate(enforce_parameter_schema=False))
        stack.update_deployment(cleanse.id, DeploymentUpdate(parameters={**cleanse.parameters, "config": config}))
        check = checks_by_name()["standing settings"]
        assert (check.status, "epoks" in check.found, "epochs" in check.found) == ("problem", True, True)


def test_an_area_that_cannot_be_written_is_a_problem(stack: Any, tmp_path: Path) -> None:
    (tmp_path / "work").write_text("no folder")
    check = checks_by_name()["work area"]
    assert (check.status, f"{tmp_path}/work" in check.found) == ("problem", True)


def test_the_scheduled_doctor_tells_a_problem_once(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import alive
    from flows.checkup import checkup

    monkeypatch.setattr(alive, "heard", lambda _client: [])
    first, second = (checkup(return_state=True) for _ in range(2))
    assert [(state.name, state.type.value) for state in (first, second)] == [
        (names.PROBLEMS, "FAILED"),
        (names.SAME_PROBLEMS, "FAILED"),
    ]
    assert first.message.startswith("2 problems: workers of cpu, workers of gpu.")
    assert "telltale worker --pool gpu" in first.message
    for pool in (names.CPU_POOL, names.GPU_POOL):
        stack.send_worker_heartbeat(pool, f"{pool}-one", heartbeat_interval_seconds=30)
    assert checkup(return_state=True).name == "Completed"


def test_a_process_that_serves_tells_that_it_lives_until_it_ends(stack: Any) -> None:
    from flows import alive

    sign = alive.this_process("bridge", "of-this-test")
    with alive.telling(sign):
        deadline = time.monotonic() + 60
        while sign not in alive.heard(stack):
            assert time.monotonic() < deadline
            time.sleep(0.3)


def test_a_server_that_is_away_ends_no_process(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import alive

    def refuse(*_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(alive, "tell", refuse)
    with alive.telling(alive.this_process("bridge"), every_s=0.01):
        time.sleep(0.1)
