"""Pure functions, and some that are not, which other processes import."""

import os
import signal
import time

from telltale_core.errors import ConfigError


def square(number: int) -> int:
    return number * number


def slow_first(number: int) -> int:
    time.sleep(0.2 if number == 0 else 0)
    return number


def refuse(number: int) -> int:
    raise ValueError(f"no {number}")


def killed(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def process(_number: int) -> int:
    return os.getpid()


def killed_once(path: str) -> str:
    try:
        os.open(path, os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return path
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def slowly(number: int) -> int:
    time.sleep(0.5)
    return number


def refuse_setting(rank: int) -> None:
    raise ConfigError(f"no setting of rank {rank}")
