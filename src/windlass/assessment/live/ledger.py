"""What the ledger of a Windlass workspace proves. Each proof names its event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from windlass.assessment.live.proof import HOLDS_FOR, MUST_HAPPEN, Proof
from windlass.records.event import (
    AlarmRaised,
    ChampionChanged,
    DataExtracted,
    DataPinned,
    Event,
    GateDecided,
    IncidentOpened,
    ReleaseAdvanced,
    ReleaseFinished,
    ReleaseStarted,
    RunFinished,
    RunLogged,
    RunStarted,
    VersionRegistered,
    VersionReproduced,
)

WATCHED = tuple(sorted(MUST_HAPPEN))
"""All that has to happen again and again would be in the ledger."""
_PERSON = frozenset({"first", "manual", "notebook"})
_BY_ITSELF = frozenset({"data-ingestion-automated", "model-evaluation-automated", "model-validation-gate"})
"""What is a practice only where nobody has to ask for it."""
_TRAINED = ("experiment-tracking", "training-scripted", "pipeline-orchestrated")
_LEARNED = frozenset({"registered", "rejected"})
"""What becomes of a run that has fitted a model."""
_THRESHOLD = frozenset({"drift", "decay"})


def proofs_of_ledger(events: Sequence[Event]) -> Iterator[Proof]:
    """Everything that events show, the oldest first."""
    yield from _single(events)
    yield from _runs(events)
    yield from _cadence(events)


def _single(events: Sequence[Event]) -> Iterator[Proof]:
    """What one event alone shows; of a run that a person has started, not that anything happens by itself."""
    by_hand = {
        event.body.run for event in events if isinstance(event.body, RunStarted) and event.body.trigger in _PERSON
    }
    for event in events:
        body = event.body
        run = event.run or getattr(body, "run", None)
        for kind, practices, why in _SHOWN:
            if isinstance(body, kind):
                shown = [name for name in practices if run not in by_hand or name not in _BY_ITSELF]
                yield from (_proof(practice, event, why) for practice in shown)
        if isinstance(body, AlarmRaised):
            name = {
                "drift": "drift-monitoring",
                "decay": "model-performance-monitoring",
                "service": "service-monitoring",
            }
            if body.signal in name:
                yield _proof(name[body.signal], event, f"an alarm of {body.signal}")
        if isinstance(body, ReleaseAdvanced) and body.stage in ("shadow", "canary"):
            yield _proof("online-experiment", event, f"a release in {body.stage}")
            yield _proof("progressive-rollout", event, f"a release in {body.stage}")
        if isinstance(body, ReleaseFinished) and body.outcome == "rolled_back":
            yield _proof("rollback-service-model", event, f"{body.version} was rolled back")


_SHOWN: tuple[tuple[type, tuple[str, ...], str], ...] = (
    (RunLogged, ("experiment-tracking", "tracking-centralized"), "a run wrote to the ledger"),
    (DataExtracted, ("data-ingestion-automated",), "a run extracted rows"),
    (DataPinned, ("data-versioned", "data-lineage"), "a training set was pinned by its digest"),
    (GateDecided, ("model-validation-gate", "model-evaluation-automated"), "a gate decided"),
    (VersionRegistered, ("model-registry", "model-versioned", "run-metadata-lineage"), "a version was registered"),
    (ChampionChanged, ("serve-from-registry", "model-serving"), "a version of the registry answers"),
    (IncidentOpened, ("incident-automation", "alerting-on-model"), "an incident was opened"),
    (VersionReproduced, ("reproducible-training",), "a version was trained again and compared"),
)


def _runs(events: Iterable[Event]) -> Iterator[Proof]:
    """What the events of one run show together: who started it, whether it was judged, and what became of it."""
    by_run: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        run = event.run or getattr(event.body, "run", None)
        if run:
            by_run[run].append(event)
    promoted = {
        event.body.release: event
        for event in events
        if isinstance(event.body, ReleaseFinished) and event.body.outcome == "promoted"
    }
    for run, own in by_run.items():
        started = next((each for each in own if isinstance(each.body, RunStarted)), None)
        finished = next((each for each in own if isinstance(each.body, RunFinished)), None)
        if started is None or finished is None or not isinstance(started.body, RunStarted):
            continue
        if not isinstance(finished.body, RunFinished) or finished.body.outcome not in _LEARNED:
            continue
        if finished.body.outcome == "registered":
            why = f"run {run} trained in steps that are kept, logged its metrics, and made {finished.body.version}"
            yield from (_proof(name, finished, why) for name in _TRAINED)
        trigger = str(started.body.trigger)
        if trigger in _PERSON:
            continue
        yield _proof("training-automated", finished, f"run {run} was started by {trigger}")
        if trigger in ("schedule", "volume"):
            name = "ct-trigger-schedule" if trigger == "schedule" else "ct-trigger-data"
            yield _proof(name, finished, f"run {run} was started by {trigger}")
        if trigger in _THRESHOLD:
            yield _proof("ct-trigger-threshold", finished, f"run {run} was started by {trigger}")
        gated = any(isinstance(each.body, GateDecided) and each.body.decision.verdict == "pass" for each in own)
        releases = [each.body.release for each in own if isinstance(each.body, ReleaseStarted)]
        done = next((promoted[name] for name in releases if name in promoted), None)
        if gated and done is not None:
            yield _proof("model-release-automated", done, f"what run {run} made passed its gate and was promoted")
            yield _proof("train-serve-linked", done, f"what run {run} made was promoted")
            if trigger in _THRESHOLD:
                why = f"{trigger} started run {run}, its gate passed, and its version was promoted"
                yield _proof("closed-loop-retraining", done, why)


def _cadence(events: Iterable[Event]) -> Iterator[Proof]:
    changes = [event for event in events if isinstance(event.body, ChampionChanged)]
    if changes and _since(changes, changes[-1].at - HOLDS_FOR) >= 3:
        yield _proof("release-cadence", changes[-1], "at least monthly another version answered")


def _since(events: Iterable[Event], moment: datetime) -> int:
    return sum(event.at >= moment for event in events)


def _proof(practice: str, event: Event, why: str) -> Proof:
    return Proof(practice=practice, at=event.at, where=f"ledger:{event.sequence}", why=f"{why} ({event.kind})")
