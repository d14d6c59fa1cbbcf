"""The words by which code names what it is about."""

from __future__ import annotations

import re
from functools import lru_cache

_METRICS = frozenset(
    {
        "accuracy", "acc", "auc", "auroc", "roc", "f1", "rmse", "mae", "mse", "mape", "smape", "rmsle", "r2",
        "logloss", "precision", "recall", "loss", "score", "scores", "metric", "metrics", "gini", "brier", "kappa",
        "mcc", "ndcg", "map", "perplexity", "bleu", "rouge", "wer", "iou", "dice", "gain", "lift", "performance",
        "error", "pr", "map50", "ap50",
    }
)  # fmt: skip
_RAISED = re.compile(r"(?!Mean|Root|Median)[A-Z]\w*(Error|Exception)")
"""`ValueError`; `MeanSquaredError` is a metric."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[^a-z0-9]+")
_MOST_KEPT = 1 << 16
"""Words whose parts are kept: the same few thousand are asked for again and again, by most probes."""


@lru_cache(maxsize=_MOST_KEPT)
def parts_of(name: str) -> frozenset[str]:
    """The words of a name: `test_rocAuc` is test, roc, auc."""
    return frozenset(part for part in _BETWEEN.split(_CAMEL.sub("_", name).lower()) if part)


@lru_cache(maxsize=_MOST_KEPT)
def is_metric(word: str) -> bool:
    """Whether a name is that of a model metric. A decision threshold is none, nor is what is raised."""
    return not _RAISED.fullmatch(word) and not _METRICS.isdisjoint(parts_of(word))


def about(word: str, *subjects: str) -> bool:
    """Whether one of `subjects` is among the words of a name."""
    return bool(parts_of(word) & set(subjects))


STAGING = frozenset({"staging", "stage", "stg", "test", "qa", "preprod", "uat", "dev", "development"})
PRODUCTION = frozenset({"production", "prod", "prd"})
"""What people call the places to which they deploy."""
