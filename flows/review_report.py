"""The report of a run, fetched from wherever it lies: the run's label says where."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from flows.review import find_by_id
from tasks.review import REPORT_LABEL
from telltale_core.errors import NotFound
from telltale_core.storage import open_store

_ID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_RUN = re.compile(rf"cleanse .+/.+|{_ID}|https?://.*{_ID}.*", re.IGNORECASE)


def names_a_run(text: str) -> bool:
    """Return whether a text means a run and no drop: a run's name, its id, or the address of its page."""
    return _RUN.fullmatch(text) is not None and not Path(text).exists()


def fetch_report(run: str) -> tuple[Path, str]:
    """Return a copy of the run's report on this machine, and where it lies; of several runs of a name the latest."""
    with get_client(sync_client=True) as client:
        flow_run = find_by_id(client, run) or _latest(client, run)
    address = str(flow_run.labels.get(REPORT_LABEL) or "")
    if not address:
        raise NotFound(f"run {flow_run.name!r} ({flow_run.id}) has no report yet: it is made once the verdict stands")
    folder, _, name = address.rpartition("/")
    file = Path(tempfile.mkdtemp(prefix="telltale-report-")) / "report.html"
    file.write_bytes(open_store(folder).read(name))
    return file, address


def _latest(client: SyncPrefectClient, name: str) -> FlowRun:
    named = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
    runs = client.read_flow_runs(flow_run_filter=named, sort=FlowRunSort.START_TIME_DESC, limit=1)
    if not runs:
        raise NotFound(f"the Prefect server knows no run {name!r}; is PREFECT_API_URL the right one?")
    return runs[0]
