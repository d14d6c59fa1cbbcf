"""Rows made up after a profile look like the rows it was made of, column by column."""

from __future__ import annotations

import numpy as np
import polars as pl

from windlass.monitoring.drawing import draw
from windlass.monitoring.profiles import profile

ROWS, DRAWN = 4000, 2000


def reference() -> pl.DataFrame:
    chance = np.random.default_rng(0)
    numbers = pl.Series("number", chance.exponential(size=ROWS))
    return pl.DataFrame(
        {
            "number": numbers.set(pl.Series(chance.random(ROWS) < 0.2), None),
            "few": chance.choice([1, 2, 7], ROWS, p=[0.5, 0.3, 0.2]),
            "carrier": chance.choice(["AA", "UA", "B6"], ROWS, p=[0.7, 0.2, 0.1]),
            "many": [f"c{place}" for place in chance.integers(0, 40, ROWS)],
            "truth": chance.random(ROWS) < 0.3,
        }
    )


def test_columns_are_drawn_as_they_were() -> None:
    rows = reference()
    drawn = draw(profile(rows), DRAWN, seed=1)
    assert drawn.columns == rows.columns
    assert set(drawn["few"]) == {1.0, 2.0, 7.0}
    assert set(drawn["many"]) <= set(rows["many"])
    # Shares within four standard errors of a binomial, of both the reference's and the drawn.
    for share, told in [
        (drawn["number"].null_count() / DRAWN, 0.2),
        ((drawn["few"] == 1).mean(), 0.5),
        ((drawn["carrier"] == "AA").mean(), 0.7),
        ((drawn["truth"] == "true").mean(), 0.3),
        ((drawn["number"] > float(np.log(2))).mean(), 0.5),
    ]:
        assert abs(share - told) < 4 * np.sqrt(told * (1 - told) * (1 / DRAWN + 1 / ROWS)) + 0.02, (share, told)


def test_the_same_seed_draws_the_same_rows() -> None:
    made = profile(reference())
    assert draw(made, 10, seed=3).equals(draw(made, 10, seed=3))
    assert not draw(made, 10, seed=3).equals(draw(made, 10, seed=4))


def test_an_empty_column_is_not_drawn() -> None:
    rows = pl.DataFrame({"x": [1.0, 2.0] * 50, "gone": pl.Series([None] * 100, dtype=pl.Float64)})
    drawn = draw(profile(rows), 5, seed=0)
    assert drawn["x"].null_count() == 0
    assert "gone" not in drawn.columns
