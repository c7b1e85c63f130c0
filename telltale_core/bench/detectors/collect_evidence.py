"""One training, many opinions: the evidence on a drop from its training folder, computing no more than is asked for.

Features, maps and likelihoods that the training did not record (``proxy.record``) are computed from the saved proxy in
one pass and, with ``cache``, kept. Logits of every epoch cannot be had afterwards.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from telltale_core.bench.detectors.contract import Need
from telltale_core.bench.detectors.evidence import CleanSet, Evidence
from telltale_core.config import from_dict
from telltale_core.drop import Drop
from telltale_core.errors import ConfigError, NotFound
from telltale_core.losslog import LossLog
from telltale_core.proxy import (
    Fitted,
    ProxyConfig,
    can_retrain,
    leave_out_retraining,
    load_proxy,
    observe,
    read_logits,
    read_recording,
    recording_path,
)  # fmt: skip
from telltale_core.proxy.record import Train, read_train_record
from telltale_core.proxy.recording import observable, write_recording
from telltale_core.verdict import Retrain

WITHOUT_PROXY = {Need.LOSS_LOG, Need.LABELS, Need.COHORTS, Need.KNOWN_CLEAN, Need.RETRAIN, Need.LEADERS}
PASSES = {Need.FEATURES: "features", Need.MAPS: "maps", Need.NORMS: "norms"}


def gather(
    drop: Drop,
    train_dir: Path,
    needs: Iterable[Need],
    *,
    clean: CleanSet | None = None,
    known_clean: Collection[str] = (),
    cache: Path | None = None,
) -> Evidence:
    """Return the evidence that meets ``needs`` as far as there is any; what cannot be had is left out.

    ``clean`` holds inputs and labels; its features and maps are computed here. ``known_clean`` are ids of samples of
    the drop. Raises :class:`ConfigError` for an id that the drop does not have, or a clean set that does not fit it.
    """
    need_set = set(needs)
    record = read_train_record(train_dir, drop)
    model = load_proxy(train_dir) if need_set - WITHOUT_PROXY else None
    recordings = _recorded(drop, train_dir, model, sorted(need_set & set(PASSES)), cache) if model is not None else {}
    if Need.LOGITS in need_set:
        with contextlib.suppress(NotFound):  # a detector that needs them will say so
            recordings["logits"] = read_logits(train_dir, record["config"]["epochs"], drop.digest)
    settings = {name: value for name, value in record["config"].items() if name in ProxyConfig.model_fields}
    config = from_dict(ProxyConfig, {**settings, "record": []})
    return Evidence(
        sample_ids=drop.sample_ids,
        leaders=drop.leaders if Need.LEADERS in need_set else None,
        num_classes=drop.num_classes,
        modality=drop.modality,
        labels=drop.labels,
        cohorts=drop.cohorts,
        losslog=LossLog.open(train_dir / "losslog", drop=drop) if Need.LOSS_LOG in need_set else None,
        inputs=drop.inputs,
        model=model,
        retraining=config,
        retrain=_retrain(drop, config, record) if Need.RETRAIN in need_set else None,
        clean=None if clean is None or Need.CLEAN not in need_set else _with_recordings(model, clean, drop, need_set),
        known_clean=_clean_mask(drop, known_clean),
        **recordings,
    )


def _retrain(drop: Drop, config: ProxyConfig, record: Train) -> Retrain | None:
    cohorts = drop.cohorts
    if cohorts is None or not can_retrain(config, record["hardware"]["device"]):
        return None
    return leave_out_retraining(drop, cohorts.number, config)


def _recorded(drop: Drop, train_dir: Path, model: Fitted, kinds: list[Need], cache: Path | None) -> dict[str, Any]:
    recordings: dict[str, Any] = {}
    for need in kinds:
        places = [recording_path(train_dir, PASSES[need])]
        places += [] if cache is None else [cache / f"{PASSES[need]}.parquet"]
        standing = next((place for place in places if place.is_file()), None)
        if standing is not None:
            recordings[need.value] = read_recording(standing, drop.digest)
    lacking = observable(model, [PASSES[need] for need in kinds if need.value not in recordings])
    if lacking:
        recordings |= observe(model, drop.inputs, lacking)
    for kind in lacking if cache is not None else []:
        about: dict[str, object] = {"kind": kind, "drop_digest": drop.digest}
        write_recording(Path(cache or "") / f"{kind}.parquet", recordings[kind], about)
    return recordings


def _with_recordings(model: Fitted | None, clean: CleanSet, drop: Drop, needs: set[Need]) -> CleanSet:
    if clean.inputs is None or model is None:
        return clean
    if clean.inputs.shape[1:] != drop.inputs.shape[1:] or clean.inputs.dtype != drop.inputs.dtype:
        raise ConfigError(
            f"the clean set's inputs are {clean.inputs.dtype} {clean.inputs.shape[1:]}, the drop's "
            f"{drop.inputs.dtype} {drop.inputs.shape[1:]}; give samples prepared in the same way"
        )
    if len(clean) and not 0 <= clean.labels.min() <= clean.labels.max() < (drop.num_classes or 0):
        raise ConfigError(f"the clean set's labels must be in 0..{(drop.num_classes or 0) - 1}, as in the drop")
    kinds = observable(model, [PASSES[need] for need in (Need.FEATURES, Need.MAPS) if need in needs])
    recordings = observe(model, clean.inputs, kinds) if kinds else {}
    return dataclasses.replace(clean, features=recordings.get("features"), maps=recordings.get("maps"))


def _clean_mask(drop: Drop, ids: Collection[str]) -> Any:
    if not ids:
        return None
    strange = set(ids) - set(drop.sample_ids.tolist())
    if strange:
        raise ConfigError(f"{min(strange)!r} is named as known to be clean, but is no sample of the drop")
    return np.isin(drop.sample_ids, sorted(ids))
