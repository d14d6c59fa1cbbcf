"""From the lake to the rows a model may learn from: the steps pin and check."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec
import polars as pl

from windlass.errors import DataError
from windlass.lake.lake import TrainingSet
from windlass.pipeline.context import Training
from windlass.pipeline.ingest import Extracted
from windlass.pipeline.labels import MOMENT, as_target, fill_absent, fill_labels, labels_by_key
from windlass.pipeline.split import Split, split_rows
from windlass.pipeline.step import Finished, Step, Summary
from windlass.pipeline.tables import read_frame, read_record, write_frame, write_record
from windlass.product.checks.declaration import check_rows
from windlass.product.contract import check_frame, columns_of, decode_rows
from windlass.product.policy import to_plain
from windlass.product.product import Product
from windlass.records.bundle import Column
from windlass.records.data import DataPin
from windlass.records.event import Body, DataPinned


class Pinned:
    """The outputs of the step `pin`: which rows, and the labels that came apart from them."""

    def __init__(self, training: Training, step: Finished, found: TrainingSet | None) -> None:
        self.step = step
        self.pin = read_record(step.folder / "pin.json", DataPin)
        self._lake = training.lake
        self._found = found

    @property
    def labels(self) -> pl.DataFrame:
        return read_frame(self.step.folder / "labels.arrow")

    def read(self) -> TrainingSet:
        """The rows themselves; raises PinBroken when they do not read the same any more."""
        return self._lake.read(self.pin) if self._found is None else self._found


class Rows:
    """The outputs of the step `check`."""

    def __init__(self, training: Training, pinned: Pinned, step: Finished) -> None:
        self.step = step
        self.pin = pinned.pin
        self.split = read_record(step.folder / "split.json", Split)
        self.columns = read_record(step.folder / "columns.json", tuple[Column, ...])
        self.frame = read_frame(step.folder / "rows.arrow")
        self.moments = moments_of(self.frame, training.task.time)


def pin(training: Training, extracted: Finished) -> Pinned:
    """Fix which rows belong to the training set. A run that was taken up has it fixed already, unless its extract had
    to be made again."""
    task, window = training.task, training.request.window
    step = Step(
        name="pin",
        parameters={
            "origin": training.origin,
            "extract": extracted.key,
            "time": task.time,
            "key": task.key,
            "outcome": to_plain(training.product.policies())["outcome"],
            "window": None if window is None else window.total_seconds(),
        },
    )
    found: list[TrainingSet] = []
    work = partial(_pin, training, found, extracted)
    finished = training.runner.run(step, work, also=partial(_told, training))
    return Pinned(training, finished, found[0] if found else None)


def _pin(training: Training, found: list[TrainingSet], extracted: Finished, folder: Path) -> Summary:
    now, window = training.now, training.request.window
    training_set, fixed = training.lake.pin(
        training.name,
        time=training.task.time,
        key=training.task.key,
        outcome=training.product.outcome,
        as_of=now,
        start=None if window is None else now - window,
        sources=read_record(extracted.folder / "extracted.json", Extracted).sources,
    )
    found.append(training_set)
    write_record(fixed, folder / "pin.json")
    write_frame(labels_by_key(training.lake, fixed), folder / "labels.arrow")
    return {"rows": fixed.rows, "digest": fixed.digest}


def _told(training: Training, finished: Finished) -> list[Body]:
    return [DataPinned(run=training.run, pin=read_record(finished.folder / "pin.json", DataPin))]


# -- check -------------------------------------------------------------------------------------------------------


def check(training: Training, pinned: Pinned) -> Rows:
    """One frame of labelled rows that satisfy the contract, in the order of their event time, parted in two."""
    task = training.task
    step = Step(
        name="check",
        code=training.code("assemble", "contract", "task", "outcome", "gate"),
        parameters={
            "task": msgspec.to_builtins(task),
            # What has not come by now may mean something by tomorrow, with the same rows and labels.
            "as_of": None if training.product.outcome.absent is None else pinned.pin.as_of.isoformat(),
        },
        inputs={"rows": pinned.pin.digest, "labels": pinned.step.digest("labels.arrow")},
    )
    return Rows(training, pinned, training.runner.run(step, partial(_check, training, pinned)))


def _check(training: Training, pinned: Pinned, folder: Path) -> Summary:
    product, task = training.product, training.task
    training_set = pinned.read()
    assembled = fill_labels(_assembled(product(), training_set.sources), pinned.labels, task)
    served_keys = training_set.served.get_column("key")
    examples = fill_absent(assembled, task, outcome=product.outcome, as_of=pinned.pin.as_of, told=served_keys)
    rows = _with_served(product, examples, training_set.served)
    check_rows(product, rows)
    labelled = rows.filter(_has_label(rows.get_column(task.target)))
    checked = check_frame(product, labelled)
    if task.time is not None:
        checked = checked.sort(task.time, maintain_order=True)
    split, order = split_rows(checked, moments=moments_of(checked, task.time), key=task.key)
    write_frame(checked if order is None else checked[order], folder / "rows.arrow")
    write_record(split, folder / "split.json")
    write_record(columns_of(product, checked.drop(task.target)), folder / "columns.json")
    return {
        "rows": checked.height,
        "served": rows.height - examples.height,
        "unlabelled": rows.height - labelled.height,
        "holdout": split.holdout,
        "split": split.by,
        "note": f"{split.train:,} to train on, {split.holdout:,} to judge by",
    }


def _assembled(product: Product, sources: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """One row per example. A single source is taken as it is, unless the product says how to assemble it."""
    filled = {name: frame for name, frame in sources.items() if frame.width}
    if not filled:
        raise DataError(
            "there are no rows",
            where=f"{product.name}, extract",
            remedy="see that `extract(None)` returns all rows there are, and that its source is not empty",
        )
    if len(filled) == 1 and type(product).assemble is Product.assemble:
        return next(iter(filled.values()))
    assembled: object = product.assemble(filled)
    if not isinstance(assembled, pl.DataFrame):
        raise DataError(
            f"assemble returned a {type(assembled).__name__}",
            where=f"{product.name}, assemble",
            remedy="return a polars DataFrame with one row for each example",
        )
    return assembled


def _with_served(product: type[Product], examples: pl.DataFrame, served: pl.DataFrame) -> pl.DataFrame:
    """The examples, and below them the served rows whose label is known and that are no example themselves."""
    task = product.task
    if task.key is not None and task.key in examples.columns:
        target = examples.get_column(task.target) if task.target in examples.columns else None
        labelled = examples if target is None else examples.filter(_has_label(target))
        keys = labelled.select(pl.col(task.key).cast(pl.String).alias("key"))
        served = served.join(keys, on="key", how="anti", maintain_order="left")
    if served.is_empty():
        return examples
    known = examples.drop(task.target, strict=False)
    decoded = decode_rows(served.get_column("request"), columns_of(product, known)).select(known.columns)
    like = examples.get_column(task.target) if task.target in examples.columns else None
    target = as_target(served.get_column("value"), like=like, task=task)
    return pl.concat([examples, decoded.with_columns(target).select(examples.columns)], how="vertical_relaxed")


def _has_label(target: pl.Series) -> pl.Series:
    known = target.is_not_null()
    return known & target.is_not_nan().fill_null(value=True) if target.dtype.is_float() else known


def moments_of(rows: pl.DataFrame, time: str | None) -> pl.Series | None:
    """The event times in UTC; None without a time column."""
    return None if time is None else rows.get_column(time).cast(MOMENT)
