from __future__ import annotations

import pytest

from windlass.app.follow import follow
from windlass.pipeline.steps.progress import ProgressMessage
from windlass.records.event import RunFailed, RunFinished, RunStarted, StepFailed, StepFinished, StepStarted

from .conftest import PRODUCT, Office  # type: ignore[import-not-found]


def started(run: str, trigger: str = "manual") -> RunStarted:
    return RunStarted(run=run, trigger=trigger, reason="because")  # type: ignore[arg-type]


def finished(run: str, step: str, **keywords: object) -> StepFinished:
    return StepFinished(run=run, step=step, key="k", seconds=2.0, outputs={}, **keywords)  # type: ignore[arg-type]


def shown(office: Office, *, after: int) -> tuple[str | None, list[ProgressMessage]]:
    messages: list[ProgressMessage] = []
    return follow(office.ledger, PRODUCT, after=after, show=messages.append, rest=office.rest), messages


def test_the_run_asked_for_is_shown_as_it_would_show_itself(office: Office) -> None:
    fence, before = office.hold("controller", 1000), office.ledger.head()
    office.write(
        started("r0", "schedule"),
        finished("r0", "extract"),
        started("r1"),
        StepStarted(run="r1", step="extract", key="k"),
        finished("r1", "extract", summary={"rows": 7, "note": "7 new"}),
        finished("r1", "train", reused="r0"),
        StepFailed(run="r1", step="gate", key="k", error="E", message="it raised"),
        RunFailed(run="r1", step="gate", error="E", message="it raised"),
        fence=fence,
    )
    run, messages = shown(office, after=before)
    assert run == "r1"
    told = [(each.step, each.state, each.rows, each.text) for each in messages]
    assert told == [
        ("extract", "started", None, ""),
        ("extract", "finished", 7, "7 new"),
        ("train", "reused", None, ""),
        ("gate", "failed", None, "it raised"),
    ]


def test_what_comes_while_one_follows_is_shown_too(office: Office) -> None:
    fence, before = office.hold("controller", 1000), office.ledger.head()
    coming = [started("r1"), finished("r1", "extract"), RunFinished(run="r1", outcome="rejected", seconds=1.0)]
    office.meanwhile = lambda: office.write(coming.pop(0), fence=fence)
    run, messages = shown(office, after=before)
    assert (run, [each.step for each in messages], coming) == ("r1", ["extract"], [])


def test_the_run_that_takes_it_up_is_followed_in_its_place(office: Office) -> None:
    fence, before = office.hold("controller", 1000), office.ledger.head()
    office.write(started("r1"), finished("r1", "extract"), fence=fence)
    office.write(
        RunFailed(run="r1", step=None, error="EngineError", message="its process ended"),
        RunStarted(run="r2", trigger="manual", reason="takes up r1", resumes="r1"),
        fence=fence,
    )
    office.write(finished("r2", "train"), RunFinished(run="r2", outcome="registered", seconds=1.0), fence=fence)
    run, messages = shown(office, after=before)
    assert (run, [each.step for each in messages]) == ("r2", ["extract", "train"])


@pytest.mark.parametrize("seconds", [2.0, 60.0])
def test_it_ends_when_there_is_nobody_left_to_end_the_run(office: Office, seconds: float) -> None:
    fence, before = office.hold("controller", seconds), office.ledger.head()
    office.write(started("r1"), fence=fence)
    run, _ = shown(office, after=before)
    assert run is None
    assert seconds < office.seconds < seconds + 4
