"""A made-up past for the other scripts: what a product that retrains, releases and watches writes into its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from windlass.ledger.ledger import Ledger
from windlass.records.decision import Decision
from windlass.records.event import (
    AlarmCleared,
    AlarmRaised,
    Body,
    ChampionChanged,
    GateDecided,
    ReleaseAdvanced,
    ReleaseFinished,
    ReleaseStarted,
    RetrainDecided,
    RunFinished,
    RunLogged,
    RunStarted,
    StepFinished,
    StepStarted,
    VersionRegistered,
)
from windlass.records.lease import Fence

START = datetime(2013, 1, 1, tzinfo=UTC)
STEPS = ("extract", "check", "features", "split", "train", "evaluate", "gate", "bundle")
EVENTS_OF_A_RUN = 72
_EVERY = timedelta(hours=6)


def fill(ledger: Ledger, *, product: str, events: int, first_version: int = 1) -> int:
    """Write runs and their releases until the ledger has grown by `events`; how many there are now.

    Each run appends once, through the ledger itself: the chain is a real one.
    """
    fence = ledger.acquire("history", 3600)
    assert fence is not None
    runs = -(-events // EVENTS_OF_A_RUN)
    for number in range(runs):
        write_run(ledger, fence, product=product, number=first_version + number)
    ledger.release(fence)
    return ledger.head()


def write_run(ledger: Ledger, fence: Fence, *, product: str, number: int) -> None:
    ledger.append(*events_of_a_run(number), at=START + number * _EVERY, actor="pipeline", product=product, fence=fence)


def events_of_a_run(number: int) -> Iterator[Body]:
    """The 72 events of a training run and its release, which it needs no rows for."""
    run, version, release, alarm = f"run-{number}", f"v{number}", f"release-{number}", f"alarm-{number}"
    decision = Decision(
        judgement="gate",
        verdict="pass",
        reasons=("It is above the floor.", "It is not worse than the champion."),
        numbers={"roc_auc": 0.71, "champion": 0.70, "p": 0.04, "rows": 20_000},
        at=START,
    )
    yield AlarmRaised(alarm=alarm, signal="drift", version=f"v{number - 1}", decision=decision)
    yield RetrainDecided(decision=decision, run=run)
    yield RunStarted(run=run, trigger="drift", reason="the carriers changed")
    for step in STEPS:
        yield StepStarted(run=run, step=step, key=f"{number}-{step}")
        outputs = {"rows.arrow": f"{number:064x}"}
        yield StepFinished(run=run, step=step, key=f"{number}-{step}", seconds=0.5, outputs=outputs)
    for epoch in range(43):
        yield RunLogged(run=run, metrics={"loss": 1 / (epoch + 1)}, step=epoch)
    yield GateDecided(run=run, against=None, decision=decision)
    yield VersionRegistered(version=version, digest=f"{number:064x}", run=run, metrics={"roc_auc": 0.71})
    yield RunFinished(run=run, outcome="registered", version=version, seconds=12.5)
    yield ReleaseStarted(release=release, version=version, previous=f"v{number - 1}", run=run, plan={"shadow": 500})
    for share, stage in ((0.0, "shadow"), (0.25, "canary"), (1.0, "probation")):
        yield ReleaseAdvanced(release=release, version=version, stage=stage, share=share, decision=decision)  # type: ignore[arg-type]
    digest = f"{number:064x}"
    yield ChampionChanged(version=version, digest=digest, previous=None, release=release, reason="it passed")
    yield ReleaseFinished(release=release, version=version, outcome="promoted", decision=decision)
    yield AlarmCleared(alarm=alarm, reason="a new version answers")
