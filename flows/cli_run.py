"""The commands that run the flow, and the one that looks whether it can run."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

from flows import cli_stages
from flows.console import ERROR, Outcome, quieten
from flows.options import Approve, Config, DryRun, Out, Set, Src, Work
from flows.settings import read_settings
from telltale_core.errors import ConfigError

log = logging.getLogger(__name__)


def cleanse(
    source: Src,
    *,
    out: Out,
    work: Work = "runs",
    config: Config = None,
    settings: Set,
    approve: Approve = False,
    dry_run: DryRun = False,
) -> Outcome:
    """Cleanse a drop: find the poison, quarantine it, publish the rest as a new version. Runs as a Prefect flow.

    Finished stages are used again: the same drop twice gives the same version, a changed detector setting retrains
    nothing, a killed run continues. Set PREFECT_API_URL to see it in a running server's UI.

    \b
    Examples: telltale cleanse ./drop --out ./clean
              telltale cleanse s3://raw/drop7 --out s3://clean/signs --config telltale.toml
              telltale cleanse ./drop --out ./clean --set verdict.false_alarm_rate=0.001 --dry-run
    """
    from telltale_core.config import to_dict

    chosen = to_dict(read_settings(config, settings))
    told, report = run_flow(source, out, work, chosen, approve=approve, dry_run=dry_run)
    return cli_stages.published(told, report)


def run_flow(
    source: str, out: str, work: str, settings: dict[str, Any], *, approve: bool = False, dry_run: bool = False
) -> tuple[dict[str, Any], Path]:
    """Return what the flow ``cleanse`` returns, and where its report lies. Raises what the failed stage raised."""
    for address in (source, out, work):
        refuse_secrets(address)
    log.info("starting Prefect; without a server of your own this takes half a minute")
    from flows import cleanse as flows_cleanse
    from tasks.progress import listener
    from telltale_core.proxy import ProgressBar
    from telltale_core.stages import folder_of

    quieten()
    token = listener.set(ProgressBar())
    try:
        state = flows_cleanse.cleanse(source, out, work, settings, approve=approve, dry_run=dry_run, return_state=True)
        told: dict[str, Any] = state.result()
    finally:
        listener.reset(token)
    return told, folder_of(told, "report", work) / "report.html"


def refuse_secrets(address: str) -> None:
    """Raise :class:`ConfigError` for an address that holds credentials: Prefect stores and shows a run's parameters."""
    scheme, separator, rest = address.partition("://")
    if separator and ("@" in rest.split("/", 1)[0] or "?" in rest):
        raise ConfigError(f"an address ({scheme}://...) must hold no user, password or query; they belong elsewhere")


def doctor(work: Work = "runs") -> Outcome:
    """Say what is here, what is missing, and what to do about it; exit code 1 if something will not work.

    \b
    Example: telltale doctor
    """
    from flows.doctor import examine

    checks = examine(work)
    bad = sum(check.status == "problem" for check in checks)
    rows = [(check.name, check.status, check.found, check.todo) for check in checks]
    after = [f"{bad} problems" if bad else "nothing stands in the way"]
    data = {"ok": not bad, "checks": [dataclasses.asdict(check) for check in checks]}
    return Outcome(data=data, heads=("what", "", "found", "to do"), rows=rows, after=after, code=ERROR if bad else 0)
