"""Which run a new one takes up."""

from __future__ import annotations

from datetime import datetime, timedelta

from windlass.ledger.ledger import Ledger
from windlass.records.event import Event, RunFailed, RunFinished, RunStarted

FRESH = timedelta(days=1)
"""An unfinished run that began longer ago, in event time, is left: its extract would miss what has come since."""
_LOOK_BACK = 100
DATA_STEPS = frozenset({"extract", "pin", "check"})
"""Steps that see the world. Where one of them failed, what has to be mended may lie there and in no file of ours."""


def unfinished_run(ledger: Ledger, product: str, *, now: datetime) -> tuple[str, str] | None:
    """The last training run of `product` if it never finished, and the run at the start of its chain of resumptions.

    Steps that must see the world anew in each run (extract, pin) are keyed by the start of the chain. A run whose data
    could not be used is not taken up: the next one must ask for the data again.
    """
    events = ledger.events([RunStarted], product=product, newest=_LOOK_BACK)
    started = {body.run: (body, event) for event in events if (body := _training(event)) is not None}
    if not started:
        return None
    last = list(started)[-1]
    if ledger.events([RunFinished], product=product, subject=last, newest=1):
        return None
    failed = ledger.events([RunFailed], product=product, subject=last, newest=1)
    if any(isinstance(event.body, RunFailed) and event.body.step in DATA_STEPS for event in failed):
        return None
    first = last
    while (resumes := started[first][0].resumes) is not None and resumes in started:
        first = resumes
    if now - started[first][1].at > FRESH:
        return None
    return last, first


def _training(event: Event) -> RunStarted | None:
    body = event.body
    return body if isinstance(body, RunStarted) and body.trigger != "notebook" else None
