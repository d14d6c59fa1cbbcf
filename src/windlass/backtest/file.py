"""From any parquet or CSV file to a stream: the columns' roles, the task, and the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from windlass.backtest.stream import NEVER, Stream
from windlass.backtest.timeline import is_number, known_moments, moments_of, read_time
from windlass.errors import DataError, UsageError
from windlass.product.labels import LabelCodec
from windlass.product.model.encoder_columns import kind_of
from windlass.product.policy import Gate, Outcome, Retrain
from windlass.product.product import Product
from windlass.product.task import BinaryClassification, MulticlassClassification, Regression, Task, TaskKind

MOST_CLASSES = 20
"""Whole numbers with more distinct values than this are taken for a quantity, not for classes."""
_NULLS = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"]


@dataclass(frozen=True, kw_only=True)
class FileRequest:
    """What the command line says of a file."""

    path: Path
    target: str
    time: str
    task: TaskKind | None = None
    estimator: Any = None
    windows: int = 20
    label_delay: str | None = None
    label_time: str | None = None
    drop: tuple[str, ...] = ()
    metric: str = "default"


def read_file(path: Path) -> pl.DataFrame:
    """The rows of a parquet or CSV file; raises UsageError or DataError when it cannot be read."""
    if not path.is_file():
        raise UsageError("there is no such file", where=str(path), remedy="check the path")
    kind = path.suffix.lower()
    if kind not in (".parquet", ".pq", ".csv", ".tsv"):
        raise UsageError(
            f"files ending in {kind or 'nothing'} are not read",
            where=str(path),
            remedy="give a .parquet or a .csv file",
        )
    try:
        if kind in (".parquet", ".pq"):
            return pl.read_parquet(path)
        separator = "\t" if kind == ".tsv" else ","
        return pl.read_csv(
            path, separator=separator, try_parse_dates=True, infer_schema_length=None, null_values=_NULLS
        )
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise DataError(f"the file cannot be read: {error}", where=str(path), remedy="check what wrote it") from error


def stream_from_file(request: FileRequest) -> Stream:
    """The stream of a file, with a product made for it.

    Target and label time never are features. Of the time, the calendar may be one (hour, weekday, day of the year, see
    `FrameEncoder`), a plain order number is none. Raises UsageError for roles that cannot be, DataError for rows that
    cannot be replayed.
    """
    frame = read_file(request.path)
    _check_roles(frame, request)
    notes: list[str] = []
    frame, order, label_times = _in_order(frame, request, notes)
    target = frame.get_column(request.target)
    if target.dtype.is_float():
        target = pl.select(pl.when(target.is_finite()).then(target).alias(target.name)).to_series()
    task = _task(target, request, notes)
    features = _features(frame, order, request, notes)
    at = moments_of(order, windows=request.windows)
    known_at = known_moments(order, at, delay=request.label_delay, label_times=label_times)
    codes, classes = encode_target(target, task, notes)
    return Stream(
        product=product_for(task, request),
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


def product_for(task: Task, request: FileRequest) -> type[Product]:
    """A product with the default policies; a label takes as long as the delay says, or up to the default time."""
    delay = request.label_delay
    known: str | timedelta = "0s" if delay is None or is_number(delay) else delay
    within = known if request.label_time is None else Outcome().within

    class Backtest(Product):
        name = "backtest"
        outcome = Outcome(within=within)
        gate = Gate(request.metric)
        retrain = Retrain()
        estimator = request.estimator

    Backtest.task = task
    return Backtest


def encode_target(target: pl.Series, task: Task, notes: list[str]) -> tuple[np.ndarray[Any, Any], tuple[Any, ...]]:
    """(n,) float64 codes or values with NaN where there is no label, and the classes."""
    codec = LabelCodec.learn(target, task)
    known = target.is_not_null().to_numpy()
    codes = np.full(len(target), np.nan)
    codes[known] = codec.encode(target.drop_nulls())
    if not known.all():
        notes.append(f"{int((~known).sum()):,} rows have no {task.target}: they are predicted, not learned or scored")
    return codes, codec.classes


def infer_task(target: pl.Series, name: str) -> TaskKind:
    """What kind of label a column holds; raises DataError when nothing can be learned from it."""
    where = f"column {name!r}"
    if target.dtype.is_nested():
        raise DataError(f"values of type {target.dtype} cannot be a target", where=where, remedy="name another column")
    known = target.drop_nulls()
    distinct = known.n_unique()
    if distinct < 2:
        what = f"always {known[0]!r}" if len(known) else "empty"
        raise DataError(f"the target is {what}", where=where, remedy="name the column to be predicted with --target")
    if distinct == 2 and not (known.dtype.is_float() and (known != known.round()).any()):
        return "binary"
    if not known.dtype.is_numeric():
        if distinct > max(100, len(known) // 20):
            raise DataError(
                f"{distinct} different values of type {known.dtype} cannot be classes",
                where=where,
                remedy="name another column, or say --task multiclass if they are",
            )
        return "multiclass"
    whole = not known.dtype.is_float() or not (known != known.round()).any()
    return "multiclass" if whole and distinct <= MOST_CLASSES and _dense(known, distinct) else "regression"


def _dense(known: pl.Series, distinct: int) -> bool:
    """Whether whole numbers run without gaps from 0 or 1, as class codes do and quantities rarely."""
    least, most = int(known.min()), int(known.max())  # type: ignore[arg-type]  # numeric, since the caller asked
    return least in (0, 1) and most - least + 1 == distinct


def _task(target: pl.Series, request: FileRequest, notes: list[str]) -> Task:
    kind = request.task
    if kind is None:
        kind = infer_task(target, request.target)
        notes.append(f"taken for a {kind} task by its target; --task says otherwise")
    elif target.drop_nulls().n_unique() < 2:
        infer_task(target, request.target)
    if kind == "binary":
        return BinaryClassification(target=request.target)
    return (MulticlassClassification if kind == "multiclass" else Regression)(target=request.target)


def _check_roles(frame: pl.DataFrame, request: FileRequest) -> None:
    if request.label_delay is not None and request.label_time is not None:
        raise UsageError("--label-delay and --label-time exclude each other", remedy="give one of them")
    roles = [("--target", request.target), ("--time", request.time), ("--label-time", request.label_time)]
    wanted = [(flag, name) for flag, name in roles if name is not None] + [("--drop", name) for name in request.drop]
    for flag, name in wanted:
        if name not in frame.columns:
            near = get_close_matches(name, frame.columns, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(frame.columns[:20])}"
            raise UsageError(f"there is no column {name!r}", where=f"{flag}, {request.path}", remedy=remedy)
    named: dict[str, str] = {}
    for flag, name in wanted:
        if name in named and named[name] != flag and {named[name], flag} != {"--time", "--label-time"}:
            raise UsageError(f"{name!r} is given as {named[name]} and as {flag}", remedy="give it one role")
        named[name] = flag
    if not frame.height:
        raise DataError("the file has no rows", where=str(request.path), remedy="check what wrote it")


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
    nested = {name: dtype for name, dtype in features.schema.items() if kind_of(dtype) is None}
    if nested:
        listed = ", ".join(f"{name} ({dtype})" for name, dtype in nested.items())
        notes.append(f"no estimator takes values of such a type, so these are no features: {listed}")
        features = features.drop(list(nested))
    if not features.width:
        raise UsageError("no column is left to predict from", where=str(request.path), remedy="drop fewer columns")
    return features
