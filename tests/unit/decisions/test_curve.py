from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student_t
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from windlass.decisions.curve import WORTH, Curve, Forecast, Step, can_tell, cuts_of, forecast, speaks_for
from windlass.decisions.gate import GateEvidence, decide_gate
from windlass.decisions.statistics import paired
from windlass.decisions.statistics.metrics import metric_for
from windlass.pipeline.fitting.candidates import climb
from windlass.product.policy import Gate

from .judged import judged  # type: ignore[import-not-found]

HALF_MORE = math.log(1.5)
MAE = metric_for("mae", "regression")


def curve(*gains: float, error: float = 0.01, released: int = 5000) -> Curve:
    steps = tuple(Step(growth=HALF_MORE, gain=gain, error=error) for gain in gains)
    return Curve(steps=steps, champion=4000, candidate=4500, released=released)


def forecasts(*told: Curve) -> list[Forecast | None]:
    evidence = judged(0.99)
    own = paired.compare(MAE, evidence.truth, evidence.candidate, np.asarray(evidence.champion))
    return [forecast(each, own) for each in told]


def test_each_model_learns_from_half_more_than_the_one_before() -> None:
    assert cuts_of(8100) == [2400, 3600, 5400, 8100]
    assert can_tell(3375)
    assert not can_tell(3370)


def test_what_is_expected_is_the_line_through_the_gains_by_weighted_least_squares(rng: np.random.Generator) -> None:
    for _ in range(20):
        growth, gain, error = rng.uniform(0.1, 1, 3), rng.normal(1, 1, 3), rng.uniform(0.5, 2, 3)
        steps = tuple(
            Step(growth=x, gain=y, error=e)
            for x, y, e in zip(growth.tolist(), gain.tolist(), error.tolist(), strict=True)
        )
        own = paired.Comparison(
            candidate=1.0, champion=2.0, gain=0.7, error=0.9, freedom=99.0, lower=0.0, upper=0.0, rows=100
        )
        told = Curve(steps=steps, champion=1000, candidate=1200, released=1500)
        found = forecast(told, own)
        assert found is not None
        x, y, e = np.append(growth, math.log(1.2)), np.append(gain, 0.7), np.append(error, 0.9)
        (slope,), (residuals,), *_ = np.linalg.lstsq((x / e)[:, None], y / e)
        assert found.gain == pytest.approx(slope * math.log(1.5))
        widened = math.sqrt(max(1.0, residuals / 3) / ((x / e) ** 2).sum())
        chance = norm() if residuals <= 3 else student_t(3)
        assert found.p_better == pytest.approx(chance.sf(slope / widened))


def test_gains_that_agree_less_than_their_errors_allow_prove_less() -> None:
    alike, apart = forecasts(curve(0.1, 0.1, 0.1), curve(0.3, -0.1, 0.1))
    assert alike is not None
    assert apart is not None
    assert alike.gain == pytest.approx(apart.gain)
    assert alike.p_better < 0.001
    assert apart.p_better > 0.1


def test_nothing_is_expected_where_nothing_tells() -> None:
    told = [
        curve(),  # one gain alone shows no line
        curve(math.nan, math.nan),
        curve(0.1, 0.1, error=0.0),
        curve(0.1, 0.1, released=4000),  # nothing is new
        Curve(steps=curve(0.1, 0.1).steps, champion=0, candidate=10, released=20),
    ]
    assert forecasts(*told) == [None] * 5


def test_a_release_must_be_worth_its_price() -> None:
    clear = Forecast(gain=0.01, p_better=0.001)
    assert speaks_for(clear, room=0.99 * 0.01 / WORTH)
    assert not speaks_for(clear, room=1.01 * 0.01 / WORTH)
    assert speaks_for(clear, room=None)
    assert not speaks_for(Forecast(gain=0.01, p_better=0.06), room=None)


def test_what_more_rows_have_brought_speaks_for_a_gain_that_noise_may_explain(now: datetime) -> None:
    alone = decide_gate(judged(0.99), Gate("mae"), now)
    assert 0.1 < alone.numbers["p_better"] < 0.5
    assert (alone.verdict, "noise may explain" in alone.reasons[0]) == ("reject", True)
    told = decide_gate(judged(0.99, curve=curve(0.3, 0.3, 0.3, error=0.1)), Gate("mae"), now)
    assert (told.verdict, told.numbers["p_better"]) == ("pass", alone.numbers["p_better"])
    assert "a release is expected to gain" in " ".join(told.reasons)
    assert told.numbers["expected_p_better"] < 0.001
    for steps in ((0.0, 0.0, 0.0), (0.02, 0.02, 0.02), (1.0, -1.0, 0.2)):  # nothing, too little, no agreement
        flat = decide_gate(judged(0.99, curve=curve(*steps, error=0.01)), Gate("mae"), now)
        assert (flat.verdict, "not worth a release" in flat.reasons[0]) == ("reject", True)


def test_a_gain_that_is_clear_by_itself_needs_no_curve_and_fears_none(now: datetime) -> None:
    for told in (None, curve(-0.3, -0.3, -0.3), curve(0.3, 0.3, 0.3)):
        assert decide_gate(judged(0.7, curve=told), Gate("mae"), now).verdict == "pass"


@pytest.mark.parametrize(("candidate", "said"), [(1.5, "clearly worse"), (1.001, "not worth a release")])
def test_no_curve_saves_what_did_no_better(candidate: float, said: str, now: datetime) -> None:
    worse = decide_gate(judged(candidate, curve=curve(0.5, 0.5, 0.5, error=0.001)), Gate("mae"), now)
    assert (worse.verdict, said in worse.reasons[0]) == ("reject", True)


@pytest.mark.parametrize("season", [0.0, 5.0])
def test_where_more_rows_bring_nothing_the_curve_lets_few_more_pass(
    rng: np.random.Generator, now: datetime, plausible: Callable[[int, int, float], bool], season: float
) -> None:
    """By itself in 10 of 100 and by the curve in 5, if these had nothing to do with each other 14.5; also where each
    step is judged by a season that suits the one model or the other by far more than its error tells."""
    passed = 0
    for _ in range(600):
        error, other = rng.normal(size=(2, 60))
        sizes = rng.uniform(0.05, 0.2, size=3)
        gains = sizes * rng.normal(size=3) * math.hypot(1, season)
        steps = tuple(
            Step(growth=HALF_MORE, gain=gain, error=size)
            for gain, size in zip(gains.tolist(), sizes.tolist(), strict=True)
        )
        evidence = GateEvidence(
            kind="regression",
            truth=np.zeros(60),
            candidate=error,
            champion=other,
            must_gain=True,
            curve=Curve(steps=steps, champion=4000, candidate=4500, released=5000),
        )
        passed += decide_gate(evidence, Gate("mae"), now).verdict == "pass"
    assert plausible(passed, 600, 0.145) or passed < 87


@pytest.mark.parametrize(
    ("model", "gains"), [(DecisionTreeRegressor(min_samples_leaf=20), True), (LinearRegression(), False)]
)
def test_more_rows_are_seen_to_bring_what_they_bring(
    model: DecisionTreeRegressor | LinearRegression, gains: bool, rng: np.random.Generator
) -> None:
    """A tree that follows its rows gains by more; two coefficients are known by then."""
    features = rng.normal(size=(9000, 2))
    target = np.sin(3 * features[:, 0]) + features[:, 1] + rng.normal(scale=0.3, size=9000)
    learned: list[int] = []
    judged: list[tuple[int, int]] = []

    def fit(places: np.ndarray) -> tuple[int, DecisionTreeRegressor | LinearRegression]:
        learned.append(len(places))
        assert places.tolist() == list(range(len(places)))
        made = type(model)(**model.get_params())
        return len(places), made.fit(features[places], target[places])

    def answer(fitted: tuple[int, DecisionTreeRegressor | LinearRegression], places: np.ndarray) -> np.ndarray:
        judged.append((int(places[0]), len(places)))
        assert places[0] >= fitted[0], "nobody judges by what it has learned from"
        return np.asarray(fitted[1].predict(features[places]))

    steps = climb(fit, answer, truth=target, train=8100, metric=MAE)
    assert learned == [2400, 3600, 5400, 8100]
    assert judged == [(3600, 1800)] * 2 + [(5400, 2700)] * 2 + [(8100, 900)] * 2
    assert [step.growth for step in steps] == pytest.approx([HALF_MORE] * 3)
    own = paired.compare(MAE, target[:100], target[:100] + 1, target[:100] + 1)
    found = forecast(Curve(steps=steps, champion=6000, candidate=8100, released=9000), own)
    assert found is not None
    assert (found.p_better < 0.001) == gains
    assert speaks_for(found, room=0.3) == gains


def test_a_model_that_would_know_one_class_alone_is_left_out() -> None:
    truth = np.append(np.zeros(3000, dtype=int), np.arange(6000) % 2)
    asked: list[int] = []

    def fit(places: np.ndarray) -> int:
        asked.append(len(places))
        return len(places)

    metric = metric_for("roc_auc", "binary")
    steps = climb(fit, lambda model, places: (places * model % 97) / 97, truth=truth, train=8100, metric=metric)
    assert asked == [3600, 5400, 8100]
    assert len(steps) == 2
