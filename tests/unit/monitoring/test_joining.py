"""What is joined of an answer, a second model and features: what each adds, and how sure it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from windlass.monitoring.joining import Join, Term, join, terms_of

NOTHING = pl.DataFrame({"x": np.zeros(0)})


def chance(line: Any) -> Any:
    return 1 / (1 + np.exp(-line))


def drawn(line: Any, random: np.random.Generator) -> Any:
    return (random.random(len(line)) < chance(line)).astype(float)


def doubts(found: Join, answer: Any, said: Any, table: pl.DataFrame, random: np.random.Generator) -> Any:
    noise = random.normal(size=(200, len(found.weights)))
    return np.array(list(found.drawn(answer, said, np.zeros((200, len(answer))), table, noise)))


def test_by_the_answer_alone_it_calibrates() -> None:
    random = np.random.default_rng(0)
    answer = random.normal(0, 2, 20_000)
    found = join(drawn(0.5 * answer - 1, random), answer, np.zeros(20_000), NOTHING, (), link="logit")
    assert not found.second
    at = np.array([-3.0, 0.0, 3.0])
    assert found.at(at, np.zeros(3), NOTHING) == pytest.approx(chance(0.5 * at - 1), abs=0.03)


def test_an_answer_that_is_right_is_kept_where_rows_are_few() -> None:
    random = np.random.default_rng(1)
    answer = random.normal(0, 2, 60)
    found = join(drawn(answer, random), answer, np.zeros(60), NOTHING, (), link="logit")
    assert found.at(np.array([-2.0, 2.0]), np.zeros(2), NOTHING) == pytest.approx(
        chance(np.array([-2.0, 2.0])), abs=0.2
    )


def test_a_second_model_that_tells_nothing_takes_nothing_away() -> None:
    random = np.random.default_rng(2)
    answer, x = random.normal(0, 2, 5000), random.normal(size=5000)
    table = pl.DataFrame({"x": x})
    terms = terms_of(table, np.zeros((5000, 1)), {"x": "number"})
    found = join(drawn(answer, random), answer, random.normal(size=5000), table, terms, link="logit")
    weight = found.weights[1 + len(found.answers)]
    assert abs(weight) < 0.15
    assert found.at(answer[:50], np.zeros(50), table[:50]) == pytest.approx(chance(answer[:50]), abs=0.1)


def test_what_the_answer_misses_is_taken_from_the_feature_and_sums_to_nothing_there() -> None:
    random = np.random.default_rng(3)
    answer, x = random.normal(size=10_000), random.normal(size=10_000)
    table = pl.DataFrame({"x": x})
    target = drawn(answer + 1.5 * x, random)
    terms = terms_of(table, target[:, None] - chance(answer)[:, None], {"x": "number"})
    assert [term.form for term in terms] == ["line", "bend", "bend"]
    found = join(target, answer, np.zeros(10_000), table, terms, link="logit")
    expected = found.at(answer, np.zeros(10_000), table)
    for part in (x < -1, np.abs(x) <= 1, x > 1):
        assert expected[part].mean() == pytest.approx(target[part].mean(), abs=0.015)


def test_it_is_the_less_sure_the_farther_from_what_it_learned() -> None:
    random = np.random.default_rng(4)
    answer, x = random.normal(size=2000), random.normal(size=2000)
    table = pl.DataFrame({"x": x})
    terms = terms_of(table, np.zeros((2000, 1)), {"x": "number"})
    found = join(drawn(answer, random), answer, np.zeros(2000), table, terms, link="logit")
    near, far = (doubts(found, np.zeros(1), np.zeros(1), pl.DataFrame({"x": [at]}), random).std() for at in (0.0, 3.5))
    assert far > 2 * near


def test_a_second_model_that_may_be_off_moves_it_by_its_weight() -> None:
    random = np.random.default_rng(5)
    answer, said = random.normal(size=(2, 5000))
    table = pl.DataFrame({"x": random.normal(size=5000)})
    terms = terms_of(table, np.zeros((5000, 1)), {"x": "number"})
    found = join(drawn(said, random), answer, said, table, terms, link="logit")
    still = np.zeros((1, len(found.weights)))
    row, moved = (np.zeros(1), np.zeros(1), table[:1]), np.ones((1, 1))
    (shifted,) = found.drawn(row[0], row[1], moved, row[2], still)
    assert shifted == pytest.approx(found.at(np.zeros(1), np.ones(1), table[:1]))
    assert shifted[0] > found.at(*row)[0] + 0.1


def test_sizes_are_positive_and_right_on_average() -> None:
    random = np.random.default_rng(6)
    x = random.normal(size=5000)
    table, target = pl.DataFrame({"x": x}), np.abs(random.normal(size=5000)) * np.exp(0.5 * x) * 1000
    terms = terms_of(table, target[:, None] - target.mean(), {"x": "number"})
    found = join(target, x, np.zeros(5000), table, terms, link="log")
    expected = found.at(x, np.zeros(5000), table)
    assert expected.min() > 0
    assert expected.mean() == pytest.approx(target.mean(), rel=0.01)
    assert expected[x > 1].mean() == pytest.approx(target[x > 1].mean(), rel=0.1)


def test_gaps_infinities_and_categories_have_terms_of_their_own() -> None:
    x = np.array([np.nan, np.inf, *range(98)], dtype=float)
    table = pl.DataFrame({"x": x, "g": ["a"] * 60 + ["b"] * 39 + ["c"], "same": [1.0] * 100, "none": [None] * 100})
    columns = {"x": "number", "g": "category", "same": "number", "none": "category"}
    terms = terms_of(table, np.zeros((100, 1)), columns)
    assert [(term.feature, term.form) for term in terms if term.feature == "x"][:2] == [("x", "missing"), ("x", "line")]
    assert [term.category for term in terms if term.form == "is"] == ["a", "b"]  # "c" is rarer than 1 in 50
    assert {term.feature for term in terms} == {"x", "g"}
    found = join(np.arange(100) % 2 * 1.0, np.zeros(100), np.zeros(100), table, terms, link="logit")
    wild = pl.DataFrame({"x": [None, np.inf, 1e300], "g": [None, "new", "a"], "same": [0.0] * 3, "none": [None] * 3})
    assert np.isfinite(found.at(np.zeros(3), np.zeros(3), wild.cast({"x": pl.Float64}))).all()


def test_of_many_features_those_are_taken_along_which_the_answer_errs() -> None:
    random = np.random.default_rng(7)
    x = random.normal(size=(500, 40))
    table = pl.DataFrame({f"x{place}": x[:, place] for place in range(40)})
    terms = terms_of(table, x[:, [17]] + 0.1 * random.normal(size=(500, 1)), dict.fromkeys(table.columns, "number"))
    assert len(terms) == 60
    assert Term(feature="x17", form="line", at=x[:, 17].mean(), scale=x[:, 17].std()) in terms
