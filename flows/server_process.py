"""The process of a temporary Prefect server: uvicorn, and a thread that ends it when its command is gone.

``python server_process.py PARENT ARGUMENTS``: the parent's process id, and uvicorn's arguments. A command that is
killed cannot end its server; here the server looks by itself.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time

LOOK_EVERY_S = 0.2


def main() -> None:
    """Run uvicorn with the arguments after the parent's id."""
    parent = int(sys.argv[1])
    threading.Thread(target=_end_after, args=(parent,), daemon=True, name="look for the parent").start()
    sys.argv = ["uvicorn", *sys.argv[2:]]
    runpy.run_module("uvicorn", run_name="__main__", alter_sys=True)


def _end_after(parent: int) -> None:
    while os.getppid() == parent:  # an orphan is given to another parent
        time.sleep(LOOK_EVERY_S)
    os._exit(0)  # at once: nobody is there to be served, and SQLite's database stands it


if __name__ == "__main__":
    main()
