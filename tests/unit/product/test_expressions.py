"""Features are expressions alone only if nothing in them can wait for anything, or run for ever."""

from __future__ import annotations

import math
import time
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
from polars import col, when

from windlass.product.code.expressions import is_of_expressions

LEVELS = {"low": 1, "high": 2}
COLUMNS = ("a", "b")
RATIO = col("a") / col("b")
READERS = {"csv": pl.read_csv}


def apart(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    return (one - other).abs()


def waits(value: Any) -> Any:
    time.sleep(1)
    return value


def waits_within(value: Any) -> Any:
    return apart(waits(value), value)


@cache
def kept(value: Any) -> Any:
    return value


class Base:
    LIMIT = 3.0

    def within(self, value: pl.Expr) -> pl.Expr:
        return value.clip(-self.LIMIT, self.LIMIT)


class Known(Base):
    since = date(2013, 1, 1)

    def arithmetic(self, rows: Any) -> Any:
        """A docstring, names of one's own, conditions."""
        a, b = pl.col("x0"), pl.col("x1")
        total: pl.Expr = a + b
        if rows.width > 3:
            total += pl.col("x2").fill_null(0.0) / 2
        return rows.select(
            total=total,
            product=a * b,
            clipped=pl.col("x3").clip(-1, 1).exp(),
            chosen=pl.when(pl.col("x4") > 0).then(pl.col("x5")).otherwise(-a),
            more=~(a > b) & (b <= 3),
        )

    def namespaces(self, rows: Any) -> Any:
        at = pl.col("at").dt
        return rows.with_columns(
            at.hour().alias("hour"), at.weekday().is_in([6, 7]), pl.col("name").str.strip_chars().str.to_lowercase()
        )

    def columns_of_a_frame(self, rows: Any) -> Any:
        return rows.with_columns(rows["x"] * 0.5, rows.get_column("y").log1p()).drop("z")

    def loops(self, rows: Any) -> Any:
        made = [pl.col(name).alias(f"{name}_{place}") for place, name in enumerate(COLUMNS)]
        for name in COLUMNS:
            made.append(pl.col(name).is_null())
        return rows.select(*made, **{f"{name}2": pl.col(name) ** 2 for name in COLUMNS})

    def what_is_at_hand(self, rows: Any) -> Any:
        return rows.select(
            RATIO,
            self.within(col("a")),
            apart(pl.col("a"), pl.col("b")),
            cs.numeric() * math.pi,
            np.log1p(pl.col("a")) + math.sqrt(2),
            pl.col("level").replace_strict(LEVELS, default=None, return_dtype=pl.Float64),
            (pl.col("at") - self.since) / timedelta(days=1),
            when(pl.col("a").is_null()).then(0).otherwise(1),
            pl.col("t").cast(pl.Datetime("us")),
        )


class Others(Base):
    def __init__(self) -> None:
        self.client: Any = time

    @property
    def columns(self) -> Any:
        return waits("x")

    def sleeps(self, rows: Any) -> Any:
        time.sleep(1)
        return rows

    def calls_what_sleeps(self, rows: Any) -> Any:
        return rows.with_columns(waits_within(pl.col("a")))

    def has_it_called(self, rows: Any) -> Any:
        return rows.with_columns(pl.col("a").map_elements(waits))

    def has_an_unnamed_one_called(self, rows: Any) -> Any:
        return rows.with_columns(pl.col("a").map_elements(lambda value: value + 1))

    def pipes(self, rows: Any) -> Any:
        return rows.pipe(waits)

    def reads_a_file(self, rows: Any) -> Any:
        return rows.join(pl.read_csv("levels.csv"), on="a")

    def reads_a_file_by_a_table(self, rows: Any) -> Any:
        return rows.join(READERS["csv"]("levels.csv"), on="a")

    def writes_a_file(self, rows: Any) -> Any:
        rows.write_csv("seen.csv")
        return rows

    def opens_a_file(self, rows: Any) -> Any:
        return rows.with_columns(pl.lit(open("x").read()))  # noqa: PTH123

    def imports(self, rows: Any) -> Any:
        import requests

        return requests.get(rows)

    def asks_a_client(self, rows: Any) -> Any:
        return rows.select(self.client.values())

    def asks_a_property(self, rows: Any) -> Any:
        return rows.select(self.columns)

    def has_no_end(self, rows: Any) -> Any:
        while rows.width:
            rows = rows.with_columns(pl.col("a"))
        return rows

    def leads_back_to_itself(self, rows: Any) -> Any:
        return self.leads_back_to_itself(rows.select("a"))

    def hands_itself_on(self, rows: Any) -> Any:
        return rows.select(self)

    def reaches_within(self, rows: Any) -> Any:
        return rows.__class__(rows)

    def is_told_by_nothing(self, rows: Any) -> Any:
        return rows.select(nowhere(pl.col("a")))  # type: ignore[name-defined] # noqa: F821

    def calls_what_is_decorated(self, rows: Any) -> Any:
        return rows.select(kept("a"))

    def asks_python(self, rows: Any) -> Any:
        return rows.select(eval("waits(1)"))

    def asks_aside(self, rows: Any) -> Any:
        with pl.StringCache():
            return rows.select("a")

    async def is_awaited(self, rows: Any) -> Any:
        return rows


def methods(owner: type) -> list[str]:
    return [name for name, value in vars(owner).items() if callable(value) and not name.startswith("_")]


@pytest.mark.parametrize("name", methods(Known))
def test_what_only_calculates_is_known(name: str) -> None:
    assert is_of_expressions(getattr(Known(), name))


@pytest.mark.parametrize("name", methods(Others))
def test_what_may_wait_or_is_not_known_is_not(name: str) -> None:
    assert not is_of_expressions(getattr(Others(), name))


def test_code_that_cannot_be_read_is_not_known() -> None:
    scope: dict[str, Any] = {}
    exec("class Made:\n    def features(self, rows):\n        return rows\n", scope)
    assert not is_of_expressions(scope["Made"]().features)
    assert not is_of_expressions(len)


def test_what_is_in_the_way_of_a_name_counts() -> None:
    """An argument called like a module is what is handed over."""

    class Shadowed:
        def features(self, rows: Any) -> Any:
            pl = rows
            return pl.select("a")

        def hidden(self, pl: Any) -> Any:
            return pl.read_csv("x")

    assert is_of_expressions(Shadowed().features)
    assert not is_of_expressions(Shadowed().hidden)
