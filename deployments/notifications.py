"""Tells people: failed runs, runs that wait for a decision; and ends a review that nobody makes as ``NeedsReview``.

A webhook's address is kept encrypted by the server: it is the webhook's password.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from prefect.automations import Automation
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from deployments.automations import put
from deployments.definitions import ANY_RUN
from flows import names
from tasks import healed
from telltale_core.errors import ConfigError

FLOWS = tuple(name.split("/")[0] for name in names.DEPLOYMENTS)
BLOCK = "telltale-notify"
FAILED = "telltale: tell about failed runs"
WAITING = "telltale: tell about runs that wait for a person"
POOL_AWAY = "telltale: tell about a pool without a worker"
BRIDGE_SILENT = "telltale: tell about a silent bridge"
HEALED = "telltale: tell about crashes that healed"
CRASHED = "telltale: tell about crashes that nobody heals"
UNATTENDED = ("sweep", "reconcile", "checkup", "tidy", "verify-all")
"""Flows that nothing starts again after a crash before their next time, and no other run waits for."""
BRIDGE_AWAY_S = 120
EXPIRED = "telltale: a review that nobody makes ends as NeedsReview"
NOBODY = "Nobody decided in time, nothing was published. `telltale approve RUN` still publishes it, from a new run."
_QUOTED = "replace('<', '\u2039') | replace('>', '\u203a') | replace('`', '\u2019')"
"""Chats read ``<address|text>`` as a link; within a block of code they read nothing else."""
_SUBJECT = f"{{{{ flow_run.name | {_QUOTED} }}}}: {{{{ flow_run.state.name }}}}"
_BODY = f"```\n{{{{ flow_run.state.message | default('', true) | {_QUOTED} }}}}\n```\n{{{{ flow_run|ui_url }}}}"


def automations(block: UUID | None, review: timedelta) -> list[Automation]:
    """Return the automations; without a notification block only the one that ends a review after ``review``."""
    rules = [_expired(review)]
    if block is not None:
        failed = {f"prefect.flow-run.{state}" for state in ("Failed", "TimedOut", names.GAVE_UP, names.PROBLEMS)}
        rules.append(_notification(FAILED, failed, FLOWS, block))
        waiting = {f"prefect.flow-run.{state}" for state in ("Suspended", "NeedsReview")}
        rules.append(_notification(WAITING, waiting, ("cleanse",), block))
        rules.append(_notification(CRASHED, {"prefect.flow-run.Crashed"}, UNATTENDED, block))
        rules += [_pool_away(block), _bridge_silent(block), _healed(block)]
    return rules


def _notification(name: str, states: set[str], flows: Sequence[str], block: UUID) -> Automation:
    return Automation(
        name=name,
        trigger=EventTrigger(
            expect=states,
            match=ANY_RUN,
            match_related=_of(flows),
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[SendNotification(block_document_id=block, subject=_SUBJECT, body=_BODY)],
    )


def _pool_away(block: UUID) -> Automation:
    pools: dict[str, str | list[str]] = {
        "prefect.resource.id": "prefect.work-pool.*",
        "prefect.resource.name": [names.CPU_POOL, names.GPU_POOL],
    }
    return Automation(
        name=POOL_AWAY,
        description="No worker of a pool is online: its runs wait, the scheduled checkup among them.",
        trigger=EventTrigger(
            expect={"prefect.work-pool.not-ready"}, match=pools, posture=Posture.Reactive, threshold=1
        ),
        actions=[
            SendNotification(
                block_document_id=block,
                subject="telltale: no worker of the pool {{ event.resource.name }} is online",
                body="Its runs wait. Start one: telltale worker --pool {{ event.resource.name }}",
            )
        ],
    )


def _healed(block: UUID) -> Automation:
    return Automation(
        name=HEALED,
        description="A crash is not told while the run is started again; a run that gave up is told as failed.",
        trigger=EventTrigger(expect={healed.EVENT}, posture=Posture.Reactive, threshold=1),
        actions=[
            SendNotification(
                block_document_id=block,
                subject=f"{{{{ event.resource.name | {_QUOTED} }}}}: healed",
                body=f"```\n{{{{ event.payload.text | {_QUOTED} }}}}\n```\nrun {{{{ event.payload.run }}}}",
            )
        ],
    )


def _bridge_silent(block: UUID) -> Automation:
    return Automation(
        name=BRIDGE_SILENT,
        description=f"No bridge told that it is alive for {BRIDGE_AWAY_S} s; uploads wait for the sweep.",
        trigger=EventTrigger(
            after={names.ALIVE_EVENT},
            expect={names.ALIVE_EVENT},
            match={"prefect.resource.id": "telltale.bridge.*"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=BRIDGE_AWAY_S),
        ),
        actions=[
            SendNotification(
                block_document_id=block,
                subject="telltale: the bridge is silent",
                body=f"None told for {BRIDGE_AWAY_S} s that it is alive. Uploads wait for the sweep, every 5 minutes.",
            )
        ],
    )


def _expired(review: timedelta) -> Automation:
    return Automation(
        name=EXPIRED,
        description=f"A run suspended for {review} without a decision.",
        trigger=EventTrigger(
            after={"prefect.flow-run.Suspended"},
            expect={"prefect.flow-run.*"},
            match=ANY_RUN,
            match_related=_of(("cleanse",)),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=review,
        ),
        actions=[ChangeFlowRunState(name="NeedsReview", state=StateType.COMPLETED, message=NOBODY, force=False)],
    )


def _of(flows: Sequence[str]) -> dict[str, str | list[str]]:
    return {"prefect.resource.role": "flow", "prefect.resource.name": list(flows)}


def webhook(url: str) -> UUID:
    """Return the id of the webhook block, made or changed; it posts ``{"text": ...}``, which Slack and others read."""
    if not re.fullmatch(r"https?://\S+", url):
        raise ConfigError("TELLTALE_NOTIFY_URL must be an http(s) address")
    CustomWebhookNotificationBlock.register_type_and_schema()
    block = CustomWebhookNotificationBlock(
        name="Telltale",
        url="{{url}}",
        json_data={"text": "{{subject}}\n{{body}}"},
        headers=None,
        cookies=None,
        secrets={"url": url},  # type: ignore[arg-type]  # pydantic makes the secret of it
    )
    return UUID(str(block.save(BLOCK, overwrite=True)))


def find_block(client: SyncPrefectClient, text: str) -> UUID:
    """Return the id of a notification block that people made in the UI, such as ``slack-webhook/alerts``."""
    kind, slash, name = text.partition("/")
    if not slash or not kind or not name:
        raise ConfigError(f"--block must be TYPE/NAME such as slack-webhook/alerts, got {text!r}")
    try:
        return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound:
        raise ConfigError(f"the server has no block {text}: make it in the UI, Blocks, +") from None


def register(url: str, block: str, review: timedelta) -> list[str]:
    """Make or change the automations, by name; return their names. Nobody is told where both texts are empty."""
    with get_client(sync_client=True) as client:
        to = find_block(client, block) if block else webhook(url) if url else None
        return [put(client, automation) for automation in automations(to, review)]
