"""The settings of runs as a flow takes them: what Prefect's form shows, checked with the errors of the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator

from telltale_core.config import Settings, from_dict
from telltale_core.proxy import ProxyConfig
from telltale_core.scale import ScaleConfig
from telltale_core.stages import RunConfig

M = TypeVar("M", bound=Settings)


def _validator(cls: type[M], where: str) -> Callable[[Any], M]:
    """Return what makes settings of a form's values; of None, too, which deployments of earlier releases hold."""

    def take(values: Any) -> M:
        return values if isinstance(values, cls) else from_dict(cls, {} if values is None else values, where)

    return take


Run = Annotated[RunConfig, BeforeValidator(_validator(RunConfig, "config"))]
Training = Annotated[ProxyConfig, BeforeValidator(_validator(ProxyConfig, "settings"))]
Scale = Annotated[ScaleConfig, BeforeValidator(_validator(ScaleConfig, "scale"))]
DEFAULTS = RunConfig()
ALONE = ScaleConfig()
