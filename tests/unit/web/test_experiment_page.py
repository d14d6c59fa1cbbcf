from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from windlass.app.experiments import Result, Trial
from windlass.decisions.experiment import Arm, ExperimentEvidence, decide_experiment
from windlass.decisions.figures import decision
from windlass.records.decision import Decision
from windlass.records.experiment import ExperimentState, Plan
from windlass.web.experiment import experiment_page

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = Plan(a="v1", b="v2", metric="revenue", split=0.5)
STARTED = ExperimentState(
    experiment="experiment-1", plan=PLAN, started_at=NOON, by="ada", reason="<script>alert(1)</script>"
)


def judged(keys: int, *, more: float = 0.0) -> Decision:
    random = np.random.default_rng(keys)
    a, b = random.normal(10, 1, keys), random.normal(10 + more, 1, keys)
    evidence = ExperimentEvidence(a=Arm(keys=keys, values=a), b=Arm(keys=keys, values=b))
    return decide_experiment(evidence, PLAN, NOON)


def page(said: Decision, *course: Decision) -> str:
    test = Trial(product="shop", started=STARTED, ended_at=None, judged=None)
    moments = tuple((NOON + timedelta(hours=hour), each) for hour, each in enumerate((*course, said)))
    return experiment_page(Result(test=test, judged=said, course=moments))


def test_the_page_says_who_is_better_and_draws_how_it_became_clear() -> None:
    text = page(judged(800, more=1.0), judged(50), judged(400, more=1.0))
    assert "v2 is better" in text
    assert "v2 beside v1" in text
    assert text.count("<svg") == 1
    assert not any(outside in text for outside in ("src=", 'href="http', "@import"))


def test_what_people_wrote_is_shown_and_never_run() -> None:
    text = page(judged(800))
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_one_look_is_no_picture() -> None:
    text = page(judged(800, more=1.0), judged(20))
    assert "<svg" not in text
    assert "a line takes two" in text


def test_too_few_keys_are_no_picture() -> None:
    text = page(judged(20))
    assert "<svg" not in text
    assert "before 100 keys of each version" in text


@pytest.mark.parametrize("verdict", ["stopped", "undecided", "broken"])
def test_every_end_has_its_word(verdict: str) -> None:
    word = {"stopped": "Stopped", "undecided": "Undecided", "broken": "Broken split"}[verdict]
    ended = decision("experiment", verdict, ["So it is."], {} if verdict == "stopped" else judged(800).numbers, NOON)
    assert word in page(ended, judged(800))
