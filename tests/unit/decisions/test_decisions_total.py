"""Every judgement answers, in plain numbers and whole sentences, whatever it is given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from windlass.decisions.answers import Answers, ReleaseEvidence, Stream
from windlass.decisions.decay import DecayEvidence, decide_decay
from windlass.decisions.drift import ColumnDrift, DriftEvidence, Effect, decide_drift
from windlass.decisions.figures import decision
from windlass.decisions.gate import GateEvidence, decide_gate
from windlass.decisions.loss_reference import summarise_losses
from windlass.decisions.release import decide_release
from windlass.decisions.retrain import RetrainEvidence, decide_retrain
from windlass.decisions.rollback import RollbackEvidence, decide_rollback
from windlass.decisions.slowness import Stretches
from windlass.decisions.statistics.metrics import NAMES
from windlass.decisions.statistics.paired_losses import PairedLosses
from windlass.product.policy import Gate, Release, Retrain
from windlass.records.decision import Decision

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ANY = st.floats(width=64)  # NaN and infinities included
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def check(found: Decision, verdicts: set[str]) -> None:
    assert found.verdict in verdicts
    assert found.reasons
    assert all(not reason[0].islower() and reason.endswith(".") for reason in found.reasons), found.reasons
    assert "nan" not in msgspec.json.encode(found.numbers).decode().lower()
    assert msgspec.json.decode(msgspec.json.encode(found), type=Decision) == found


@st.composite
def gate_evidence(draw: st.DrawFn) -> GateEvidence:
    kind = draw(st.sampled_from(["binary", "multiclass", "regression"]))
    rows = draw(st.integers(0, 60))
    shape = (rows, 3) if kind == "multiclass" else (rows,)
    values = ANY if draw(st.booleans()) else st.floats(0, 1)
    truth = (
        arrays(np.float64, rows, elements=ANY)
        if kind == "regression"
        else arrays(np.int64, rows, elements=st.integers(0, 2 if kind == "multiclass" else 1))
    )
    unseen = draw(st.none() | arrays(np.bool_, rows))
    compared = (rows if unseen is None else int(unseen.sum()), *shape[1:])
    return GateEvidence(
        kind=kind,
        truth=draw(truth),
        candidate=draw(arrays(np.float64, shape, elements=values)),
        constant=draw(st.none() | arrays(np.float64, shape, elements=values)),
        champion=draw(st.none() | arrays(np.float64, compared, elements=values)),
        unseen=unseen,
        slices={"group": draw(arrays("U1", rows, elements=st.sampled_from("ab")))},
        latency_ms=draw(st.none() | ANY),
    )


@settings(max_examples=80)
@given(
    evidence=gate_evidence(),
    pick=st.integers(0, 100),
    floor=st.none() | st.floats(-1, 1),
    latency=st.none() | st.just(5.0),
)
def test_gate(evidence: GateEvidence, pick: int, floor: float | None, latency: float | None) -> None:
    name = NAMES[evidence.kind][pick % len(NAMES[evidence.kind])]
    policy = Gate(name, at_least=floor, cost=[[0, 1], [5, 0]] if name == "cost" else None, latency_ms=latency)
    check(decide_gate(evidence, policy, NOW), {"pass", "reject"})


@settings(max_examples=60)
@given(
    losses=arrays(np.float64, st.integers(0, 300), elements=ANY),
    holdout=arrays(np.float64, st.integers(0, 300), elements=ANY),
    bounded=st.booleans(),
)
def test_decay(losses: np.ndarray, holdout: np.ndarray, bounded: bool) -> None:
    reference = summarise_losses(holdout, bounded=bounded)
    check(decide_decay(DecayEvidence(reference=reference, losses=losses), NOW), {"alarm", "quiet", "wait"})


@settings(max_examples=60)
@given(
    figures=st.lists(st.tuples(ANY, ANY, ANY, ANY), max_size=5),
    rows=st.tuples(st.integers(0, 1000), st.integers(0, 1000)),
    vanished=st.booleans(),
)
def test_drift(figures: list[tuple[float, ...]], rows: tuple[int, int], vanished: bool) -> None:
    columns = tuple(
        ColumnDrift(
            name=str(place),
            kind="number",
            evidence=a,
            effect=Effect(psi=b, jensen_shannon=None, shift=c, missing_change=d),
        )
        for place, (a, b, c, d) in enumerate(figures)
    )
    evidence = DriftEvidence(
        columns=columns,
        mean=figures[0][0] if figures else 0.0,
        windows=1,
        rows_reference=rows[0],
        rows_window=rows[1],
        vanished=("age",) if vanished else (),
    )
    check(decide_drift(evidence, NOW), {"alarm", "quiet", "wait"})


def streams(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Stream]:
    """With places in any order."""
    rows = st.integers(0, 150).flatmap(lambda size: arrays(np.float64, (2, size), elements=elements))
    return rows.map(lambda both: Stream(values=both[0], places=np.argsort(both[1]) * 2))


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    failures = draw(streams(st.sampled_from([0.0, 1.0])))
    return Answers(
        rows=draw(st.integers(0, 100)),
        failures=Stream(values=failures.values > 0, places=failures.places),
        scores=draw(streams(ANY)),
        latency_ms=draw(streams(st.floats(0, 1e9))),
    )


@settings(max_examples=40)
@given(
    challenger=answers(),
    champion=answers(),
    shift=st.none() | st.floats(0, 1) | st.just(float("nan")),
    losses=st.none() | arrays(np.float64, (2, 40), elements=ANY),
    stage=st.sampled_from(["shadow", "canary"]),
)
def test_release(
    challenger: Answers, champion: Answers, shift: float | None, losses: np.ndarray | None, stage: str
) -> None:
    evidence = ReleaseEvidence(
        stage=stage,
        started_at=NOW,
        stage_started_at=NOW,
        challenger=challenger,
        champion=champion,
        expected_shift=shift,
        gaps=challenger.scores.values,
        losses=None if losses is None else PairedLosses(new=losses[0], previous=losses[1]),
    )
    check(decide_release(evidence, Release(shadow=20, minimum=20), NOW), {"advance", "wait", "roll_back"})


@settings(max_examples=60)
@given(
    losses=st.integers(0, 200).flatmap(lambda rows: arrays(np.float64, (2, rows), elements=ANY)),
    bound=st.none() | st.floats(0, 10),
    rows=st.integers(0, 100),
    latency=st.integers(0, 60).flatmap(lambda count: arrays(np.float64, (3, count), elements=ANY)),
)
def test_rollback(losses: np.ndarray, bound: float | None, rows: int, latency: np.ndarray) -> None:
    evidence = RollbackEvidence(
        started_at=NOW,
        losses=PairedLosses(new=losses[0], previous=losses[1], bound=bound),
        requests=rows,
        errors=rows // 2,
        by_minute=np.array([[rows, rows // 2, rows, rows // 3]] * rows).reshape(-1, 4),
        previous_requests=rows,
        latency=Stretches(quickest=latency[0], beside=latency[1], before=latency[2]),
    )
    check(decide_rollback(evidence, Release(probation="0s"), NOW), {"keep", "wait", "roll_back"})


@settings(max_examples=60)
@given(
    flags=st.lists(st.booleans(), min_size=7, max_size=7),
    ages=st.lists(st.datetimes(timezones=st.just(UTC)), max_size=4),
    versions=st.lists(st.floats(0, 20), max_size=9),
    counts=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)),
    policy=st.none() | st.just(Retrain(every="1d", on_rows=5, on_drift=True)),
)
def test_retrain(
    flags: list[bool],
    ages: list[datetime],
    versions: list[float],
    counts: tuple[int, int, int],
    policy: Retrain | None,
) -> None:
    alarm = decision("drift", "alarm", ["Something has shifted."], {}, NOW)
    ages = [age for age in ages if 2 < age.year < 9990]
    evidence = RetrainEvidence(
        has_champion=flags[0],
        trainable=flags[1],
        paused=flags[2],
        running=flags[3],
        drift=alarm if flags[4] else None,
        decay=decision("decay", "alarm", ["It has decayed."], {}, NOW) if flags[5] else None,
        earlier=flags[6],
        last_run_at=ages[0] if ages else None,
        run_starts=tuple(ages),
        new_labelled=counts[0],
        failures=counts[1],
        rejections=counts[2],
        versions=tuple(versions),
    )
    check(decide_retrain(evidence, policy, NOW), {"retrain", "recourse", "wait"})
