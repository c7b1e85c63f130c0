from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deployments.pools import KINDS, Kind, base, template
from deployments.register import Plan, keep
from flows.names import SCALE_UP_S
from flows.start_run import Feed
from telltale_core.errors import ConfigError

ROOT = Path(__file__).parents[2]
CASES = [(kind, gpu) for kind in KINDS for gpu in (False, True)]
CONFIGS = {
    "process": ("prefect.workers.process", "ProcessJobConfiguration"),
    "docker": ("prefect_docker.worker", "DockerWorkerJobConfiguration"),
    "kubernetes": ("prefect_kubernetes.worker", "KubernetesWorkerJobConfiguration"),
    "ecs": ("prefect_aws.workers.ecs_worker", "ECSJobConfiguration"),
}


def named(part: Any) -> set[str]:
    return set(re.findall(r"{{ (\w+) }}", json.dumps(part)))


@pytest.mark.parametrize(("kind", "gpu"), CASES)
def test_every_variable_is_used_and_every_used_one_is_declared(kind: Kind, gpu: bool) -> None:
    job_template = template(kind, gpu=gpu, image="registry.example/telltale:1")
    assert named(job_template["job_configuration"]) == set(job_template["variables"]["properties"])
    assert job_template["variables"]["type"] == "object"


@pytest.mark.parametrize(("kind", "gpu"), CASES)
def test_a_template_keeps_all_that_prefect_ships(kind: Kind, gpu: bool) -> None:
    job_template, shipped = template(kind, gpu=gpu), base(kind)
    assert set(shipped["variables"]["properties"]) <= set(job_template["variables"]["properties"])
    assert set(shipped["job_configuration"]) <= set(job_template["job_configuration"])
    if kind == "process":
        shipped["variables"]["properties"]["stream_output"]["default"] = False
        assert job_template == shipped


def test_only_the_gpu_pool_asks_for_gpus() -> None:
    for kind in ("docker", "kubernetes", "ecs"):
        assert "gpu_count" not in named(template(kind, gpu=False))  # type: ignore[arg-type]
        assert "gpu_count" in named(template(kind, gpu=True))  # type: ignore[arg-type]


def test_what_an_operator_set_on_a_pool_outlives_the_next_registration() -> None:
    standing = template("docker", gpu=True, image="registry.example/telltale:1")
    standing["variables"]["properties"]["networks"]["default"] = ["telltale"]
    standing["variables"]["properties"]["gpu_count"]["default"] = 2
    standing["job_configuration"] = {"old": "form"}
    job_template = template("docker", gpu=True, image="registry.example/telltale:2")
    keep(job_template, standing, named=("image",))
    defaults = {name: field.get("default") for name, field in job_template["variables"]["properties"].items()}
    assert (defaults["networks"], defaults["gpu_count"]) == (["telltale"], 2)
    assert defaults["image"] == "registry.example/telltale:2"
    assert job_template["job_configuration"] == template("docker", gpu=True)["job_configuration"]


def test_a_run_is_not_lost_while_a_node_may_still_come_up_for_it() -> None:
    feed = Feed(inbox="s3://raw/inbox", clean="s3://clean/sets", quiet_s=60, datasets=None)
    here = Plan(feed=feed, work="s3://work/area", results="s3://work/results")
    there = Plan(feed=feed, work="s3://work/area", results="s3://work/results", gpu_type="kubernetes")
    assert here.pending_s == 600
    assert there.pending_s > SCALE_UP_S


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="type of a pool"):
        template("nomad", gpu=False)  # type: ignore[arg-type]


def resolve(kind: Kind, gpu: bool) -> Any:
    """Return the configuration that a worker of this type makes of the template."""
    import asyncio
    from types import SimpleNamespace

    module, name = CONFIGS[kind]
    worker = pytest.importorskip(module, reason="the worker's package is not part of the development environment")
    config_class = getattr(worker, name)
    values = {"command": "prefect flow-run execute", "env": {"A": "b"}, "image": "registry.example/telltale:1"}
    nobody: Any = SimpleNamespace()  # only a reference to a block would be asked for
    return asyncio.run(config_class.from_template_and_values(template(kind, gpu=gpu), values, client=nobody))


def home() -> str:
    """Return where the image lets the process write: its HOME."""
    match = re.search(r" HOME=(\S+)", (ROOT / "infra/images/Dockerfile").read_text(encoding="utf-8"))
    assert match is not None
    return match[1]


@pytest.mark.parametrize(("kind", "gpu"), CASES)
def test_the_workers_own_configuration_takes_the_template(kind: Kind, gpu: bool) -> None:
    job_config = resolve(kind, gpu)
    assert job_config.env["A"] == "b"
    if kind == "kubernetes":
        spec = job_config.job_manifest["spec"]["template"]["spec"]
        limits = spec["containers"][0]["resources"]["limits"]
        assert limits.get("nvidia.com/gpu") == (1 if gpu else None)
        assert ("nodeSelector" in spec, "tolerations" in spec) == (gpu, gpu)
        assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
        assert job_config.pod_watch_timeout_seconds == (900 if gpu else 60)
        mounts = {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
        assert {"/tmp", home()} <= mounts  # the rest of a container's own files is read-only
        assert job_config.namespace == "telltale"
    if kind == "docker":
        request = {"driver": "nvidia", "count": 1, "capabilities": [["gpu"]]}
        assert job_config.container_create_kwargs.get("device_requests") == ([request] if gpu else None)
    if kind == "ecs":
        box = job_config.task_definition["containerDefinitions"][0]
        assert box.get("resourceRequirements") == ([{"type": "GPU", "value": "1"}] if gpu else None)
        if gpu:
            assert job_config.task_run_request["launchType"] == "EC2"
