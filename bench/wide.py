"""What a training costs beside the fit when a product has many columns: `python bench/wide.py [columns ...]`.

2,000 rows of float32 columns, the features being the columns. Prints processor seconds for each number of columns, and
how much of it is for a column, which should not rise with their number; the importances alone shuffle each column and
ask the model of all, so that they do.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from lightgbm import LGBMRegressor

import windlass as wl
from windlass.monitoring.profiles import profile, profile_like
from windlass.pipeline.verdicts.explanation import permutation_importances
from windlass.product.checks.proof import prove_row_local
from windlass.product.examples import Examples
from windlass.product.model.encoding import fit_estimator
from windlass.product.model.predict import predict

ROWS = 2_000


class Wide(wl.Product):
    task = wl.Regression(target="y")

    def features(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(ratio=pl.col("x0") / (pl.col("x1").abs() + 1))


def took(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(columns: int) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(ROWS, columns)).astype(np.float32)
    rows = pl.DataFrame({f"x{place}": values[:, place] for place in range(columns)})
    target = values[:, 0] + random.normal(size=ROWS)
    examples = Examples(features=Wide().features(rows), target=target, rows=rows)
    estimator = LGBMRegressor(n_estimators=20, verbose=-1, n_jobs=1)
    model = fit_estimator(estimator, examples, kind="regression")
    reference = profile(examples.features)
    parts: dict[str, Callable[[], Any]] = {
        "fit": lambda: fit_estimator(estimator, examples, kind="regression"),
        "proof that features are row-local": lambda: prove_row_local(Wide(), rows),
        "profile": lambda: profile(examples.features),
        "profile of a window": lambda: profile_like(reference, examples.features),
        "importances": lambda: permutation_importances(
            examples.features, target, lambda frame: predict(model, frame, "regression"), "regression"
        ),
    }
    for name, work in parts.items():
        seconds = took(work)
        print(f"{columns:>6,}  {name:<36}{seconds:>8.2f} s{1000 * seconds / columns:>10.2f} ms a column", flush=True)


def main() -> None:
    """Print a table."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, polars {pl.__version__}")
    for columns in map(int, sys.argv[1:] or (30, 300, 1_500)):
        measure(columns)


if __name__ == "__main__":
    main()
