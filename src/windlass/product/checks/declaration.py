"""What a user can get wrong, told before any training starts: one clear error each, with place and remedy."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import polars as pl

from windlass.errors import DataError, ProductError, fault_of
from windlass.product.checks.trainable import check_training
from windlass.product.labels import LabelCodec
from windlass.product.model_file import ModelFile
from windlass.product.policy import Capture, Gate, Objectives, Outcome, Release, Retrain
from windlass.product.product import Product
from windlass.product.task import Task, TaskKind

_POLICIES: dict[str, tuple[type, bool]] = {
    "outcome": (Outcome, False),
    "gate": (Gate, True),
    "release": (Release, False),
    "retrain": (Retrain, True),
    "capture": (Capture, False),
    "objectives": (Objectives, True),
    "model": (ModelFile, True),
}
"""Attribute -> its class, and whether it may be None."""
_METHODS = {"extract": ("since",), "assemble": ("sources",), "features": ("rows",), "train": ("examples",)}
_OWN_METRICS = frozenset({"default", "cost"})
_SHOWN = 5
"""Rows named in a message."""


def check_declaration(product: type[Product], *, metrics: Mapping[TaskKind, Collection[str]] | None = None) -> None:
    """Raise ProductError for the first thing in the class that cannot work.

    `metrics` are the names that a gate may use for each kind of task (`decisions.statistics.metrics.NAMES`, which this
    layer may not import); without it the name is not checked.
    """
    where = f"{product.__module__.rpartition('.')[2]}:{product.__name__}"
    _check_task(product, where)
    _check_policies(product, where)
    _check_names(product, where)
    instance = _instance(product, where)
    for method, arguments in _METHODS.items():
        _check_method(getattr(instance, method, None), arguments, f"{where}.{method}")
    check_training(product, where)
    _check_roles_kept(product, f"{where}.capture")
    if product.gate is not None:
        _check_gate(product.gate, product.task, (metrics or {}).get(product.task.kind, ()), f"{where}.gate")


def _check_roles_kept(product: type[Product], where: str) -> None:
    wanted = sorted({*product.capture.redact} & {*product.task.roles})
    if wanted:
        raise ProductError(
            f"{wanted[0]!r} is the task's time or key or target: without it no outcome finds its answer",
            where=where,
            remedy="leave it out of `redact`, and send a key that tells nobody who it is",
        )


def check_redacted(product: type[Product], names: Collection[str]) -> None:
    """Raise ProductError for a redacted column that is none of `names`, the request's columns and the features."""
    unknown = sorted({*product.capture.redact} - {*names})
    if unknown:
        raise ProductError(
            f"{unknown[0]!r} is to be redacted, and is neither a column of the row nor a feature",
            where=f"{product.name}, capture",
            remedy=f"there are: {', '.join(sorted(names))}",
        )


def check_rows(product: type[Product] | Product, rows: pl.DataFrame) -> None:
    """Raise DataError for the first thing in `rows` that training cannot use.

    Rows without a label are fine, since outcomes may come later, as long as the labelled ones can be learned from.
    The same key twice is fine too: a later row revises an earlier one.
    """
    check_roles(product, rows)
    check_keys(product, rows)
    check_labels(product, rows)


def check_roles(product: type[Product] | Product, rows: pl.DataFrame) -> None:
    """Raise DataError unless there are rows, and time, key and slices are columns of the right types."""
    task = product.task
    if not rows.height:
        raise DataError(
            "there are no rows",
            where=f"{product.name}, extract",
            remedy="see that `extract(None)` returns all rows there are, and that its source is not empty",
        )
    if task.time is not None:
        _check_column(rows, task.time, "time")
        _check_time(rows[task.time])
    if task.key is not None:
        _check_column(rows, task.key, "key")
        _check_key(rows[task.key])
    for name in () if product.gate is None else product.gate.slices:
        _check_column(rows, name, "slice of the gate")


def check_keys(product: type[Product] | Product, rows: pl.DataFrame) -> None:
    """Raise DataError for rows without a key."""
    if product.task.key is not None:
        _check_nulls(rows[product.task.key], "key", "leave such rows out in `extract`, or give them a key")


def check_labels(product: type[Product] | Product, rows: pl.DataFrame) -> None:
    """Raise DataError unless the labels of `rows` can be learned from, and `Outcome.absent` is one of them."""
    task = product.task
    _check_column(rows, task.target, "target")
    codec = LabelCodec.learn(rows[task.target], task)
    labelled = len(rows) - rows[task.target].null_count()
    if task.kind == "multiclass" and len(codec.classes) * 2 > labelled:
        raise DataError(
            f"there are {len(codec.classes)} different labels in {labelled} labelled rows, so few come twice",
            where=f"column {task.target!r}",
            remedy="if it is an identifier, `target` names the wrong column; if a quantity, declare wl.Regression",
        )
    if product.outcome.absent is not None:
        try:
            codec.check_value(product.outcome.absent)
        except DataError as error:
            where = f"{product.name}, Outcome.absent"
            raise DataError(error.what, where=where, remedy=error.remedy, plain=error.plain) from error


def _check_names(product: type[Product], where: str) -> None:
    """A name that is almost one of ours would do nothing, silently."""
    ours = [name for name in dir(Product) if not name.startswith("_")]
    for name in vars(product):
        close = [] if name.startswith("_") or name in ours else get_close_matches(name, ours, n=1, cutoff=0.85)
        if close:
            raise ProductError(
                f"{name!r} means nothing to Windlass",
                where=f"{where}.{name}",
                remedy=f"did you mean {close[0]!r}? If not, call it something else, such as '_{name}'",
            )
    if product.contract is not None and not hasattr(product.contract, "validate"):
        raise ProductError(
            f"a {type(product.contract).__name__} is no contract",
            where=f"{where}.contract",
            remedy="give a pandera.polars DataFrameModel class or DataFrameSchema",
        )


def _check_task(product: type[Product], where: str) -> None:
    task: Any = getattr(product, "task", None)
    if task is None:
        raise ProductError(
            "the product has no task",
            where=where,
            remedy='set task = wl.BinaryClassification(target="...") (or MulticlassClassification, Regression)',
        )
    _check_instance(task, Task, f"{where}.task", 'such as wl.BinaryClassification(target="late")')
    if not task.kind or type(task) is Task:
        raise ProductError(
            "Task itself is no kind of task", where=f"{where}.task", remedy="take one of its three kinds"
        )
    roles = [name for name in (task.target, task.time, task.key) if name is not None]
    if not all(isinstance(name, str) and name for name in roles):
        raise ProductError("a column's name is empty or no text", where=f"{where}.task", remedy="name the column")
    twice = next((name for name in roles if roles.count(name) > 1), None)
    if twice is not None:
        raise ProductError(
            f"the column {twice!r} has two roles",
            where=f"{where}.task",
            remedy="target, time and key are three columns; leave out a role that no column has",
        )


def _check_policies(product: type[Product], where: str) -> None:
    for name, (kind, optional) in _POLICIES.items():
        value = getattr(product, name)
        if not (value is None and optional):
            _check_instance(value, kind, f"{where}.{name}", f"{name} = wl.{kind.__name__}(...)")
    if isinstance(product.trials, bool) or not isinstance(product.trials, int) or product.trials < 1:
        raise ProductError(
            f"trials is {product.trials!r}", where=f"{where}.trials", remedy="give a whole number above 0"
        )


def _check_instance(value: object, kind: type, where: str, example: str) -> None:
    if isinstance(value, kind):
        return
    if inspect.isclass(value) and issubclass(value, kind):
        raise ProductError(
            f"{value.__name__} is a class, and an instance is needed", where=where, remedy=f"write {example}"
        )
    raise ProductError(f"a {type(value).__name__} is no {kind.__name__}", where=where, remedy=f"write {example}")


def _instance(product: type[Product], where: str) -> Product:
    try:
        return product()
    except Exception as error:
        raise ProductError(
            f"an instance cannot be made: {type(error).__name__}: {fault_of(error)}",
            where=where,
            remedy="let __init__ work without arguments, or leave it out; an instance keeps nothing between calls",
        ) from error


def _check_method(method: Any, arguments: Sequence[str], where: str) -> None:
    name = where.rpartition(".")[2]
    form = f"def {name}(self, {', '.join(arguments)})"
    if not callable(method):
        raise ProductError(f"{name} is no method", where=where, remedy=f"write `{form}`")
    if inspect.iscoroutinefunction(method) or inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method):
        raise ProductError(
            f"{name} is asynchronous or a generator",
            where=where,
            remedy=f"write a plain `{form}` that returns its result",
        )
    _check_call(method, arguments, where, form)


def _check_call(function: Any, arguments: Sequence[str], where: str, form: str) -> None:
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        name = where.rpartition(".")[2]
        raise ProductError(
            f"{name} cannot be called with ({', '.join(arguments)}): {error}", where=where, remedy=f"write `{form}`"
        ) from error
    except ValueError:  # built in, and its arguments are not known
        return


def _check_gate(gate: Gate, task: Task, metrics: Collection[str], where: str) -> None:
    kind = task.kind
    if gate.metric == "cost" and gate.cost is None:
        raise ProductError(
            "the metric `cost` needs a cost matrix", where=where, remedy="give cost=[[0, 1], [5, 0]], say"
        )
    if gate.metric == "cost" and kind != "binary":
        raise ProductError(
            f"a cost matrix is for binary tasks, not {kind}",
            where=where,
            remedy="name another metric, or give a function",
        )
    if gate.own is not None:
        _check_call(gate.own, ("truth", "scores"), f"{where}.metric", f"def {gate.metric}(truth, scores) -> float")
    if gate.own is None and metrics and gate.metric not in {*metrics, *_OWN_METRICS}:
        near = get_close_matches(gate.metric, list(metrics), n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise ProductError(
            f"there is no metric {gate.metric!r} for a {kind} task",
            where=where,
            remedy=f"{guess}there are {', '.join(sorted(metrics))}, or a function of your own",
        )
    if task.target in gate.slices:
        raise ProductError(
            "the target cannot be a slice", where=f"{where}.slices", remedy="slice by a column that is known beforehand"
        )


def _check_column(rows: pl.DataFrame, name: str, role: str) -> None:
    if name in rows.columns:
        return
    near = get_close_matches(name, rows.columns, n=2, cutoff=0.7)
    lower = [each for each in rows.columns if each.lower() == name.lower()]
    found = lower or near
    others = ", ".join(rows.columns[:12]) + (", ..." if rows.width > 12 else "")
    raise DataError(
        f"the {role} {name!r} is not among the columns",
        where=f"columns {others}",
        remedy=f"did you mean {' or '.join(repr(each) for each in found)}?"
        if found
        else f"return it from `extract`, or name another column as {role}",
    )


def _check_time(column: pl.Series) -> None:
    where = f"column {column.name!r}"
    if column.dtype != pl.Date and not isinstance(column.dtype, pl.Datetime):
        how = {
            pl.String: "parse it in `extract`: pl.col(...).str.to_datetime()",
            pl.Time: "combine it with its date in `extract`",
        }.get(column.dtype.base_type(), "make it one in `extract`: pl.from_epoch(...), say")
        raise DataError(f"the time is of type {column.dtype}, not a date or datetime", where=where, remedy=how)
    _check_nulls(column, "time", "leave such rows out in `extract`, or fill in when the prediction would be asked for")


def _check_key(column: pl.Series) -> None:
    where = f"column {column.name!r}"
    if column.dtype.is_nested() or column.dtype.is_float() or column.dtype == pl.Object:
        raise DataError(
            f"a key of type {column.dtype} cannot identify a row",
            where=where,
            remedy="make it text or a whole number in `extract`",
        )


def _check_nulls(column: pl.Series, role: str, remedy: str) -> None:
    if not column.null_count():
        return
    places = column.is_null().arg_true()
    first = ", ".join(str(place) for place in places.head(_SHOWN)) + (", ..." if len(places) > _SHOWN else "")
    raise DataError(
        f"the {role} is missing in {len(places)} of {len(column)} rows",
        where=f"column {column.name!r}, rows {first}",
        remedy=remedy,
    )
