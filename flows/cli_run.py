"""The commands that run the flow, and the one that looks whether it can run."""

from __future__ import annotations

import dataclasses
import logging
import shlex
import time
from pathlib import Path
from typing import Any

from flows import cli_stages
from flows.console import ERROR, quieten
from flows.options import (
    Approve,
    Config,
    Data,
    DemoOut,
    DryRun,
    Out,
    Rate,
    Role,
    Samples,
    Seed,
    Set,
    Split,
    Src,
    Target,
    Work,
)
from flows.places import check_places
from flows.progress import training_progress
from flows.settings import as_options, read_settings, with_split
from telltale_core.commands import Outcome
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
    from telltale_core.config import to_dict
    from telltale_core.stages import folder_of
    from telltale_core.verdict.scoring import score

    began = time.monotonic()
    if "://" in work:
        raise ConfigError("the demo writes its drop beside the work area: --work must be a local folder")
    demo_set = showing.poison(data, Path(work) / "demo", rate=rate, target=target, seed=seed, samples=samples)
    log.info(
        "%d of %d samples got a small patch and the label %r: %s",
        demo_set.poisoned,
        demo_set.samples,
        demo_set.target,
        demo_set.drop,
    )
    chosen = to_dict(read_settings(config, settings, base=demo_set.settings))
    destination = out or str(demo_set.drop.parent / "cleansed")
    outcome, report = run_flow(str(demo_set.drop), destination, work, chosen)
    poisoned = showing.poisoned_ids(demo_set.truth)
    scores = score(folder_of(outcome, "cluster", work), poisoned)
    head = [
        f"drop: {demo_set.drop} ({demo_set.samples:,} samples, {demo_set.poisoned} of them poisoned with BadNets "
        f"towards {demo_set.target!r}; the truth, in {demo_set.truth}, was read only now)",
        f"found: {scores['found']} of {scores['poisoned']} poisoned samples ({scores['tpr']:.1%})",
        f"wrongly quarantined: {scores['wrongly_quarantined']} of {scores['clean']:,} clean samples "
        f"({scores['fpr']:.2%})",
        f"set aside: {scores['review']}",
        f"time: {time.monotonic() - began:.0f} s",
    ]
    shown = cli_stages.published(outcome, report)
    tips = ["try next:", f"  open {report}"]
    if outcome["state"] == "needs-review":
        approve = ["cleanse", str(demo_set.drop), "--out", destination, "--work", work, *as_options(chosen)]
        approve += ["--approve", outcome["approval"]]
        tips += [f"  telltale {shlex.join(approve)}"]
    else:
        tips += [f"  telltale log {shlex.quote(destination)}"]
        tips += [f"  telltale why {shlex.quote(destination)} {shlex.quote(poisoned[0])}"]
    tips += ["  telltale demo --rate 0.02        a smaller share of poison"]
    tips += ["  telltale cleanse YOUR_DROP --out YOUR_DATASET"]
    lines = [shown.lines[0], *head, *shown.lines[1:]]
    return dataclasses.replace(shown, data={**shown.data, "score": scores}, lines=lines, after=tips)


def cleanse(
    source: Src,
    *,
    out: Out,
    work: Work = "runs",
    config: Config = None,
    split: Split = "",
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

    chosen = to_dict(read_settings(config, with_split(settings, split), destination=out))
    check_places(source, work=work, out=out)
    signature = cli_stages.by_user() if approve else {"by": "", "reason": ""}
    decided: dict[str, Any] = {"approve": approve, "reviewer": signature["by"], "reason": signature["reason"]}
    outcome, report = run_flow(source, out, work, chosen, **decided, dry_run=dry_run)
    return cli_stages.published(outcome, report)


def run_flow(
    source: str,
    out: str,
    work: str,
    settings: dict[str, Any],
    *,
    approve: str = "",
    reviewer: str = "",
    reason: str = "",
    release: list[str] | None = None,
    hold: list[str] | None = None,
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
    from tasks.progress import listening_to
    from telltale_core.stages import folder_of

    quieten()
    start_local_server()
    decided: dict[str, Any] = {"approve": approve, "reviewer": reviewer, "reason": reason, "dry_run": dry_run}
    decided |= {"release": release or [], "hold": hold or []}
    with training_progress() as shown, listening_to(shown):
        state = flows_cleanse.cleanse(source, out, work, config=settings, **decided, return_state=True)
    outcome: Any = state.result()  # Prefect unwraps the state that the flow returns
    return outcome, folder_of(outcome, "report", work) / "report.html"


def doctor(work: Work = "runs", role: Role = "publisher") -> Outcome:
    """Say what is here, what is missing, and what to do about it; exit code 1 if something will not work.

    Of a deployed stack it proves the stores: it lists, writes, reads and deletes a probe with the keys of this process,
    as far as the role must be able to.

    \b
    Examples: telltale doctor
              telltale doctor --role worker --json
    """
    from flows.doctor import examine
    from flows.doctor_stores import NEEDS

    if role not in NEEDS:
        raise ConfigError(f"--role must be one of {', '.join(NEEDS)}, got {role!r}")
    checks = examine(work, role)
    bad = sum(check.status == "problem" for check in checks)
    rows = [(check.name, check.status, check.found, check.todo) for check in checks]
    after = [f"{bad} problems" if bad else "nothing stands in the way"]
    data = {"ok": not bad, "checks": [dataclasses.asdict(check) for check in checks]}
    return Outcome(data=data, heads=("what", "", "found", "to do"), rows=rows, after=after, code=ERROR if bad else 0)
