"""Restores one sample in each of several datasets, each time when told to; the race tests run it as a process."""

import sys
import time
from pathlib import Path

if __name__ == "__main__":
    from telltale_core.publish import restore

    root, rounds, sample = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    print("ready", flush=True)
    for number in range(rounds):
        while not (root / f"go-{number}").exists():
            time.sleep(0.0005)
        print(restore(root / str(number), [sample], reason="fine", by="ann").number, flush=True)
