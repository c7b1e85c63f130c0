from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import browser, storage
from tests.support import stack as stacks
from tests.support.commands import Started
from tests.support.inbox import Inbox

QUICK = {"TELLTALE_PUBLICATION_WAIT_S": "5"}  # a killed publication keeps its place until its lease ends
ROOT = Path(__file__).parent.parent.parent
SMALL = (
    *("proxy.epochs=10", "proxy.width=4", "proxy.batch_size=16", "proxy.threads=1", 'proxy.device="cpu"'),
    *("report.thumbnails=2", "report.evidence_labels=1", "report.heat_rows=4", "report.dpi=50"),
)
"""What runs are shortened by; ``E2E_DEFAULTS=1`` leaves it out, for figures with Telltale's own settings."""


@pytest.fixture
def settings_file(tmp_path: Path, small_settings: dict[str, Any]) -> Path:
    """The small drop's settings as the file of ``--config``."""
    file = tmp_path / "telltale.toml"
    lines = [
        line
        for stage, values in small_settings.items()
        for line in (f"[{stage}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items()))
    ]
    file.write_text("\n".join(lines))
    return file


@pytest.fixture
def telltale(prefect_server: str, tmp_path: Path, settings_file: Path) -> Iterator[Callable[..., Started]]:
    """Start ``telltale`` processes against the tests' Prefect server; none outlives the test."""
    started: list[Started] = []

    def start(*arguments: object, **environment: str) -> Started:
        variables = {**os.environ, "PREFECT_API_URL": prefect_server, "OMP_NUM_THREADS": "1", **QUICK, **environment}
        words = [*map(str, arguments), "--config", str(settings_file)]
        started.append(Started(tmp_path / f"process-{len(started)}", words, variables))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def undisturbed(small_drop: Path, small_work: Path, small_settings: dict[str, Any], tmp_path: Path) -> Any:
    """What a run that nobody disturbed publishes of the small drop."""
    from telltale_core import publish, stages
    from telltale_core.config import from_dict, to_dict

    settings = to_dict(from_dict(stages.CleanseConfig, small_settings))
    record: Any = str(small_drop)
    for name in ("ingest", "train", "spectrum", "cluster", "report"):
        record = getattr(stages, name)(record, str(small_work), settings[stages.STAGES[name].settings])
    stages.publish(record, str(small_work), settings["publish"], destination=str(tmp_path / "undisturbed"))
    version = publish.read_version(tmp_path / "undisturbed")
    return [(blob.sha256, blob.rows) for blob in version.blobs("files", "quarantine", "rejected")]


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Address of an S3 store with queues; this process finds it and its credentials in the environment."""
    with pytest.MonkeyPatch.context() as patch, storage.s3_server() as (host, port):
        for name, value in {**stacks.SECRETS, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
        patch.delenv("AWS_PROFILE", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield host, port


@pytest.fixture(scope="package")
def running(store: tuple[str, int], small_drop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The whole stack, deployed and waiting for drops; one for all tests, for a server takes its time to start."""
    with stacks.stack(tmp_path_factory.mktemp("stack"), store) as stack:
        stack.wait_for, stack.secrets, stack.password = stacks.wait_for, list(stacks.SECRETS.values()), stacks.PASSWORD
        stack.inbox = Inbox(stack, small_drop)
        stack.start_server()
        words = ["deploy", "--inbox", stacks.INBOX, "--clean", stacks.CLEAN, "--work", stacks.WORK, "--gpus", "1"]
        words += ["--any-dataset"]  # the tests make datasets as they go
        for setting in () if os.environ.get("E2E_DEFAULTS") else SMALL:
            words += ["--set", setting]
        stack.deploy = lambda: stack.telltale(*words)
        stack.deploy()
        stack.start_worker("cpu", limit=3)
        stack.start_worker("gpu", limit=1)
        stack.start_bridge()
        yield stack
        stack.inbox.note_latencies()


@pytest.fixture
def inbox(running: Any) -> Any:
    return running.inbox


@pytest.fixture(scope="package")
def signs(running: Any) -> Any:
    """The version of the drop ``signs/first``, uploaded once for all that look at what became of it."""
    running.inbox.put("signs/first")
    return running.inbox.version("signs")


@pytest.fixture
def ui(running: Any, tmp_path: Path) -> Iterator[Any]:
    """A person at the UI: a real browser that knows the password. ``E2E_PICTURES=folder`` keeps what it takes."""
    if browser.PROGRAM is None:
        pytest.skip("needs a browser: chromium")
    with browser.browser(tmp_path / "browser") as person:
        person.base = running.api.removesuffix("/api") + "/v2"  # what opens by default
        person.folder = Path(os.environ.get("E2E_PICTURES") or tmp_path)
        person.folder.mkdir(parents=True, exist_ok=True)
        person.open(person.base)
        person.script(f"localStorage.setItem('prefect-password', btoa({json.dumps(running.password)}))")
        yield person


@pytest.fixture(scope="package")
def drops_at_once() -> int:
    """How many drops arrive within a minute: ``E2E_DROPS=20`` for the figures."""
    return int(os.environ.get("E2E_DROPS", "2"))
