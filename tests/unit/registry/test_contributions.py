"""Models that say themselves what each feature adds: only where it comes to the very answer."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler

from windlass.product.model.predict import predict
from windlass.product.task import TaskKind
from windlass.registry.native import NativeModel, native_from
from windlass.registry.native.contributions import Contributions, can_be_taken_apart, contributions

CHANCE = np.random.default_rng(0)
X = CHANCE.normal(size=(400, 4))
Y = X[:, 0] + X[:, 1] * X[:, 2]
NAMES = ["a", "b", "c", "unused"]


def regression(**more: Any) -> Any:
    return lightgbm.LGBMRegressor(n_estimators=15, verbose=-1, **more)


def classifier(**more: Any) -> Any:
    return lightgbm.LGBMClassifier(n_estimators=15, verbose=-1, **more)


def behind_a_scaler(*steps: Any) -> Any:
    return make_pipeline(StandardScaler(), *steps)


def taken_apart(model: Any, kind: TaskKind) -> tuple[Contributions | None, Any]:
    """Of ten rows, and what the model says of them."""
    found = native_from(model) or model
    names = found.feature_names_in_.tolist() if isinstance(found, NativeModel) else NAMES
    rows = pl.DataFrame(X[:10], schema=names)
    scores = predict(found, rows, kind, classes=2 if kind == "binary" else None)
    return contributions(found, rows, scores), scores


def test_parts_come_to_the_answer_on_the_scale_that_is_told() -> None:
    cases: list[tuple[Any, TaskKind, str]] = [
        (regression().fit(X, Y), "regression", "score"),
        (regression().fit(X, Y).booster_, "regression", "score"),
        (regression(objective="poisson").fit(X, np.abs(Y)), "regression", "logarithm"),
        (classifier().fit(X, Y > 0), "binary", "log-odds"),
        (classifier().fit(X, Y > 0).booster_, "binary", "log-odds"),
        (behind_a_scaler(Ridge()).fit(X, Y), "regression", "score"),
        (behind_a_scaler(PCA(2), LinearRegression()).fit(X, Y), "regression", "score"),
        (behind_a_scaler(PoissonRegressor()).fit(X, np.abs(Y)), "regression", "logarithm"),
        (behind_a_scaler(LogisticRegression()).fit(X, Y > 0), "binary", "log-odds"),
        (behind_a_scaler(LogisticRegression()).fit(pl.DataFrame(X, schema=NAMES), Y > 0), "binary", "log-odds"),
    ]
    for model, kind, scale in cases:
        assert can_be_taken_apart(native_from(model) or model)
        found, scores = taken_apart(model, kind)
        assert found is not None
        assert found.scale == scale
        sums = found.base + found.parts.sum(axis=1)
        back = {"score": sums, "logarithm": np.exp(sums), "log-odds": 1 / (1 + np.exp(-sums))}[scale]
        assert back == pytest.approx(scores, rel=1e-5)
        assert found.parts.shape == (10, 4)
        assert np.ptp(found.base) == pytest.approx(0)


def test_of_a_linear_model_each_feature_adds_its_coefficient_times_what_it_is_beyond_its_mean() -> None:
    model = behind_a_scaler(LinearRegression()).fit(X, Y)
    found, _ = taken_apart(model, "regression")
    assert found is not None
    slopes = model[-1].coef_ / model[0].scale_
    assert found.parts == pytest.approx((X[:10] - X.mean(axis=0)) * slopes)
    assert found.base == pytest.approx(Y.mean())


def test_a_feature_that_no_tree_asks_for_adds_nothing() -> None:
    flat = X.copy()
    flat[:, 3] = 0.0
    found, _ = taken_apart(regression().fit(flat, Y), "regression")
    assert found is not None
    assert (found.parts[:, 3] == 0).all()


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (regression(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5).fit(X, Y), "regression"),  # averaged
        (classifier(sigmoid=2.0).fit(X, Y > 0), "binary"),  # a link of its own
        (LinearRegression().fit(X, Y), "regression"),
        (behind_a_scaler(PolynomialFeatures(), LinearRegression()).fit(X, Y), "regression"),  # features multiplied
    ],
)
def test_what_does_not_come_to_the_answer_is_not_told(model: Any, kind: TaskKind) -> None:
    assert taken_apart(model, kind)[0] is None


CLASSES = np.digitize(Y, [-1, 1])


def test_of_several_classes_the_likeliest_is_taken_apart() -> None:
    trees, linear = classifier().fit(X, CLASSES), behind_a_scaler(LogisticRegression()).fit(X, CLASSES)
    cases = [
        (trees, trees.booster_.predict(X[:10], raw_score=True)),
        (trees.booster_, trees.booster_.predict(X[:10], raw_score=True)),
        (linear, linear.decision_function(X[:10])),
    ]
    for model, sums in cases:
        assert can_be_taken_apart(native_from(model) or model)
        found, scores = taken_apart(model, "multiclass")
        likeliest = scores.argmax(axis=1)
        assert len(set(likeliest)) > 1
        assert found is not None
        assert (found.scale, found.parts.shape) == ("softmax", (10, 4))
        assert found.base + found.parts.sum(axis=1) == pytest.approx(sums[np.arange(10), likeliest])
        rows = pl.DataFrame(X[:10], schema=NAMES)
        assert model is trees.booster_ or contributions(model, rows, np.roll(scores, 1, axis=1)) is None


def test_a_class_of_its_own_each_is_not_told() -> None:
    model = classifier(objective="multiclassova").fit(X, CLASSES)
    assert taken_apart(model, "multiclass")[0] is None


def test_what_does_not_know_the_mean_of_its_features_is_told_beforehand() -> None:
    assert not can_be_taken_apart(LinearRegression().fit(X, Y))
    assert not can_be_taken_apart(make_pipeline(MinMaxScaler(), LinearRegression()).fit(X, Y))
    assert not can_be_taken_apart(behind_a_scaler(RandomForestRegressor(2)).fit(X, Y))


# -- libraries that are not installed here: what is asked of them ------------------------------------------------------


class CatBoostLike:
    """A model of CatBoost, as far as it is asked here: the first column is a text."""

    def get_cat_feature_indices(self) -> list[int]:
        return [0]

    def get_feature_importance(self, data: Any, type: str) -> Any:  # noqa: A002 (as CatBoost has it)
        assert type == "ShapValues"
        rows, categories = data
        assert categories == [0]
        worth = rows["city"].replace_strict({"Bonn": 1.0, "Köln": -1.0}, return_dtype=pl.Float64)
        return np.column_stack([worth, rows["pay"], np.full(rows.height, 0.5)])


def test_catboost_is_asked_with_its_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("catboost")
    module.Pool = lambda rows, cat_features: (rows, cat_features)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "catboost", module)
    monkeypatch.setattr(CatBoostLike, "__module__", "catboost.core")
    rows = pl.DataFrame({"city": ["Bonn", "Köln"], "pay": [2.0, 3.0]})
    found = contributions(CatBoostLike(), rows, np.array([3.5, 2.5]))
    assert found is not None
    assert (found.scale, found.parts.tolist(), found.base.tolist()) == ("score", [[1, 2], [-1, 3]], [0.5, 0.5])
    assert contributions(CatBoostLike(), rows, np.array([3.5, 2.6])) is None
