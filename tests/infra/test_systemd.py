"""The units: systemd takes them, and their times fit what the commands promise."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.worker import SAVE_S

INFRA = Path(__file__).parents[2] / "infra"
UNITS = sorted((INFRA / "systemd").glob("*.service"))


def read(unit: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read(unit)
    return parser


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_every_unit_as_it_is(tmp_path: Path) -> None:
    for unit in UNITS:  # it wants programs that are there
        text = unit.read_text().replace("/opt/telltale/bin", str(Path(sys.executable).parent))
        (tmp_path / unit.name.replace("@", "@0")).write_text(text)
    command = ["systemd-analyze", "verify", "--recursive-errors=no", *map(str, tmp_path.glob("*.service"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_signal_to_end_reaches_the_command_alone_and_what_dies_comes_again(unit: Path) -> None:
    service = read(unit)["Service"]
    assert service["KillMode"] == "mixed"
    assert service["Restart"] == "always"
    assert service["NoNewPrivileges"] == "yes"
    words = service["ExecStart"].split()
    if "worker" in words:
        finish_s = float(words[words.index("--finish-s") + 1])
        assert float(service["TimeoutStopSec"]) >= finish_s + SAVE_S + 10


def test_each_unit_finds_the_variables_that_its_head_names_and_the_keys_of_its_role(tmp_path: Path) -> None:
    """The two scripts of the page, as an operator types them; the second one again after a key was rotated."""
    secrets, folder = tmp_path / "secrets", tmp_path / "etc"
    (tmp_path / "infra").mkdir()
    for name in ("make-secrets", "store-setup.sh", "policies"):  # make-secrets writes beside itself
        place = INFRA / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, tmp_path / "infra" / name)
    surroundings = {"PATH": os.environ["PATH"], "SECRETS": str(secrets), "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}
    surroundings["TELLTALE_WEBHOOK"] = "127.0.0.1:8090"

    def write() -> dict[str, dict[str, str]]:
        for command in (
            [tmp_path / "infra" / "make-secrets", secrets],
            [INFRA / "systemd" / "make-environment", folder],
        ):
            subprocess.run(command, check=True, capture_output=True, env=surroundings, timeout=120)
        lines = {path.stem: path.read_text().splitlines() for path in folder.glob("*.env")}
        return {name: dict(line.split("=", 1) for line in text) for name, text in lines.items()}

    files = write()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    roles = {"worker": "publisher", "gpu": "worker", "bridge": "bridge", "metrics": "metrics", "operator": "publisher"}
    assert {name: file.get("AWS_ACCESS_KEY_ID") for name, file in files.items()} == {**roles, "server": None}
    assert {file["AWS_ENDPOINT_URL"] for name, file in files.items() if name != "server"} == {"http://127.0.0.1:9000"}
    for unit in UNITS:
        named = Path(read(unit)["Service"]["EnvironmentFile"])
        assert named.parent == Path("/etc/telltale")
        head = unit.read_text().split("[Unit]")[0].replace("TELLTALE_QUEUE. For", "")  # this store posts
        wanted = set(re.findall(r"\b(?:PREFECT|TELLTALE)_[A-Z_]+\b", head))
        assert wanted <= set(files[named.stem]), unit.name
    (secrets / "STORE_WORKER").unlink()
    for name in ("AWS_ENDPOINT_URL", "TELLTALE_WEBHOOK"):  # a shell in which nothing was exported
        del surroundings[name]
    again = write()
    assert again["gpu"]["AWS_SECRET_ACCESS_KEY"] != files["gpu"]["AWS_SECRET_ACCESS_KEY"]
    assert {name: file for name, file in again.items() if name != "gpu"} == {
        name: file for name, file in files.items() if name != "gpu"
    }
    (folder / "exported").unlink()  # as after an older release
    assert write()["bridge"] == files["bridge"]
    surroundings["TELLTALE_QUEUE"] = "https://queue.example"  # instead of the webhook
    assert "TELLTALE_WEBHOOK" not in write()["bridge"]


def test_the_page_says_which_unit_has_which_file_and_role() -> None:
    page = (INFRA.parent / "deployments" / "README.md").read_text()
    for unit in UNITS:
        [row] = re.findall(rf"^\| .*`{re.escape(unit.stem)}\w?`.*$", page, re.MULTILINE)
        assert f"`{Path(read(unit)['Service']['EnvironmentFile']).name}`" in row


def test_what_is_installed_reads_what_the_images_read() -> None:
    """The same extras, or one way of set-up would fail at recordings or learn no words."""
    images = set(re.findall(r"'\.\[([\w,]+)\]'", (INFRA / "images" / "Dockerfile").read_text()))
    pages = [(INFRA.parent / "deployments" / name).read_text() for name in ("README.md", "RUNBOOK.md")]
    typed = {extras for page in pages for extras in re.findall(r"pip install [^\n`]*\[([\w,]+)\]", page)}
    assert typed == images
