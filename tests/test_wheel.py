"""The wheel in an empty environment: what it holds, and that its command line and its flows work there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
Run = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout; nothing is fetched."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    [file] = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a program of an environment that holds the wheel, from an empty folder.

    It sees the libraries of the running environment behind its own, but not the checkout.
    """
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True, timeout=300)
    python = home / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", "--disable-pip-version-check", wheel]
    subprocess.run(pip, check=True, timeout=300)
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    Path(own, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    empty = home / "empty"
    empty.mkdir()

    def program(*words: str | Path, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
        done = subprocess.run(
            [python.with_name(str(words[0])), *words[1:]],
            cwd=empty, env=environment, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == code, (done.stdout + done.stderr)[-3000:]
        return done

    return program


def test_the_wheel_holds_two_packages_and_what_they_need_at_run_time(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in held if ".dist-info/" not in name} == {"telltale_core", "telltale_cleanse"}
    assert {"telltale_core/py.typed", "telltale_cleanse/flows/cleanse.py", "telltale_cleanse/__init__.py"} <= held
    kinds = {Path(name).suffix for name in held if ".dist-info/" not in name}
    assert kinds == {".py", ".typed", ".j2"}
    templates = {str(file.relative_to(ROOT)) for file in (ROOT / "telltale_core").rglob("*.j2")}
    assert templates <= held


@pytest.mark.parametrize("name", ["flows", "tasks", "deployments"])
def test_packages_of_common_names_are_seen_by_telltale_alone(run: Run, name: str) -> None:
    assert "ModuleNotFoundError" in run("python", "-c", f"import {name}", code=1).stderr
    output = run("python", "-c", f"import telltale_cleanse, {name}; print({name}.__file__)").stdout
    assert f"telltale_cleanse/{name}/__init__.py" in output


def test_another_package_of_that_name_that_is_loaded_already_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").touch()
    message = run("python", "-c", "import tasks, telltale_cleanse", code=1, PYTHONPATH=str(tmp_path)).stderr
    assert f"another package called tasks is loaded already ({tmp_path / 'tasks.py'})" in message


@pytest.mark.server
@pytest.mark.trains
def test_the_installed_command_line_cleanses_logs_and_verifies(
    run: Run, small_drop: Path, small_settings: dict[str, Any], tmp_path: Path
) -> None:
    from importlib.metadata import version

    assert run("telltale", "--version").stdout.strip() == version("telltale-cleanse")
    assert "--inbox" in run("telltale", "deploy", "--help").stdout
    settings = [
        f"--set={stage}.{name}={json.dumps(value)}"
        for stage, values in small_settings.items()
        for name, value in values.items()
    ]
    places = [small_drop, "--out", tmp_path / "clean", "--work", tmp_path / "work"]
    run("telltale", "cleanse", *places, *settings)  # with a Prefect server of its own
    [listed] = json.loads(run("telltale", "log", tmp_path / "clean", "--json").stdout)["versions"]
    assert listed["counts"]["quarantined"] == 100
    assert "version 1 is whole" in run("telltale", "verify", tmp_path / "clean").stdout


@pytest.fixture
def deployed(run: Run, prefect_server: str, tmp_path: Path) -> Iterator[Any]:
    """A client of a server on which the installed command registered everything."""
    from prefect.client.orchestration import get_client

    from flows import names

    places = ["--inbox", tmp_path / "inbox", "--clean", tmp_path / "clean", "--work", tmp_path / "work"]
    (tmp_path / "inbox").mkdir()
    run("telltale", "deploy", *places, "--any-dataset", PREFECT_API_URL=prefect_server)
    with get_client(sync_client=True) as client:
        yield client
        for pool in (names.CPU_POOL, names.GPU_POOL):
            client.delete_work_pool(pool)
        for name in names.DEPLOYMENTS:
            client.delete_deployment(client.read_deployment_by_name(name).id)


@pytest.mark.server
def test_prefects_own_worker_finds_the_flows_of_what_was_deployed(run: Run, deployed: Any, prefect_server: str) -> None:
    from flows import names

    flow_run = deployed.create_flow_run_from_deployment(deployed.read_deployment_by_name(names.SWEEP).id)
    worker = ["-m", "prefect", "worker", "start", "--pool", names.CPU_POOL, "--type", "process", "--run-once"]
    process = run("python", *worker, PREFECT_API_URL=prefect_server)
    ended = deployed.read_flow_run(flow_run.id).state
    assert ended.is_completed(), (ended, process.stderr[-2000:])
