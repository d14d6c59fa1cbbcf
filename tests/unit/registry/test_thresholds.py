"""Labels are those of the threshold that a model file has chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from windlass.errors import RegistryError
from windlass.product.model.predict import predict
from windlass.registry.describing import describe
from windlass.registry.thresholds import threshold_of

CHANCE = np.random.default_rng(0)
ROWS = pl.DataFrame({"a": CHANCE.normal(size=500), "b": CHANCE.normal(size=500)})
LATE = (ROWS["a"].to_numpy() + CHANCE.normal(size=500) > 1).astype(int)
INNER = LogisticRegression()


@pytest.mark.parametrize(
    "model",
    [
        FixedThresholdClassifier(INNER, threshold=0.3),
        FixedThresholdClassifier(INNER, threshold=0.7, pos_label=0),
        make_pipeline(StandardScaler(), FixedThresholdClassifier(INNER, threshold=0.3)),
        GridSearchCV(FixedThresholdClassifier(INNER, threshold=0.2), {"threshold": [0.2, 0.25]}, cv=2),
        TunedThresholdClassifierCV(INNER, scoring=make_scorer(fbeta_score, beta=2.0), cv=2),
        TunedThresholdClassifierCV(INNER, scoring=make_scorer(fbeta_score, beta=2.0, pos_label=0), cv=2),
    ],
)
def test_labels_are_those_of_the_model(model: Any) -> None:
    model.fit(ROWS, LATE)
    described = describe(model, where="m")
    assert described.threshold is not None
    labels = predict(model, ROWS, "binary") >= described.threshold
    np.testing.assert_array_equal(labels, model.predict(ROWS).astype(bool))
    assert (labels != (predict(model, ROWS, "binary") >= 0.5)).any(), "one half would not do"


@pytest.mark.parametrize(
    "model", [INNER, FixedThresholdClassifier(INNER), make_pipeline(StandardScaler(), INNER), StandardScaler()]
)
def test_who_has_chosen_none_has_none(model: Any) -> None:
    assert threshold_of(model.fit(ROWS, LATE), "m") is None


def test_a_threshold_that_is_no_probability_is_refused() -> None:
    model = FixedThresholdClassifier(INNER, threshold=-0.5, response_method="decision_function").fit(ROWS, LATE)
    with pytest.raises(RegistryError, match="decision function") as caught:
        threshold_of(model, "m")
    assert "predict_proba" in caught.value.remedy
