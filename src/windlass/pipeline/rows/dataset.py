"""From the lake to the rows a model may learn from: the steps pin and check."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.earliness import worth_asking
from windlass.errors import DataError
from windlass.lake.lake import TrainingSet
from windlass.pipeline.rows.ingest import Extracted
from windlass.pipeline.rows.labelled import LabelledRows, labelled_rows, microseconds
from windlass.pipeline.rows.labels import KEY, VALUE, moments_of
from windlass.pipeline.rows.split import Split, came_after, split_rows
from windlass.pipeline.steps.context import Training
from windlass.pipeline.steps.step import Finished, Step, Summary
from windlass.pipeline.steps.tables import read_frame, read_record, write_frame, write_record
from windlass.product.policy import competing, to_plain
from windlass.product.task import Task
from windlass.records.bundle import Column
from windlass.records.data import DataPin
from windlass.records.event import Body, DataPinned

Array = np.ndarray[Any, Any]
_UNSEEN, _UNSEEN_FILE = "unseen", "unseen.arrow"
_THEN = "then.json"


class Pinned:
    """The outputs of the step `pin`: which rows, and the outcomes of their keys."""

    def __init__(self, training: Training, step: Finished, found: TrainingSet | None) -> None:
        self.step = step
        self.pin = read_record(step.folder / "pin.json", DataPin)
        self._lake = training.lake
        self._found = found

    @property
    def outcomes(self) -> pl.DataFrame:
        """The last outcome of each key as of the pin: `key`, `value`, `observed_at`; `known_at` is of the first."""
        return read_frame(self.step.folder / "outcomes.arrow")

    def read(self) -> TrainingSet:
        """The rows themselves; raises PinBroken when they do not read the same any more."""
        return self._lake.read(self.pin) if self._found is None else self._found


class Then(msgspec.Struct, frozen=True, kw_only=True):
    """What was known before the first of the rows that choose, or judge where none do: places in `rows` followed by
    `others`, in the order of their time. For telling whether labels that come early help."""

    early: tuple[int, ...]
    """Of all rows whose label was known."""
    standing: tuple[int, ...]
    """Of those that stood for all rows of their time."""
    everything: tuple[int, ...]
    """Of all rows whose label is known by now."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the step `check` keeps of it."""

    then: Then | None


class Rows:
    """The outputs of the step `check`."""

    def __init__(self, training: Training, pinned: Pinned, step: Finished) -> None:
        self.step = step
        self.pin = pinned.pin
        self.split = read_record(step.folder / "split.json", Split)
        self.columns = read_record(step.folder / "columns.json", tuple[Column, ...])
        self.frame = read_frame(step.folder / "rows.arrow")
        self.moments = moments_of(self.frame, training.task.time)
        self.unseen = read_frame(step.folder / _UNSEEN_FILE).get_column(_UNSEEN).to_numpy()
        """`(n,)` bool: which the champion has not learned from, and stand for all rows of their time."""
        self.others = read_frame(step.folder / "others.arrow")
        """Rows whose labels came early, as long as they may be learned from."""
        self.then = read_record(step.folder / _THEN, Told).then

    def digest(self) -> str:
        """Of all but what the champion has seen, which concerns the judgement alone: where nothing is new since, no
        step before it is done again."""
        return self.step.digest(*(name for name in self.step.outputs if name != _UNSEEN_FILE))

    @property
    def everything(self) -> pl.DataFrame:
        """The rows of `frame` followed by those of `others`."""
        return pl.concat([self.frame, self.others])


def pin(training: Training, extracted: Finished) -> Pinned:
    """Fix which rows belong to the training set. A run that was taken up has it fixed already, unless its extract had
    to be made again."""
    task, window = training.task, training.request.window
    step = Step(
        name="pin",
        version=2,
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
    return _keep(training, fixed, folder)


def pinned_before(training: Training, fixed: DataPin) -> Pinned:
    """The step `pin` of a training set that was fixed earlier, for training on it again."""
    step = Step(name="pin", version=2, inputs={"pin": fixed.digest})
    return Pinned(training, training.runner.run(step, partial(_keep, training, fixed)), None)


def _keep(training: Training, fixed: DataPin, folder: Path) -> Summary:
    write_record(fixed, folder / "pin.json")
    write_frame(_outcomes_of(training, fixed), folder / "outcomes.arrow")
    return {"rows": fixed.rows, "digest": fixed.digest}


def _outcomes_of(training: Training, pin: DataPin) -> pl.DataFrame:
    outcomes = training.lake.outcomes(pin.product, as_of=pin.as_of)
    return (
        outcomes.filter(pl.col(KEY).is_not_null() & (pl.col("_sequence") <= pin.upto.get("outcomes", -1)))
        .sort("observed_at", "_sequence")
        .group_by(KEY)
        .agg(pl.col(VALUE).last(), pl.col("observed_at").last(), known_at=pl.col("observed_at").first())
        .sort(KEY)
    )


def _told(training: Training, finished: Finished) -> list[Body]:
    return [DataPinned(run=training.run, pin=read_record(finished.folder / "pin.json", DataPin))]


# -- check -------------------------------------------------------------------------------------------------------


def check(training: Training, pinned: Pinned, *, learned: Split | None) -> Rows:
    """One frame of labelled rows that satisfy the contract, in the order of their event time, parted in two.

    `learned` says what the champion has learned from (`champion.split_of_champion`).
    """
    task = training.task
    step = Step(
        name="check",
        code=training.code("assemble", "contract", "task", "outcome", "gate"),
        parameters={
            "task": msgspec.to_builtins(task),
            "as_of": pinned.pin.as_of.isoformat(),
            "learned": msgspec.to_builtins(learned),
            "competing": competing(training.product.retrain),
            "changed": training.request.changed,
        },
        inputs={"rows": pinned.pin.digest, "outcomes": pinned.step.digest("outcomes.arrow")},
    )
    work = partial(_check, training, pinned, learned)
    return Rows(training, pinned, training.runner.run(step, work, still_valid=_tells_of_early_labels))


def _tells_of_early_labels(folder: Path) -> bool:
    """What was kept before labels that came early were learned from does not."""
    return (folder / _THEN).is_file()


def _check(training: Training, pinned: Pinned, learned: Split | None, folder: Path) -> Summary:
    task = training.task
    found = labelled_rows(training.product(), pinned.read(), pinned.outcomes, as_of=pinned.pin.as_of)
    rows = found.rows
    moments = moments_of(rows, task.time)
    unseen = _unseen(found, moments, learned, as_of=pinned.pin.as_of)
    split, order = split_rows(
        rows,
        moments=moments,
        key=task.key,
        learned=learned,
        fresh=int(unseen.sum()),
        competing=competing(training.product.retrain),
        changed=training.request.changed,
    )
    ordered, unseen = (rows, unseen) if order is None else (rows[order], unseen[order])
    then = _then(found, split, moments)
    _check_learnable(ordered.get_column(task.target).head(split.train + split.choice), task)
    write_frame(ordered, folder / "rows.arrow")
    write_frame(pl.DataFrame({_UNSEEN: unseen}), folder / _UNSEEN_FILE)
    write_frame(found.others if then else found.others.clear(), folder / "others.arrow")
    write_record(Told(then=then), folder / _THEN)
    write_record(split, folder / "split.json")
    write_record(found.columns, folder / "columns.json")
    _show_broken(training, found)
    remarks = "; ".join(found.remarks)
    return {
        "rows": rows.height,
        "served": found.served,
        "early": found.early,
        "unlabelled": found.unlabelled,
        "set_aside": found.broken,
        "choice": split.choice,
        "holdout": split.holdout,
        "split": split.by,
        "remarks": remarks,
        "note": _parts(split) + (f"; {remarks}" if remarks else ""),
    }


def _unseen(found: LabelledRows, moments: pl.Series | None, learned: Split | None, *, as_of: datetime) -> Array:
    """`(n,)` bool: which rows the champion has not learned from; where it learned from labels that came early, such as
    stand for all of their time."""
    if learned is None or learned.early is None or moments is None:
        return came_after(learned, moments, rows=found.rows.height)
    standing = np.arange(found.rows.height)
    return found.history.unseen(standing, then=microseconds(learned.early), now=microseconds(as_of))


def _then(found: LabelledRows, split: Split, moments: pl.Series | None) -> Then | None:
    """None where there is nothing to choose: few labels came early, or nobody saw when they did."""
    history, standing_now = found.history, found.rows.height
    if split.by != "time" or moments is None or history.unknown_since(standing_now):
        return None
    if not worth_asking(known=standing_now + found.early, standing=standing_now):
        return None
    moment = microseconds(moments[split.train])
    before = history.before(moment)
    early, standing = before.known, before.standing(moment)
    if len(early) == len(standing):
        return None
    return Then(
        early=tuple(early.tolist()), standing=tuple(standing.tolist()), everything=tuple(history.known.tolist())
    )


def _parts(split: Split) -> str:
    choosing = f" (the last {split.choice:,} to choose by first)" if split.choice else ""
    return f"{split.train + split.choice:,} to train on{choosing}, {split.holdout:,} to judge by"


def _check_learnable(target: pl.Series, task: Task) -> None:
    """Raise DataError when the rows that train hold one class only: the other came up in those that judge."""
    if task.kind != "regression" and target.n_unique() < 2:
        raise DataError(
            f"all {len(target)} rows to train on have the label {target[0]!r}; the others come only in the holdout",
            where=f"column {task.target!r}",
            remedy="train on a longer stretch of time, or check how the target is made",
        )


def _show_broken(training: Training, found: LabelledRows) -> None:
    """Show values of the rows that were set aside to whoever watches, and in the step's log; the ledger holds none."""
    for finding in found.findings:
        text = f"set aside: {finding}"
        print(text)  # noqa: T201 (the output of a step goes to its log)
        training.runner.tell("check", text)
