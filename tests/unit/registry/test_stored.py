"""What saved models name of ours is found where they name it, wherever its code moves."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from windlass.product import stored
from windlass.product.examples import Examples
from windlass.product.model.blend import Blend
from windlass.product.model.encoding import fit_estimator
from windlass.registry import models
from windlass.registry.pickles import imports_of

ROWS = pl.DataFrame({"carrier": ["AA", "BB", None, "AA"] * 10, "far": [1.0, 2.0, None, 4.0] * 10})


@pytest.mark.parametrize("name", ["windlass.product.stored Blend", "windlass.product.stored FrameEncoder"])
def test_what_registered_versions_name_is_found_for_ever(name: str) -> None:
    """These names are never to be changed: files of models have them."""
    found = pickle.loads(f"c{name.replace(' ', chr(10))}\n.".encode())
    assert found.__name__ == name.split()[1]
    assert found.__module__ == stored.__name__


@pytest.mark.parametrize(
    "estimator", [None, LogisticRegression(), lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)], ids=repr
)
@pytest.mark.parametrize("blended", [False, True])
def test_models_that_are_trained_here_name_nothing_else_of_ours(estimator: Any, blended: bool, tmp_path: Path) -> None:
    target = np.array([0, 1, 1, 0] * 10)
    model = fit_estimator(estimator, Examples(features=ROWS, target=target, rows=ROWS, classes=(0, 1)), kind="binary")
    if blended:
        model = Blend([model, model], [0.5, 0.5], kind="binary", classes=2)
    file = models.save(model, tmp_path)
    named = {file.kind, *file.types, *imports_of(pickle.dumps(model))}
    ours = {name for name in named if name.startswith("windlass.")}
    assert ours == {f"windlass.product.stored.{name}" for name in ("FrameEncoder", *["Blend"] * blended)}
    again = models.load(tmp_path, file)
    assert np.array_equal(again.predict_proba(ROWS), model.predict_proba(ROWS))
