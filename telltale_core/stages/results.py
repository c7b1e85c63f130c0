"""What a stage record rests on, opened for those who run no stage: the command line, a page, a person in a notebook."""

from __future__ import annotations

from pathlib import Path

from telltale_core.drop import Drop, check_url
from telltale_core.stages.inputs import Inputs, Record
from telltale_core.stages.pipeline import STAGES
from telltale_core.storage.names import parse_url


def opened(record: Record, work: str) -> Inputs:
    """Return what opens all that a stage record rests on."""
    return Inputs(record=record, work=work, places=STAGES)


def folder_of(record: Record, stage: str, work: str) -> Path:
    """Return the local folder of one of the stages that a record rests on; fetched first if the work area is remote."""
    return opened(record, work).folder(stage)


def open_drop(record: Record, work: str) -> Drop:
    """Return the drop that a stage record rests on, with the name and source that this run gave it."""
    return opened(record, work).drop()


def check_addresses(source: str, destination: str, work: str) -> None:
    """Raise :class:`BadInput` or :class:`ConfigError` for an address that is not allowed, or that holds credentials.

    To be called before anything keeps the addresses: an orchestrator stores and shows a run's parameters.
    """
    check_url(source)
    parse_url(destination)
    parse_url(work)
