"""The commands that run the flow, and the one that looks whether it can run."""

from __future__ import annotations

import dataclasses
import logging
import shlex
import time
from pathlib import Path
from typing import Any

from flows import cli_stages
from flows.console import ERROR, Outcome, quieten
from flows.options import (
    Approve,
    Config,
    Data,
    DemoOut,
    DryRun,
    Out,
    Rate,
    Samples,
    Seed,
    Set,
    Src,
    Target,
    Work,
)
from flows.settings import as_options, read_settings
from telltale_core.errors import ConfigError

log = logging.getLogger(__name__)


def demo(
    *,
    data: Data = None,
    rate: Rate = 0.05,
    target: Target = 0,
    samples: Samples = 10_000,
    seed: Seed = 0,
    out: DemoOut = None,
    work: Work = "runs",
    config: Config = None,
    settings: Set,
) -> Outcome:
    """See it happen: poison a real dataset, cleanse it by the ordinary flow, compare with the truth.

    By default the 1,797 handwritten digits that ship inside scikit-learn, offline, within three minutes on two cores.
    The truth is kept outside the drop and is read only after the verdict.

    \b
    Examples: telltale demo
              telltale demo --rate 0.02 --target 7
              telltale demo --data cifar10
              telltale demo --data ./cifar-10-batches-bin --samples 50000
    """
    from flows import demo as showing
    from telltale_core.bench.scoring import score
    from telltale_core.config import to_dict
    from telltale_core.stages import folder_of

    began = time.monotonic()
    if "://" in work:
        raise ConfigError("the demo writes its drop beside the work area: --work must be a local folder")
    made = showing.poison(data, Path(work) / "demo", rate=rate, target=target, seed=seed, samples=samples)
    log.info(
        "%d of %d samples got a small patch and the label %r: %s", made.poisoned, made.samples, made.target, made.drop
    )
    chosen = to_dict(read_settings(config, settings, base=made.settings))
    destination = out or str(made.drop.parent / "cleansed")
    told, report = run_flow(str(made.drop), destination, work, chosen)
    poisoned = showing.poisoned_ids(made.truth)
    found = score(folder_of(told, "cluster", work), poisoned)
    head = [
        f"drop: {made.drop} ({made.samples:,} samples, {made.poisoned} of them poisoned with BadNets towards "
        f"{made.target!r}; the truth, in {made.truth}, was read only now)",
        f"found: {found['found']} of {found['poisoned']} poisoned samples ({found['tpr']:.1%})",
        f"wrongly quarantined: {found['wrongly_quarantined']} of {found['clean']:,} clean samples ({found['fpr']:.2%})",
        f"set aside: {found['review']}",
        f"time: {time.monotonic() - began:.0f} s",
    ]
    shown = cli_stages.published(told, report)
    tips = ["try next:", f"  open {report}"]
    if told["state"] == "needs-review":
        approve = ["cleanse", str(made.drop), "--out", destination, "--work", work, *as_options(chosen)]
        approve += ["--approve", told["approval"]]
        tips += [f"  telltale {shlex.join(approve)}"]
    else:
        tips += [f"  telltale log {shlex.quote(destination)}"]
        tips += [f"  telltale why {shlex.quote(destination)} {shlex.quote(poisoned[0])}"]
    tips += ["  telltale demo --rate 0.02        a smaller share of poison"]
    tips += ["  telltale cleanse YOUR_DROP --out YOUR_DATASET"]
    lines = [shown.lines[0], *head, *shown.lines[1:]]
    return dataclasses.replace(shown, data={**shown.data, "score": found}, lines=lines, after=tips)


def cleanse(
    source: Src,
    *,
    out: Out,
    work: Work = "runs",
    config: Config = None,
    settings: Set,
    approve: Approve = "",
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

    chosen = to_dict(read_settings(config, settings, destination=out))
    known = cli_stages.by_user() if approve else {"by": "", "reason": ""}
    decided: dict[str, Any] = {"approve": approve, "reviewer": known["by"], "reason": known["reason"]}
    told, report = run_flow(source, out, work, chosen, **decided, dry_run=dry_run)
    return cli_stages.published(told, report)


def run_flow(
    source: str,
    out: str,
    work: str,
    settings: dict[str, Any],
    *,
    approve: str = "",
    reviewer: str = "",
    reason: str = "",
    dry_run: bool = False,
) -> tuple[dict[str, Any], Path]:
    """Return what the flow ``cleanse`` returns, and where its report lies. Raises what the failed stage raised."""
    from telltale_core.stages import check_addresses
    from telltale_core.storage.work import WorkArea

    check_addresses(source, out, work)  # before Prefect stores and shows the run's parameters
    WorkArea(work).lock("start")  # before half a minute is spent: where nothing can be written nothing can be run
    log.info("starting Prefect; without a server of your own this takes half a minute")
    from flows import cleanse as flows_cleanse
    from flows.local_server import start_local_server
    from tasks.progress import listener
    from telltale_core.proxy import ProgressBar
    from telltale_core.stages import folder_of

    quieten()
    start_local_server()
    token = listener.set(ProgressBar())
    try:
        decided: dict[str, Any] = {"approve": approve, "reviewer": reviewer, "reason": reason, "dry_run": dry_run}
        state = flows_cleanse.cleanse(source, out, work, settings, **decided, return_state=True)
        told: Any = state.result()  # Prefect unwraps the state that the flow returns
    finally:
        listener.reset(token)
    return told, folder_of(told, "report", work) / "report.html"


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
