"""Reading rows that came with a model file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from windlass.errors import DataError

REMEDY = "give a .parquet or .csv file with the columns that a request has"


def read_rows(path: Path, *, texts: Iterable[str] = ()) -> pl.DataFrame:
    """The rows of a .parquet or .csv file, in which the columns `texts` of a CSV are texts whatever they hold.

    Raises DataError.
    """
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path, glob=False)
        return pl.read_csv(path, glob=False, schema_overrides=dict.fromkeys(texts, pl.String()))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"the rows cannot be read: {error}", where=str(path), remedy=REMEDY) from error
