"""Estimated performance beside NannyML's: `python bench/estimated_performance.py [FOLDER]`.

NannyML gets an environment of its own in FOLDER (made once, from PyPI; a temporary one by default), which also brings
the data: employment in Massachusetts, 2015 as the reference, 2016 to 2018 in chunks of 5,000 rows. Prints JSON: the
mean absolute error of either's estimate against the figure with labels, how often its interval held that figure, and
the floor: what an estimate that knew each row's probability would still be off by, since labels are chance. The floor
is reckoned from Windlass' own probabilities; the log loss beside it tells how good these are.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from peers import python_of

from windlass.decisions.statistics.losses import log_loss
from windlass.decisions.statistics.metrics import metric_for
from windlass.monitoring import PerformanceEstimator, learn_estimator

CHUNK = 5000
METRICS = ("roc_auc", "accuracy")
ANSWER, LABEL = "predicted_probability", "employed"
HERE = Path(__file__).parent


def of_peer(folder: Path) -> dict[str, Any]:
    python = python_of("nannyml", folder)
    # NannyML 0.13.1 imports it without asking for it.
    subprocess.run([python, "-m", "pip", "install", "--quiet", "statsmodels"], check=True)
    done = subprocess.run(
        [python, HERE / "peers" / "with_nannyml.py", folder],
        check=True,
        capture_output=True,
        text=True,
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def frame(folder: Path, name: str) -> pl.DataFrame:
    rows = pl.read_parquet(folder / f"{name}.parquet")
    return rows.with_columns(pl.col(pl.Categorical).cast(pl.String))


def chunks(rows: pl.DataFrame) -> list[pl.DataFrame]:
    return list(rows.iter_slices(CHUNK))


def compare(estimates: list[dict[str, float]], truth: list[float]) -> dict[str, float]:
    value, lower, upper = (np.array([each[name] for each in estimates]) for name in ("value", "lower", "upper"))
    seen = np.array(truth)
    return {
        "mean_absolute_error": round(float(np.abs(value - seen).mean()), 5),
        "interval_held": round(float(((lower <= seen) & (seen <= upper)).mean()), 3),
    }


def floor(estimator: PerformanceEstimator, parts: list[pl.DataFrame], features: list[str], name: str) -> float:
    """The mean absolute error that is left when the labels are drawn from the very probabilities."""
    random, metric, errors = np.random.default_rng(0), metric_for(name, "binary"), []
    for part in parts:
        answers = part[ANSWER].to_numpy()
        likely = estimator.expected(part.select(features), answers)[:, 1]
        drawn = [metric.score(random.random(len(likely)) < likely, answers) for _ in range(50)]
        errors.append(float(np.abs(np.array(drawn) - np.mean(drawn)).mean()))
    return round(float(np.mean(errors)), 5)


def main(folder: Path) -> None:
    peer = of_peer(folder)
    reference, current = frame(folder, "reference"), frame(folder, "current")
    features = [name for name in reference.columns if name not in ("id", LABEL, "year", "prediction", ANSWER)]
    started = time.perf_counter()
    estimator = learn_estimator(
        reference.select(features),
        reference[ANSWER].to_numpy(),
        reference[LABEL].to_numpy(),
        kind="binary",
        metrics=METRICS,
    )
    parts = chunks(current)
    found = [
        {each.metric: each for each in estimator.estimate(part.select(features), part[ANSWER].to_numpy())}
        for part in parts
    ]
    seconds = time.perf_counter() - started
    told: dict[str, Any] = {"chunks": len(parts), "nannyml": peer["version"]}
    for name in METRICS:
        metric = metric_for(name, "binary")
        truth = [metric.score(part[LABEL].to_numpy(), part[ANSWER].to_numpy()) for part in parts]
        own = [{at: getattr(each[name], at) for at in ("value", "lower", "upper")} for each in found]
        told[name] = {
            "windlass": compare(own, truth),
            "nannyml": compare(peer["estimates"][name], truth),
            "floor": floor(estimator, parts, features, name),
        }
    likely = estimator.expected(current.select(features), current[ANSWER].to_numpy())[:, 1]
    labels, answers = current[LABEL].to_numpy(), current[ANSWER].to_numpy()
    told["log_loss"] = {
        "of the model's answers": round(float(log_loss(labels, answers).mean()), 4),
        "of the estimator's probabilities": round(float(log_loss(labels, likely).mean()), 4),
    }
    told["seconds"] = {"windlass": round(seconds, 1), "nannyml": round(peer["seconds"], 1)}
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
