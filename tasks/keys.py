"""What runs and artifacts are called, so that a person finds a dataset and a drop by name."""

from __future__ import annotations

import contextlib
import hashlib
import re

from prefect.runtime import flow_run

from tasks import sanitize
from telltale_core.errors import ConfigError
from telltale_core.storage.names import parse_url


def stem(source: str) -> str:
    """Return the last part of a path or URL, fit for a run's name: what a person calls a drop or a dataset."""
    return sanitize.name(source.rstrip("/").rsplit("/", 1)[-1] or source)


def subject(source: str, destination: str) -> str:
    """Return what a run is about, as dataset and drop, such as ``signs/2026-11-22``."""
    return f"{stem(destination)}/{stem(source)}"


def tags(source: str, destination: str) -> list[str]:
    """Return the tags by which the runs of a dataset and of a drop are found."""
    return [f"dataset:{stem(destination)}", f"drop:{stem(source)}"]


def own_subject() -> str:
    """Return what the run at work is about; empty where it has no drop and no dataset."""
    parameters = flow_run.parameters or {}
    if {"source", "destination"} <= parameters.keys():
        return subject(parameters["source"], parameters["destination"])
    return "/".join(sanitize.name(part) for part in str(parameters.get("subject") or "").split("/"))


def own_tags() -> list[str]:
    """Return the tags of what the run at work is about."""
    dataset, slash, drop = own_subject().partition("/")
    return [f"dataset:{dataset}", f"drop:{drop}"] if slash else []


def progress(stage: str) -> str:
    """Return the key of the artifact that shows a stage's progress, such as ``train-signs``."""
    dataset = own_subject().partition("/")[0]
    return f"{stage}-{_slug(dataset)}" if dataset else stage


def artifact(kind: str, dataset: str) -> str:
    """Return an artifact's key, such as ``verdict-signs-3fa94c``: a page for each dataset, by its address."""
    with contextlib.suppress(ConfigError):  # what is no address is called by its own text
        dataset = parse_url(dataset).url  # however it is spelled
    name = _slug(dataset.rsplit("/", 1)[-1])
    return f"{kind}-{name}-{hashlib.sha256(dataset.encode()).hexdigest()[:6]}"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "dataset"
