"""What an answer of a committee costs beside that of one model, and which form of either answers requests.

    python bench/committee.py [--members 4] [--rounds 300]

Boosted trees of LightGBM, a forest and HistGradientBoosting of scikit-learn (100 trees each), fitted as a run fits
them, behind the default encoding: once on all of 5,000 rows of 30 numbers, once as a committee whose members each leave
out another part of them. Milliseconds of one call, the median of the rounds, for frames of 1, 64 and 256 rows; `matrix`
is the call with numbers only, as serving asks where the model takes nothing else. Needs lightgbm, onnxruntime and
skl2onnx.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as workers have it

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

sys.path.insert(0, str(Path(__file__).parent))
from served import models

from windlass.product.examples import Examples
from windlass.product.model.blend import Blend
from windlass.product.model.encoding import fit_estimator
from windlass.product.model.predict import predict
from windlass.registry.compiling import compile_model, compiled_form

SIZES = (1, 64, 256)
ESTIMATORS = {
    "LightGBM": LGBMClassifier(n_estimators=100),
    "forest": RandomForestClassifier(n_estimators=100, n_jobs=1),
    "HistGradientBoosting": HistGradientBoostingClassifier(),
}


def fitted(estimator: Any, members: int) -> Any:
    """One model, or that many of which each has not seen another stretch of the rows."""
    rows, labels = models.sample()
    frame = pl.DataFrame({f"x{place}": column for place, column in enumerate(rows.T)})
    stretch = np.arange(len(rows)) * members // len(rows)
    kept = [stretch >= 0] if members == 1 else [stretch != left_out for left_out in range(members)]
    parts = [Examples(features=frame.filter(part), rows=frame.filter(part), target=labels[part]) for part in kept]
    made = [fit_estimator(estimator, part, kind="binary") for part in parts]
    return made[0] if members == 1 else Blend(made, [1 / members] * members, kind="binary", classes=2)


def milliseconds(model: Any, given: pl.DataFrame | np.ndarray[Any, Any], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        predict(model, given, "binary", classes=2)
        taken.append(time.perf_counter() - started)
    return median(taken) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    rows, _ = models.sample()
    frame = pl.DataFrame({f"x{place}": column for place, column in enumerate(rows.T)})
    print("| | models | " + " | ".join(f"{size} rows" for size in SIZES) + " | one row, matrix |")
    print("|---|---|" + "---|" * (len(SIZES) + 1))
    with tempfile.TemporaryDirectory() as folder:
        for name, estimator in ESTIMATORS.items():
            for members in (1, options.members):
                model = fitted(estimator, members)
                compiled = compile_model(model, frame, Path(folder), kind="binary", classes=2)
                forms = {"itself": model}
                if compiled.answers:
                    forms["compiled"] = compiled_form(model, Path(folder), compiled)
                for form, asked in forms.items():
                    took = [milliseconds(asked, frame[:size], options.rounds) for size in SIZES]
                    took.append(milliseconds(asked, rows[:1], options.rounds))
                    print(f"| {name}, {form} | {members} | " + " | ".join(f"{each:.2f}" for each in took) + " |")
                if compiled.reason:
                    print(f"| {name}: {compiled.reason} |")


if __name__ == "__main__":
    main()
