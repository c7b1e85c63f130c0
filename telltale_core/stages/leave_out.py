"""Leave-out retraining: another proxy learns without the samples in doubt, and says what it takes them for.

The cluster stage asks for it, here or on a machine that trains. Its folder ``leave-out/<key>`` holds
``left_out.json``, the ids of the samples that are not learnt from. Once it is complete, it holds ``retraining.json``,
too: the cohort that the second proxy gives to each of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from telltale_core import proxy
from telltale_core.config import from_dict
from telltale_core.digest import code_version, digest_of
from telltale_core.drop import Drop
from telltale_core.errors import ConfigError, NothingLearnt, TrainingDiverged
from telltale_core.proxy import Progress, ProxyConfig
from telltale_core.records import RecordKind, as_column
from telltale_core.stages.inputs import Context, Inputs, Record
from telltale_core.storage import WorkArea

if TYPE_CHECKING:
    from telltale_core.verdict import Retrain  # its module takes scipy.stats' import time

log = logging.getLogger(__name__)
FOLDER, CURE = "leave-out", "run the cluster stage"
COST = "cluster: leave-out retraining, a proxy learns without %d samples: at most %.0f s where the first one learnt"
"""Said before it starts. It learns for half of the epochs, and without snapshots, which take part of the time."""


class Request(TypedDict):
    """The ids of the samples that are not learnt from."""

    left_out: list[str]


class Retraining(TypedDict):
    """How many samples were left out of which drop, and the cohort that the second proxy gives to each of them."""

    drop_digest: str
    left_out: int
    answers: list[int]


REQUEST = RecordKind(
    type=Request,
    name="list of left-out samples",
    file="left_out.json",
    format="telltale.left-out/1",
    cure=CURE,
)
RETRAINING = RecordKind(
    type=Retraining, name="leave-out retraining", file="retraining.json", format="telltale.retraining/1", cure=CURE
)


def leave_out_for(inputs: Inputs, drop: Drop, context: Context) -> Retrain | None:
    """Return what retrains, with the settings of the drop's own proxy; None where nothing can."""
    trained = inputs.train_record()
    if drop.cohorts is None or not proxy.can_retrain(
        _settings(inputs.record), trained["hardware"]["device"], elsewhere=context.retrain is not None
    ):
        return None

    def answers_without(left_out_N: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        area, key = WorkArea(inputs.work), _ask(inputs, drop, left_out_N)
        if not retrained(inputs.work, key):
            log.info(COST, left_out_N.sum(), proxy.RETRAINED_EPOCHS * trained["wall_s"])
            if context.retrain is None:
                try:
                    retrain(inputs, key, context.progress)
                except (ConfigError, TrainingDiverged, NothingLearnt) as error:
                    log.warning("cluster: the leave-out retraining failed, the verdict stands without it: %s", error)
                    return None
            else:
                context.retrain(inputs.record, key)
        record = RETRAINING.read(area.fetch(FOLDER, key, RETRAINING.file))
        RETRAINING.check_drop(record["drop_digest"], drop)
        answer_N = np.full(len(drop), -1, dtype=np.int64)
        answer_N[left_out_N] = record["answers"]
        return answer_N

    return answers_without


def retrained(work: str, key: str) -> bool:
    """Return whether the retraining of this key is complete in the work area."""
    return WorkArea(work).has(FOLDER, key, RETRAINING.file)


def retrain(inputs: Inputs, key: str, progress: Callable[[Progress], None] | None = None) -> dict[str, Any]:
    """Train the proxy that was asked for under ``key``, and return what is known of it, as JSON values."""
    area, drop = WorkArea(inputs.work), inputs.packed_drop()
    folder = area.fetch(FOLDER, key, RETRAINING.file)
    left_out = REQUEST.read(folder)["left_out"]
    left_out_N = pc.is_in(as_column(drop.sample_ids), value_set=pa.array(left_out, pa.string())).to_numpy(
        zero_copy_only=False
    )
    if left_out_N.sum() != len(left_out) or drop.cohorts is None:
        REQUEST.corrupt(f"{folder / REQUEST.file} is not about drop {drop.digest[:12]}")
    answer_N = proxy.leave_out_retraining(drop, drop.cohorts.number, _settings(inputs.record), progress)(left_out_N)
    record: Retraining = {
        "drop_digest": drop.digest,
        "left_out": len(left_out),
        "answers": answer_N[left_out_N].tolist(),
    }
    RETRAINING.write(folder, record)
    area.push(FOLDER, key, RETRAINING.file)
    return {name: value for name, value in RETRAINING.values(record).items() if name != "answers"}


def _ask(inputs: Inputs, drop: Drop, left_out_N: NDArray[np.bool_]) -> str:
    """Return the key of a retraining, having said in the work area what it leaves out."""
    record, area, left_out = inputs.record, WorkArea(inputs.work), drop.sample_ids[left_out_N].tolist()
    rests_on = [record["keys"]["train"], record["settings"]["proxy"], left_out, code_version(["proxy", "modality"])]
    key = digest_of([FOLDER, *rests_on])
    if not retrained(inputs.work, key):
        REQUEST.write(area.path(FOLDER, key), {"left_out": left_out})
        area.push(FOLDER, key, RETRAINING.file)
    return key


def _settings(record: Record) -> ProxyConfig:
    return from_dict(ProxyConfig, record["settings"]["proxy"], "proxy")
