"""One stage of the pipeline, and the one way in which all of them run: key, lock, look, compute, keep.

A stage's result lies in a folder of the work area, named by the digest of what it depends on. A folder that holds its
record is complete, and is never computed again: that alone says whether a result stands. A stage that is killed leaves
no record, and is simply run again.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from telltale_core.config import from_dict, to_dict
from telltale_core.digest import code_version, digest_of
from telltale_core.errors import BadInput, ConfigError, NotFound, StorageError
from telltale_core.scale import on_ranks, using
from telltale_core.stages import sources
from telltale_core.stages.checkpointing import saving
from telltale_core.stages.inputs import Context, Inputs, Place, Record, Settings
from telltale_core.storage import WorkArea

log = logging.getLogger(__name__)


Compute = Callable[[Any, Any, Any, Context], Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage(Place):
    """A step of the pipeline. Called with a record of what it rests on, it returns its own.

    ``compute(inputs, config, out, context)`` knows of no cache: it opens ``inputs`` (of the first stage: the source's
    address) and leaves its result in the folder ``out``, the record last. A stage without ``folder`` writes to the
    run's destination, which it is given as ``out``, and finds there what it wrote before.
    """

    settings: str
    """Its table in the settings of a run, such as ``"proxy"``."""
    config: type[Any]
    rests_on: tuple[Stage, ...] = ()
    """The stages of which one must have made the record that it is called with; none: it reads the source."""
    compute: Compute
    upstream_key: Callable[[Any, Any], str] = lambda upstream, _config: str(upstream["key"])
    """What of the upstream record, or of the source, the result depends on."""
    deciding: Callable[[Any], dict[str, Any]] = to_dict
    """The settings on which the result depends, as JSON values."""
    by_content: bool = False
    """Whether its folder is named by its content, which only the computing tells; ``compute`` returns the drop."""
    resumes: bool = False
    """Whether a folder without its record is worth going on from, on this machine or another."""

    def __call__(self, upstream: Record | str, work: str, settings: Settings, **context: Any) -> Record:
        """Return the record of the stage, computed unless it stands; ``context`` as in :class:`Context`."""
        return run_stage(self, upstream, work, settings, Context(**context)).record

    def inputs(self, upstream: Record, work: str) -> Inputs:
        """Return what opens the results of the stages that this one rests on; :class:`ConfigError` for others."""
        if upstream["stage"] not in [stage.name for stage in self.rests_on]:
            names = " or ".join(stage.name for stage in self.rests_on)
            raise ConfigError(f"the stage {self.name} needs the record of {names}, got that of {upstream['stage']}")
        return Inputs(record=upstream, work=work, places=_all(self.rests_on))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A stage's record, and whether its result stood already."""

    record: Record
    reused: bool


def run_stage(
    stage: Stage, upstream: Record | str, work: str, settings: Settings, context: Context | None = None
) -> Outcome:
    """Return the record of a stage, whose result then stands; ``upstream`` is a record, or the source's address.

    Raises :class:`BadInput` ``source_changed`` where a source changed while it was read: the drop would not be the one
    that the key names, however often it is tried. A new run has a new key.
    """
    config, context = _typed(stage, settings), context or Context()
    inputs = upstream if isinstance(upstream, str) else stage.inputs(upstream, work)
    if not stage.folder:
        return Outcome(record=stage.compute(inputs, config, context.destination, context), reused=False)
    key = key_for(stage, upstream, settings)

    def compute(area: WorkArea) -> None:
        if stage.by_content:
            drop = stage.compute(inputs, config, area.root / stage.folder, context)
            if key_for(stage, upstream, settings) != key:
                message = f"{upstream} changed while it was read; run again once its upload is complete"
                raise BadInput("source_changed", message)
            sources.keep(stage, key, drop, area)
            return
        computation = _Computation(stage=stage, key=key, inputs=inputs, config=config, work=work)
        if stage.resumes and context.scale.engine == "ray" and context.scale.workers > 1:
            on_ranks(computation.on_rank, context.scale)
        else:
            computation.keep(area, context)

    with using(context.scale):
        return produce(stage, key, upstream, settings, work, compute=compute)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Computation:
    """What fills a stage's folder: in this process, or as one of several ranks on any host."""

    stage: Stage
    key: str
    inputs: Any
    config: Any
    work: str

    def keep(self, area: WorkArea, context: Context) -> None:
        """Compute the result and push it; of a stage that resumes, after each epoch, too."""
        place = self.stage.folder, self.key, self.stage.record
        save, resumes = functools.partial(area.push, *place), self.stage.resumes
        if resumes:
            with contextlib.suppress(NotFound):
                area.fetch(*place)  # another machine's checkpoint
        with saving(save, context) if resumes else contextlib.nullcontext(context) as stage_context:
            self.stage.compute(self.inputs, self.config, area.path(*place[:2]), stage_context)
        save()

    def on_rank(self, rank: int) -> None:
        """Compute as one of several processes: rank 0 alone fetches, keeps and removes."""
        area = WorkArea(self.work)
        if rank == 0:
            self.keep(area, Context())
        else:
            self.stage.compute(self.inputs, self.config, area.path(self.stage.folder, self.key), Context())


def key_for(stage: Stage, upstream: Record | str, settings: Settings) -> str:
    """Return the key of a stage's result; ``upstream`` is a record, or the source's address."""
    config = _typed(stage, settings)
    rests_on = stage.upstream_key(upstream, config)
    return digest_of([stage.name, rests_on, stage.deciding(config), code_version(stage.packages)])


def standing(stage: Stage, key: str, upstream: Record | str, settings: Settings, work: str) -> Record | None:
    """Return the record of a stage whose result is complete in the work area, or None."""
    area = WorkArea(work)
    if isinstance(upstream, str):
        source = sources.find(stage, key, area)
        if source is None:
            return None
        key, upstream = source["drop_digest"], {"keys": {}, "settings": {}, "origin": source["origin"]}
    if not area.has(stage.folder, key, stage.record):
        return None
    return {
        "format": "telltale.stage/1",
        "stage": stage.name,
        "key": key,
        "keys": {**upstream["keys"], stage.name: key},
        "settings": {**upstream["settings"], stage.settings: stage.deciding(_typed(stage, settings))},
        "origin": upstream["origin"],
    }  # where the work area lies is left out: it differs from host to host


def produce(
    stage: Stage,
    key: str,
    upstream: Record | str,
    settings: Settings,
    work: str,
    *,
    compute: Callable[[WorkArea], None],
) -> Outcome:
    """Return the record of a stage, its result computed unless it stands: on one host by one run at a time."""
    area = WorkArea(work)
    with _alone(stage, key, area):
        record = standing(stage, key, upstream, settings, work)
        log.info("%s: %s", stage.name, "reused, nothing to compute" if record else "started")
        if record is not None:
            area.renew(stage.folder, record["key"], stage.record)
            if stage.by_content:
                area.renew(stage.name, key, f"{stage.name}.json")  # the note that leads to it
            return Outcome(record=record, reused=True)
        compute(area)
        computed = standing(stage, key, upstream, settings, work)
    if computed is None:
        raise StorageError(f"{stage.name} {key[:12]} is computed, but its {stage.record} is not in {work}: run again")
    return Outcome(record=computed, reused=False)


@contextlib.contextmanager
def _alone(stage: Stage, key: str, area: WorkArea) -> Iterator[None]:
    """Hold the lock of a result, which the system frees when a process dies."""
    with area.lock(f"{stage.name}-{key}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _typed(stage: Stage, settings: Settings) -> Any:
    return from_dict(stage.config, settings, stage.settings)


def _all(stages: Iterable[Stage]) -> dict[str, Stage]:
    """Return these stages and all that they rest on, by name."""
    by_name: dict[str, Stage] = {}
    for stage in stages:
        by_name |= {**_all(stage.rests_on), stage.name: stage}
    return by_name
