"""The proof that features are row-local."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import windlass as wl
from windlass.errors import NotRowLocal, ProductError, SettingsError
from windlass.product.checks.proof import prove_row_local

Features = Callable[[pl.DataFrame], object]


def product(features: Features) -> wl.Product:
    class Flights(wl.Product):
        task = wl.BinaryClassification(target="late", time="at", key="id")

        def features(self, rows: pl.DataFrame) -> pl.DataFrame:
            return features(rows)  # type: ignore[return-value]

    return Flights()


def rows(height: int = 500, *, nulls: bool = False) -> pl.DataFrame:
    chance = np.random.default_rng(1)
    frame = pl.DataFrame(
        {
            "id": range(height),
            "at": pl.datetime_range(
                datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC), "1h", eager=True
            )[:height],
            "a": chance.normal(size=height),
            "b": chance.integers(0, 50, size=height),
            "c": chance.choice(["AA", "UA", "DL"], size=height),
        }
    )
    if nulls:
        gap = pl.Series(range(height)).is_in([height // 2, height // 2 + 1])
        frame = frame.with_columns(pl.when(gap).then(None).otherwise(pl.col("a")).alias("a"))
    return frame


A, B, C = pl.col("a"), pl.col("b"), pl.col("c")
LOCAL: dict[str, Features] = {
    "select": lambda r: r.select("a", "b", "c"),
    "expressions": lambda r: r.select(
        A * 2, (A + B).alias("s"), A.sqrt().alias("nan"), pl.col("at").dt.hour(), C.is_in(["AA"])
    ),
    "nan": lambda r: r.select(B, x=pl.lit(float("nan"))),
    "all null": lambda r: r.select(A, x=pl.lit(None)),
    "category": lambda r: r.select(C.cast(pl.Categorical())),
    "enum": lambda r: r.select(C.cast(pl.Enum(["AA", "UA", "DL"]))),
    "python": lambda r: r.select(C.map_elements(len, return_dtype=pl.Int64)),
    "struct and list": lambda r: r.select(s=pl.struct("a", "b"), t=pl.concat_list("a", "a")),
    "fixed fill": lambda r: r.select(A.fill_null(0)),
    "row of numpy": lambda r: pl.DataFrame({"x": np.floor(r["b"].to_numpy() / 7)}),
}
NEIGHBOURS: dict[str, Features] = {
    "mean": lambda r: r.select(x=A - A.mean()),
    "shift": lambda r: r.select(x=A.shift(1)),
    "difference": lambda r: r.select(x=A.diff()),
    "cumulative": lambda r: r.select(x=B.cum_sum()),
    "rank": lambda r: r.select(x=A.rank()),
    "row number": lambda r: r.with_row_index("x").select("x"),
    "window": lambda r: r.select(x=A.mean().over("c")),
    "rolling": lambda r: r.select(x=A.rolling_mean(3, min_samples=1)),
    "duplicates": lambda r: r.select(x=B.is_duplicated()),
    "maximum": lambda r: r.select(x=A / A.max()),
    "height": lambda r: r.select(B, x=pl.len()),
    "codes by appearance": lambda r: r.select(x=C.rank("dense")),
    "next row": lambda r: r.select(x=B.shift(-1)),
    "standard deviation": lambda r: pl.DataFrame({"x": r["a"] / r["a"].std()}),
}


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("height", [1, 2, 3, 200, 500])
def test_row_local_features_are_returned_for_all_rows(name: str, height: int) -> None:
    frame = rows(height, nulls=height > 4)
    expected = LOCAL[name](frame)
    assert isinstance(expected, pl.DataFrame)
    assert prove_row_local(product(LOCAL[name]), frame).equals(expected)


@pytest.mark.parametrize("name", NEIGHBOURS)
@pytest.mark.parametrize("height", [20, 500])
def test_features_that_look_at_neighbours_are_refused_with_their_column(name: str, height: int) -> None:
    with pytest.raises(
        NotRowLocal, match=r"depends on neighbouring rows: 'x' is[\s\S]*column 'x', row \d+[\s\S]*estimator"
    ):
        prove_row_local(product(NEIGHBOURS[name]), rows(height))


@pytest.mark.parametrize(
    "fill",
    [
        lambda r: r.select(x=A.fill_null(A.mean())),
        lambda r: r.select(x=A.fill_null(strategy="forward")),
        lambda r: r.select(x=A.interpolate()),
    ],
)
def test_a_gap_in_one_of_many_rows_is_enough(fill: Features) -> None:
    with pytest.raises(NotRowLocal, match="'x'"):
        prove_row_local(product(fill), rows(4000, nulls=True))
    assert prove_row_local(product(fill), rows(100)).height == 100  # without a gap nothing is filled


def test_a_difference_by_rounding_is_called_that() -> None:
    last_bit = product(lambda r: r.select(x=A * (1 + (1e-15 if r.height == 1 else 0))))
    with pytest.raises(NotRowLocal, match=r"rounding alone[\s\S]*round its result"):
        prove_row_local(last_bit, rows())


def test_a_window_over_rare_twins_is_seen_in_the_whole() -> None:
    frame = rows(4000).with_columns(id=pl.col("id") // 2)
    with pytest.raises(NotRowLocal, match="among 200 rows instead of 4000"):
        prove_row_local(product(lambda r: r.select(x=A.mean().over("id"))), frame)


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (lambda r: r.filter(A > 0), r"features returns \d+ rows for \d+"),
        (lambda r: r.unique("c"), r"features returns 3 rows for \d+"),
        (lambda r: r.sort("a"), "depends on neighbouring rows"),
        (lambda r: r.select(C).to_dummies(), r"another set of columns \(c_"),
        (lambda r: r.select(sorted(r.columns, reverse=r.height % 2 == 0)), "another order of columns"),
        (lambda r: r.select(C.cast(pl.Enum(r["c"].unique(maintain_order=True)))), "another type of the column 'c'"),
        (lambda r: r.select(x=r["b"].shrink_dtype() if r.height == 1 else B), "another type of the column 'x'"),
    ],
)  # fmt: skip
def test_rows_columns_and_types_stay_the_same(features: Features, said: str) -> None:
    with pytest.raises(NotRowLocal, match=said):
        prove_row_local(product(features), rows())


def raising(error: Exception) -> Features:
    def features(_: pl.DataFrame) -> pl.DataFrame:
        raise error

    return features


counter = itertools.count()


class Pandas:
    __module__ = "pandas.core.frame"


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (lambda r: r.lazy().select("a"), r"LazyFrame[\s\S]*\.collect\(\)"),
        (lambda r: None, r"NoneType[\s\S]*`return`"),
        (lambda r: r["a"], "a Series, not a polars DataFrame"),
        (lambda r: Pandas(), r"Pandas, not a polars DataFrame[\s\S]*from_pandas"),
        (lambda r: r.select(), "no column"),
        (lambda r: r.with_columns(late=1), "returns the target 'late'"),
        (lambda r: r.select("late"), r"asks for the target 'late': ColumnNotFoundError[\s\S]*nobody knows the target"),
        (lambda r: pl.DataFrame({"x": r["late"]}), "asks for the target 'late'"),
        (lambda r: r.select("lat"), r"raises ColumnNotFoundError on 500 rows"),
        (lambda r: r.select(x=A * (1 // (r.height - 1))), r"raises ZeroDivisionError on a single row"),
        (raising(KeyError("late")), "asks for the target"),
        (lambda r: r.select(B, x=pl.lit(next(counter))), "not deterministic: the same rows twice give another x"),
        (lambda r: pl.DataFrame({"x": np.random.default_rng().normal(size=r.height)}), "not deterministic"),
        (lambda r: pl.DataFrame({"x": pl.Series([object()] * r.height, dtype=pl.Object)}), "'x' holds Python objects"),
    ],
)  # fmt: skip
def test_what_features_can_do_wrong_is_one_clear_error(features: Features, said: str) -> None:
    with pytest.raises(ProductError, match=said) as caught:
        prove_row_local(product(features), rows())
    assert type(caught.value) is ProductError
    assert caught.value.where.startswith("flights, features")
    assert caught.value.remedy


def test_an_error_of_windlass_is_passed_on() -> None:
    with pytest.raises(SettingsError):
        prove_row_local(product(raising(SettingsError("no"))), rows())


def test_the_callers_rows_are_not_changed() -> None:
    frame = rows()
    before = frame.clone()

    def features(r: pl.DataFrame) -> pl.DataFrame:
        r.insert_column(0, pl.Series("x", [1] * r.height))
        r.drop_in_place("a")
        return r

    prove_row_local(product(features), frame)
    assert frame.equals(before)
    assert frame.columns == before.columns


def test_no_rows_give_no_features() -> None:
    assert prove_row_local(product(LOCAL["select"]), rows().clear()).columns == ["a", "b", "c"]


def test_the_error_names_no_key() -> None:
    frame = rows().with_columns(id=pl.lit("jane@example.org"))
    with pytest.raises(NotRowLocal) as caught:
        prove_row_local(product(NEIGHBOURS["mean"]), frame)
    assert "jane" not in str(caught.value)


def test_the_proof_costs_little() -> None:
    asked: list[int] = []

    def three(frame: pl.DataFrame) -> pl.DataFrame:
        asked.append(frame.height)
        return frame.select(A, B, C)

    prove_row_local(product(three), rows(5000))
    assert (len(asked), sum(asked)) == (19, 6012), "all rows once, and those of a sample a few times"


@settings(max_examples=40)
@given(
    st.lists(st.one_of(st.none(), st.floats(), st.integers(-5, 5).map(float)), min_size=1, max_size=300),
    st.integers(1, 50),
)
def test_local_features_always_pass_and_a_shift_passes_only_where_it_shows_nothing(
    values: list[float | None], sample: int
) -> None:
    frame = pl.DataFrame(
        {"id": range(len(values)), "at": [datetime(2013, 1, 1, tzinfo=UTC)] * len(values), "a": values},
        schema_overrides={"a": pl.Float64},
    )
    local = product(lambda r: r.select(A * 3, A.is_null().alias("gap"), A.round().alias("r")))
    assert prove_row_local(local, frame, sample=sample).height == len(values)
    shifted = product(lambda r: r.select(x=A.shift(1)))
    if len(values) > 1 and values[len(values) - 2] is not None:
        with pytest.raises(NotRowLocal):
            prove_row_local(shifted, frame, sample=len(values))
