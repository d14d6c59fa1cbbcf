"""From a product of the project to a stream: its own rows, features and policies.

Rows are put together, checked and labelled by the functions of a training run, as if all that `extract(None)` returns
had come at once.
"""

from __future__ import annotations

import traceback
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from windlass.backtest.estimators import with_seed
from windlass.backtest.stream import NEVER, Array, Revisions, Stream
from windlass.backtest.timeline import known_moments, moments_of
from windlass.errors import ProductError, WindlassError
from windlass.lake.examples import as_kept
from windlass.pipeline.rows.assembly import OUTCOMES, assemble, roles_of, sources_of
from windlass.pipeline.rows.labelled import check_contract
from windlass.pipeline.rows.labels import (
    OUTCOME_COLUMNS,
    VALUE,
    as_target,
    cases_of,
    check_absent,
    has_label,
    is_empty,
    label_history,
    outcome_frame,
)
from windlass.product.checks.declaration import check_keys, check_labels, check_roles
from windlass.product.checks.proof import prove_row_local
from windlass.product.labels import LabelCodec
from windlass.product.policy import Outcome, Retrain
from windlass.product.product import Product


def stream_of(product: type[Product], *, label_delay: str | None = None) -> Stream:
    """The stream of all rows that `extract(None)` returns.

    A row's own label counts as known once `Outcome.within` is over, unless `label_delay` says otherwise; the source
    `outcomes` brings labels with their own time `at`, later ones in the place of earlier ones. Rows without a label get
    `Outcome.absent`, if that says one, when the time is over. Raises ProductError for a product that cannot train or
    has no time column, DataError and ContractViolated for rows that do not fit.
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
    rows, outcomes = _extracted(product())
    order = rows.get_column(product.task.time)
    at = moments_of(order, windows=20)
    own_known_at = known_moments(order, at, delay=label_delay or product.outcome.within, label_times=None)
    if label_delay is not None:
        product = _waiting(product, own_known_at - at)
    inputs = rows.drop(product.task.target, strict=False)
    features = prove_row_local(product(), inputs)
    labels, classes = _labels(product, rows, outcomes, own_known_at)
    target, known_at, revisions = _in_order(labels, len(at))
    nobody = int(np.isnan(target).sum())
    missing = f"{nobody:,} rows have no {product.task.target}: they are predicted, not learned or scored"
    return Stream(
        product=product,
        features=features,
        rows=inputs,
        watched=tuple(features.columns),
        target=target,
        classes=classes,
        at=at,
        known_at=known_at,
        order=order,
        revisions=revisions,
        notes=(missing,) if nobody else (),
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


def _extract(product: Product) -> Any:
    """What the user's own `extract` returns; what it raises is told with its line, as a run tells it."""
    try:
        return product.extract(None)
    except WindlassError:
        raise
    except Exception as error:
        called = traceback.extract_tb(error.__traceback__)[1:]  # the first is the call above
        own = [frame for frame in called if frame.filename == called[0].filename]
        raise ProductError(
            f"extract raised {''.join(traceback.format_exception_only(error)).strip()}",
            where=f"{own[-1].filename}:{own[-1].lineno}" if own else f"{type(product).__qualname__}.extract",
            remedy="mend it; the log of a `windlass train` has the whole traceback",
        ) from error


def _extracted(product: Product) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows as training would have them, in the order of time, and the outcomes that came apart from them."""
    sources = dict(sources_of(_extract(product), where=f"{type(product).__qualname__}.extract"))
    told = sources.pop(OUTCOMES, pl.DataFrame())
    outcomes = pl.DataFrame(schema=OUTCOME_COLUMNS)
    if told.width:
        outcomes = outcome_frame(told, key=product.task.key, now=None)
    kept = {}
    for source, frame in sources.items():
        time, key = roles_of(product, source, frame)
        kept[source] = as_kept(None, frame, source=source, time=time, key=key) if frame.width else frame
    rows = assemble(product, kept)
    check_roles(product, rows)
    check_keys(product, rows)
    return check_contract(product, rows).sort(str(product.task.time), maintain_order=True), outcomes


def _labels(
    product: type[Product], rows: pl.DataFrame, outcomes: pl.DataFrame, own_known_at: Array
) -> tuple[pl.DataFrame, tuple[Any, ...]]:
    """Every label that a row ever has, `row`, `known_at` (microseconds) and `label` (code or value), in the order in
    which they become known, and the classes.

    From when on the row's own label is known, it comes before all others, as in training.
    """
    task = product.task
    own = rows.get_column(task.target) if task.target in rows.columns else pl.Series([None] * rows.height)
    like = as_target(outcomes.get_column(VALUE), like=None, task=task) if is_empty(own) else own
    check_absent(product.outcome, like=like, task=task)
    mine = pl.DataFrame({"known_at": own_known_at, "label": own}).with_row_index("row").filter(has_label(own))
    history = label_history(cases_of(rows, task), outcomes, outcome=product.outcome)
    texts = history.get_column(VALUE)
    told = history.select("row", pl.col("known_at").dt.epoch("us"), label=as_target(texts, like=like, task=task))
    told = told.join(mine.select("row", own_at="known_at"), on="row", how="left", maintain_order="left")
    told = told.filter(pl.col("known_at") < pl.col("own_at").fill_null(NEVER)).drop("own_at")
    labels = pl.concat([mine, told], how="vertical_relaxed").sort("known_at", maintain_order=True)
    check_labels(product, labels.select(pl.col("label").alias(task.target)))
    codec = LabelCodec.learn(labels.get_column("label").alias(task.target), task)
    return labels.with_columns(label=codec.encode(labels.get_column("label")).astype(np.float64)), codec.classes


def _in_order(labels: pl.DataFrame, rows: int) -> tuple[Array, Array, Revisions]:
    """The label of each row as it ended up, when its first was known, and the labels of rows that have several."""
    target, known_at = np.full(rows, np.nan), np.full(rows, NEVER)
    last, first = (labels.unique("row", keep=keep, maintain_order=True) for keep in ("last", "first"))
    target[last["row"].to_numpy()] = last["label"].to_numpy()
    known_at[first["row"].to_numpy()] = first["known_at"].to_numpy()
    several = labels.filter(pl.col("row").is_duplicated())
    revisions = Revisions(
        rows=several["row"].to_numpy(), known_at=several["known_at"].to_numpy(), labels=several["label"].to_numpy()
    )
    return target, known_at, revisions
