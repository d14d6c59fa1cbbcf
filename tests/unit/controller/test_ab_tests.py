from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from windlass.controller.commands import Commands
from windlass.controller.experiments import Experiments
from windlass.controller.releases import Releases
from windlass.product.policy import Release
from windlass.records.capture import Measurement, MeasurementBatch
from windlass.records.event import (
    ChampionChanged,
    CommandFinished,
    CommandRequested,
    ExperimentFinished,
    ExperimentStarted,
    ReleaseStarted,
)
from windlass.records.experiment import Plan
from windlass.release.routing import routing_for

from .conftest import POLICIES, PRODUCT, Desk  # type: ignore[import-not-found]


@pytest.fixture
def two(desk: Desk) -> Desk:
    """v2 answers, v1 did before it."""
    desk.declare(replace(POLICIES, release=Release(probation="0s")))
    leading = Releases(context=desk.new_context())
    for name in ("v1", "v2"):
        desk.register(name)
        leading.step(PRODUCT)
    return desk


def ask(desk: Desk, name: Any, **keywords: Any) -> CommandFinished:
    seen = desk.ledger.head()
    desk.write(CommandRequested(command=f"command-{seen}", name=name, reason="because", **keywords), actor="ada")
    Commands(context=desk.context).handle()
    (finished,) = [event.body for event in desk.ledger.events((CommandFinished,), after=seen)]
    return finished  # type: ignore[return-value]


def begin(desk: Desk, **changes: Any) -> CommandFinished:
    plan = {"a": "v2", "b": "v1", "metric": "sales", "split": 0.25, **changes}
    return ask(desk, "experiment", experiment=Plan(**plan))


def sell(desk: Desk, count: int, *, gain: float = 0.0) -> None:
    """`count` keys for each version ask, and each buys something."""
    for version, stage, more in (("v2", "champion", 0.0), ("v1", "canary", gain)):
        keys = count if stage == "canary" else 3 * count
        ids = desk.answer(keys, version=version, stage=stage)
        values = 10 + more + desk.random.normal(size=keys)
        sold = tuple(
            Measurement(prediction_id=name, metric="sales", value=value)
            for name, value in zip(ids, values.tolist(), strict=True)
        )
        other = (Measurement(prediction_id=ids[0], metric="clicks", value=1e9),)
        desk._writer.append(MeasurementBatch(request_id="m", received_at=desk.clock.now(), measurements=sold + other))
    desk.commit()


def test_a_test_splits_the_keys_and_ends_with_a_decision(two: Desk) -> None:
    assert begin(two).message.endswith("v1 answers 25% of the keys beside v2")
    (started,) = two.bodies(ExperimentStarted)
    assert (started.by, started.reason) == ("ada", "because")
    routing = routing_for(two.state, sequence=1)
    assert (routing.mode, routing.share, routing.salt) == ("canary", 0.25, started.experiment)
    assert (routing.champion.version, routing.challenger.version) == ("v2", "v1")  # type: ignore[union-attr]
    looking = Experiments(context=two.context)
    sell(two, 60)
    looking.step(PRODUCT)
    assert two.bodies(ExperimentFinished) == []
    sell(two, 400, gain=2.0)
    looking.step(PRODUCT)
    looking.step(PRODUCT)
    (finished,) = two.bodies(ExperimentFinished)
    assert (finished.decision.verdict, finished.decision.numbers["keys_b"]) == ("b", 460)
    assert two.state.experiment is None
    assert routing_for(two.state, sequence=1).mode == "none"
    assert [body.version for body in two.bodies(ChampionChanged)] == ["v1", "v2"]  # it decides, and promotes nobody


def test_a_release_waits_for_the_end_of_a_test(two: Desk) -> None:
    begin(two)
    two.register("v3")
    leading = Releases(context=two.context)
    leading.step(PRODUCT)
    assert two.state.candidate is not None
    assert ask(two, "stop").message == "the test is over; v2 answers everyone"
    leading.step(PRODUCT)
    assert two.bodies(ReleaseStarted)[-1].version == "v3"


def test_a_rollback_ends_the_test_in_the_same_step(two: Desk) -> None:
    begin(two)
    assert ask(two, "rollback").done
    (finished,) = two.bodies(ExperimentFinished)
    assert finished.decision.verdict == "stopped"
    assert (two.state.champion.version, two.state.experiment) == ("v1", None)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"a": "v1", "b": "v2"}, "the first version must be the champion, and v2 is"),
        ({"b": "v9"}, "no version 'v9'"),
        ({"b": "v2"}, "v2 is the champion already"),
    ],
)
def test_what_makes_no_sense_is_refused(two: Desk, changes: dict[str, Any], said: str) -> None:
    refused = begin(two, **changes)
    assert not refused.done
    assert said in refused.message


def test_there_is_one_test_at_a_time_and_none_beside_a_release(two: Desk) -> None:
    assert "no A/B test under way" in ask(two, "stop").message
    assert begin(two).done
    assert "v1 is being tested already" in begin(two).message
    ask(two, "stop")
    two.declare()
    two.register("v3")
    Releases(context=two.context).step(PRODUCT)
    assert "v3 is being released (shadow)" in begin(two).message


def test_a_refusal_in_probation_says_until_when(two: Desk) -> None:
    two.declare(replace(POLICIES, release=Release(probation="7d")))
    two.register("v3")
    Releases(context=two.context).step(PRODUCT)
    began = two.state.release
    assert began is not None
    assert began.stage == "probation"
    refused = begin(two, a="v3", b="v2")
    assert not refused.done
    until = began.stage_started_at + timedelta(days=7)
    assert f"v3 is on probation until {until:%Y-%m-%d %H:%M} UTC" in refused.message


def test_measurements_reach_the_lake_once_and_go_with_their_key(two: Desk) -> None:
    begin(two)
    sell(two, 5)
    two.commit()
    started = two.state.experiment
    assert started is not None
    kept = two.lake.measurements(PRODUCT, metric="sales", since=started.started_at)
    assert (kept.height, len(np.unique(kept["value"]))) == (20, 20)
    key = two.lake.predictions(PRODUCT, columns=["key"])["key"][0]
    gone = two.context.lake.erase(PRODUCT, column=None, key=key, mark="m")
    assert gone["measurements"] == 2
    left = two.lake.measurements(PRODUCT, metric="sales", since=started.started_at)
    assert left.height == 19
