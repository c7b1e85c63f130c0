"""The script ``telltale`` (also ``python -m flows``): without the extra ``flows`` it ends in one line that says so."""

from __future__ import annotations

import sys

EXTRA = ("typer", "rich")


def main() -> None:
    """Run the command line; exit code 1 where the libraries that it is made of are not installed."""
    try:
        from flows.cli import main as run
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        sys.exit(f'error: {error.name} is not installed; for the command line: pip install "telltale-cleanse[flows]"')
    run()


if __name__ == "__main__":
    main()
