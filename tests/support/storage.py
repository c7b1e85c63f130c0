"""What the storage, publish and faults tests share: a real S3 server, a lossy proxy, a faulty store, small drops."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from telltale_core.storage import RetryPolicy, Store, open_store

ROOT = Path(__file__).parent.parent.parent
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTCANARY000001",
    "AWS_SECRET_ACCESS_KEY": "canarySecretCanarySecretCanarySecret0001",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def quick_retry(**changes: Any) -> RetryPolicy:
    """Return the real policy with a sleep that takes no time."""
    return RetryPolicy(**{"sleep": lambda _s: None, "rng": random.Random(0), **changes})


@contextlib.contextmanager
def s3_server() -> Iterator[tuple[str, int]]:
    """Serve moto's S3 on 127.0.0.1, in a process of its own: moto's servers of one process share what they hold."""
    command = [sys.executable, "-m", "tests.support.object_store"]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with subprocess.Popen(
        command, cwd=ROOT, env=surroundings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        from s3fs import S3FileSystem

        S3FileSystem.clear_instance_cache()  # which may know an earlier server
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.strip().isdecimal(), f"the S3 server of the tests did not start: {line!r}"
            yield "127.0.0.1", int(line)
        finally:
            process.terminate()


class LossyProxy:
    """A TCP proxy in front of a server; ``plan(first_line)`` says what to do with each request's reply.

    ``"pass"``: forward it. ``"lose"``: the server does its work, the reply is dropped and the connection reset.
    ``"cut"``: reset before the request is forwarded. ``"half"``: forward only half of the reply. An ``int``: answer
    with this HTTP status and an S3 error body ourselves.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.plan: Callable[[str], str | int] = lambda _line: "pass"
        self.requests: list[str] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while request := _read_message(client, wait_s=30, expect=True):
                line = request.split(b"\r\n", 1)[0].decode("latin-1")
                self.requests.append(line)
                action = self.plan(line)
                if isinstance(action, int):
                    body = b"<Error><Code>%s</Code><Message>no</Message></Error>" % _CODES.get(action, b"Injected")
                    head = b"HTTP/1.1 %d X\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n"
                    client.sendall(head % (action, len(body)) + (b"" if line.startswith("HEAD") else body))
                    continue
                if action == "cut":
                    return
                with socket.create_connection(self.target) as server:
                    server.sendall(request)
                    reply = _read_message(server, wait_s=30, head=line.startswith("HEAD"))
                if action == "lose":
                    return
                if action == "half":
                    client.sendall(reply[: len(reply) - max(1, len(reply.split(b"\r\n\r\n", 1)[1]) // 2)])
                    return
                client.sendall(reply)


_CODES = {409: b"ConditionalRequestConflict", 503: b"SlowDown", 403: b"AccessDenied", 500: b"InternalError"}


def _read_message(sock: socket.socket, *, wait_s: float, head: bool = False, expect: bool = False) -> bytes:
    """Return one HTTP message with a Content-Length or chunked body; b"" at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not select.select([sock], [], [], wait_s)[0] or not (chunk := sock.recv(65536)):
            return b""
        data += chunk
    headers, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in headers.split(b"\r\n")[1:] if b": " in line)
    if expect and fields.get(b"expect") == b"100-continue":
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        headers = b"\r\n".join(x for x in headers.split(b"\r\n") if not x.lower().startswith(b"expect:"))
    if head:
        return data
    length = fields.get(b"content-length")
    chunked = fields.get(b"transfer-encoding") == b"chunked"
    while (chunked and not body.endswith(b"0\r\n\r\n") and not body.endswith(b"\r\n\r\n")) or (
        length is not None and len(body) < int(length)
    ):
        if not (chunk := sock.recv(65536)):
            break
        body += chunk
    return headers + b"\r\n\r\n" + body


class FaultyTransport:
    """A real transport with a plan of faults: ``plan(operation, key)`` gives None or a list of faults for that call.

    A fault is an exception to raise ``("before", error)`` or ``("after", error)`` the real call, ``("swallow", None)``
    to say yes and do nothing, or ``("mangle", function)`` to change the bytes that are read.
    """

    def __init__(self, inner: Any, plan: Callable[[str, str], tuple[str, Any] | None]) -> None:
        self.inner = inner
        self.plan = plan
        self.errors = (*inner.errors, ConnectionResetError)
        self.calls: list[tuple[str, str]] = []
        self.lock = threading.Lock()

    def explain(self, error: Exception) -> Any:
        from telltale_core.storage.transport import Failure, Kind

        if isinstance(error, InjectedReply):
            from telltale_core.storage.s3 import _explain_reply

            return _explain_reply(error.reply)
        if isinstance(error, ConnectionResetError | TimeoutError):
            return Failure(kind=Kind.AGAIN, detail=type(error).__name__, maybe_done=True)
        return self.inner.explain(error)

    def _do(self, operation: str, key: str, *rest: Any) -> Any:
        with self.lock:
            self.calls.append((operation, key))
            fault = self.plan(operation, key)
        when, what = fault or ("", None)
        if when == "before":
            raise what
        if when == "swallow":
            return None
        result = getattr(self.inner, operation)(key, *rest)
        if when == "after":
            raise what
        return what(result) if when == "mangle" else result

    def get(self, key: str) -> bytes:
        return self._do("get", key)

    def digest(self, key: str) -> str:
        return hashlib.sha256(self.get(key)).hexdigest()

    def put(self, key: str, data: bytes) -> None:
        self._do("put", key, data)

    def create(self, key: str, data: bytes) -> None:
        self._do("create", key, data)

    def stat(self, key: str) -> Any:
        return self._do("stat", key)

    def persist(self, key: str) -> None:
        self._do("persist", key)

    def scan(self, folder: str) -> Any:
        return self._do("scan", folder)

    def delete(self, key: str) -> None:
        self._do("delete", key)

    def upload(self, path: Path, key: str) -> None:
        self._do("upload", key)

    def download(self, key: str, path: Path) -> None:
        self._do("download", key, path)


class InjectedReply(OSError):
    """What s3fs would raise for an error reply of the store."""

    def __init__(self, status: int, code: str) -> None:
        from botocore.exceptions import ClientError

        super().__init__(5, code)
        self.reply = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


def faulty_store(
    url: str, plan: Callable[[str, str], tuple[str, Any] | None], **retry: Any
) -> tuple[Store, FaultyTransport]:
    """Return a store whose transport has faults, and that transport."""
    store = open_store(url, quick_retry(**retry))
    transport = FaultyTransport(store.transport, plan)
    store.transport = transport
    return store, transport


def flip_bit(data: bytes, rng: random.Random) -> bytes:
    """Return ``data`` with one bit changed."""
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


CODE = {"config_digest": "c" * 64, "code_version": "v1", "seed": 0}


class HandMadeDrop:
    """A drop folder laid out as ingest leaves it, made by hand: small PNG images with ClassLabel metadata."""

    def __init__(self, path: Path, manifest: dict[str, Any], sample_ids: Any) -> None:
        self.path = path
        self.manifest = manifest
        self.digest: str = manifest["digest"]
        self.sample_ids = sample_ids

    def rejected(self) -> Any:
        import pyarrow.parquet as pq

        return pq.read_table(self.path / "rejected.parquet")


def png(seed: int, side: int = 6) -> bytes:
    import io

    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def make_drop(folder: Path, n: int = 40, rejected: int = 3, seed: int = 0, *, images: bool = True) -> HandMadeDrop:
    import json

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from telltale_core.digest import digest_of, sha256_file
    from telltale_core.drop.manifest import DROP
    from tests.support.hand_records import manifest

    folder.mkdir(parents=True)
    ids = [f"s{seed}-{row:04d}" for row in range(n)]
    label = pa.array([row % 3 for row in range(n)], pa.int64())
    features: dict[str, Any] = {"label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}
    if images:
        content = [{"bytes": png(seed * 100_000 + row), "path": f"{row}.png"} for row in range(n)]
        first = pa.array(content, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
        features["image"] = {"_type": "Image"}
        table = pa.table({"image": first, "label": label})
    else:
        features["value"] = {"dtype": "float64", "_type": "Value"}
        table = pa.table({"value": np.random.default_rng(seed).normal(size=n), "label": label})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, folder / "payload.parquet", row_group_size=16)
    refused = {
        "source": pa.array([f"train.parquet#{n + row}" for row in range(rejected)], pa.string()),
        "row": pa.array(range(n, n + rejected), pa.int64()),
        "sample_id": pa.array([None] * rejected, pa.string()),
        "reason_code": pa.array(["unreadable_media"] * rejected, pa.string()),
        "reason": pa.array(["the image cannot be decoded"] * rejected, pa.string()),
        "raw": pa.array([b"junk"] * rejected, pa.binary()),
    }
    pq.write_table(pa.table(refused), folder / "rejected.parquet")
    files = {name: sha256_file(folder / name) for name in ("payload.parquet", "rejected.parquet")}
    counts = {"seen": n + rejected, "kept": n, "rejected": rejected, "by_reason": {}, "same_content": 0}
    record = manifest(digest=digest_of(files), name=f"hand-made {seed}", counts=counts, files=files)
    DROP.write(folder, record)
    return HandMadeDrop(folder, record, np.array(ids))


def make_verdict(
    folder: Path, drop: HandMadeDrop, quarantine: set[int], review: set[int], *, order: Any = None
) -> Path:
    from tests.support.verdicts import write_verdict

    rows = list(range(len(drop.sample_ids))) if order is None else list(order)
    decision = ["quarantine" if row in quarantine else "review" if row in review else "keep" for row in rows]
    columns = {
        "sample_id": [str(drop.sample_ids[row]) for row in rows],
        "suspicion": [{"keep": 0.1, "review": 0.6, "quarantine": 0.9}[d] for d in decision],
        "cluster": [0 if d == "quarantine" else -1 for d in decision],
        "decision": decision,
        "reason": [f"its losses say {d}" for d in decision],
    }
    write_verdict(folder, columns, drop_digest=drop.digest, statement="poison found")
    return folder


def make_job(root: Path, **drop: Any) -> tuple[HandMadeDrop, Path]:
    """Return a small drop and the verdict on it: rows 0..4 quarantined, 5 and 6 to review."""
    new_drop = make_drop(root / "drop", **drop)
    return new_drop, make_verdict(root / "verdict", new_drop, {0, 1, 2, 3, 4}, {5, 6})


def read_rows(urls: list[str]) -> list[dict[str, Any]]:
    """Return the rows of Parquet shards at local paths."""
    import pyarrow.parquet as pq

    return [row for url in urls for row in pq.read_table(url).to_pylist()]


def read_json(path: Path) -> Any:
    import json

    return json.loads(path.read_text())


def ids_of(verdict: Path) -> Any:
    import numpy as np
    import pyarrow.parquet as pq

    return np.array(pq.read_table(verdict / "verdict.parquet")["sample_id"].to_pylist())
