"""Takes credentials out of text that leaves the process: log lines, tracebacks, messages of foreign libraries."""

from __future__ import annotations

import os
import re

WITHHELD = "[withheld]"
MIN_SECRET_CHARS = 8
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSW|AUTH_STRING|API_KEY|CREDENTIAL|ACCESS_KEY|CONNECTION_URL|NOTIFY_URL")
_NOT_SECRET = re.compile(r"(_FILE|_PATH|_DIR|_URI|_EXPIRATION|_ENABLED)$")  # names of places, not what lies there

_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^/@\s'\"<>]{1,500}@")
_QUERY = re.compile(r"(https?://[^\s?'\"<>]{1,2000}\?)([^\s'\"<>]+)", re.IGNORECASE)
_SIGNED = re.compile(r"(?:^|&)(?:X-Amz-|X-Goog-|Signature=|AWSAccessKeyId=|sig=|token=)", re.IGNORECASE)
_ACCESS_KEY = re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])")
_NAMED = re.compile(
    r"((?:aws_?)?secret(?:_?access)?_?key|session_?token|x-amz-security-token|password|api_?key|auth_?string)"
    r"(['\"]?\s*[:=]\s*['\"]?)[^\s'\",;&<>]{6,}",
    re.IGNORECASE,
)
_HEADER = re.compile(r"(authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:basic|bearer)\s+)?[^\r\n'\"]+", re.IGNORECASE)


def redact(text: str) -> str:
    """Return ``text`` without credentials.

    Withheld are AWS access key ids, the query of presigned addresses (S3, Azure, Google), user and password in an
    address, ``Authorization`` headers, values said to be a secret key, token or password, and, wherever they stand, the
    values of this process's own secret environment variables.
    """
    for value in _own_secrets():
        text = text.replace(value, WITHHELD)
    text = _USERINFO.sub(rf"\1{WITHHELD}@", text)
    text = _QUERY.sub(lambda match: match[1] + WITHHELD if _SIGNED.search(match[2]) else match[0], text)
    text = _HEADER.sub(rf"\1{WITHHELD}", text)
    text = _NAMED.sub(rf"\1\2{WITHHELD}", text)
    return _ACCESS_KEY.sub(WITHHELD, text)


def _own_secrets() -> list[str]:
    """Return the values to withhold, longest first; read each time, as credentials are rotated."""
    secrets = {
        value
        for name, value in os.environ.items()
        if len(value) >= MIN_SECRET_CHARS and _SECRET_NAME.search(name.upper()) and not _NOT_SECRET.search(name.upper())
    }
    secrets |= {part for value in secrets if ":" in value for part in value.split(":") if len(part) >= MIN_SECRET_CHARS}
    return sorted(secrets, key=len, reverse=True)
