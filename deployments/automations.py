"""What the server does by itself: notice lost runs, have crashed ones repaired, start drops that others announce."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from flows import names
from flows.starting import find_deployment

# By the flow, not the deployment: a heartbeat names its flow, but of its deployment it tells the id alone.
OURS: dict[str, str | list[str]] = {
    "prefect.resource.role": "flow",
    "prefect.resource.name": [name.split("/")[0] for name in names.DEPLOYMENTS],
}
ANY_RUN: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*"}


def automations(reconcile: UUID, arrival: UUID) -> list[AutomationCore]:
    """Return the automations, for deployments with these ids."""
    return [_lost_runs(), _crashed_runs(reconcile), _landed_drops(arrival)]


def _lost_runs() -> AutomationCore:
    return AutomationCore(
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


def _crashed_runs(reconcile: UUID) -> AutomationCore:
    return AutomationCore(
        name=names.CRASHED_RUNS,
        description="A crashed run of cleanse goes on where it stopped, at most five times.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Crashed"},
            match=ANY_RUN,
            match_related={"prefect.resource.role": "deployment", "prefect.resource.name": names.CLEANSE.split("/")[1]},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[RunDeployment(source="selected", deployment_id=reconcile, parameters={}, job_variables=None)],
    )


def _landed_drops(arrival: UUID) -> AutomationCore:
    given = {name: "{{ event.payload." + name + " }}" for name in ("dataset", "name")}
    return AutomationCore(
        name=names.LANDED_DROPS,
        description=f"Another system's event {names.LANDED_EVENT} starts the drop that its payload names, once.",
        trigger=EventTrigger(
            expect={names.LANDED_EVENT},
            match={"prefect.resource.id": "telltale.drop.*"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[RunDeployment(source="selected", deployment_id=arrival, parameters=given, job_variables=None)],
    )


def register(client: SyncPrefectClient) -> list[str]:
    """Make or change the automations; return their names. One of the same name is changed, never doubled."""
    reconcile, arrival = (find_deployment(client, name).id for name in (names.RECONCILE, names.ARRIVAL))
    wanted = automations(reconcile, arrival)
    for automation in wanted:
        put(client, automation)
    return [automation.name for automation in wanted]


def put(client: SyncPrefectClient, automation: AutomationCore) -> UUID:
    """Make the automation, or change the one that has its name; further ones of that name are removed."""
    body: dict[str, Any] = automation.model_dump(mode="json", exclude={"owner_resource"})  # refused in a change
    found = client.request(
        "POST",
        "/automations/filter",
        json={"automations": {"name": {"any_": [automation.name]}}, "limit": 200},
    ).json()
    for extra in found[1:]:
        client.request("DELETE", "/automations/{id}", path_params={"id": extra["id"]})
    if found:
        client.request("PUT", "/automations/{id}", path_params={"id": found[0]["id"]}, json=body)
        return UUID(found[0]["id"])
    return UUID(client.request("POST", "/automations/", json=body).json()["id"])
