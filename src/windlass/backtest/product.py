"""From a product of the project to a stream: its own rows, features and policies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from windlass.backtest.estimators import with_seed
from windlass.backtest.stream import NEVER, Array, Stream
from windlass.backtest.target import encode_target
from windlass.backtest.timeline import known_moments, moments_of, read_time
from windlass.errors import DataError, ProductError
from windlass.product.checks.proof import prove_row_local
from windlass.product.policy import Outcome, Retrain
from windlass.product.product import Product

OUTCOMES = "outcomes"
"""The source of `extract` that brings labels which came later."""


def stream_of(product: type[Product], *, label_delay: str | None = None) -> Stream:
    """The stream of all rows that `extract(None)` returns.

    A label counts as known once `Outcome.within` is over, unless `label_delay` says otherwise or the source `outcomes`
    brings it with its own time `at`. Rows without a label get `Outcome.absent`, if that says one, when the time is
    over. Raises ProductError for a product that cannot train or has no time column, DataError for rows that do not fit.
    """
    if not product.trains():
        raise ProductError(
            "this product has no `extract`, so there is no history to replay",
            where=product.__qualname__,
            remedy="define extract(self, since), or give a file: windlass backtest DATA --target COL --time COL",
        )
    if product.task.time is None:
        raise ProductError(
            "a backtest needs to know when each row was",
            where=f"{product.__qualname__}.task",
            remedy='name the column: BinaryClassification(target="...", time="...")',
        )
    rows, outcomes = _rows(product)
    notes: list[str] = []
    order = read_time(_column(rows, product.task.time))
    if order.null_count():
        raise DataError(
            f"{order.null_count()} rows have no time",
            where=f"column {product.task.time!r}",
            remedy="leave such rows out in `extract`",
        )
    places = pl.DataFrame({"order": order}).with_row_index("row").sort("order", "row")["row"]
    rows, order = rows[places], order[places]
    at = moments_of(order, windows=20)
    delay = label_delay if label_delay is not None else product.outcome.within
    known_at = known_moments(order, at, delay=delay, label_times=None)
    if label_delay is not None:
        product = _waiting(product, (known_at - at)[known_at < NEVER])
    rows, known_at = _with_outcomes(product, rows, outcomes, at, known_at)
    target, known_at = _with_absent(product, rows, at, known_at)
    codes, classes = encode_target(target, product.task, notes)
    inputs = rows.drop(product.task.target)
    features = prove_row_local(product(), inputs)
    return Stream(
        product=product,
        features=features,
        rows=inputs,
        watched=tuple(features.columns),
        target=codes,
        classes=classes,
        at=at,
        known_at=np.where(np.isnan(codes), NEVER, known_at),
        order=order,
        notes=tuple(notes),
    )


def with_defaults(product: type[Product], *, estimator: Any, seed: int) -> type[Product]:
    """The product with the default retrain policy if it has none, another estimator if one is given, and the seed."""
    chosen = product.estimator if estimator is None else estimator
    members = {
        "name": product.name,
        "retrain": product.retrain or Retrain(),
        "estimator": chosen if chosen is None else with_seed(chosen, seed),
    }
    return type(product.__name__, (product,), members)


def _waiting(product: type[Product], delays: Array) -> type[Product]:
    """The product with an `Outcome.within` of the longest of these delays, in microseconds."""
    longest = timedelta(microseconds=int(delays.max())) if len(delays) else timedelta(0)
    outcome = Outcome(within=longest, absent=product.outcome.absent)
    return type(product.__name__, (product,), {"name": product.name, "outcome": outcome})


def _rows(product: type[Product]) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """The example rows, and the outcomes that came separately."""
    found = product().extract(None)
    if isinstance(found, pl.DataFrame):
        return found, None
    if not isinstance(found, dict):
        raise ProductError(
            f"extract returned {type(found).__name__}",
            where=f"{product.__qualname__}.extract",
            remedy="return a polars DataFrame, or a dict of them",
        )
    sources = dict(found)
    outcomes = sources.pop(OUTCOMES, None)
    return (next(iter(sources.values())) if len(sources) == 1 else product().assemble(sources)), outcomes


def _with_outcomes(
    product: type[Product], rows: pl.DataFrame, outcomes: pl.DataFrame | None, at: Array, known_at: Array
) -> tuple[pl.DataFrame, Array]:
    """Rows with the labels that the source `outcomes` brings; the last one for a key counts, from its first time on."""
    key, target = product.task.key, product.task.target
    if outcomes is None or not outcomes.height:
        return rows, known_at
    if key is None or not {key, "value"} <= set(outcomes.columns):
        raise ProductError(
            "outcomes name their rows by key, and need the columns key and `value`",
            where=f"{product.__qualname__}.extract, source {OUTCOMES!r}",
            remedy=f"declare `key` in the task and return the columns {key or 'KEY'!r}, 'value' and, if known, 'at'",
        )
    when = read_time(outcomes["at"]).alias("__at") if "at" in outcomes.columns else None
    table = outcomes.select(pl.col(key), pl.col("value").alias("__value"))
    table = table.with_columns(pl.lit(None, pl.Int64).alias("__at") if when is None else when.to_physical())
    table = table.group_by(key, maintain_order=True).agg(pl.col("__value").last(), pl.col("__at").min())
    joined = rows.join(table, on=key, how="left", maintain_order="left")
    told = joined["__value"].is_not_null().to_numpy()
    stated = joined["__at"].fill_null(NEVER).to_numpy()
    known = np.where(told & (stated < NEVER), np.maximum(stated, at), known_at)
    label = pl.coalesce("__value", target) if target in rows.columns else pl.col("__value")
    return joined.with_columns(label.alias(target)).drop("__value", "__at"), known


def _with_absent(product: type[Product], rows: pl.DataFrame, at: Array, known_at: Array) -> tuple[pl.Series, Array]:
    """The target, with `Outcome.absent` where no label came, known when the time for it was over."""
    target = _column(rows, product.task.target)
    absent, within = product.outcome.absent, product.outcome.within
    if absent is None or not target.null_count():
        return target, known_at
    missing = target.is_null().to_numpy()
    filled = target.fill_null(pl.lit(absent, dtype=target.dtype))
    return filled, np.where(missing, at + within // timedelta(microseconds=1), known_at)


def _column(rows: pl.DataFrame, name: str) -> pl.Series:
    if name not in rows.columns:
        raise DataError(
            f"extract returned no column {name!r}; it returned {', '.join(rows.columns)}",
            where="extract",
            remedy="return the column, or mend its name in the task",
        )
    return rows.get_column(name)
