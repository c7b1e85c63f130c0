"""What can be checked of the manifests without a cluster: schemas, the restricted standard, rights, networks."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from deployments.pools import template

INFRA = Path(__file__).parents[2] / "infra"
BASE, JOBS = INFRA / "kubernetes", INFRA / "kubernetes-jobs"
KUSTOMIZATIONS = [folder / "kustomization.yaml" for folder in (BASE, JOBS)]
MANIFESTS = sorted({path for folder in (BASE, JOBS) for path in folder.rglob("*.yaml")} - set(KUSTOMIZATIONS))
REPLACED = {("Deployment", "worker-gpu"), ("PodDisruptionBudget", "worker-gpu")}  # where a Job is started for each run
VERSION = "1.34"
STARTER = "job-starter"  # the one pod that may ask the cluster's API for something


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            yield path.name, document


def defined(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the documents of one folder by kind and name."""
    objects = [each for one in MANIFESTS if one.parent == folder for each in yaml.safe_load_all(one.read_text())]
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def kind(name: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for _, document in documents() if document["kind"] == name}


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_kustomization_names_every_manifest(path: Path) -> None:
    named = yaml.safe_load(path.read_text())["resources"]
    other = ["../kubernetes"] if path.parent == JOBS else []
    assert sorted(named) == sorted([*other, *(one.name for one in MANIFESTS if one.parent == path.parent)])


def test_where_jobs_are_started_the_gpu_worker_is_taken_away_with_what_belongs_to_it() -> None:
    patches = [
        yaml.safe_load(one["patch"]) for one in yaml.safe_load((JOBS / "kustomization.yaml").read_text())["patches"]
    ]
    taken = {(patch["kind"], patch["metadata"]["name"]): patch for patch in patches}
    assert set(taken) == REPLACED == {key for key in defined(BASE) if key[1] == "worker-gpu"}
    for key, patch in taken.items():
        assert patch["$patch"] == "delete"
        assert patch["apiVersion"] == defined(BASE)[key]["apiVersion"]
    assert ("Deployment", STARTER) in defined(JOBS)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_valid_by_the_schemas_of_kubernetes(path: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for document in yaml.safe_load_all(path.read_text()):
        validate.validate(document, VERSION, strict=True)


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_what_kubectl_renders_is_valid_and_lies_in_one_namespace(path: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    tool = shutil.which("kubectl")
    if tool is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run([tool, "kustomize", str(path.parent)], capture_output=True, text=True, check=True, timeout=60)
    rendered = list(yaml.safe_load_all(done.stdout))
    wanted = set(defined(BASE)) if path.parent == BASE else {*defined(BASE), *defined(JOBS)} - REPLACED
    assert sorted((one["kind"], one["metadata"]["name"]) for one in rendered) == sorted(wanted)
    for document in rendered:
        validate.validate(document, VERSION, strict=True)
        assert document["metadata"].get("namespace") == (None if document["kind"] == "Namespace" else "telltale")


def test_pods_keep_to_the_restricted_standard_and_hold_no_token() -> None:
    deployments = kind("Deployment")
    assert set(deployments) == {"worker-cpu", "worker-gpu", "bridge", "metrics", STARTER}
    accounts, settings = kind("ServiceAccount"), kind("ConfigMap")
    for name, one in deployments.items():
        spec = one["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is (name == STARTER)
        assert spec["serviceAccountName"] in accounts
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for box in spec["containers"]:
            assert box["securityContext"]["allowPrivilegeEscalation"] is False
            assert box["securityContext"]["readOnlyRootFilesystem"] is True
            assert box["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in box["resources"]["limits"]
            assert all(isinstance(word, str) for word in box["args"])
            assert all(each["configMapRef"]["name"] in settings for each in box["envFrom"] if "configMapRef" in each)
        assert one["spec"]["selector"]["matchLabels"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())
    gpu = deployments["worker-gpu"]["spec"]["template"]["spec"]["containers"][0]
    assert gpu["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_who_starts_jobs_may_do_that_in_one_namespace_and_read_no_secret() -> None:
    assert not kind("ClusterRole")
    assert not kind("ClusterRoleBinding")
    [role], [binding] = kind("Role").values(), kind("RoleBinding").values()
    rights = {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert rights == {
        ("batch", "jobs"): {"create", "get", "list", "watch", "delete"},
        ("", "pods"): {"get", "list", "watch"},
        ("", "pods/log"): {"get"},
        ("", "events"): {"create"},
    }
    spec = kind("Deployment")[STARTER]["spec"]["template"]["spec"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [(one["kind"], one["name"], one["namespace"]) for one in binding["subjects"]] == [
        ("ServiceAccount", spec["serviceAccountName"], "telltale")
    ]


def test_prefects_kubernetes_worker_takes_its_settings_from_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("prefect_kubernetes.settings")
    [box] = kind("Deployment")[STARTER]["spec"]["template"]["spec"]["containers"]
    for one in box["env"]:
        monkeypatch.setenv(one["name"], one.get("value", "x"))
    settings = module.KubernetesSettings()
    assert settings.observer.namespaces == {"telltale"}  # else it watches the whole cluster, which it may not
    assert settings.worker.api_auth_string_secret_name == "telltale-worker"  # else the password stands in each Job
    assert settings.worker.api_auth_string_secret_key == "PREFECT_API_AUTH_STRING"
    assert not settings.worker.store_env_as_secret  # it would need rights on Secrets


@pytest.mark.parametrize("gpu", [False, True])
def test_the_job_of_a_kubernetes_pool_is_valid_by_the_schemas_of_kubernetes(gpu: bool) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    worker = pytest.importorskip("prefect_kubernetes.worker")
    values = {"command": "prefect flow-run execute", "env": {"A": "b"}, "image": "registry.example/telltale:1"}
    configuration = asyncio.run(
        worker.KubernetesWorkerJobConfiguration.from_template_and_values(
            template("kubernetes", gpu=gpu), values, client=SimpleNamespace()
        )
    )
    job = configuration.job_manifest
    configuration.prepare_for_flow_run(SimpleNamespace(id="0", name="a-run", flow_id="1", deployment_id=None))
    pod = job["spec"]["template"]["spec"]
    for theirs in ("completions", "parallelism"):  # Prefect's template has them one level too deep; the API drops them
        pod.pop(theirs, None)
    validate.validate(job, VERSION, strict=True)
    assert job["metadata"]["namespace"] == "telltale"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["image"] == values["image"]
    assert {"name": "A", "value": "b"} in pod["containers"][0]["env"]


def test_nobody_calls_a_worker_and_it_reaches_no_metadata_service() -> None:
    policies = {name: one["spec"] for name, one in kind("NetworkPolicy").items()}
    assert policies["nobody-in"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    entered = {name: one["podSelector"] for name, one in policies.items() if one.get("ingress")}
    assert entered == {"prometheus-reads-the-numbers": {"matchLabels": {"app.kubernetes.io/name": "metrics"}}}
    blocks = {
        name: to["ipBlock"]
        for name, policy in policies.items()
        for rule in policy.get("egress", [])
        for to in rule["to"]
        if "ipBlock" in to
    }
    assert set(blocks) == {"only-server-dns-and-store-out", "job-starter-to-the-clusters-api"}
    assert all("169.254.0.0/16" in block["except"] for block in blocks.values())
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}
    assert private <= set(blocks["only-server-dns-and-store-out"]["except"])
    selected = policies["job-starter-to-the-clusters-api"]["podSelector"]["matchLabels"]
    assert selected == {"app.kubernetes.io/name": STARTER}


def test_prometheus_finds_the_numbers_where_they_are_served() -> None:
    [box] = kind("Deployment")["metrics"]["spec"]["template"]["spec"]["containers"]
    port = int(box["args"][-1].rpartition(":")[2])
    assert [one["containerPort"] for one in box["ports"]] == [port]
    service = kind("Service")["metrics"]["spec"]
    assert service["selector"] == {"app.kubernetes.io/name": "metrics"}
    assert [(one["port"], one["targetPort"]) for one in service["ports"]] == [(port, box["ports"][0]["name"])]
    policy = kind("NetworkPolicy")["prometheus-reads-the-numbers"]["spec"]
    assert [one["port"] for rule in policy["ingress"] for one in rule["ports"]] == [port]


def test_no_manifest_holds_a_secret() -> None:
    assert not [name for name, document in documents() if document["kind"] == "Secret"]
