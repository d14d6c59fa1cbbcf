"""From any parquet or CSV file to a stream: the columns' roles, the task, and the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from windlass.backtest.leaks import telling_columns
from windlass.backtest.reading import read_file
from windlass.backtest.stream import NEVER, Array, Stream, Window, windows_of
from windlass.backtest.target import encode_of_file, plain_target, task_of
from windlass.backtest.timeline import early_labels, known_moments, moments_in, moments_of, read_time
from windlass.decisions.statistics.metrics import NAMES, metric_for
from windlass.errors import DataError, ProductError, UsageError
from windlass.product.model.encoder_columns import kind_of
from windlass.product.model.encoding import default_estimator
from windlass.product.policy import Gate, Outcome, Retrain
from windlass.product.product import Product
from windlass.product.task import Task, TaskKind

_MOST_DELAYS = 0.95
"""The part of the delays seen in the history that `Outcome.within` must leave room for."""


@dataclass(frozen=True, kw_only=True)
class FileRequest:
    """What the command line says of a file."""

    path: Path
    target: str
    time: str
    task: TaskKind | None = None
    estimator: Any = None
    """None: the default one of the task."""
    windows: int = 20
    label_delay: str | None = None
    label_time: str | None = None
    drop: tuple[str, ...] = ()
    metric: str = "default"
    seed: int = 0
    """Of the default estimator; another one brings its own."""


def stream_from_file(request: FileRequest) -> Stream:
    """The stream of a file, with a product made for it.

    Target and label time never are features. Of the time, the calendar may be one (hour, weekday, day of the year, see
    `FrameEncoder`), a plain order number is none. Raises UsageError for roles that cannot be, DataError for rows that
    cannot be replayed.
    """
    notes: list[str] = []
    frame = read_file(request.path, notes)
    _check_roles(frame, request)
    frame, order, label_times = _in_order(frame, request, notes)
    windows = windows_of(frame.height, request.windows)
    target = plain_target(frame.get_column(request.target), kind=request.task)
    task = task_of(target, request.task, notes)
    _check_metric(request.metric, task.kind)
    codes, classes = encode_of_file(target, task, notes)
    features = _features(frame, order, request, notes)
    at = moments_of(order, windows=request.windows)
    known_at = known_moments(order, at, delay=request.label_delay, label_times=label_times)
    if label_times is not None:
        _tell_label_times(label_times, early_labels(order, label_times), codes, notes)
    notes += [
        f"{name} alone tells {request.target} of every row: if it is filled in afterwards, leave it out (--drop {name})"
        for name in telling_columns(features, codes, task.kind)
    ]
    within = _within(request, at, known_at, history=windows[0].start)
    return Stream(
        product=product_for(task, request, within=within, window=_window(at, windows, notes)),
        features=features,
        rows=frame.drop(request.target),
        watched=tuple(name for name in features.columns if name != request.time),
        target=codes,
        classes=classes,
        at=at,
        known_at=np.where(np.isnan(codes), NEVER, known_at),
        order=order,
        notes=tuple(notes),
    )


def product_for(task: Task, request: FileRequest, *, within: timedelta, window: timedelta) -> type[Product]:
    """A product with the default policies, for labels that take up to `within`.

    Where windows are shorter than the default cooldown it is one window, and the budget allows a run for each: else a
    file of a few hours would allow no run at all.
    """
    usual = Retrain()
    short = window < usual.cooldown

    class Backtest(Product):
        name = "backtest"
        outcome = Outcome(within=within)
        gate = Gate(request.metric)
        retrain = Retrain(cooldown=window, per_week=max(usual.per_week, request.windows)) if short else usual
        estimator = default_estimator(task.kind, seed=request.seed) if request.estimator is None else request.estimator

    Backtest.task = task
    return Backtest


def _within(request: FileRequest, at: Array, known_at: Array, *, history: int) -> timedelta:
    """How long a label may take on the simulated clock, before nobody waits for it any more.

    With a delay, that delay. With times of their own, the default time, or longer if the labels that are known at the
    end of the history took longer.
    """
    taken = (known_at - at)[known_at < NEVER]
    if request.label_time is None:
        return timedelta(microseconds=int(taken.max())) if len(taken) else timedelta(0)
    usual = Outcome().within
    seen = (known_at - at)[:history][known_at[:history] <= at[history]]
    return max(usual, timedelta(microseconds=int(np.quantile(seen, _MOST_DELAYS)))) if len(seen) else usual


def _window(at: Array, windows: list[Window], notes: list[str]) -> timedelta:
    """How long a window lasts on the simulated clock, on average."""
    window = timedelta(microseconds=int(at[-1] - at[windows[0].start]) // len(windows))
    if window < Retrain().cooldown:
        notes.append("windows are shorter than the default cooldown of a day, so the loop may retrain once a window")
    return window


def _check_metric(name: str, kind: TaskKind) -> None:
    try:
        metric_for(name, kind)
    except ProductError as error:
        known = [each for each in NAMES[kind] if each != "cost"]
        near = get_close_matches(name, known, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise UsageError(error.what, where="--metric", remedy=f"{guess}use one of {', '.join(known)}") from error


def _check_roles(frame: pl.DataFrame, request: FileRequest) -> None:
    if request.label_delay is not None and request.label_time is not None:
        raise UsageError("--label-delay and --label-time exclude each other", remedy="give one of them")
    roles = [("--target", request.target), ("--time", request.time), ("--label-time", request.label_time)]
    wanted = [(flag, name) for flag, name in roles if name is not None]
    for flag, name in [*wanted, *(("--drop", name) for name in request.drop)]:
        if name not in frame.columns:
            raise UsageError(
                f"there is no column {name!r}", where=f"{flag}, {request.path}", remedy=_nearest(name, frame.columns)
            )
    if request.target in request.drop:
        raise UsageError(f"{request.target!r} is given as --target and as --drop", remedy="give it one role")
    for flag, name in wanted[1:]:
        if name == request.target:
            raise UsageError(f"{name!r} is given as --target and as {flag}", remedy="give it one role")
    if not frame.height:
        raise DataError("the file has no rows", where=str(request.path), remedy="check what wrote it")


def _nearest(name: str, columns: list[str]) -> str:
    folded = {column.strip().casefold(): column for column in columns}
    near = get_close_matches(name.strip().casefold(), list(folded), n=1)
    if near:
        return f"did you mean {folded[near[0]]!r}?"
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    return f"the columns are {', '.join(columns[:20])}{more}"


def _tell_label_times(label_times: pl.Series, early: Array, codes: Array, notes: list[str]) -> None:
    labelled = np.isfinite(codes)
    never = int((labelled & label_times.is_null().to_numpy()).sum())
    if never:
        notes.append(f"{never:,} labels have no {label_times.name}: they are scored, but never known to a policy")
    before = int((labelled & early).sum())
    if before:
        notes.append(f"{before:,} labels have a {label_times.name} before their row: they count as known with the row")


def _in_order(
    frame: pl.DataFrame, request: FileRequest, notes: list[str]
) -> tuple[pl.DataFrame, pl.Series, pl.Series | None]:
    """Rows in the order of time (ties as in the file), that time, and the label times."""
    order = read_time(frame.get_column(request.time))
    label_times = None if request.label_time is None else read_time(frame.get_column(request.label_time))
    there = order.is_not_null()
    if not there.all():
        if not there.any():
            raise DataError("no row has a time", where=f"column {request.time!r}", remedy="name another with --time")
        notes.append(f"{len(order) - int(there.sum()):,} rows without a {request.time} are left out")
        frame, order = frame.filter(there), order.filter(there)
        label_times = None if label_times is None else label_times.filter(there)
    if not order.is_sorted():
        places = pl.DataFrame({"order": order}).with_row_index("row").sort("order", "row")["row"]
        frame, order = frame[places], order[places]
        label_times = None if label_times is None else label_times[places]
    return frame, order, label_times


def _features(frame: pl.DataFrame, order: pl.Series, request: FileRequest, notes: list[str]) -> pl.DataFrame:
    away = {request.target, request.label_time, *request.drop}
    away |= {request.time} if order.dtype.is_numeric() else set()
    features = frame.drop([name for name in frame.columns if name in away])
    if request.time in features.columns:
        features = features.with_columns(order.alias(request.time))
    features = features.with_columns(
        moments for column in features.get_columns() if (moments := moments_in(column)) is not None
    )
    nested = {name: dtype for name, dtype in features.schema.items() if kind_of(dtype) is None}
    if nested:
        listed = ", ".join(f"{name} ({dtype})" for name, dtype in nested.items())
        notes.append(f"no estimator takes values of such a type, so these are no features: {listed}")
        features = features.drop(list(nested))
    if not features.width:
        raise UsageError("no column is left to predict from", where=str(request.path), remedy="drop fewer columns")
    return features
