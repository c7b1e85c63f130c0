"""What ``telltale doctor`` looks at: what is here, what is missing, what to do. No value of a secret is read."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from flows.checks import Check

NEEDED = (
    *("numpy", "scipy", "scikit-learn", "pyarrow", "torch", "torchvision", "pillow", "safetensors", "fsspec"),
    *("matplotlib", "jinja2"),
)
FOR_COMMANDS = ("typer", "rich", "prefect")
MIN_FREE_BYTES = 2 << 30
MIN_MEMORY_BYTES = 2 << 30
S3_SETTINGS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE")
S3_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_PROFILE")


def examine(work: str, role: str = "publisher") -> list[Check]:
    """Return all findings, in the order in which to mend them."""
    checks: list[Check] = []
    for part in (
        _python,
        _libraries,
        _prefect_parts,
        _devices,
        _memory,
        lambda: _disk(work),
        lambda: _server(role),
        _s3,
    ):
        checks += part()
    return checks


def _python() -> Iterator[Check]:
    fine = sys.version_info >= (3, 11)
    todo = "" if fine else "install Python 3.11 or newer and make the environment again"
    yield Check(name="python", status="ok" if fine else "problem", found=platform.python_version(), todo=todo)


def _libraries() -> Iterator[Check]:
    for name in NEEDED:
        version = _version(name)
        todo = "" if version else "pip install telltale-cleanse"
        yield Check(name=name, status="ok" if version else "problem", found=version or "not installed", todo=todo)
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError) as error:
        todo = "torch and torchvision must be of one release (torch 2.15 goes with torchvision 0.29): install both anew"
        yield Check(name="torch with torchvision", status="problem", found=str(error)[:200], todo=todo)


def _prefect_parts() -> Iterator[Check]:
    for name in FOR_COMMANDS:
        version = _version(name)
        todo = "" if version else "pip install 'telltale-cleanse[flows]'; without it, only telltale_core works"
        yield Check(name=name, status="ok" if version else "problem", found=version or "not installed", todo=todo)
    sqlalchemy = _version("sqlalchemy")
    if sqlalchemy is not None and tuple(map(int, sqlalchemy.split(".")[:2])) >= (2, 1):
        todo = "pip install 'sqlalchemy<2.1': with later ones this Prefect's server starts no scheduled run"
        yield Check(name="sqlalchemy", status="problem", found=sqlalchemy, todo=todo)
    fastapi = _version("fastapi")
    if fastapi is not None and tuple(map(int, fastapi.split(".")[:2])) >= (0, 151):
        todo = "pip install 'fastapi<0.151': with later ones this Prefect's server does not start"
        yield Check(name="fastapi", status="problem", found=fastapi, todo=todo)


def _devices() -> Iterator[Check]:
    try:
        import torch
    except ImportError:
        return
    from telltale_core.processors import allowed

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        yield Check(name="devices", status="ok", found=f"CUDA: {names}")
    else:
        todo = "fine for some 10,000 images; larger drops want a CUDA device"
        yield Check(name="devices", status="note", found=f"CPU only, {allowed()} cores", todo=todo)


def _memory() -> Iterator[Check]:
    try:
        from telltale_core.proxy.hardware import available_bytes
    except (ImportError, RuntimeError):  # told by _libraries
        return
    free = available_bytes("cpu")
    if free is None:
        return
    enough = free >= MIN_MEMORY_BYTES
    todo = "" if enough else "close something: training and clustering want about 2 GB, more for large drops"
    yield Check(name="available memory", status="ok" if enough else "problem", found=f"{free / 1e9:.1f} GB", todo=todo)


def _disk(work: str) -> Iterator[Check]:
    if "://" in work:
        yield Check(
            name="local work area", status="ok", found="remote; a local copy is kept in the user's cache folder"
        )
        return
    place = Path(work).absolute()
    there = next(parent for parent in (place, *place.parents) if parent.exists())
    free, writable = shutil.disk_usage(there).free, os.access(there, os.W_OK)
    fine = free >= MIN_FREE_BYTES and writable
    todo = "" if fine else "choose another place with --work or TELLTALE_WORK"
    detail = f"{place}: {free / 1e9:.1f} GB free{'' if writable else ', not writable'}"
    yield Check(name="local work area", status="ok" if fine else "problem", found=detail, todo=todo)


def _server(role: str) -> Iterator[Check]:
    if _version("prefect") is None:
        return
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if not url:
        todo = "a temporary one is started for each run (half a minute); to keep one: prefect server start"
        yield Check(name="prefect server", status="note", found="none set", todo=todo)
        return
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=5) as reply:  # noqa: S310 - operator's own URL
            yield Check(name="prefect server", status="ok", found=f"answers ({reply.status})")
    except (urllib.error.URLError, OSError, ValueError) as error:
        todo = "start it (prefect server start), or unset PREFECT_API_URL"
        yield Check(name="prefect server", status="problem", found=f"does not answer: {error}", todo=todo)
        return
    from flows.doctor_stack import examine_server

    yield from examine_server(role)


def _s3() -> Iterator[Check]:
    if _version("s3fs") is None:
        todo = "pip install 'telltale-cleanse[s3]' to read from and publish to s3://"
        yield Check(name="s3", status="note", found="s3fs is not installed", todo=todo)
        return
    present = sorted({name for name in (*S3_SETTINGS, *S3_CREDENTIALS) if os.environ.get(name)})
    configured = any(name in present for name in S3_CREDENTIALS) or Path("~/.aws").expanduser().is_dir()
    todo = "" if configured else "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or a profile or role) to use s3://"
    detail = f"set: {', '.join(present)}" if present else "nothing set in the environment"
    yield Check(name="s3", status="ok" if configured else "note", found=detail, todo=todo)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
