"""What a remote filesystem raises, as Telltale's errors."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from telltale_core.errors import ConfigError, NotFound, OverBudget, TelltaleError, Transient

DENIED = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "PermissionError"}


@contextlib.contextmanager
def remote_errors(url: str) -> Iterator[None]:
    """Turn what a remote filesystem raises into Telltale's errors, without its text, which may hold keys."""
    try:
        yield
    except TelltaleError:
        raise
    except FileNotFoundError as error:
        raise NotFound(f"{url}: no such bucket, object or prefix") from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise OverBudget(
                f"{url}: no room for its copy ({os.strerror(error.errno)}): make room, then run again"
            ) from error
        raise _failure(url, error) from error
    except ImportError as error:
        raise ConfigError(f"{url}: the driver is not installed; for S3: pip install 'telltale-cleanse[s3]'") from error
    except Exception as error:
        raise _failure(url, error) from error


def _failure(url: str, error: Exception) -> TelltaleError:
    kind = type(error).__name__
    if kind in DENIED:
        return ConfigError(f"{url}: access denied ({kind}); credentials come from the environment")
    return Transient(f"{url}: the store failed ({kind})")
