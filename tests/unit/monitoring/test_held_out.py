"""How far estimates of held-out rows are off: in worlds where that is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace

from windlass.monitoring.held_out import Labelled, Summary, afar_of, figure_of, spread_of
from windlass.monitoring.profiles import profile
from windlass.product.task import TaskKind


def summary(table: pl.DataFrame, kind: TaskKind = "binary", residual: float = 0.0) -> Summary:
    return Summary(
        kind=kind,
        classes=1 if kind == "regression" else 2,
        columns={"x": "number", "g": "category"},
        joins=(),
        spread={},
        afar={},
        reference=profile(table),
        residual=residual,
        rows=table.height,
    )


def world(random: np.random.Generator, size: int) -> tuple[pl.DataFrame, Any]:
    table = pl.DataFrame({"x": random.normal(size=size), "g": random.choice(["a", "b", "c"], size)})
    return table, 1 / (1 + np.exp(-table["x"].to_numpy()))


def given(table: pl.DataFrame, answers: Any, truth: Any) -> Labelled:
    return Labelled(table, answers, truth, (truth[:, None] == 1).astype(float))


def both(chances: Any) -> Any:
    return np.column_stack([1 - chances, chances])


def test_who_knows_each_chance_is_off_by_the_noise_of_labels_alone() -> None:
    random = np.random.default_rng(0)
    spreads, afar, noises = [], [], []
    for _ in range(10):
        table, chances = world(random, 4000)
        rows = given(table, chances, (random.random(4000) < chances).astype(np.int64))
        own = summary(table)
        spreads.append(spread_of("accuracy", both(chances), rows, own))
        afar.append(afar_of("accuracy", both(chances), rows, own))
        noises.append(figure_of("accuracy", both(chances), chances, own).noise)
    assert (
        np.mean(spreads) < 0.005
    )  # a stretch of 200 is off by 0.033 by chance, and the mean of 20 squares by a third of it
    assert np.mean(afar) < 2.5 * np.mean(noises)
    assert min(afar) >= min(noises)  # never less than what the reference's labels leave open


def test_what_varies_from_stretch_to_stretch_is_the_spread() -> None:
    random = np.random.default_rng(1)
    table, chances = world(random, 20_000)
    night = np.repeat(np.tile([0.0, 1.0], 10), 1000)  # in every other stretch all labels are as the answer says
    truth = np.where(night == 1, chances >= 0.5, random.random(20_000) < chances).astype(np.int64)
    right = np.where(night == 1, 1.0, np.maximum(chances, 1 - chances)).mean()
    flat = both(np.where(chances >= 0.5, right, 1 - right))
    found = spread_of("accuracy", flat, given(table, chances, truth), summary(table))
    assert found == pytest.approx((1 - np.maximum(chances, 1 - chances).mean()) / 2, rel=0.15)


def test_what_slices_are_off_by_is_what_a_window_of_their_rows_is() -> None:
    """An estimator that is right on the whole, 0.1 too high where g is a, and 0.05 too low elsewhere."""
    random = np.random.default_rng(2)
    size = 30_000
    table = pl.DataFrame({"x": random.normal(size=size), "g": random.choice(["a", "b", "c"], size)})
    true = np.where(table["g"].to_numpy() == "a", 0.6, 0.75)
    truth, answers = (random.random(size) < true).astype(np.int64), np.full(size, 0.7)
    found = afar_of("accuracy", both(np.full(size, 0.7)), given(table, answers, truth), summary(table))
    # A third of the rows lies at a squared distance of 2: x has nothing, g has 0.1, 0.05 and 0.05 there.
    assert found == pytest.approx(
        np.sqrt((0.1**2 + 2 * 0.05**2) / (6 * 2)), rel=0.25
    )  # each of the three to within 0.01


def test_of_many_features_those_are_sliced_along_which_most_changes() -> None:
    """The one that matters, and by which the estimator is wrong, is the last of thirty."""
    random = np.random.default_rng(6)
    x = random.normal(size=(6000, 30))
    table = pl.DataFrame({f"x{place}": x[:, place] for place in range(30)})
    own = summary(table.select(x="x0", g=pl.lit("a")))
    own = replace(own, columns=dict.fromkeys(table.columns, "number"))
    third = np.searchsorted(np.quantile(x[:, 29], [1 / 3, 2 / 3]), x[:, 29])
    told, true = np.array([0.4, 0.6, 0.8])[third], np.array([0.3, 0.6, 0.9])[third]
    rows = given(table, np.full(6000, 0.7), (random.random(6000) < true).astype(np.int64))
    found = afar_of("accuracy", both(told), rows, own)
    blind = replace(own, columns=dict.fromkeys(table.columns[:29], "number"))
    assert found > 2 * afar_of("accuracy", both(told), rows, blind)


def test_nearly_all_rows_and_a_handful_are_no_slices() -> None:
    random = np.random.default_rng(3)
    table = pl.DataFrame({"x": [1.0] * 2000, "g": ["a"] * 1960 + ["b"] * 40})
    chances = random.random(2000)
    rows = given(table, chances, (random.random(2000) < chances).astype(np.int64))
    own = summary(table)
    own = replace(own, columns={"g": "category"})
    noise = figure_of("brier", both(chances), chances, own).noise
    assert afar_of("brier", both(chances), rows, own) == pytest.approx(noise)


def test_a_figure_that_no_part_has_is_not_there() -> None:
    table, chances = world(np.random.default_rng(4), 400)
    assert (
        spread_of("roc_auc", both(chances), given(table, chances, np.zeros(400, dtype=np.int64)), summary(table)) == -1
    )


def test_the_noise_of_mean_errors_is_that_of_the_window_s_own_rows() -> None:
    random = np.random.default_rng(5)
    sizes = np.repeat([1.0, 10.0], 500)
    table = pl.DataFrame({"x": sizes, "g": ["a"] * 1000})
    expected = np.column_stack([sizes * np.sqrt(2 / np.pi), sizes**2])
    own = summary(table, "regression", residual=np.sqrt(2.0))
    errors = sizes * np.abs(random.normal(size=(4000, 1000)))
    for name, seen in (("mae", errors.mean(axis=1)), ("rmse", np.sqrt((errors**2).mean(axis=1)))):
        value, noise = figure_of(name, expected, np.zeros(1000), own)
        assert value == pytest.approx(seen.mean(), rel=0.01)
        assert noise == pytest.approx(seen.std(), rel=0.08)
    easy = figure_of("mae", expected[:500], np.zeros(500), own)
    assert easy.noise < figure_of("mae", expected[500:], np.zeros(500), own).noise / 5


def test_doubts_widen_and_one_wild_one_does_not_rule() -> None:
    table = pl.DataFrame({"x": [1.0] * 100, "g": ["a"] * 100})
    own, expected = summary(table, "regression", residual=1.0), np.ones((100, 2)) * [1.0, 2.0]
    plain = figure_of("rmse", expected, np.zeros(100), own)
    doubted = figure_of("rmse", expected, np.zeros(100), own, [expected * each for each in (0.5, 1.0, 2.0)])
    assert doubted.value == plain.value
    assert doubted.noise > 2 * plain.noise
    wild = figure_of("rmse", expected, np.zeros(100), own, [*[expected] * 59, expected * 1e9])
    assert wild.noise < 3 * wild.value
