"""How a run begins, and which one it takes up."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import takewhile

from windlass.ledger.ledger import Ledger
from windlass.records.event import Event, RunFailed, RunFinished, RunStarted, Trigger

FRESH = timedelta(days=1)
"""An unfinished run that began longer ago, in event time, is left: its extract would miss what has come since."""
_LOOK_BACK = 100
_Started = dict[str, tuple[RunStarted, Event]]
"""The product's training runs by their names, in the order in which they began."""
DATA_STEPS = frozenset({"extract", "pin", "check"})
"""Steps that see the world. Where one of them failed, what has to be mended may lie there and in no file of ours."""


def beginning(
    ledger: Ledger, product: str, *, run: str, trigger: Trigger, reason: str, now: datetime, force: bool = False
) -> RunStarted:
    """The event that begins `run`, and says which one it takes up.

    Whoever decides to train writes it, together with what made him decide: from then on the run is known, and whoever
    follows a holder that is killed finds it, also if nobody has begun to work on it.
    """
    resumes = unfinished_run(ledger, product, now=now)
    return RunStarted(run=run, trigger=trigger, reason=reason, resumes=resumes, force=force)


def unfinished_run(ledger: Ledger, product: str, *, now: datetime) -> str | None:
    """The last training run of `product`, if it never finished.

    A run whose data could not be used is not taken up: the next one must ask for the data again.
    """
    started = _started(ledger, product)
    if not started:
        return None
    last = list(started)[-1]
    if ledger.events([RunFinished], product=product, subject=last, newest=1):
        return None
    failed = ledger.events([RunFailed], product=product, subject=last, newest=1)
    if any(isinstance(event.body, RunFailed) and event.body.step in DATA_STEPS for event in failed):
        return None
    if now - started[_chain(started, last)[-1]][1].at > FRESH:
        return None
    return last


def chain_of(ledger: Ledger, product: str, run: str) -> list[str]:
    """`run`, the one that it takes up, the one that that one takes up, and so on to where it all began.

    Steps that must see the world anew in each run (extract, pin) are keyed by the last of them.
    """
    return _chain(_started(ledger, product), run)


def trusted_by(ledger: Ledger, product: str, run: str) -> frozenset[str] | None:
    """The runs whose finished steps `run` may take over; None: any.

    One that is to do everything again, and was interrupted, has done a part of it: whoever takes it up does the rest.
    """
    started = _started(ledger, product)
    if run not in started or not started[run][0].force:
        return None
    return frozenset(takewhile(lambda each: each in started and started[each][0].force, _chain(started, run)))


def _started(ledger: Ledger, product: str) -> _Started:
    events = ledger.events([RunStarted], product=product, newest=_LOOK_BACK)
    return {body.run: (body, event) for event in events if (body := _training(event)) is not None}


def _chain(started: _Started, run: str) -> list[str]:
    chain = [run]
    while chain[-1] in started and (resumes := started[chain[-1]][0].resumes) is not None and resumes in started:
        chain.append(resumes)
    return chain


def _training(event: Event) -> RunStarted | None:
    body = event.body
    return body if isinstance(body, RunStarted) and body.trigger != "notebook" else None
