"""The whole stack as processes of the machine: a Prefect server with a password, workers, the bridge, an S3 store with
notifications to a queue. What dies is started again only by the test, or by its supervisor thread."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support.prefect_home import prefect_home

ROOT = Path(__file__).parent.parent.parent
PASSWORD = "operator:canaryPasswordCanaryPassword01"
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTCANARY000001",
    "AWS_SECRET_ACCESS_KEY": "canarySecretCanarySecretCanarySecret0001",
}
INBOX, CLEAN, WORK = "s3://raw/inbox", "s3://clean/sets", "s3://work/area"
STARTS_S = 600.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def wait_for(what: str, ready: Callable[[], Any], limit_s: float = STARTS_S, every_s: float = 1.5) -> Any:
    """Return the first true answer; the test fails when it does not come in time."""
    deadline = time.monotonic() + limit_s
    while not (answer := ready()):
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:.0f} s"
        time.sleep(every_s)
    return answer


class Process:
    """A program in a process group of its own; what it prints goes to a file."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.name, self.command, self.environment, self.folder = name, command, environment, folder
        self.log = folder / f"{name}.log"
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert not self.alive()
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command, env=self.environment, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip

    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def kill(self) -> None:
        """SIGKILL to the program and everything it started, as when the host goes."""
        if self.popen is None:
            return
        for pid in descendants(self.popen.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.popen.wait(30)

    def kill_alone(self) -> None:
        """SIGKILL to the program only."""
        assert self.popen is not None
        self.popen.kill()
        self.popen.wait(30)


def descendants(pid: int) -> list[int]:
    """Return a process and all that descend from it, those of other process groups too."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
                parents.setdefault(parent, []).append(int(place.name))
    pids = [pid]
    for each in pids:
        pids += parents.get(each, [])
    return pids


class Stack:
    """Everything that runs, and how to ask it."""

    def __init__(self, folder: Path, store: tuple[str, int]) -> None:
        self.folder, self.store = folder, store
        self.port = free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.processes: dict[str, Process] = {}
        self.queue = ""
        self.figures = Path(os.environ.get("E2E_FIGURES") or folder / "figures.jsonl")
        common = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PREFECT_"))}
        self.common = common | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]]),
            "OMP_NUM_THREADS": "1",
            "DO_NOT_TRACK": "1",
        }
        self.common |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

    def environment(self, name: str, **more: str) -> dict[str, str]:
        """Return what a program of ours needs: the server's address and password, the store's, a cache of its own."""
        return {
            **self.common,
            **SECRETS,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{self.store[0]}:{self.store[1]}",
            "PREFECT_API_URL": self.api,
            "PREFECT_API_AUTH_STRING": PASSWORD,
            "PREFECT_HOME": str(self.folder / f"home-{name}"),
            "XDG_CACHE_HOME": str(self.folder / f"cache-{name}"),
            **more,
        }

    def add(self, name: str, command: list[str], environment: dict[str, str]) -> Process:
        self.processes[name] = Process(name, command, environment, self.folder)
        self.processes[name].start()
        return self.processes[name]

    def start_server(self) -> None:
        if "server" in self.processes:
            self.processes["server"].start()
        else:
            home = str(prefect_home(self.folder / "server"))
            lease = "prefect.server.concurrency.lease_storage.filesystem"
            environment = {**self.common, "PREFECT_HOME": home, "PREFECT_SERVER_API_AUTH_STRING": PASSWORD}
            environment |= {"PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": lease, "PREFECT_API_AUTH_STRING": PASSWORD}
            environment["PREFECT_UI_API_URL"] = self.api  # where a browser finds it
            command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port"]
            self.add("server", [*command, str(self.port)], environment)
        self.wait_server()

    def wait_server(self) -> None:
        wait_for("the server answers", lambda: self.status("/health", password=None) == 200)

    def start_worker(self, pool: str, name: str = "", limit: int = 1, **more: str) -> Process:
        name = name or f"worker-{pool}"
        command = [sys.executable, "-m", "flows", "worker", "--pool", pool, "--name", name]
        return self.add(name, [*command, "--limit", str(limit)], self.environment(name, **more))

    def start_bridge(self, name: str = "bridge", **more: str) -> Process:
        command = [sys.executable, "-m", "flows", "bridge", "--queue", self.queue, "--wait-s", "2"]
        return self.add(name, command, self.environment(name, **more))

    def ended_runs_cpu_s(self, worker: str) -> float:
        """Return the processor seconds of all runs that a worker started and that ended: no load changes them."""
        process = self.processes[worker].popen
        assert process is not None
        fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def note(self, **figure: Any) -> None:
        """Keep a figure, such as ``{"case": "server killed", "seed": 0}``."""
        with self.figures.open("a") as file:
            file.write(json.dumps(figure) + "\n")

    def telltale(self, *words: str, expect: int | None = 0, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours to its end."""
        command = [sys.executable, "-m", "flows", *words]
        done = subprocess.run(
            command,
            env=self.environment("operator", **more),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=STARTS_S,
            check=False,
        )
        assert expect is None or done.returncode == expect, (done.stdout + done.stderr)[-3000:]
        return done

    def status(self, path: str, password: str | None = PASSWORD, method: str = "GET") -> int:
        """Return the HTTP status of a call to the server, 0 where nobody answers."""
        request = urllib.request.Request(self.api + path, method=method, data=b"{}" if method == "POST" else None)
        request.add_header("Content-Type", "application/json")
        if password is not None:
            request.add_header("Authorization", "Basic " + b64encode(password.encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str = "POST") -> Any:
        """Return the server's JSON answer; a server that is away is asked again."""

        def once() -> tuple[Any] | None:
            data = None if method == "GET" else json.dumps(body or {}).encode()
            request = urllib.request.Request(self.api + path, method=method, data=data)
            request.add_header("Content-Type", "application/json")
            request.add_header("Authorization", "Basic " + b64encode(PASSWORD.encode()).decode())
            try:
                with urllib.request.urlopen(request, timeout=120) as reply:
                    text = reply.read()
                    return (json.loads(text) if text else None,)
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise
                return None
            except OSError:
                return None

        return wait_for(f"the server answers {path}", once)[0]

    def runs(self, flow: str, **filters: Any) -> list[dict[str, Any]]:
        """Return the runs of a flow, oldest first."""
        body = {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_ASC", "limit": 200}
        if filters:
            body["flow_runs"] = filters
        flow_runs: list[dict[str, Any]] = self.ask("/flow_runs/filter", body)
        return flow_runs

    def runs_of(self, drop: str) -> list[dict[str, Any]]:
        """Return the runs of cleanse that were made for ``<dataset>/<name>``."""
        return [run for run in self.runs("cleanse") if run["parameters"]["source"] == f"{INBOX}/{drop}"]

    def trainings_of(self, drop: str) -> list[dict[str, Any]]:
        """Return the runs of train-proxy for ``<dataset>/<name>``, oldest first."""
        return [run for run in self.runs("train-proxy") if f"/{drop}'" in str(run["parameters"]["upstream"]["origin"])]

    def make_run(self, name: str, state: str = "SCHEDULED", /, **parameters: Any) -> str:
        """Return the id of a new run of the deployment ``flow/deployment``."""
        deployment = self.ask(f"/deployments/name/{name}", method="GET")["id"]
        body = {"state": {"type": state}, "parameters": parameters}
        return str(self.ask(f"/deployments/{deployment}/create_flow_run", body)["id"])

    def run_deployment(self, name: str, limit_s: float = STARTS_S, **parameters: Any) -> dict[str, Any]:
        """Run a deployment by ``flow/deployment`` and return the run once it ended."""
        return self.ended(self.make_run(name, **parameters), limit_s)

    def ended(self, run: str, limit_s: float = STARTS_S) -> dict[str, Any]:
        """Return a run once it is in a final state."""

        def final() -> dict[str, Any] | None:
            flow_run: dict[str, Any] = self.ask(f"/flow_runs/{run}", method="GET")
            return flow_run if flow_run["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} else None

        return wait_for(f"the run {run} ends", final, limit_s)

    def stop(self) -> None:
        for process in reversed(list(self.processes.values())):
            process.kill()

    def tail(self, name: str, size: int = 3000) -> str:
        return self.processes[name].log.read_text(errors="replace")[-size:]


@contextlib.contextmanager
def stack(folder: Path, store: tuple[str, int]) -> Iterator[Stack]:
    """Run a stack without its processes yet; none outlives the block."""
    new_stack = Stack(folder, store)
    try:
        yield new_stack
    finally:
        new_stack.stop()
