"""A run that another process works on, as the ledger tells it."""

from __future__ import annotations

import time
from collections.abc import Callable

from windlass.ledger.ledger import Ledger
from windlass.pipeline.steps.progress import Emit, ProgressMessage
from windlass.records.event import Event, RunFailed, RunFinished, RunStarted, StepFailed, StepFinished, StepStarted

_BLINK = 0.1  # seconds between two looks at the ledger
_GONE = 30
"""Looks in a row at which nobody holds the lease, after which nobody is going to take over: it takes one less long."""


def follow(
    ledger: Ledger, product: str, *, after: int, show: Emit, rest: Callable[[float], None] = time.sleep
) -> str | None:
    """Show the first run that was started by hand after the event `after`, until its end.

    A run that takes it up, after its holder was killed, is followed in its place. The name of the run that came to an
    end; None when there is nobody left who could bring it to one.
    """
    run: str | None = None
    alone = 0
    while alone < _GONE:
        ended: str | None = None
        for event in ledger.events(product=product, after=after):
            after = event.sequence
            body = event.body
            if isinstance(body, RunStarted) and body.trigger == "manual" and (run is None or body.resumes == run):
                run, ended = body.run, None  # that the one before is over is part of the same write
            if run is None or event.run != run:
                continue
            if isinstance(body, RunFinished | RunFailed):
                ended = run
            message = _progress(event, run)
            if message is not None:
                show(message)
        if ended is not None:
            return ended
        alone = alone + 1 if ledger.lease() is None else 0
        rest(_BLINK)
    return None


def _progress(event: Event, run: str) -> ProgressMessage | None:
    """What the run itself would have said."""
    body = event.body
    if isinstance(body, StepStarted):
        return ProgressMessage(run=run, step=body.step, state="started")
    if isinstance(body, StepFailed):
        return ProgressMessage(run=run, step=body.step, state="failed", text=body.message)
    if not isinstance(body, StepFinished):
        return None
    rows = body.summary.get("rows")
    return ProgressMessage(
        run=run,
        step=body.step,
        state="reused" if body.reused else "finished",
        seconds=body.seconds,
        rows=rows if isinstance(rows, int) else None,
        text=str(body.summary.get("note", "")),
    )
