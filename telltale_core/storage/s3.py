"""Objects in S3 or a store that speaks it, through s3fs. Creation is a PUT with ``If-None-Match: *``.

Endpoint, region and credentials come from the operator's environment (``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL`` and
the usual AWS credential chain), never from data. Retries of s3fs and botocore are switched off: :class:`Store` retries.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mmap
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from fsspec.asyn import sync
from s3fs import S3FileSystem

from telltale_core.storage.names import check_endpoint
from telltale_core.storage.transport import Content, Entry, Failure, Kind

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5, 10
REQUEST_DEADLINE_S = 15.0
SLOWEST_BYTES_PER_S = 1 << 18  # a request's deadline grows with its size at this rate
PART_BYTES = 64 << 20  # larger objects go in parts of this size
PARALLEL_PARTS = 4

_NOT_SENT = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError)
_BROKEN = (boto.HTTPClientError, ResponseParserError, boto.FlexibleChecksumError, aiohttp.ClientError)
_NO_CREDENTIALS = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestTimeTooSkewed"}
_THROTTLED = {"SlowDown", "RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequests"}


class S3Transport:
    """Keys are objects below ``bucket/prefix``; one try each, with deadlines."""

    errors: tuple[type[Exception], ...] = (
        OSError,
        boto.BotoCoreError,
        boto.ClientError,
        ResponseParserError,
        aiohttp.ClientError,
    )

    def __init__(self, root: str, *, part_bytes: int = PART_BYTES) -> None:
        self.bucket, _, prefix = root.partition("/")
        self.prefix = f"{prefix}/" if prefix else ""
        self.part_bytes = part_bytes
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        self.fs = S3FileSystem(
            endpoint_url=check_endpoint(endpoint),
            skip_instance_cache=True,  # our settings must not leak into another user of s3fs in this process
            use_listings_cache=False,
            config_kwargs={
                "connect_timeout": CONNECT_TIMEOUT_S,
                "read_timeout": READ_TIMEOUT_S,
                "retries": {"total_max_attempts": 1},
            },
        )
        self.fs.retries = 1

    def explain(self, error: Exception) -> Failure:
        """Return what an error means: by the HTTP status and code of a reply, else by its class."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, boto.ClientError):
                return _explain_reply(cause)
            cause = cause.__cause__
        name = type(error).__name__
        if isinstance(error, _NOT_SENT):
            return Failure(kind=Kind.AGAIN, detail=f"{name}, is the endpoint right and reachable?")
        if isinstance(error, boto.SSLError):
            return Failure(kind=Kind.NEVER, detail=f"{name}, the endpoint's certificate was not accepted")
        if isinstance(error, (*_BROKEN, ConnectionError, TimeoutError)):
            return Failure(kind=Kind.AGAIN, detail=name, maybe_done=True)
        if isinstance(error, _NO_CREDENTIALS):
            return Failure(kind=Kind.NEVER, detail=f"{name}, set the usual AWS credentials in the environment")
        if isinstance(error, FileNotFoundError):
            return Failure(kind=Kind.MISSING, detail=name)
        if isinstance(error, OSError) and error.errno:  # the local side of a download or upload
            name = f"{errno.errorcode.get(error.errno, name)}, {os.strerror(error.errno)}"
        return Failure(kind=Kind.NEVER, detail=name)

    def _call(self, method: str, *, size: int = 0, **parameters: Any) -> Any:
        deadline_s = REQUEST_DEADLINE_S + size / SLOWEST_BYTES_PER_S
        return self.fs.call_s3(method, Bucket=self.bucket, timeout=deadline_s, **parameters)

    def _key(self, key: str) -> str:
        return self.prefix + key

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        reply = self._call("get_object", Key=self._key(key))
        deadline_s = REQUEST_DEADLINE_S + reply["ContentLength"] / SLOWEST_BYTES_PER_S
        return bytes(sync(self.fs.loop, _whole, reply["Body"], timeout=deadline_s))

    def digest(self, key: str) -> str:
        """Return the sha256 of the object's bytes, 64 hex digits, without holding all of them."""
        digest = hashlib.sha256()
        for chunk in self._chunks(key):
            digest.update(chunk)
        return digest.hexdigest()

    def put(self, key: str, data: Content) -> None:
        """Write the object, replacing an older one (private work areas only)."""
        self._send(key, data)

    def create(self, key: str, data: Content) -> None:
        """Write the object unless the key stands, which the store answers with 412."""
        self._send(key, data, IfNoneMatch="*")

    def _send(self, key: str, data: Content | mmap.mmap, **condition: Any) -> None:
        if len(data) > self.part_bytes:
            self._send_parts(key, data, condition)
        else:
            self._call("put_object", size=len(data), Key=self._key(key), Body=bytes(data[:]), **condition)

    def _send_parts(self, key: str, data: Content | mmap.mmap, condition: dict[str, Any]) -> None:
        name = self._key(key)
        upload = {"Key": name, "UploadId": self._call("create_multipart_upload", Key=name)["UploadId"]}

        def send(number: int) -> dict[str, Any]:
            body = bytes(data[number * self.part_bytes : (number + 1) * self.part_bytes])
            reply = self._call("upload_part", size=len(body), Body=body, PartNumber=number + 1, **upload)
            return {"PartNumber": number + 1, "ETag": reply["ETag"]}

        try:
            with ThreadPoolExecutor(PARALLEL_PARTS) as pool:
                parts = list(pool.map(send, range(-(-len(data) // self.part_bytes))))
            self._call("complete_multipart_upload", MultipartUpload={"Parts": parts}, **upload, **condition)
        except self.errors:
            with contextlib.suppress(*self.errors):
                self._call("abort_multipart_upload", **upload)
            raise

    def persist(self, key: str) -> None:
        """Do nothing: the store answered a request once its effect was durable."""

    def stat(self, key: str) -> Entry:
        """Return size and time of one object."""
        reply = self._call("head_object", Key=self._key(key))
        return Entry(key=key, bytes=reply["ContentLength"], modified_s=reply["LastModified"].timestamp())

    def scan(self, folder: str) -> list[Entry]:
        """Return all objects below a folder, asking for page after page."""
        entries: list[Entry] = []
        page: dict[str, Any] = {}
        while True:
            prefix = self._key(f"{folder}/") if folder else self.prefix
            reply = self._call("list_objects_v2", Prefix=prefix, **page)
            for item in reply.get("Contents", []):
                key = item["Key"].removeprefix(self.prefix)
                entries.append(Entry(key=key, bytes=item["Size"], modified_s=item["LastModified"].timestamp()))
            if not reply.get("IsTruncated"):
                return entries
            page = {"ContinuationToken": reply["NextContinuationToken"]}

    def delete(self, key: str) -> None:
        """Remove the object; S3 does not mind if it is absent."""
        self._call("delete_object", Key=self._key(key))

    def upload(self, path: Path, key: str) -> None:
        """Write a local file's content as the object without holding all of it in memory."""
        if path.stat().st_size <= self.part_bytes:
            self._send(key, path.read_bytes())
            return
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            self._send(key, content)

    def download(self, key: str, path: Path) -> None:
        """Write the object's content to a local file, 8 MiB at a time."""
        with path.open("xb") as file:
            file.writelines(self._chunks(key))

    def _chunks(self, key: str) -> Iterator[bytes]:
        body = self._call("get_object", Key=self._key(key))["Body"]
        try:
            while chunk := sync(self.fs.loop, body.read, 8 << 20, timeout=3 * REQUEST_DEADLINE_S):
                yield chunk
        finally:
            sync(self.fs.loop, _close, body)


async def _whole(body: Any) -> Any:
    try:
        return await body.read()
    finally:
        body.close()


async def _close(body: Any) -> None:
    body.close()


def _explain_reply(error: Any) -> Failure:
    """Return what an error reply of the store means, by status and code."""
    code = str(error.response.get("Error", {}).get("Code", ""))[:60]
    code = code if code.isalnum() else "unnamed"
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    detail = f"HTTP {status} {code}"
    if status == 412 or code == "PreconditionFailed":
        return Failure(kind=Kind.EXISTS, detail=detail)
    if code == "NoSuchUpload":  # an upload that was completed or aborted: its outcome must be read back
        return Failure(kind=Kind.AGAIN, detail=detail, maybe_done=True)
    if code in _EXPIRED:
        return Failure(kind=Kind.LATER, detail=f"{detail}, renew the credentials (or the clock) and run again")
    if status == 404:
        return Failure(kind=Kind.MISSING, detail=detail)
    if status in {409, 429} or code in _THROTTLED:
        return Failure(kind=Kind.AGAIN, detail=detail)
    if status >= 500 or status == 408 or code in {"RequestTimeout", "InternalError"}:
        return Failure(kind=Kind.AGAIN, detail=detail, maybe_done=True)
    if status in {401, 403}:
        detail += ", check the credentials and the bucket policy"
    return Failure(kind=Kind.NEVER, detail=detail)
