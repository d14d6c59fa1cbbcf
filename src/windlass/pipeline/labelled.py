"""The rows that a model may learn from, out of what a training set holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from windlass.errors import ContractViolated
from windlass.lake.lake import TrainingSet
from windlass.pipeline.assembly import assemble
from windlass.pipeline.labels import KEY, VALUE, as_target, has_label, with_labels
from windlass.product.checks.declaration import check_labels, check_roles
from windlass.product.contract import Sifted, columns_of, decode_rows, sift_frame
from windlass.product.contract.violations import Finding
from windlass.product.product import Product
from windlass.records.bundle import Column


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Labelled rows that satisfy the contract, and what became of the others."""

    rows: pl.DataFrame
    columns: tuple[Column, ...]
    """What a request row holds."""
    served: int
    """Rows among them that were served and extracted by nobody."""
    unlabelled: int
    broken: int
    """Rows that were set aside, since they break the contract or have no key. None of them came with this extract,
    which would have been refused: they came in before the contract asked for so much, or were served then."""
    findings: tuple[Finding, ...]

    @property
    def remarks(self) -> list[str]:
        """What somebody who reads the number of rows must know besides, without a value of anybody's."""
        if not self.broken:
            return []
        why = ", ".join(finding.brief for finding in self.findings)
        rows = "1 row that came in" if self.broken == 1 else f"{self.broken:,} rows that came in"
        return [f"{rows} earlier set aside: {why}"]


def labelled_rows(product: Product, found: TrainingSet, outcomes: pl.DataFrame, *, as_of: datetime) -> LabelledRows:
    """Assemble, label and check the rows, and put those below that were served and whose label is known.

    `outcomes` are those of `labels.label_history`. Raises DataError for what training cannot use, ContractViolated when
    more than half of the extracted rows break the contract: then the contract is wrong, rather than they.
    """
    task = product.task
    rows = assemble(product, found.sources)
    check_roles(product, rows)
    # What became of an answer is known of its key, and outweighs the silence about the row.
    served = found.served.filter(pl.col(KEY).is_not_null()).select(outcomes.columns)
    told = pl.concat([outcomes, served]).sort("observed_at", maintain_order=True)
    rows = with_labels(rows, told, task=task, outcome=product.outcome, as_of=as_of)
    if task.target not in rows.columns:
        check_labels(product, rows)
    labelled = rows.filter(has_label(rows.get_column(task.target)))
    sifted = sift_frame(product, labelled)
    _check_most(product, sifted, labelled.height)
    columns = columns_of(product, sifted.kept.drop(task.target))
    answers = _served(product, labelled, sifted.kept, found.served, columns)
    kept = sifted.kept if answers is None else pl.concat([sifted.kept, answers.kept], how="vertical_relaxed")
    check_labels(product, kept)
    return LabelledRows(
        rows=kept,
        columns=columns,
        served=0 if answers is None else answers.kept.height,
        unlabelled=rows.height - labelled.height,
        broken=sum(int(each.broken.sum()) for each in (sifted, answers) if each is not None),
        findings=(*sifted.findings, *(() if answers is None else answers.findings)),
    )


def _served(
    product: Product, labelled: pl.DataFrame, kept: pl.DataFrame, served: pl.DataFrame, columns: tuple[Column, ...]
) -> Sifted | None:
    """The served rows whose label is known and that are no example themselves, as the checked examples are."""
    task = product.task
    if task.key is not None and task.key in labelled.columns:
        keys = labelled.select(pl.col(task.key).cast(pl.String).alias("key"))
        served = served.join(keys, on="key", how="anti", maintain_order="left")
    if served.is_empty():
        return None
    target = as_target(served.get_column(VALUE), like=kept.get_column(task.target), task=task)
    decoded = decode_rows(served.get_column("request"), columns).with_columns(target)
    return sift_frame(product, decoded.select(kept.columns))


def _check_most(product: Product, sifted: Sifted, rows: int) -> None:
    broken = int(sifted.broken.sum())
    if broken * 2 > rows:
        listed = "\n  ".join(map(str, sifted.findings))
        raise ContractViolated(
            f"{broken:,} of {rows:,} rows that came in earlier break the contract:\n  {listed}",
            where=f"{product.name}, contract",
            remedy="change the contract if such rows are right; otherwise bring them once more, mended, under their "
            "keys, or the right ones as a source of another name",
        )
