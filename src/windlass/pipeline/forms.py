"""A compiled form of a model that came as a file, compared on rows that came with it, or on what it has been asked.

Only real rows count: what is made up would show that two forms agree where nobody asks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from windlass.decisions.statistics.losses import decision_threshold
from windlass.errors import DataError
from windlass.lake.lake import Lake
from windlass.lake.layout import SEQUENCE
from windlass.monitoring.reference import BACKGROUND, make_reference, save
from windlass.product.contract import RowDecoder, decode_rows
from windlass.product.contract.cells import value_of_cell
from windlass.product.task import task_from
from windlass.records.bundle import PARITY_ROWS, Column, Compiled, Manifest
from windlass.records.routing import ANSWERED
from windlass.registry.compiling import compile_model
from windlass.registry.native import NativeModel
from windlass.registry.rows import REMEDY, read_rows

_log = logging.getLogger(__name__)

_MOST_ROWS = 20_000
"""The newest rows that a form is compared on."""
AWAITED = Compiled(
    awaits_rows=True,
    reason=f"it came without rows to compare another form on; `rows` of its ModelFile names some, "
    f"or {PARITY_ROWS:,} answers bring them",
)


def without_rows(model: Any) -> Compiled:
    """What is recorded of a model that came as a file, as long as there are no rows."""
    if isinstance(model, NativeModel):
        return compile_model(model, pl.DataFrame({"row": [0]}), Path(), kind=model.kind)
    return AWAITED


def rows_of(path: Path, columns: Sequence[Column]) -> pl.DataFrame:
    """The newest rows of a CSV or parquet file, read as requests are: `true` is 1 where only a number is known to be
    wanted. A gap is one in any column, whether the model takes it or not. Raises DataError."""
    is_csv = path.suffix != ".parquet"
    read = read_rows(path, texts=is_csv)
    known = {column.name: column for column in columns if column.name in read.columns}
    missing = [column.name for column in columns if column.required and column.name not in known]
    if missing:
        raise DataError(f"these columns are not there: {', '.join(missing)}", where=str(path), remedy=REMEDY)
    # Moments as requests bring them: with a zone.
    without = pl.selectors.datetime(time_zone=None)
    rows = read.tail(_MOST_ROWS).select(*known).with_columns(without.dt.replace_time_zone("UTC"))
    values = rows.with_columns(pl.selectors.decimal().cast(pl.Float64)).to_dict(as_series=False)
    if is_csv:
        values = {name: [_of_cell(text, known[name]) for text in texts] for name, texts in values.items()}
    try:
        decoder = RowDecoder([msgspec.structs.replace(column, nullable=True) for column in columns])
        return decoder.from_columns(values).frame
    except DataError as error:
        raise DataError(
            f"the rows do not fit the columns of the model: {error.what}",
            where=str(path),
            remedy="mend them, or give these columns their types in a contract",
        ) from error


def _of_cell(text: str | None, column: Column) -> Any:
    """A cell's value; `NaN`, which several libraries write, is a gap among numbers."""
    is_gap = text is None or (column.dtype == "float" and text.lower() == "nan")
    return None if is_gap else value_of_cell(str(text), column)


def asked_rows(lake: Lake, product: str, version: str, manifest: Manifest) -> pl.DataFrame | None:
    """The newest rows that the version has answered; None while there are fewer than a comparison takes, and where
    columns of them are not kept."""
    if (manifest.policies.get("capture") or {}).get("redact"):
        return None
    light = lake.predictions(product, versions=[version], stages=ANSWERED, columns=[SEQUENCE, "error"])
    sequences = light.filter(pl.col("error").is_null())[SEQUENCE].tail(_MOST_ROWS)
    if len(sequences) < PARITY_ROWS:
        return None
    captured = lake.predictions(
        product,
        versions=[version],
        stages=ANSWERED,
        after_sequence=int(sequences[0]) - 1,
        columns=["request", "error"],
    )
    return decode_rows(captured.filter(pl.col("error").is_null())["request"], manifest.columns)


def keep_background(rows: pl.DataFrame, folder: Path, *, product: Any, manifest: Manifest) -> None:
    """Write down how the features of n rows of requests look, for answers to be explained against.

    `product` computes the features; None: they are columns of the rows. Where they cannot be computed there is nothing
    to explain against, which the log says.
    """
    try:
        features = _features(rows, product, manifest)
    except Exception as error:  # noqa: BLE001 (they are the user's)
        _log.warning("%s: its answers are not explained against its rows: %s", manifest.product, error)
        return
    redacted = (manifest.policies.get("capture") or {}).get("redact", ())
    seen = make_reference(features, kind=task_from(manifest.task).kind, redacted=redacted)
    save(seen, folder, name=BACKGROUND)


def _features(rows: pl.DataFrame, product: Any, manifest: Manifest) -> pl.DataFrame:
    features: pl.DataFrame = rows if product is None else product.features(rows)
    return features.select(manifest.features)


def compared(model: Any, rows: pl.DataFrame, folder: Path, *, product: Any, manifest: Manifest) -> Compiled:
    """The form of `model` on n rows of requests, written into `folder`; or why there is none.

    `product` computes the features; None: they are columns of the rows.
    """
    gate = manifest.policies.get("gate") or {}
    try:
        return compile_model(
            model,
            _features(rows, product, manifest),
            folder,
            kind=task_from(manifest.task).kind,
            threshold=decision_threshold(gate.get("cost"), manifest.threshold),
            classes=len(manifest.classes) or None,
        )
    except Exception as error:  # noqa: BLE001 (features and model are the user's; what they raise is the reason)
        return Compiled(
            reason=f"it did not answer these rows: {type(error).__name__}: {error}".partition("\n")[0][:300]
        )
