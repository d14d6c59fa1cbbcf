"""What an extract brings is looked at before the lake takes it, which forgets nothing.

A row that no training can use would be in the way of every training to come, and leaving it out of the next extract
would not take it away. So what breaks a rule is refused with all that came with it, and nothing has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from windlass.errors import ContractViolated, DataError
from windlass.lake.examples import last_of_each
from windlass.lake.lake import Lake
from windlass.pipeline.rows.assembly import assemble, roles_of, takes_rows_as_they_are
from windlass.pipeline.rows.labelled import check_contract, parted
from windlass.pipeline.rows.labels import VALUE, as_target, has_label, is_empty, last_words
from windlass.product.checks.declaration import check_keys, check_roles
from windlass.product.classes import check_two, classes_in
from windlass.product.contract import sift_frame
from windlass.product.contract.violations import Finding
from windlass.product.labels import LabelCodec
from windlass.product.product import Product
from windlass.product.task import Task


def inspect(product: Product, lake: Lake, sources: Mapping[str, pl.DataFrame], outcomes: pl.DataFrame) -> None:
    """Raise DataError or ContractViolated for rows, or outcomes (`OUTCOME_COLUMNS`), that training could not use.

    `sources` are all that the extract named, without the outcomes. Rows of a single source are checked by themselves;
    of several, what they make together with the rows that are there, as far as these did not break the rules before.
    """
    batch = {
        name: lake.as_kept(product.name, name, frame, time=time, key=key)
        for name, frame in sources.items()
        if frame.width
        for time, key in (roles_of(product, name, frame),)
    }
    known = new = _nothing(product)
    if any(rows.height for rows in batch.values()):
        if takes_rows_as_they_are(product, sources):
            known, new = _check_rows(product, lake, *next(iter(batch.items())))
        else:
            known, new = _check_assembled(product, lake, sources, batch)
        _check_labels(product.task, known, new)
    elif outcomes.height:
        known = _labels_in(product, lake, sources)
    if outcomes.height:
        _check_outcomes(product, lake, _together(known, new), outcomes)


def _check_rows(product: Product, lake: Lake, source: str, rows: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """The labels that are there, and those that come."""
    check_roles(product, rows)
    check_keys(product, rows)
    check_contract(product, rows)
    new = _labelled(rows, product)
    return (_labels_in(product, lake, [source]) if len(new) else _nothing(product)), new


def _check_assembled(
    product: Product, lake: Lake, sources: Mapping[str, pl.DataFrame], batch: Mapping[str, pl.DataFrame]
) -> tuple[pl.Series, pl.Series]:
    key = product.task.key
    held = {name: lake.examples(product.name, name, key=key) for name in lake.sources(product.name, sources)}
    after = assemble(product, {name: _on_top(held.get(name), batch.get(name), key) for name in sources})
    check_roles(product, after)
    broken, told = _broken(product, after)
    before = assemble(product, held) if held.keys() == sources.keys() else after.clear()
    if broken.height:
        known, _ = _broken(product, before) if before.height else (broken.clear(), [])
        alike = [known.get_column(name).cast(dtype, strict=False) for name, dtype in broken.schema.items()]
        fresh = broken.join(pl.DataFrame(alike), on=broken.columns, how="anti", nulls_equal=True)
        if fresh.height:
            begins = f"{fresh.height:,} rows of this extract cannot be used once they are assembled:\n  "
            raise ContractViolated(
                begins + "\n  ".join(map(str, told)),
                plain=begins + "\n  ".join(finding.brief for finding in told),
                where=f"{product.name}, assemble",
                remedy="mend the rows in `extract` or `assemble`, or change the contract if such rows are right",
            )
    return _labelled(before, product), _labelled(after, product)


def _broken(product: Product, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Of `rows` those that cannot be used, and why."""
    labelled, unlabelled = parted(rows, product.task.target)
    found: list[pl.DataFrame] = []
    told: list[Finding] = []
    for part in (labelled, unlabelled):
        if part.height:
            sifted = sift_frame(product, part)
            found.append(part.filter(sifted.broken))
            told += sifted.findings
    return pl.concat(found, how="diagonal"), told


def _on_top(held: pl.DataFrame | None, batch: pl.DataFrame | None, key: str | None) -> pl.DataFrame:
    """The rows that a source has once the batch is in."""
    parts = [part for part in (held, batch) if part is not None]
    return last_of_each(pl.concat(parts, how="diagonal_relaxed"), key) if parts else pl.DataFrame()


def _nothing(product: Product) -> pl.Series:
    return pl.Series(product.task.target, [], dtype=pl.Null)


def _labelled(rows: pl.DataFrame, product: Product) -> pl.Series:
    if product.task.target not in rows.columns:
        return _nothing(product)
    labels = rows.get_column(product.task.target)
    return labels.filter(has_label(labels))


def _labels_in(product: Product, lake: Lake, sources: Collection[str]) -> pl.Series:
    """The labels that the rows of these sources have now."""
    key, target = product.task.key, product.task.target
    found = _nothing(product)
    for name in lake.sources(product.name, sources or None):
        rows = lake.examples(product.name, name, key=key, columns=[target])
        found = _together(found, _labelled(rows, product))
    return found


def _together(some: pl.Series, others: pl.Series) -> pl.Series:
    return pl.concat([some.to_frame(), others.to_frame()], how="vertical_relaxed").to_series()


def _check_labels(task: Task, known: pl.Series, new: pl.Series) -> None:
    """Two classes may not become three; whatever else can be wrong with labels is wrong with them alone."""
    if is_empty(new):
        return
    if task.kind == "regression":
        LabelCodec.learn(new, task)
        return
    there = () if is_empty(known) else classes_in(known, task.target)
    strangers = [label for label in classes_in(new, task.target) if label not in there]
    if task.kind == "binary" and strangers and len(there) + len(strangers) > 2:
        check_two((*there, *strangers), task.target)


def _check_outcomes(product: Product, lake: Lake, labels: pl.Series, outcomes: pl.DataFrame) -> None:
    """Outcomes must be labels like those of the rows; where these have none, like the outcomes that came before."""
    task = product.task
    if is_empty(labels):
        labels = as_target(last_words(lake.outcomes(product.name)).get_column(VALUE), like=None, task=task)
    try:
        _check_labels(task, labels, as_target(outcomes.get_column(VALUE), like=labels, task=task).drop_nulls())
    except DataError as error:
        raise DataError(
            error.what, where="extract, source 'outcomes'", remedy=error.remedy, plain=error.plain
        ) from error
