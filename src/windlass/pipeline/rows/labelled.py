"""The rows that a model may learn from, out of what a training set holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from windlass.decisions.statistics.completeness import groups_of, representative_rows, unseen_rows
from windlass.errors import ContractViolated, DataError
from windlass.lake.dtypes import TIMESTAMP
from windlass.lake.lake import TrainingSet
from windlass.pipeline.rows.assembly import assemble
from windlass.pipeline.rows.labels import KEY, VALUE, as_target, has_label, moments_of, with_labels
from windlass.product.checks.declaration import check_labels, check_roles
from windlass.product.contract import Sifted, check_frame, columns_of, decode_rows, sift_frame
from windlass.product.contract.violations import Finding
from windlass.product.product import Product
from windlass.records.bundle import Column

Array = np.ndarray[Any, Any]
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WHEN_SERVED = pl.coalesce("event_time", "at").alias("at")


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """What was known when, of n rows with a label or without, in the order of their time."""

    at: Array
    """`(n,)` int64: microseconds since 1970, rising."""
    known_at: Array
    """`(n,)`: when the label came; NaN: not yet; minus infinity: nobody saw when."""
    groups: Array
    """`(n,)` codes of what a delay may depend on (`completeness.groups_of`)."""
    places: Array
    """`(n,)`: where each is among the labelled rows; -1: it has no label."""
    within: int
    """Microseconds that a label may take."""

    @property
    def known(self) -> Array:
        """Places of the rows whose label is known, in the order of their time."""
        return self.places[~np.isnan(self.known_at)]

    def standing(self, now: int) -> Array:
        """Of these such as stand for all rows of their time."""
        chosen = representative_rows(self.at, self.known_at, self.groups, now=now, within=self.within)
        return self.places[chosen]

    def unknown_since(self, place: int) -> bool:
        """Whether of a labelled row from this place on nobody saw when its label came."""
        return bool(np.isneginf(self.known_at[self.places >= place]).any())

    def renumbered(self, order: Array) -> History:
        """The same, once the labelled rows are in this order."""
        known = self.places >= 0
        places = self.places.copy()
        places[known] = np.argsort(order)[places[known]]
        return replace(self, places=places)

    def before(self, moment: int) -> History:
        """The rows before this moment, and what was known of them then."""
        stop = int(np.searchsorted(self.at, moment, side="left"))
        known_at = self.known_at[:stop]
        return replace(
            self,
            at=self.at[:stop],
            known_at=np.where(known_at <= moment, known_at, np.nan),
            groups=self.groups[:stop],
            places=self.places[:stop],
        )

    def unseen(self, standing: Array, *, then: int, now: int) -> Array:
        """`(m,)` bool: which of the rows that stand for their time `now`, given by their places, do so too of those
        whose label was not known `then`."""
        labelled = np.flatnonzero(self.places >= 0)
        rows = labelled[np.argsort(self.places[labelled])][standing]
        return unseen_rows(
            self.at[rows], self.known_at[rows], self.groups[rows], then=then, now=now, within=self.within
        )


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Labelled rows that satisfy the contract, and what became of the others."""

    rows: pl.DataFrame
    """In the order of their event time; where labels of one class come early, such as stand for all rows of their
    time."""
    others: pl.DataFrame
    """The labelled rows that are not among these, in the order of their event time."""
    history: History
    """Places are in `rows` followed by `others`."""
    columns: tuple[Column, ...]
    """What a request row holds."""
    served: int
    """Rows that were served and extracted by nobody."""
    unlabelled: int
    broken: int
    """Rows that were set aside, since they break the contract or have no key. None of them came with this extract,
    which would have been refused: they came in before the contract asked for so much, or were served then."""
    findings: tuple[Finding, ...]
    ahead: int
    """Labelled rows whose time has not come yet, which the clock or the column has wrong."""

    @property
    def early(self) -> int:
        """Labelled rows that are not among `rows`: too many others of their time have no label yet."""
        return self.others.height

    @property
    def remarks(self) -> list[str]:
        """What somebody who reads the number of rows must know besides, without a value of anybody's."""
        found = []
        if self.early:
            found.append(f"{_count(self.early)} left out until more labels of that time have come")
        if self.broken:
            why = ", ".join(finding.brief for finding in self.findings)
            found.append(f"{_count(self.broken)} that came in earlier set aside: {why}")
        if self.ahead:
            found.append(f"{_count(self.ahead)} with a label, but a time in the future: check zone, day and month")
        return found


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Served rows whose label is known and that are no example themselves, as the examples are."""

    sifted: Sifted
    at: pl.Series
    """When each of those that satisfy the contract was asked for."""
    known_at: pl.Series
    """When its label first came."""

    @property
    def kept(self) -> pl.DataFrame:
        return self.sifted.kept


def labelled_rows(product: Product, found: TrainingSet, outcomes: pl.DataFrame, *, as_of: datetime) -> LabelledRows:
    """Assemble, label and check the rows, and put those below that were served and whose label is known.

    `outcomes` are the last of each key: `key`, `value` (JSON text), `observed_at`, and `known_at`, when the first came.
    Raises DataError for what training cannot use, ContractViolated when more than half of the extracted rows break the
    contract: then the contract is wrong, rather than they.
    """
    task = product.task
    rows = assemble(product, found.sources)
    if rows.height or found.served.is_empty():  # in a late window there may be answers alone
        _check_roles(product, rows)
    # What became of an answer is known of its key, and outweighs the silence about the row.
    told = pl.concat([outcomes, found.served.filter(pl.col(KEY).is_not_null()).select(outcomes.columns)])
    rows, known_at = with_labels(rows, _twice(told), task=task, outcome=product.outcome, as_of=as_of)
    if task.target not in rows.columns:
        check_labels(product, rows)
    has = has_label(rows.get_column(task.target))
    labelled = rows.filter(has)
    sifted = sift_frame(product, labelled)
    _check_most(product, sifted, labelled.height)
    columns = columns_of(product, sifted.kept.drop(task.target))
    answers = _served(product, labelled, sifted.kept, found.served, columns)
    parts = [sifted] if answers is None else [sifted, answers.sifted]
    kept = pl.concat([each.kept for each in parts], how="vertical_relaxed")
    came = known_at.filter(has).filter(~sifted.broken)
    came = came if answers is None else pl.concat([came, answers.known_at])
    missing = _missing(product, rows, kept, found)
    history = _history(product, kept, answers, came, missing)
    standing = history.standing(microseconds(as_of))
    others = history.known[~np.isin(history.known, standing)]
    chosen = kept[standing]
    _check_labels(product, chosen, early=len(others))
    return LabelledRows(
        rows=chosen,
        others=kept[others],
        history=history.renumbered(np.concatenate([standing, others])),
        columns=columns,
        served=0 if answers is None else answers.kept.height,
        unlabelled=rows.height - labelled.height,
        broken=sum(int(each.broken.sum()) for each in parts),
        findings=tuple(finding for each in parts for finding in each.findings),
        ahead=_ahead(moments_of(kept, task.time), as_of=as_of),
    )


def _twice(told: pl.DataFrame) -> pl.DataFrame:
    """Outcomes as `labels.label_history` wants them. A label is known since the first outcome, whose value is not asked
    for any more: it may have been none at all, which is why it was corrected."""
    first, last = (told.select(KEY, VALUE, observed_at=moment) for moment in ("known_at", "observed_at"))
    return pl.concat([first, last]).sort("observed_at", maintain_order=True)


def _check_roles(product: Product, rows: pl.DataFrame) -> None:
    """What comes in now was looked at by itself, so that what is wrong here came in before."""
    try:
        check_roles(product, rows)
    except DataError as error:
        if not rows.height:
            raise
        raise DataError(
            error.what,
            where=f"rows that came in earlier, {error.where}",
            plain=error.plain,
            remedy=f"{error.remedy}. Rows stay as they came in: if these are others than the product is about now, "
            "give it another `name`, under which it begins without any",
        ) from error


def check_contract(product: Product, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` as the contract leaves them; of those without a label it is not asked what it says of labels.

    Raises one ContractViolated that lists every finding.
    """
    labelled, unlabelled = parted(rows, product.task.target)
    checked = [check_frame(product, part) for part in (labelled, unlabelled) if part.height]
    return pl.concat(checked, how="diagonal_relaxed") if checked else rows


def parted(rows: pl.DataFrame, target: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that have a label, and the others, without the column."""
    if target not in rows.columns:
        return rows.clear(), rows
    labelled = has_label(rows.get_column(target))
    return rows.filter(labelled), rows.filter(~labelled).drop(target)


def _served(
    product: Product, labelled: pl.DataFrame, kept: pl.DataFrame, served: pl.DataFrame, columns: tuple[Column, ...]
) -> Answers | None:
    """The served rows whose label is known and that are no example themselves, as the checked examples are."""
    task = product.task
    if product.capture.redact:  # what was served is not there any more as it was
        return None
    if task.key is not None and task.key in labelled.columns:
        keys = labelled.select(pl.col(task.key).cast(pl.String).alias("key"))
        served = served.join(keys, on="key", how="anti", maintain_order="left")
    if served.is_empty():
        return None
    target = as_target(served.get_column(VALUE), like=kept.get_column(task.target), task=task)
    decoded = decode_rows(served.get_column("request"), columns).with_columns(target)
    if task.time is not None and decoded.get_column(task.time).has_nulls():  # it is of the moment it was asked at
        asked = _as_moments(served.select(_WHEN_SERVED).to_series(), like=decoded.schema[task.time])
        decoded = decoded.with_columns(pl.coalesce(task.time, asked.alias("asked")).alias(task.time))
    sifted = sift_frame(product, decoded.select(kept.columns))
    sound = served.filter(~sifted.broken)
    known_at = pl.max_horizontal("known_at", _WHEN_SERVED).alias("known_at")  # never before its row
    return Answers(
        sifted=sifted, at=sound.select(_WHEN_SERVED).to_series(), known_at=sound.select(known_at).to_series()
    )


def _as_moments(at: pl.Series, *, like: pl.DataType) -> pl.Series:
    """Times in UTC as the type of the product's own time column."""
    zone = like.time_zone if isinstance(like, pl.Datetime) else None
    return at.dt.convert_time_zone(zone or "UTC").dt.replace_time_zone(zone).cast(like)


def _missing(product: Product, rows: pl.DataFrame, kept: pl.DataFrame, found: TrainingSet) -> pl.Series:
    """When the rows and the answers were that have no label yet.

    Answers say something only where outcomes come for answers at all: else `extract` brings the labels, with its rows.
    """
    task = product.task
    unlabelled = rows if task.target not in rows.columns else rows.filter(~has_label(rows.get_column(task.target)))
    waiting = found.waiting if found.served.height else found.waiting.clear()
    if task.key is not None and task.key in rows.columns:
        of_rows, of_kept = (each.get_column(task.key).cast(pl.String) for each in (rows, kept))
        unlabelled = unlabelled.filter(_is_none_of(pl.col(task.key).cast(pl.String), of_kept))
        waiting = waiting.filter(_is_none_of(pl.col(KEY), pl.concat([of_rows, of_kept])))
    answered = waiting.select(_WHEN_SERVED).to_series()
    moments = moments_of(unlabelled, task.time)
    return answered if moments is None else pl.concat([moments.alias("at"), answered])


def _is_none_of(key: pl.Expr, keys: pl.Series) -> pl.Expr:
    return ~key.is_in(keys.implode()).fill_null(value=False)


def _history(
    product: Product, kept: pl.DataFrame, answers: Answers | None, known_at: pl.Series, missing: pl.Series
) -> History:
    """What was known when: `known_at` is when the label of each row came, null where it came with the row; `missing`
    when the rows were that have none. Without a time column only answers have a moment, and extracted rows are taken to
    be of long ago.
    """
    moments = moments_of(kept, product.task.time)
    if moments is None:
        extracted = kept.height if answers is None else kept.height - answers.kept.height
        long_ago = pl.Series("at", [None] * extracted, dtype=TIMESTAMP).fill_null(_LONG_AGO)
        moments = long_ago if answers is None else pl.concat([long_ago, answers.at])
    at = pl.concat([moments.alias("at"), missing]).to_physical().to_numpy()
    order = np.argsort(at, kind="stable")
    none = np.full(len(missing), np.nan)
    came = known_at.to_physical().cast(pl.Float64).fill_null(-np.inf).to_numpy()
    numbers = np.concatenate([_numbers(kept, product), none])
    return History(
        at=at[order],
        known_at=np.concatenate([came, none])[order],
        groups=groups_of(numbers[order], classes=product.task.kind != "regression"),
        places=np.concatenate([np.arange(kept.height), np.full(len(missing), -1)])[order],
        within=product.outcome.within // _MICROSECOND,
    )


def microseconds(moment: datetime) -> int:
    """Since 1970, as the moments of a `History`."""
    return (moment - _LONG_AGO) // _MICROSECOND


def _numbers(kept: pl.DataFrame, product: Product) -> Array:
    """The labels as numbers: values, or some code for each class."""
    target = kept.get_column(product.task.target)
    return (target if product.task.kind == "regression" else target.rank("dense")).cast(pl.Float64).to_numpy()


def _ahead(moments: pl.Series | None, *, as_of: datetime) -> int:
    return 0 if moments is None else int((moments > as_of).sum())


def _check_labels(product: Product, rows: pl.DataFrame, *, early: int) -> None:
    try:
        check_labels(product, rows)
    except DataError as error:
        if not early:
            raise
        remedy = f"wait for more labels: {_count(early)} left out, since too many others of that time have none yet"
        raise DataError(error.what, where=error.where, remedy=remedy, plain=error.plain) from error


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _check_most(product: Product, sifted: Sifted, rows: int) -> None:
    broken = int(sifted.broken.sum())
    if broken * 2 > rows:
        begins = f"{broken:,} of {rows:,} rows that came in earlier break the contract:\n  "
        raise ContractViolated(
            begins + "\n  ".join(map(str, sifted.findings)),
            plain=begins + "\n  ".join(finding.brief for finding in sifted.findings),
            where=f"{product.name}, contract",
            remedy="change the contract if such rows are right; otherwise bring them once more, mended, under their "
            "keys, or the right ones as a source of another name",
        )
