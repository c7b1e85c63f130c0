"""What the server does by itself: it crashes lost runs. What starts a deployment stands with it in definitions.py."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture

from deployments.definitions import ANY_RUN
from flows import names

# By the flow, not the deployment: a heartbeat names its flow, but of its deployment it tells the id alone.
OURS: dict[str, str | list[str]] = {
    "prefect.resource.role": "flow",
    "prefect.resource.name": [name.split("/")[0] for name in names.DEPLOYMENTS],
}


def lost_runs() -> Automation:
    """Return the automation that crashes a run which sends no more heartbeats."""
    return Automation(
        name=names.LOST_RUNS,
        description=f"No sign of life for {names.LOST_AFTER_S} s (a heartbeat is due every {names.HEARTBEAT_S} s).",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match=ANY_RUN,
            match_related=OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=names.LOST_AFTER_S),
        ),
        actions=[
            ChangeFlowRunState(
                name=None,
                state=StateType.CRASHED,
                message=f"no heartbeat for {names.LOST_AFTER_S} s: its process or host is gone",
                force=False,
            )
        ],
    )


def put(client: SyncPrefectClient, automation: Automation) -> str:
    """Make the automation, or change the one of its name, and remove further ones; return the name."""
    standing = client.read_automations_by_name(automation.name)
    for extra in standing[1:]:
        client.delete_automation(extra.id)
    if standing:
        automation.id = standing[0].id
        automation.update()
    else:
        automation.create()
    return automation.name


def remove(client: SyncPrefectClient, names: Iterable[str]) -> None:
    """Remove the automations of these names."""
    for name in names:
        for standing in client.read_automations_by_name(name):
            client.delete_automation(standing.id)
