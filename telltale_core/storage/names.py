"""What a store's URL and an object's key may look like; checked before anything is opened."""

from __future__ import annotations

import dataclasses
import os
import re
import unicodedata
from pathlib import Path
from urllib.parse import urlsplit

from telltale_core.errors import BadInput, ConfigError

SCHEMES = ("file", "memory", "s3")
MAX_KEY_BYTES = 1024
SCRATCH = ".tmp"  # where the local store keeps unfinished files; never a key

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_SHORT_FILE = re.compile(r"^file:/(?!/)", re.IGNORECASE)  # RFC 8089 allows file:/path, too
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A checked URL: ``scheme`` and, below it, an absolute local path, or bucket and prefix without outer slashes."""

    scheme: str
    path: str

    @property
    def url(self) -> str:
        """Return the location as other tools read it: a plain path for local files, else ``scheme://path``."""
        return self.path if self.scheme == "file" else f"{self.scheme}://{self.path}"


def parse_url(url: str | os.PathLike[str]) -> Location:
    """Return where ``url`` points; a text without ``://`` is a local path.

    Spellings of one place give one location: relative paths, links, ``..``, outer slashes and a scheme in capitals
    are resolved. Raises :class:`ConfigError` for another scheme than :data:`SCHEMES`, for credentials or a query in the
    URL, and for a bucket that is not a bucket name. The refused URL is never repeated in the message: it may hold a
    secret.
    """
    text = _SHORT_FILE.sub("file:///", os.fspath(url))
    match = _SCHEME.match(text)
    if "\0" in text or not text:
        raise ConfigError("a storage URL must be a non-empty text without NUL")
    if match is None:
        return Location(scheme="file", path=os.path.realpath(Path(text).expanduser()))
    scheme, rest = match[1].lower(), text[match.end() :]
    if scheme not in SCHEMES:
        raise ConfigError(
            f"storage scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}; other object stores are refused "
            "because their conditional create has not been tested here (many of them also speak s3)"
        )
    if scheme == "file":
        host, _, path = rest.partition("/")
        if host.lower() not in {"", "localhost"} or host == rest:
            raise ConfigError("a file URL must be file:///absolute/path, without a host")
        return Location(scheme="file", path=os.path.realpath(f"/{path}"))
    if "@" in rest.split("/")[0] or ":" in rest.split("/")[0]:
        raise ConfigError(f"a {scheme} URL must not hold credentials or a port: set them in the environment")
    if "?" in rest or "#" in rest:
        raise ConfigError(f"a {scheme} URL must not hold a query or a fragment (presigned URLs are not accepted)")
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if scheme == "s3" and not _BUCKET.fullmatch(bucket):
        raise ConfigError("an s3 URL must be s3://bucket/prefix with a valid bucket name")
    if scheme == "memory" and not bucket:
        raise ConfigError("a memory URL must be memory://name/prefix")
    if prefix:
        try:
            check_key(prefix)
        except BadInput:
            message = f"the prefix of the {scheme} URL must be plain segments, without '..', '//' or control characters"
            raise ConfigError(message) from None
    return Location(scheme=scheme, path=f"{bucket}/{prefix}" if prefix else bucket)


def check_endpoint(url: str | None) -> str | None:
    """Return the operator's S3 endpoint, or None; raises :class:`ConfigError` if it is no plain http(s) URL."""
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise ConfigError("AWS_ENDPOINT_URL must be http://host[:port] or https://host[:port]")
    if parts.username is not None or parts.password is not None or parts.query:
        raise ConfigError("AWS_ENDPOINT_URL must not hold credentials or a query")
    return url


def check_key(key: str) -> str:
    """Return ``key`` if it is a relative path of plain segments, at most 1024 bytes; raises :class:`BadInput` else."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise BadInput("bad_key", "an object key must be valid Unicode") from None
    if not 0 < size <= MAX_KEY_BYTES:
        raise BadInput("bad_key", f"an object key must have 1..{MAX_KEY_BYTES} bytes, got {size}")
    quoted = ascii(key[:80])
    if "\\" in key or any(unicodedata.category(char) == "Cc" for char in key):
        raise BadInput("bad_key", f"an object key must not hold backslashes or control characters: {quoted}")
    segments = key.split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise BadInput("bad_key", f"an object key must not be absolute or hold empty, '.' or '..' segments: {quoted}")
    if segments[0] == SCRATCH:
        raise BadInput("bad_key", f"an object key must not begin with {SCRATCH}/: {quoted}")
    return key
