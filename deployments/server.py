"""The server that a command of this package speaks to: it must be one of your own, and answer."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from telltale_core.errors import ConfigError, StorageError, Transient


@contextlib.contextmanager
def own_server(command: str) -> Iterator[None]:
    """Turn what the server refuses, or does not answer, into errors of ours; :class:`ConfigError` where none is set."""
    import httpx
    from prefect.deployments.runner import DeploymentApplyError

    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError(
            f"{command} needs a Prefect server of your own: start one (prefect server start) and set PREFECT_API_URL"
        )
    try:
        yield
    except httpx.HTTPStatusError as error:
        answer, request = error.response.status_code, f"{error.request.method} {error.request.url.path}"
        if answer in (401, 403):
            raise ConfigError(
                f"the Prefect server answered {answer}: is PREFECT_API_AUTH_STRING the server's?"
            ) from error
        raise StorageError(f"the Prefect server answered {answer} to {request}; its log says why") from error
    except DeploymentApplyError as error:
        raise StorageError(f"the Prefect server refused a deployment: {error}") from error
    except httpx.HTTPError as error:
        message = f"the Prefect server did not answer ({type(error).__name__}): start it, or mend PREFECT_API_URL"
        raise Transient(message) from error
