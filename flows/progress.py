"""How a command shows a training: a bar on a terminal, a plain line an epoch elsewhere, nothing with ``--json``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flows.console import silent, stderr

if TYPE_CHECKING:
    from rich import progress as rich_progress
    from rich.console import Console

    from telltale_core.proxy.progress import Progress, ProgressCallback


@contextlib.contextmanager
def training_progress(console: Console | None = None) -> Iterator[ProgressCallback | None]:
    """Yield what a training is to be told to; None where nothing is shown."""
    from telltale_core.proxy.progress import ProgressLines

    console = console or stderr()
    if silent.get():
        yield None
    elif not console.is_terminal or console.is_dumb_terminal:
        yield ProgressLines(console.file)  # type: ignore[arg-type]  # a text stream, says rich with a type of its own
    else:
        bar = _bar(console)
        try:
            yield _Shown(bar)
        finally:
            with contextlib.suppress(OSError):  # the terminal is closed, perhaps
                bar.stop()


class _Shown:
    """A progress callback that draws a bar, one for each training."""

    def __init__(self, bar: rich_progress.Progress) -> None:
        from telltale_core.proxy.progress import TrainingState

        self.bar = bar
        self.state = TrainingState()
        self.task: rich_progress.TaskID | None = None

    def __call__(self, progress: Progress) -> None:
        self.state.see(progress)
        if self.task is None:
            self.bar.start()
            self.task = self.bar.add_task("training", total=1.0, text="")
        self.bar.update(self.task, completed=self.state.share, text=self.state.text, refresh=True)
        if self.state.finished:
            self.task = None


def _bar(console: Console) -> rich_progress.Progress:
    """Return a bar that is redrawn when it is told something: without a thread, a signal finds none at work."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(ratio=1, no_wrap=True)),  # what is left
    )
    return Progress(*columns, console=console, auto_refresh=False, expand=True)
