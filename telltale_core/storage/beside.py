"""One file written into a folder that a stranger may write to as well: no link of theirs is followed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from telltale_core.storage.names import parse_url
from telltale_core.storage.store import open_store


def write_beside(folder: str, name: str, data: bytes) -> None:
    """Write a file whole into a local folder or below an address, over one of that name.

    Of a local folder nothing but that name is touched. Raises :class:`OSError` where it is no folder, or a link.
    """
    if parse_url(folder).scheme != "file":
        open_store(folder).write(name, data)
        return
    path = Path(folder.removeprefix("file://")).expanduser().absolute()  # as it is named: a link stays one
    with written_beside(path, name) as file:
        file.write(data)


@contextmanager
def written_beside(folder: Path, name: str) -> Iterator[BinaryIO]:
    """Give a new file of a folder that takes its name once it is whole and on disk; on any error nothing is left."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    temporary = f".{uuid.uuid4().hex}"
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=place)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name, src_dir_fd=place, dst_dir_fd=place)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=place)
        raise
    finally:
        os.close(place)
