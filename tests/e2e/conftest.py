from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

QUICK = {"TELLTALE_PUBLICATION_WAIT_S": "5"}  # a killed publication keeps its place until its lease ends
ROOT = Path(__file__).parent.parent.parent


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


class Started:
    """``telltale`` as a process of its own, in a process group of its own; what it prints goes to files."""

    def __init__(self, folder: Path, arguments: list[str], environment: dict[str, str]) -> None:
        folder.mkdir()
        self.printed, self.told = folder / "stdout.txt", folder / "stderr.txt"
        with self.printed.open("w") as out, self.told.open("w") as err:
            command = [sys.executable, "-m", "flows.cli", *arguments]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=out, stderr=err, start_new_session=True
            )

    def kill(self) -> None:
        """Send SIGKILL to the whole group, and wait until it is gone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def result(self, code: int = 0) -> dict[str, Any]:
        """Wait for the end, expect an exit code, return what was printed as JSON."""
        assert self.process.wait(280) == code, self.told.read_text()[-3000:]
        told: dict[str, Any] = json.loads(self.printed.read_text())
        return told


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
    stages.publish(record, str(tmp_path / "undisturbed"), str(small_work), settings["publish"])
    made = publish.read_version(tmp_path / "undisturbed")
    return [(blob.sha256, blob.rows) for blob in made.blobs("files", "quarantine", "rejected")]


def _load(name: str, file: Path) -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Address of an S3 store with queues; this process finds it and its credentials in the environment."""
    made = _load("telltale_e2e_stack", Path(__file__).with_name("stack.py"))
    support = _load("telltale_storage_support", ROOT / "tests" / "storage" / "support.py")
    with pytest.MonkeyPatch.context() as patch, support.s3_server() as (host, port):
        for name, value in {**made.SECRETS, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
        patch.delenv("AWS_PROFILE", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield host, port


@pytest.fixture(scope="session")
def running(store: tuple[str, int], small_drop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The whole stack, deployed and waiting for drops; one for all tests, for a server takes its time to start."""
    made = _load("telltale_e2e_stack", Path(__file__).with_name("stack.py"))
    with made.stack(tmp_path_factory.mktemp("stack"), store) as stack:
        stack.wait_for, stack.secrets, stack.password = made.wait_for, list(made.SECRETS.values()), made.PASSWORD
        stack.inbox = Inbox(stack, small_drop)
        stack.start_server()
        words = ["deploy", "--inbox", made.INBOX, "--clean", made.CLEAN, "--work", made.WORK, "--gpus", "1"]
        for setting in ("epochs=10", "width=4", "batch_size=16", "threads=1", 'device="cpu"'):
            words += ["--set", f"proxy.{setting}"]
        for setting in ("thumbnails=2", "evidence_labels=1", "heat_rows=4", "dpi=50"):
            words += ["--set", f"report.{setting}"]
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


@pytest.fixture
def ui(running: Any, tmp_path: Path) -> Iterator[Any]:
    """A person at the UI: a real browser that knows the password. ``E2E_PICTURES=folder`` keeps what it takes."""
    made = _load("telltale_e2e_browser", Path(__file__).with_name("browser.py"))
    if made.PROGRAM is None:
        pytest.skip("needs a browser: chromium")
    with made.browser(tmp_path / "browser") as person:
        person.base = running.api.removesuffix("/api")
        person.folder = Path(os.environ.get("E2E_PICTURES") or tmp_path)
        person.folder.mkdir(parents=True, exist_ok=True)
        person.open(person.base)
        person.script(f"localStorage.setItem('prefect-password', btoa({json.dumps(running.password)}))")
        yield person


@pytest.fixture
def drops_at_once() -> int:
    """How many drops arrive within a minute: ``E2E_DROPS=20`` for the figures."""
    return int(os.environ.get("E2E_DROPS", "2"))


class Inbox:
    """A contributor with an ordinary S3 client, and a reader of the published datasets."""

    def __init__(self, running: Any, small_drop: Path) -> None:
        import boto3

        self.running, self.small_drop = running, small_drop
        self.uploaded: dict[str, float] = {}
        self.s3, self.sqs = boto3.client("s3"), boto3.client("sqs")
        for bucket in ("raw", "work", "clean"):
            self.s3.create_bucket(Bucket=bucket)
        attributes = {"VisibilityTimeout": "20"}
        running.queue = self.queue = self.sqs.create_queue(QueueName="drops", Attributes=attributes)["QueueUrl"]
        self.notify()

    def notify(self) -> None:
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket="raw", NotificationConfiguration={"QueueConfigurations": [rule]}
        )

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Lose every notification."""
        self.s3.put_bucket_notification_configuration(Bucket="raw", NotificationConfiguration={})
        try:
            yield
        finally:
            self.notify()

    def note_latencies(self) -> None:
        """Keep how long after its upload each drop's run began."""
        from datetime import datetime

        for drop, uploaded in self.uploaded.items():
            for run in self.running.runs_of(drop):
                made, began = (datetime.fromisoformat(run[name]).timestamp() for name in ("created", "start_time"))
                seconds = {"made_s": made - uploaded, "began_s": began - uploaded}
                self.running.note(case="latency", drop=drop, at=uploaded, **seconds)

    def put(self, drop: str, *, mark: bool = True, ids: str = "", folder: str = "inbox") -> None:
        """Upload the small drop under ``<dataset>/<name>``, its ids and thus its content its own; the mark last.

        With ``ids`` its content is that of every drop with the same. In another ``folder`` nothing starts it.
        """
        import io

        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(self.small_drop / "train.parquet")
        place = table.schema.get_field_index("id")
        ids = pa.array([f"{name}-{ids or drop.replace('/', '-')}" for name in table["id"].to_pylist()])
        data = io.BytesIO()
        pq.write_table(table.set_column(place, table.schema.field(place), ids), data)
        self.s3.put_object(Bucket="raw", Key=f"{folder}/{drop}/train.parquet", Body=data.getvalue())
        if mark and folder == "inbox":
            self.mark(drop)

    def mark(self, drop: str) -> None:
        self.s3.put_object(Bucket="raw", Key=f"inbox/{drop}/_SUCCESS", Body=b"")
        self.uploaded[drop] = time.time()

    def announce(self, key: str) -> None:
        """Send a notification once more, as a store that delivers at least once may."""
        record = {
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "raw"}, "object": {"key": f"inbox/{key}"}},
        }
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=json.dumps({"Records": [record]}))

    def empty(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return not any(int(counts[name]) for name in names)

    def objects_below(self, bucket: str, prefix: str) -> list[str]:
        """Return the names of a bucket's objects that begin like this."""
        found = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return [each["Key"] for each in found]

    def sources(self, dataset: str) -> list[str]:
        """Return the sources of all versions of a dataset."""
        from telltale_core import publish

        return [version.manifest["drop"]["source"] for version in publish.log(f"s3://clean/sets/{dataset}")]

    def version(self, dataset: str, source: str = "", limit_s: float = 1800) -> Any:
        """Return the first version (of that drop), once it is published."""
        from telltale_core import publish

        def there() -> Any:
            for version in publish.log(f"s3://clean/sets/{dataset}"):
                if version.manifest["drop"]["source"].endswith(f"/{source}" if source else ""):
                    return version
            return None

        return self.running.wait_for(f"a version of {dataset} {source}", there, limit_s)

    def objects(self, bucket: str) -> Iterator[tuple[str, str]]:
        """Return name and content (one character a byte; of Parquet its rows as text too) of a bucket's objects."""
        import io

        import pyarrow.parquet as pq

        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for each in page.get("Contents", []):
                body = self.s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
                rows = str(pq.read_table(io.BytesIO(body)).to_pylist()) if each["Key"].endswith(".parquet") else ""
                yield each["Key"], body.decode("latin-1") + rows
