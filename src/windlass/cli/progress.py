"""Work while it goes on: a training run, one line a step and the present one turning; a file, as a bar."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from windlass.cli.output import console

if TYPE_CHECKING:
    from windlass.pipeline.steps.progress import ProgressMessage


class RunDisplay:
    """Prints finished steps above and shows the one at work below; plain lines where there is no terminal."""

    _MARKS = {
        "finished": "[green]✓[/green]",
        "reused": "[blue]↺[/blue]",
        "failed": "[red]✗[/red]",
        "note": "[dim]·[/dim]",
    }

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._status = self._console.status("starting")

    def __enter__(self) -> RunDisplay:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._status.stop()

    def say(self, text: str) -> None:
        """A line of its own, beside what the run tells."""
        self._console.print(f"windlass: {text}", markup=False)

    def show(self, message: ProgressMessage) -> None:
        """Called with each message of the run."""
        if message.state == "started":
            self._status.update(f"[bold]{message.step}[/bold] ...")
            return
        seconds = f"[dim]{message.seconds:6.2f} s[/dim]" if message.seconds else " " * 8
        rows = f"[dim]{message.rows:,} rows[/dim] " if message.rows is not None else ""
        # Why a step failed is said at the end, with the place and the remedy.
        text = "" if message.state == "failed" else message.text.replace("[", r"\[")
        self._console.print(f"{self._MARKS[message.state]} {message.step:<10}{seconds}  {rows}{text}")


class RowsDisplay:
    """A bar of how much of a file is done, on standard error; nothing where there is no terminal."""

    def __init__(self, name: str) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        shown = console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
            TimeRemainingColumn(),
            console=shown,
            disable=not shown.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task(name.replace("[", r"\["), total=1.0, rows=0)

    def __enter__(self) -> RowsDisplay:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, rows: int, share: float) -> None:
        """`rows` are done, and this share of the file."""
        self._bar.update(self._task, completed=share, rows=rows)
