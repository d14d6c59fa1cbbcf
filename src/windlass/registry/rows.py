"""Reading rows that came with a model file."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from windlass.errors import DataError

REMEDY = "give a .parquet or .csv file with the columns that a request has"


def read_rows(path: Path, *, texts: bool = False) -> pl.DataFrame:
    """The rows of a .parquet or .csv file; with `texts` all cells of a CSV are the texts that they are.

    Raises DataError.
    """
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path, glob=False)
        return pl.read_csv(path, glob=False, infer_schema=not texts, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"the rows cannot be read: {error}", where=str(path), remedy=REMEDY) from error
