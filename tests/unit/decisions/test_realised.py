"""Intervals that cover at every age of the labels, however late a class is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from windlass.decisions.statistics.metrics import metric_for
from windlass.decisions.statistics.realised import LabelTimes, learn_history, realised_score

WITHIN = 10.0
LATE = (4.0, 0.5)
"""Mean delays of the classes 0 and 1: ones are early."""


def drawn(random: Any, rows: int, kind: str, *, since: float, until: float) -> tuple[Any, Any, Any, Any]:
    """Moments, answers, labels and when they come (3 in 100 never)."""
    at, x = np.sort(random.uniform(since, until, rows)), random.normal(size=rows)
    if kind == "binary":
        truth = (random.random(rows) < 1 / (1 + np.exp(1.0 - 1.2 * x))).astype(float)
        answers, late = 1 / (1 + np.exp(0.7 - 0.8 * x)), truth.astype(int)
    else:
        truth, answers = 2 * x + random.normal(size=rows) * np.exp(0.3 * x), 1.7 * x
        late = (truth > 1).astype(int)
    delay = np.minimum(random.exponential(np.array(LATE)[late]), 0.99 * WITHIN)
    return at, answers, truth, np.where(random.random(rows) < 0.03, np.inf, at + delay)


def seen(at: Any, truth: Any, known_at: Any, now: float) -> LabelTimes:
    come = known_at <= now
    return LabelTimes(at=at, known_at=np.where(come, known_at, np.nan), truth=np.where(come, truth, np.nan))


@pytest.mark.parametrize("apart", [(), (1,), (1, 2, 3, 5)])
@pytest.mark.parametrize(("kind", "names"), [("binary", ["roc_auc", "accuracy", "log_loss"]), ("regression", ["mae"])])
def test_the_interval_covers_at_every_age_of_the_labels(kind: Any, names: list[str], apart: Any) -> None:
    """`apart`: what becomes known waits for the next delivery, so many days after the last; empty: it comes at once."""
    random = np.random.default_rng(0)
    world = drawn(random, 400_000, kind, since=0, until=1)
    true = {name: metric_for(name, kind).score(world[2], world[1]) for name in names}
    looks = (1.5, 2.95, 8.0) if apart else (1.05, 1.2, 1.5, 2.0, 2.95, 4.0, 8.0, 11.5)
    final, expected = ({name: [] for name in names} for _ in range(2))
    for _ in range(60):
        before, window = drawn(random, 4000, kind, since=-40, until=0), drawn(random, 1000, kind, since=0, until=1)
        if apart:
            deliveries = np.append(np.cumsum(random.choice(apart, 80))[:60] - 43, np.inf)
            before, window = (
                (*each[:3], deliveries[np.searchsorted(deliveries, each[3])]) for each in (before, window)
            )
        comes = np.isfinite(window[3])
        for now in looks:
            every = seen(*(np.concatenate([before[i], window[i]]) for i in (0, 2, 3)), now)
            history = learn_history(every, now=now, within=WITHIN, classes=kind == "binary")
            rows = seen(window[0], window[2], window[3], now)
            for name in names:
                metric = metric_for(name, kind)
                found = realised_score(metric, rows, window[1], history, now=now, within=WITHIN)
                end = metric.score(window[2][comes], window[1][comes])
                final[name].append(found.lower <= end <= found.upper)
                expected[name].append(found.lower <= true[name] <= found.upper)
    for name in names:
        # 60 windows, each looked at some times. If the chance were 0.95 at each look and looks at a window all alike,
        # fewer than 52 of 60 would be right with a chance of 0.01.
        assert np.mean(final[name]) >= 52 / 60
        assert np.mean(expected[name]) >= 52 / 60


def test_the_interval_knows_how_little_weekly_deliveries_of_few_labels_tell() -> None:
    """800 answers before, of which 40 are positive and late, and labels once a week."""
    random, metric = np.random.default_rng(0), metric_for("accuracy", "binary")

    def rare(rows: int, *, since: float, until: float) -> tuple[Any, Any, Any, Any]:
        at, x = np.sort(random.uniform(since, until, rows)), random.normal(size=rows)
        truth = (random.random(rows) < 1 / (1 + np.exp(3.0 - 1.2 * x))).astype(float)
        ready = at + np.minimum(random.exponential(np.where(truth == 1, 4.0, 0.5)), 0.99 * WITHIN)
        moments = np.append(np.arange(-40, 30, 7) - random.uniform(0, 7), np.inf)
        return at, 1 / (1 + np.exp(2.7 - 0.8 * x)), truth, moments[np.searchsorted(moments, ready)]

    world = rare(400_000, since=0, until=1)
    true, held, rounds, within = metric.score(world[2], world[1]), 0, 150, WITHIN + 7
    for _ in range(rounds):
        both = [
            np.concatenate(pair)
            for pair in zip(rare(800, since=-40, until=0), rare(2000, since=0, until=1), strict=True)
        ]
        history = learn_history(seen(both[0], both[2], both[3], 8.0), now=8.0, within=within, classes=True)
        rows = seen(*(both[place][800:] for place in (0, 2, 3)), 8.0)
        found = realised_score(metric, rows, both[1][800:], history, now=8.0, within=within)
        held += found.lower <= true <= found.upper
    assert held >= 137  # fewer with a chance of 0.02 were it 0.95


def test_labels_that_come_early_do_not_bias() -> None:
    """Those that are there after half the time say that nearly everything ends as a one."""
    random = np.random.default_rng(1)
    naive, weighed, whole = [], [], []
    metric = metric_for("accuracy", "binary")
    for _ in range(40):
        before = drawn(random, 4000, "binary", since=-40, until=0)
        at, answers, truth, known_at = drawn(random, 1500, "binary", since=0, until=1)
        now = 1.5
        every = seen(*(np.concatenate([before[i], each]) for i, each in ((0, at), (2, truth), (3, known_at))), now)
        history = learn_history(every, now=now, within=WITHIN, classes=True)
        rows = seen(at, truth, known_at, now)
        come = rows.known
        naive.append(metric.score(truth[come], answers[come]))
        weighed.append(realised_score(metric, rows, answers, history, now=now, within=WITHIN).value)
        whole.append(metric.score(truth, answers))
    assert abs(np.mean(naive) - np.mean(whole)) > 0.05
    assert abs(np.mean(weighed) - np.mean(whole)) < 0.01


def test_while_too_little_is_known_the_interval_holds_whatever_comes() -> None:
    at, answers = np.linspace(0, 1, 100), np.full(100, 0.8)
    nothing = LabelTimes(at=at, known_at=np.full(100, np.nan), truth=np.full(100, np.nan))
    history = learn_history(nothing, now=1.0, within=WITHIN, classes=True)
    for name, lower, upper in (
        ("accuracy", 0.0, 1.0),
        ("roc_auc", 0.0, 1.0),
        ("log_loss", -np.log(0.8), -np.log(0.2)),
    ):
        found = realised_score(metric_for(name, "binary"), nothing, answers, history, now=1.0, within=WITHIN)
        assert np.isnan(found.value)
        assert (found.lower, found.upper) == pytest.approx((lower, upper))
        assert found.labelled == 0
    loss = realised_score(metric_for("mae", "regression"), nothing, answers, history, now=1.0, within=WITHIN)
    assert (loss.lower, loss.upper) == (0.0, float("inf"))


@pytest.mark.parametrize("late", [0, 3])
@pytest.mark.parametrize("name", ["accuracy", "log_loss", "brier", "roc_auc"])
def test_on_the_first_day_it_holds_what_chance_among_few_rows_leaves(name: str, late: int) -> None:
    """60 rows whose labels came within minutes, but for the `late` last ones: too few to learn delays from."""
    random, metric = np.random.default_rng(0), metric_for(name, "binary")
    world = drawn(random, 400_000, "binary", since=0, until=1)
    true, rounds, held, values = metric.score(world[2], world[1]), 300, 0, 0
    for _ in range(rounds):
        at, answers, truth, _ = drawn(random, 60, "binary", since=0, until=1)
        come = np.arange(60) < 60 - late
        rows = LabelTimes(at=at, known_at=np.where(come, at, np.nan), truth=np.where(come, truth, np.nan))
        history = learn_history(rows, now=1.01, within=WITHIN, classes=True)
        found = realised_score(metric, rows, answers, history, now=1.01, within=WITHIN)
        held += found.lower <= true <= found.upper
        values += np.isfinite(found.value)
    assert held >= 275  # fewer with a chance of 0.01 were it 0.95
    assert values == (0 if late else rounds)


def test_with_every_label_the_figure_is_the_plain_one_and_never_certain() -> None:
    at, truth = np.linspace(0, 1, 200), np.tile([0.0, 1.0], 100)
    rows = LabelTimes(at=at, known_at=at, truth=truth)
    history = learn_history(rows, now=30.0, within=WITHIN, classes=True)
    right = np.where(truth == 1, 0.9, 0.1)
    for name in ("accuracy", "roc_auc"):
        found = realised_score(metric_for(name, "binary"), rows, right, history, now=30.0, within=WITHIN)
        assert found.value == 1.0
        assert 0.9 < found.lower < 1.0 == found.upper


def test_a_class_of_which_few_delays_were_seen_is_not_taken_to_come_as_the_other_does() -> None:
    """Of 800 older answers 24 are positive, known after five days; all others are known the same day."""
    random, metric = np.random.default_rng(0), metric_for("log_loss", "binary")
    at = np.append(np.sort(random.uniform(-40, 0, 800)), np.sort(random.uniform(0, 2, 1500)))
    truth = (np.arange(len(at)) % 33 == 0).astype(float)
    known_at = at + np.where(truth == 1, 5.0, 0.25)
    answers = np.full(len(at), 0.03)
    end = metric.score(truth[800:], answers[800:])
    for now in (2.3, 4.0, 5.5, 7.5):
        history = learn_history(seen(at, truth, known_at, now), now=now, within=WITHIN, classes=True)
        window = seen(at[800:], truth[800:], known_at[800:], now)
        found = realised_score(metric, window, answers[800:], history, now=now, within=WITHIN)
        assert found.lower <= end <= found.upper
        assert np.isfinite(found.value) == (now == 7.5)
