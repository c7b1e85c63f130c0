"""What an operator decides about a registration."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from deployments.pools import Kind
from deployments.turns import Turn
from flows import names
from flows.start_run import Feed
from telltale_core.drop.source_url import check_url
from telltale_core.errors import ConfigError
from telltale_core.storage.names import Location, parse_url


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an operator decides: addresses, types of pools, GPUs, the image of container pools, the form's defaults.

    ``cpu_runs``, ``config`` and ``turns`` (by dataset): None leaves what stands, and is no limit, no defaults and no
    queues of datasets where nothing does.
    """

    feed: Feed
    work: str
    results: str
    cpu_type: Kind = "process"
    gpu_type: Kind = "process"
    gpus: int = 1
    cpu_runs: int | None = None
    image: str = ""
    config: Mapping[str, Any] | None = None
    turns: Mapping[str, Turn] | None = None

    def __post_init__(self) -> None:
        check_url(self.work)
        parse_url(self.work)
        _check_apart(inbox=self.feed.inbox, clean=self.feed.clean, work=self.work)
        if self.gpus < 1:
            raise ConfigError(f"gpus must be >= 1, got {self.gpus}")
        if self.cpu_runs is not None and self.cpu_runs < 1:
            raise ConfigError(f"cpu-runs must be >= 1, got {self.cpu_runs}")

    @property
    def pending_s(self) -> float:
        """Return after how long a run that is about to start is lost: not before a node could have come up for it."""
        in_place = self.cpu_type == self.gpu_type == "process"
        return names.PENDING_S if in_place else names.PENDING_S + names.SCALE_UP_S

    @property
    def results_block(self) -> str:
        """Return how runs name the result storage."""
        return f"{'local' if parse_url(self.results).scheme == 'file' else 'remote'}-file-system/{names.RESULTS_BLOCK}"


def _check_apart(**areas: str) -> None:
    """Raise :class:`ConfigError` where an area is another's, or lies in it: what one holds, the other would read."""
    places: dict[str, Location] = {}
    for area, url in areas.items():
        with contextlib.suppress(ConfigError):  # an inbox may lie where no dataset can, such as gs://
            places[area] = parse_url(url)
    for (name, one), (other, two) in itertools.permutations(places.items(), 2):
        if one.scheme == two.scheme and f"{two.path}/".startswith(f"{one.path}/"):
            how = "are the same place" if one.path == two.path else f"contain each other: {two.url} lies in {one.url}"
            raise ConfigError(f"--{name} and --{other} {how}; give each a folder of its own, such as .../{other}")
