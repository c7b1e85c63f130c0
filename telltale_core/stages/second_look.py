"""The training of a verdict's second look: asked for by the cluster stage, here or on a machine that trains.

Its folder ``look/<key>`` holds ``left_out.json``, the ids of the samples that are not learnt from, and, once it is
complete, ``look.json``: the cohort that the second proxy gives to each of them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core import proxy
from telltale_core.config import from_dict
from telltale_core.digest import code_version, digest_of
from telltale_core.drop import Drop
from telltale_core.errors import ConfigError, Corrupt, NothingLearnt, TrainingDiverged
from telltale_core.losslog.files import write_json
from telltale_core.proxy import Progress, ProxyConfig
from telltale_core.stages.record import Record, learnt_drop, read_record
from telltale_core.storage import WorkArea
from telltale_core.verdict import Look

log = logging.getLogger(__name__)
FOLDER, ASKED, RECORD = "look", "left_out.json", "look.json"
Elsewhere = Callable[[Record, str], None]
"""Has :func:`learn_without` run on another machine, given the upstream record and the key, and returns once it has."""


def look_for(
    upstream: Record,
    work: str,
    drop: Drop,
    progress: Callable[[Progress], None] | None = None,
    elsewhere: Elsewhere | None = None,
) -> Look | None:
    """Return what trains for a second look, with the settings of the drop's own proxy; None where nothing can."""
    settings, trained = _settings(upstream), read_record(upstream, "train", work)
    if drop.cohorts is None or not proxy.can_look_again(
        settings, trained["hardware"]["device"], elsewhere=elsewhere is not None
    ):
        return None

    def look(left_out_N: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        area, key = WorkArea(work), _ask(upstream, work, drop, left_out_N)
        if not answered(work, key):
            log.info("cluster: a second look, a proxy learns without %d samples", left_out_N.sum())
            if elsewhere is None:
                try:
                    learn_without(upstream, work, key, progress)
                except (ConfigError, TrainingDiverged, NothingLearnt) as error:
                    log.warning("cluster: the second look came to nothing, the verdict stands without it: %s", error)
                    return None
            else:
                elsewhere(upstream, key)
        found: dict[str, Any] = json.loads((area.fetch(FOLDER, key, RECORD) / RECORD).read_bytes())
        answer_N = np.full(len(drop), -1, dtype=np.int64)
        answer_N[left_out_N] = found["answers"]
        return answer_N

    return look


def answered(work: str, key: str) -> bool:
    """Return whether the second look of this key is complete in the work area."""
    return WorkArea(work).has(FOLDER, key, RECORD)


def learn_without(
    upstream: Record, work: str, key: str, progress: Callable[[Progress], None] | None = None
) -> dict[str, Any]:
    """Train the second proxy that was asked for under ``key``, and return what is known of it, as JSON values."""
    area, drop = WorkArea(work), learnt_drop(upstream, work)
    folder = area.fetch(FOLDER, key, RECORD)
    left_out = json.loads((folder / ASKED).read_bytes())["left_out"]
    left_out_N = np.isin(drop.sample_ids, left_out)
    if left_out_N.sum() != len(left_out) or drop.cohorts is None:
        raise Corrupt(f"{folder / ASKED} is not about drop {drop.digest[:12]}; run the cluster stage again")
    answer_N = proxy.looking_again(drop, drop.cohorts.number, _settings(upstream), progress)(left_out_N)
    known = {"format": "telltale.look/1", "drop_digest": drop.digest, "left_out": len(left_out)}
    write_json(folder / RECORD, {**known, "answers": answer_N[left_out_N].tolist()})
    area.push(FOLDER, key, RECORD)
    return known


def _ask(upstream: Record, work: str, drop: Drop, left_out_N: NDArray[np.bool_]) -> str:
    """Return the key of a second look, having said in the work area what it leaves out."""
    area, left_out = WorkArea(work), drop.sample_ids[left_out_N].tolist()
    rests_on = [upstream["keys"]["train"], upstream["settings"]["proxy"], left_out, code_version(["proxy", "modality"])]
    key = digest_of([FOLDER, *rests_on])
    if not answered(work, key):
        place = area.path(FOLDER, key)
        place.mkdir(parents=True, exist_ok=True)
        write_json(place / ASKED, {"format": "telltale.left-out/1", "left_out": left_out})
        area.push(FOLDER, key, RECORD)
    return key


def _settings(upstream: Record) -> ProxyConfig:
    return from_dict(ProxyConfig, upstream["settings"]["proxy"], "proxy")
