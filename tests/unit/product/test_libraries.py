"""A model is its user's as soon as one function in it is."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from windlass.product.model.blend import Blend
from windlass.product.model.libraries import is_of_libraries


class Own(BaseEstimator):
    def __init__(self, inner: Any = None) -> None:
        self.inner = inner


def twice(x: Any) -> Any:
    return 2 * x


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        LGBMClassifier(),
        RandomForestClassifier(),
        make_pipeline(StandardScaler(), FunctionTransformer(np.log1p), LogisticRegression()),
        GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}),
        Blend([LinearRegression(), LGBMClassifier()], [0.5, 0.5], kind="regression", classes=None),
    ],
)
def test_libraries(model: Any) -> None:
    assert is_of_libraries(model)


@pytest.mark.parametrize(
    "model",
    [
        Own(),
        make_pipeline(FunctionTransformer(twice), LogisticRegression()),
        make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression()),
        make_pipeline(FunctionTransformer(partial(twice)), LogisticRegression()),
        make_pipeline(ColumnTransformer([("own", Own(), [0])]), LogisticRegression()),
        VotingClassifier([("a", LogisticRegression()), ("b", Own())]),
        GridSearchCV(LogisticRegression(), {"C": [1.0]}, scoring=twice),
        GridSearchCV(make_pipeline(LogisticRegression()), {"logisticregression": [Own(), LogisticRegression()]}),
        Blend([LinearRegression(), Own(LinearRegression())], [0.5, 0.5], kind="regression", classes=None),
        make_pipeline(FunctionTransformer(Own), LogisticRegression()),
    ],
)
def test_user_code(model: Any) -> None:
    assert not is_of_libraries(model)
