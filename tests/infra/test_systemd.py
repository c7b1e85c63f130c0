"""The units: systemd takes them, and their times fit what the commands promise."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.worker import SAVE_S

UNITS = sorted((Path(__file__).parents[2] / "infra" / "systemd").glob("*.service"))


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
