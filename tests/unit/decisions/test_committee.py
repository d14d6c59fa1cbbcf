from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from windlass.decisions.committee import MEMBERS, committee_helps, parts_of
from windlass.decisions.statistics.metrics import metric_for
from windlass.pipeline.fitting.candidates import Mix, choose, follow
from windlass.product.model.blend import Blend


@pytest.mark.parametrize("rows", [4, 1001, 20_000])
def test_each_member_leaves_out_another_part(rows: int) -> None:
    parts = parts_of(rows)
    left_out = [np.setdiff1d(np.arange(rows), part) for part in parts]
    assert len(parts) == MEMBERS
    assert np.array_equal(np.sort(np.concatenate(left_out)), np.arange(rows))
    assert {len(part) for part in left_out} <= {rows // MEMBERS, rows // MEMBERS + 1}
    assert all(np.array_equal(first, second) for first, second in zip(parts, parts_of(rows), strict=True))
    if rows == 20_000:  # whatever returns with a period is known to each
        for period in (4, 7, 24):
            assert all(np.bincount(part % period).min() > 0.7 * rows / period for part in parts)


@pytest.mark.parametrize("alone", [0.75, 0.55])
def test_it_must_gain_half_a_percent_of_what_is_missing(alone: float) -> None:
    truth = np.zeros(1000)
    for gain, helps in ((-0.1, False), (0.0, False), (0.004, False), (0.006, True), (0.5, True)):
        answers = np.full(1000, alone * (1 - gain))
        assert committee_helps("regression", truth, together=answers, alone=np.full(1000, alone)) == helps
    undefined = np.full(1000, np.nan)
    assert not committee_helps("regression", truth, together=undefined, alone=truth + alone)


@pytest.mark.parametrize(
    ("kind", "unsteady", "steady"),
    [
        ("regression", DecisionTreeRegressor(random_state=0), LinearRegression()),
        ("binary", DecisionTreeClassifier(min_samples_leaf=5, random_state=0), LogisticRegression()),
    ],
)
def test_a_committee_is_made_of_what_follows_chance_alone(kind, unsteady, steady) -> None:  # type: ignore[no-untyped-def]
    """Deep trees gain by it, and a linear model, which is steady, is fitted once to all rows, whatever the noise."""
    random = np.random.default_rng(1)
    features = random.normal(size=(9000, 3))
    signal = features[:, 0] + 0.5 * features[:, 1] + random.normal(size=9000)
    target = signal if kind == "regression" else (signal > 0).astype(np.int64)
    learn, later, after = np.split(np.arange(9000), [4000, 6000])
    fitted: list[int] = []

    def fit(model, places):  # type: ignore[no-untyped-def]
        fitted.append(len(places))
        return model.__class__(**model.get_params()).fit(features[learn][places], target[learn][places])

    def answer(model):  # type: ignore[no-untyped-def]
        return model.predict(features[later]) if kind == "regression" else model.predict_proba(features[later])[:, 1]

    metric = metric_for("default", kind)
    given = {"labels": target[learn], "truth": target[later], "kind": kind}
    mix = choose(lambda places: fit(unsteady, places), answer, **given)
    assert (mix.committee, mix.stretches[0]) == (MEMBERS, 1.0)
    assert "a committee of 4 on all rows" in str(mix)
    single = choose(lambda places: fit(steady, places), answer, **given)
    assert single.committee == 1

    fitted.clear()
    together = Mix(committee=MEMBERS)
    made = follow(lambda places: fit(unsteady, places), together, labels=target[learn], kind=kind, classes=2)
    assert isinstance(made, Blend)
    assert made.weights == [1 / MEMBERS] * MEMBERS
    assert fitted == [3000] * MEMBERS
    alone = follow(lambda places: fit(unsteady, places), Mix(), labels=target[learn], kind=kind, classes=2)

    def score(model):  # type: ignore[no-untyped-def]
        answers = model.predict(features[after]) if kind == "regression" else model.predict_proba(features[after])[:, 1]
        return metric.score(target[after], answers)

    assert metric.gain(score(made), score(alone)) > 0.05 * metric.room(score(alone))


def test_a_class_that_a_member_would_miss_makes_no_committee() -> None:
    labels = np.zeros(4000, dtype=np.int64)
    labels[np.setdiff1d(np.arange(4000), parts_of(4000)[0])[:9]] = 1  # of a part that the first member leaves out
    truth = np.arange(2000) % 2
    mix = choose(len, lambda rows: np.full(2000, rows / 8000), labels=labels, truth=truth, kind="binary")
    assert mix.committee == 1
