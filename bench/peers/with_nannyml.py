"""NannyML's CBPE on its own census data, in chunks of 5,000: prints JSON, and leaves the data in the folder given."""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import nannyml  # noqa: E402 (after the warnings that its imports give)

CHUNK = 5000


def main(folder: Path) -> None:
    reference, current, truth = nannyml.load_us_census_ma_employment_data()
    truth = current[["id"]].merge(truth, on="id")
    for name, frame in (("reference", reference), ("current", current.assign(employed=truth["employed"]))):
        frame.to_parquet(folder / f"{name}.parquet")
    started = time.perf_counter()
    estimator = nannyml.CBPE(
        problem_type="classification_binary",
        y_pred_proba="predicted_probability",
        y_pred="prediction",
        y_true="employed",
        metrics=["roc_auc", "accuracy"],
        chunk_size=CHUNK,
    )
    found = estimator.fit(reference).estimate(current).filter(period="analysis").to_df()
    seconds = time.perf_counter() - started
    told = {
        name: [
            {"value": float(row["value"]), "lower": float(row["lower"]), "upper": float(row["upper"])}
            for _, row in found[name]
            .rename(columns={"lower_confidence_boundary": "lower", "upper_confidence_boundary": "upper"})
            .iterrows()
        ]
        for name in ("roc_auc", "accuracy")
    }
    print(json.dumps({"version": nannyml.__version__, "seconds": seconds, "estimates": told}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
