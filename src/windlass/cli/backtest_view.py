"""What `windlass backtest` shows: a bar while it works, a table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from windlass.backtest.policies import NAMES
from windlass.backtest.summary import summary_of
from windlass.cli.output import console

if TYPE_CHECKING:
    from rich.progress import TaskID

    from windlass.backtest.result import BacktestResult


class Display:
    """A bar for each policy on standard error; nothing where nobody looks."""

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        screen = console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]:<7}"),
            TimeElapsedColumn(),
            console=screen,
            disable=quiet or not screen.is_terminal,
        )
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, policy: str, done: int, total: int) -> None:
        """Called when a policy begins, and when it has finished a window."""
        if policy not in self._bars:
            unit = "windows" if policy in NAMES else ""
            self._bars[policy] = self._progress.add_task(policy, total=total, unit=unit)
        self._progress.update(self._bars[policy], completed=done)


def print_result(result: BacktestResult, *, title: str, written: Sequence[Path] = ()) -> None:
    """The table of policies, what it means, and where more is."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    summary = summary_of(result)
    screen = console()
    table = Table(title=escape(title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(summary.headings):
        table.add_column(heading, justify="left" if number == 0 else "right")
    for row, strong in zip(summary.rows, summary.strong, strict=True):
        table.add_row(*row, style="bold" if strong else None)
    screen.print(table)
    for sentence in (*summary.sentences, *result.notes):
        screen.print(f"[dim]{escape(sentence)}[/dim]")
    for path in written:
        screen.print(f"written: {escape(str(path))}")
