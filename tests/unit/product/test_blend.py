"""One model out of several."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from windlass.product.examples import Examples
from windlass.product.model.blend import Blend
from windlass.product.model.encoding import fit_estimator
from windlass.product.model.predict import predict
from windlass.registry import models


class Says:
    """Answers the same to all."""

    def __init__(self, *answer: float) -> None:
        self.answer = answer

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        return np.full(features.height, self.answer[0])

    def predict_proba(self, features: pl.DataFrame) -> np.ndarray:
        return np.tile(self.answer, (features.height, 1))


ROWS = pl.DataFrame({"x": [1.0, 2.0, 3.0]})


def test_values_are_averaged() -> None:
    blend = Blend([Says(1.0), Says(5.0)], [0.75, 0.25], kind="regression", classes=None)
    assert predict(blend, ROWS, "regression").tolist() == [2.0, 2.0, 2.0]


def test_probabilities_are_averaged_by_their_logarithms() -> None:
    blend = Blend([Says(0.5, 0.5), Says(0.1, 0.9)], [0.5, 0.5], kind="binary", classes=2)
    assert predict(blend, ROWS, "binary") == pytest.approx([0.75] * 3)  # odds of 1 and 9: their geometric mean is 3
    blend = Blend([Says(0.2, 0.3, 0.5)] * 2, [0.3, 0.7], kind="multiclass", classes=3)
    assert predict(blend, ROWS, "multiclass", classes=3)[0] == pytest.approx([0.2, 0.3, 0.5])


def test_a_member_that_saw_fewer_classes_gives_the_others_next_to_nothing() -> None:
    few = Says(0.4, 0.6)
    few.classes_ = np.array([0, 2])
    answer = predict(Blend([few, few], [0.5, 0.5], kind="multiclass", classes=3), ROWS, "multiclass", classes=3)
    assert answer[0] == pytest.approx([0.4, 0.0, 0.6], abs=1e-3)


def test_it_is_kept_in_the_safe_format_and_answers_the_same(tmp_path) -> None:
    random = np.random.default_rng(0)
    features = pl.DataFrame({"x": random.normal(size=200), "city": random.choice(["a", "b", None], 200)})
    target = (features["x"].to_numpy() > 0).astype(int)
    parts = [
        Examples(features=features[-rows:], target=target[-rows:], rows=features[-rows:], classes=(False, True))
        for rows in (200, 100)
    ]
    blend = Blend([fit_estimator(None, part, kind="binary") for part in parts], [0.6, 0.4], kind="binary", classes=2)
    file = models.save(blend, tmp_path)
    assert file.format == "skops"
    again = models.load(tmp_path, file)
    assert predict(again, features, "binary").tolist() == predict(blend, features, "binary").tolist()
