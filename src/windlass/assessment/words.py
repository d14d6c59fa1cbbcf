"""The words by which code names what it is about."""

from __future__ import annotations

import re

_METRICS = frozenset(
    {
        "accuracy", "acc", "auc", "auroc", "roc", "f1", "rmse", "mae", "mse", "mape", "smape", "rmsle", "r2",
        "logloss", "precision", "recall", "loss", "score", "scores", "metric", "metrics", "gini", "brier", "kappa",
        "mcc", "ndcg", "map", "perplexity", "bleu", "rouge", "wer", "iou", "dice", "gain", "lift", "performance",
        "error", "pr",
    }
)  # fmt: skip
_PARTS = re.compile(r"[^a-z0-9]+|(?<=[a-z])(?=[A-Z])")


def parts_of(name: str) -> set[str]:
    """The words of a name: `test_rocAuc` is test, roc, auc."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return {part for part in re.split(r"[^a-z0-9]+", spaced) if part}


def is_metric(word: str) -> bool:
    """Whether a name is that of a model metric. A decision threshold is none."""
    return bool(parts_of(word) & _METRICS)


def about(word: str, *subjects: str) -> bool:
    """Whether one of `subjects` is among the words of a name."""
    return bool(parts_of(word) & set(subjects))
