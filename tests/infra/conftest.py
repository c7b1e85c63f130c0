from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import roles


@pytest.fixture(scope="module")
def client() -> Iterator[Callable[..., Any]]:
    """A client by role and service, on a server that asks who is calling."""
    pytest.importorskip("boto3")
    with roles.enforcing() as clients:
        yield clients
