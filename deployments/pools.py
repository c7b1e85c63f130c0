"""The work pools' job templates: Prefect's own for each type, with what a GPU and a container of ours need on top.

Prefect ships the templates of its Docker, Kubernetes and ECS workers; they are read from the installed package, so an
upgrade of Prefect brings its own. A variable that the job configuration does not name would be dropped without a word.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from importlib import resources
from typing import Any, Literal

from flows.names import SCALE_UP_S
from telltale_core.errors import ConfigError

Template = dict[str, Any]
Kind = Literal["process", "docker", "kubernetes", "ecs"]
KINDS: tuple[Kind, ...] = ("process", "docker", "kubernetes", "ecs")
NAMESPACE = "telltale"  # as infra/kubernetes makes it, with the secret in it
PACKAGES = {"process": "prefect", "docker": "prefect-docker", "kubernetes": "prefect-kubernetes", "ecs": "prefect-aws"}


def base(kind: Kind) -> Template:
    """Return the template that the installed Prefect ships for a type of worker."""
    place = resources.files("prefect.server.api") / "collections_data/views/aggregate-worker-metadata.json"
    shipped = json.loads(place.read_text(encoding="utf-8"))
    base_template: Template = copy.deepcopy(shipped[PACKAGES[kind]][kind]["default_base_job_configuration"])
    return base_template


def template(kind: Kind, *, gpu: bool, image: str = "") -> Template:
    """Return the job template of the pool ``cpu`` or ``gpu``; raises :class:`ConfigError` for an unknown type."""
    if kind not in KINDS:
        raise ConfigError(f"the type of a pool must be one of {', '.join(KINDS)}, got {kind!r}")
    job_template = base(kind)
    if image and "image" in job_template["variables"]["properties"]:
        job_template["variables"]["properties"]["image"]["default"] = image
    # A run outlives its worker: with a broken pipe it would crash at its next line.
    job_template["variables"]["properties"]["stream_output"]["default"] = kind != "process"
    change: Callable[[Template, bool], None] = _CHANGES[kind]
    change(job_template, gpu)
    return job_template


def _variable(job_template: Template, name: str, title: str, kind: str, default: Any) -> str:
    """Add a variable that people can set on the pool; return how the job configuration names it."""
    job_template["variables"]["properties"][name] = {"title": title, "type": kind, "default": default}
    return "{{ " + name + " }}"


def _process(job_template: Template, gpu: bool) -> None:
    """A process takes what its host has: one worker a GPU, each with its own CUDA_VISIBLE_DEVICES."""


def _docker(job_template: Template, gpu: bool) -> None:
    create: dict[str, Any] = {
        "shm_size": _variable(job_template, "shm_size", "Shared memory for data loading", "string", "2g"),
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }
    if gpu:
        count = _variable(job_template, "gpu_count", "GPUs of a run", "integer", 1)
        create["device_requests"] = [{"driver": "nvidia", "count": count, "capabilities": [["gpu"]]}]
    job_template["job_configuration"]["container_create_kwargs"] = create


def _kubernetes(job_template: Template, gpu: bool) -> None:
    spec = job_template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    box = spec["containers"][0]
    fields = job_template["variables"]["properties"]
    fields["finished_job_ttl"]["default"] = 3600
    fields["cpu_request"]["default"], fields["memory_request"]["default"] = "1", "4Gi"
    fields["memory_limit"]["default"] = "16Gi"
    fields["namespace"]["default"] = NAMESPACE
    spec["volumes"] = [
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    box["volumeMounts"] = [
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - a container's own
        {"name": "scratch", "mountPath": "/tmp", "subPath": "tmp"},  # noqa: S108 - a container's own
        {"name": "scratch", "mountPath": "/scratch", "subPath": "scratch"},  # home and caches, says the image
    ]
    spec["securityContext"] = {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    box["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    spec["automountServiceAccountToken"] = False
    secret = _variable(
        job_template, "env_secret", "Secret with credentials of store and server", "string", "telltale-worker"
    )
    box["envFrom"] = [{"secretRef": {"name": secret}}]
    if gpu:
        fields["pod_watch_timeout_seconds"]["default"] = SCALE_UP_S
        count = _variable(job_template, "gpu_count", "GPUs of a run", "integer", 1)
        box["resources"]["limits"]["nvidia.com/gpu"] = count
        selector = {"nvidia.com/gpu.present": "true"}
        spec["nodeSelector"] = _variable(job_template, "node_selector", "Labels of the GPU nodes", "object", selector)
        spec["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def _ecs(job_template: Template, gpu: bool) -> None:
    if not gpu:
        return
    fields = job_template["variables"]["properties"]
    fields["launch_type"]["default"] = "EC2"  # Fargate has no GPUs
    fields["task_start_timeout_seconds"]["default"] = SCALE_UP_S
    count = _variable(job_template, "gpu_count", "GPUs of a run", "string", "1")
    box = job_template["job_configuration"]["task_definition"]["containerDefinitions"][0]
    box["resourceRequirements"] = [{"type": "GPU", "value": count}]


_CHANGES: dict[str, Callable[[Template, bool], None]] = {
    "process": _process,
    "docker": _docker,
    "kubernetes": _kubernetes,
    "ecs": _ecs,
}
