"""Which paths and URLs a drop may come from, and how they are named to others. Nothing is opened here."""

from __future__ import annotations

import re
from pathlib import Path

from telltale_core.modality.reasons import bad, shown

SCHEMES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "memory")


def public_source(url: str) -> str:
    """Return what may be told to others about a source: a URL as it is, of a local path only its last part."""
    if "://" in url.removeprefix("file://"):
        return url.rstrip("/")
    return printable(Path(url.removeprefix("file://")).expanduser().resolve().name) or "drop"


def check_url(url: str) -> None:
    """Raise :class:`BadInput` ``url_refused`` unless ``url`` is a local path, or a URL that is allowed and secret-free.

    The refused URL is never repeated in the message.
    """
    url = url.removeprefix("file://")
    if not url or "\0" in url or not url.isprintable():
        raise bad("url_refused", "the source must be a path or URL of printable characters")
    if "://" not in url:
        return
    scheme, rest = url.split("://", 1)
    if scheme not in SCHEMES:
        raise bad("url_refused", f"the scheme {shown(scheme)} is not allowed; allowed: file, {', '.join(SCHEMES)}")
    host = rest.split("/", 1)[0]
    if ":" in host or ("@" in host and not scheme.startswith("ab")) or "?" in rest or "::" in url:
        raise bad("url_refused", f"a {scheme}:// URL may hold no credentials, port, query or chain of schemes")
    if ".." in rest.split("/"):
        raise bad("url_refused", "a URL may not climb with '..'")


def printable(name: str) -> str:
    """Return a file name as text that UTF-8 can hold, control characters escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", text)
