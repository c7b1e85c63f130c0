"""The answer to a contributor: ``_RECEIPT.json`` beside the drop, renewed as the drop goes on.

It says what helps to upload a better drop, and nothing that helps to poison one: what a row's form was rejected for,
not what the verdict found; no sample, group, count of what is held back, question, reviewer or reason.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from tasks.artifacts import kindly
from telltale_core import stages
from telltale_core.errors import BadInput
from telltale_core.inbox import RECEIPT
from telltale_core.modality.reasons import DROP_REASONS, ROW_REASONS
from telltale_core.storage.beside import write_beside

log = logging.getLogger(__name__)
State = Literal["accepted", "refused", "waiting", "published", "not published", "stopped"]
FORMAT = "telltale.receipt/1"
SAYS: dict[State, str] = {
    "accepted": "The drop was read. It is being looked at.",
    "refused": "The drop cannot be read. Upload it corrected.",
    "waiting": "The drop waits for a decision of the operator.",
    "published": "The dataset has a new version that this drop led to.",
    "not published": "The operator decided not to publish this drop.",
    "stopped": "The drop was not looked at to the end. Ask the operator.",
}
ENDS: dict[str, State] = {"needs-review": "waiting", "published": "published", "rejected": "not published"}


class Receipts:
    """Writes the receipts of one drop; without ``wanted`` it writes none. A receipt never fails a run."""

    def __init__(self, source: str, work: str, *, wanted: bool) -> None:
        self.source, self.work, self.wanted = source, work, wanted
        self.rows: dict[str, Any] = {}
        self.state: State | None = None

    def read(self, record: stages.Record) -> None:
        """Say that the drop was read, and which rows were rejected for what."""
        if self.wanted and not self.rows:
            kindly(lambda: self.rows.update(rows_of(record, self.work)))
            self._write("accepted")

    def ended(self, outcome: dict[str, Any]) -> None:
        """Say that the drop waits, led to a version, or was rejected; a dry run says nothing."""
        if state := ENDS.get(outcome["state"]):
            self._write(state, **({"version": outcome["version"]} if state == "published" else {}))

    @contextlib.contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Say that nobody looks at the drop any more where the block raises and no other reason was said."""
        try:
            yield
        except Exception:
            if self.state != "refused":
                self._write("stopped")
            raise

    def refused(self, error: BadInput) -> None:
        """Say by its code why the drop cannot be read; of codes that are no fault of a drop's form, nothing."""
        if error.code in DROP_REASONS:
            self._write("refused", reason={"code": error.code, "means": DROP_REASONS[error.code]})

    def _write(self, state: State, **more: Any) -> None:
        receipt: dict[str, Any] = {"format": FORMAT, "state": state, "says": SAYS[state], **more}
        if self.rows:
            receipt["rows"] = self.rows
        self.state = state
        receipt["at"] = datetime.now(UTC).isoformat(timespec="seconds")
        if self.wanted:
            kindly(lambda: write_beside(self.source, RECEIPT, (json.dumps(receipt, indent=1) + "\n").encode()))


def rows_of(record: stages.Record, work: str) -> dict[str, Any]:
    """Return how many rows were read, and how many rejected for which reason of their form."""
    counts = stages.open_drop(record, work).manifest["counts"]
    reasons = [
        {"code": code, "rows": rows, "means": ROW_REASONS.get(code, "")} for code, rows in counts["by_reason"].items()
    ]
    return {"seen": counts["seen"], "read": counts["kept"], "rejected": counts["rejected"], "reasons": reasons}
