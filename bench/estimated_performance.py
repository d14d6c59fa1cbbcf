"""Estimated performance beside NannyML's: `python bench/estimated_performance.py [FOLDER]`.

NannyML gets an environment of its own in FOLDER (made once, from PyPI; a temporary one by default), which also brings
the data: employment in Massachusetts, 2015 as the reference, 2016 to 2018 in chunks of 5,000 rows. Prints JSON: the
mean absolute error of either's estimate against the figure with labels, how often its interval held that figure, and
the same of one who knows more than any estimate can: the probabilities of a LightGBM that has learned the labels of the
reference and of four fifths of the very chunks, for the other fifth. The floor is what even who knew each row's
probability would be off by, since labels are chance, if these were it; the log losses tell how good each's are.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier
from peers import python_of

from windlass.decisions.statistics.expected import expected_score
from windlass.decisions.statistics.losses import log_loss
from windlass.decisions.statistics.metrics import metric_for
from windlass.monitoring import learn_estimator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

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


def known(reference: pl.DataFrame, current: pl.DataFrame, features: list[str]) -> Floats:
    """Each row's probability by a model that has learned from other rows of the same chunks."""
    rows = pl.concat([reference.select(*features, ANSWER, LABEL), current.select(*features, ANSWER, LABEL)])
    texts = [place for place, name in enumerate(features) if rows[name].dtype == pl.String]
    codes = rows.drop(LABEL).with_columns(pl.col(pl.String).cast(pl.Categorical).to_physical())
    x, y = codes.cast(pl.Float64).to_numpy(), rows[LABEL].to_numpy().astype(np.int64)
    fold, found = np.random.default_rng(0).integers(0, 5, len(y)), np.empty(len(y))
    settings: dict[str, Any] = {"num_leaves": 63, "learning_rate": 0.05, "min_child_samples": 100, "subsample": 0.8}
    for out in range(5):
        model = LGBMClassifier(n_estimators=250, subsample_freq=1, n_jobs=1, verbose=-1, **settings)
        model.fit(x[fold != out], y[fold != out], categorical_feature=texts)
        found[fold == out] = np.asarray(model.predict_proba(x[fold == out]))[:, 1]
    return found[reference.height :]


def of_one_who_knows(likely: Floats, parts: list[pl.DataFrame], truth: list[float], name: str) -> dict[str, float]:
    """What is left of the error by these probabilities, and what chance alone leaves."""
    metric, off, chance, start = metric_for(name, "binary"), [], [], 0
    for part, seen in zip(parts, truth, strict=True):
        own = likely[start : start + part.height]
        found = expected_score(metric, np.column_stack([1 - own, own]), part[ANSWER].to_numpy())
        off.append(abs(found.value - seen))
        chance.append(found.noise * np.sqrt(2 / np.pi))  # the mean size of a normal deviate
        start += part.height
    return {"mean_absolute_error": round(float(np.mean(off)), 5), "floor": round(float(np.mean(chance)), 5)}


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
    oracle = known(reference, current, features)
    told: dict[str, Any] = {"chunks": len(parts), "nannyml": peer["version"]}
    for name in METRICS:
        metric = metric_for(name, "binary")
        truth = [metric.score(part[LABEL].to_numpy(), part[ANSWER].to_numpy()) for part in parts]
        own = [{at: getattr(each[name], at) for at in ("value", "lower", "upper")} for each in found]
        told[name] = {
            "windlass": compare(own, truth),
            "nannyml": compare(peer["estimates"][name], truth),
            "one who knows": of_one_who_knows(oracle, parts, truth, name),
        }
    likely = estimator.expected(current.select(features), current[ANSWER].to_numpy())[:, 1]
    labels, answers = current[LABEL].to_numpy(), current[ANSWER].to_numpy()
    told["log_loss"] = {
        "of the model's answers": round(float(log_loss(labels, answers).mean()), 4),
        "of the estimator's probabilities": round(float(log_loss(labels, likely).mean()), 4),
        "of one who knows": round(float(log_loss(labels, oracle).mean()), 4),
    }
    told["seconds"] = {"windlass": round(seconds, 1), "nannyml": round(peer["seconds"], 1)}
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
