"""Pure functions, and some that are not, which other processes import."""

import os
import signal
import time

import torch
import torch.distributed as dist

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


def endless(number: int) -> int:
    time.sleep(3600)
    return number


def refuse_setting_of_another(rank: int) -> None:
    if rank:
        raise ConfigError(f"no setting of rank {rank}")
    dist.recv(torch.zeros(1), src=1)  # as rank 0 waits for what it asked for


def refuse_setting_of_rank_0(rank: int) -> None:
    if not rank:
        raise ConfigError("no setting of rank 0")
    dist.recv(torch.zeros(1), src=0)  # as the others wait for what rank 0 asks for
