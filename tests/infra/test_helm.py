"""Helm renders Prefect's chart with our values. It needs ``pip install helm-python-sdk`` and the chart.

``HELM_CHART=folder pytest tests/infra/test_helm.py``: the folder ``charts/prefect-server`` of Prefect's repository
prefect-helm, with Bitnami's chart ``common`` in its own folder ``charts``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = os.environ.get("HELM_CHART", "")
pytestmark = pytest.mark.skipif(not CHART, reason="HELM_CHART names no folder of Prefect's chart")
FOLDER = Path(__file__).parents[2] / "infra" / "kubernetes-server"
VALUES = yaml.safe_load((FOLDER / "values.yaml").read_text())


@pytest.fixture(scope="module")
def rendered() -> dict[str, dict[str, Any]]:
    helm = pytest.importorskip("helm_python")
    with helm.Chart.load(CHART) as chart:
        chart.validate_schema(VALUES)
        texts = chart.render(values=VALUES, name="prefect-server", namespace="prefect")
    documents = [each for name, text in texts.items() if name.endswith(".yaml") for each in yaml.safe_load_all(text)]
    return {each["kind"]: each for each in documents if each}


def test_it_is_valid_by_the_schemas_of_kubernetes(rendered: dict[str, dict[str, Any]]) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    assert set(rendered) == {"Deployment", "Service", "ServiceAccount"}  # no Secret, no database of its own
    for document in rendered.values():
        validate.validate(document, "1.34", strict=True)


def test_the_server_is_as_in_compose(rendered: dict[str, dict[str, Any]]) -> None:
    compose = yaml.safe_load((FOLDER.parent / "compose.yaml").read_text())["services"]["server"]["environment"]
    pod = rendered["Deployment"]["spec"]["template"]["spec"]
    [box] = pod["containers"]
    settings = {one["name"]: one.get("value") or one["valueFrom"]["secretKeyRef"] for one in box["env"]}
    shared = {name for name in compose if "DATABASE_" not in name and "UI_" not in name}
    assert {name: settings[name] for name in shared} == {name: compose[name] for name in shared}
    assert settings["PREFECT_SERVER_API_AUTH_STRING"] == {"name": "prefect-server-auth", "key": "auth-string"}
    database = {"name": "prefect-server-database", "key": "connection-string"}
    assert settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == database
    mounts = {one["mountPath"]: one["name"] for one in box["volumeMounts"]}
    assert mounts[settings["PREFECT_HOME"]] == "leases"
    assert settings["PREFECT_UI_STATIC_DIRECTORY"] in mounts  # its root is read-only
    volume = yaml.safe_load((FOLDER / "volume.yaml").read_text())["metadata"]["name"]
    assert {"name": "leases", "persistentVolumeClaim": {"claimName": volume}} in pod["volumes"]


def test_it_is_locked_down(rendered: dict[str, dict[str, Any]]) -> None:
    spec = rendered["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})  # its leases are files
    pod = spec["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    [box] = pod["containers"]
    assert box["securityContext"]["readOnlyRootFilesystem"] is True
    assert box["securityContext"]["allowPrivilegeEscalation"] is False
    assert box["securityContext"]["capabilities"] == {"drop": ["ALL"]}
