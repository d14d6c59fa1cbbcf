"""Saving and loading models, and who answers for what can run code."""

from __future__ import annotations

import os
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import msgspec
import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from windlass.errors import RegistryError, UntrustedModel
from windlass.records.bundle import ModelFile
from windlass.registry import models

from .conftest import fitted  # type: ignore[import-not-found]

X = np.random.default_rng(3).normal(size=(50, 2))


@pytest.mark.parametrize(
    ("estimator", "types"),
    [
        (LogisticRegression(), ()),
        (make_pipeline(StandardScaler(), LogisticRegression()), ()),
        (
            HistGradientBoostingClassifier(max_iter=5),
            ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",),
        ),
        (RandomForestClassifier(5), ("sklearn.tree._tree.Tree",)),
        (
            lightgbm.LGBMClassifier(n_estimators=5, verbose=-1),
            ("collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier"),
        ),
    ],
)  # fmt: skip
def test_common_models_are_held_by_skops_with_exactly_their_types(
    estimator: Any, types: tuple[str, ...], tmp_path: Path
) -> None:
    model = fitted(estimator)
    file = models.save(model, tmp_path / "model")
    assert (file.format, file.types, file.reason, file.vouched_by) == ("skops", types, "", "")
    again = models.load(tmp_path / "model", file)
    assert type(again) is type(model)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


def test_every_loading_gives_a_model_of_its_own(tmp_path: Path) -> None:
    file = models.save(fitted(LogisticRegression()), tmp_path)
    first, second = (models.load(tmp_path, file) for _ in range(2))
    first.coef_[:] = 0
    assert second.coef_.any()
    assert models.load(tmp_path, file).coef_.any()


def test_a_file_that_was_replaced_after_saving_is_read_anew(tmp_path: Path) -> None:
    models.save(fitted(LogisticRegression(C=0.01)), tmp_path / "other")
    file = models.save(fitted(LogisticRegression()), tmp_path)
    (tmp_path / file.file).write_bytes((tmp_path / "other" / file.file).read_bytes())
    assert models.load(tmp_path, file).C == 0.01


def test_a_skops_file_may_build_nothing_but_the_types_written_down(tmp_path: Path) -> None:
    file = models.save(fitted(RandomForestClassifier(3)), tmp_path)
    with pytest.raises(UntrustedModel, match=r"sklearn\.tree\._tree\.Tree"):
        models.load(tmp_path, msgspec.structs.replace(file, types=()))


@pytest.fixture
def unheld(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model of a class that skops refuses and pickle takes."""
    module = types.ModuleType("unheld_module")

    class Outer:
        class Inner:
            def __init__(self) -> None:
                self.value = 41

    for made, name in ((Outer, "Outer"), (Outer.Inner, "Outer.Inner")):
        made.__module__, made.__qualname__ = "unheld_module", name
    module.Outer = Outer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "unheld_module", module)
    return Outer.Inner()


def test_what_skops_cannot_hold_becomes_a_pickle_with_the_reason(unheld: Any, tmp_path: Path) -> None:
    file = models.save(unheld, tmp_path, vouched_by="ada")
    assert (file.format, file.file, file.vouched_by) == ("pickle", "model.pkl", "ada")
    assert file.reason.startswith("skops cannot hold it: ")
    assert models.load(tmp_path, file).value == 41
    assert models.load(tmp_path, msgspec.structs.replace(file, vouched_by=""), vouched=True).value == 41
    for refused in ({"vouched": False}, {}):
        with pytest.raises(UntrustedModel, match=r"nobody vouches[\s\S]*--trust"):
            models.load(tmp_path, msgspec.structs.replace(file, vouched_by=""), **refused)


class Trap:
    """Leaves a trace when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("kind", ["pickle", "joblib"])
def test_refusing_runs_nothing(kind: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "m").write_bytes(pickle.dumps(Trap(str(trace))))
    with pytest.raises(UntrustedModel):
        models.load(tmp_path, ModelFile(format=kind, file="m", kind=""))  # type: ignore[arg-type]
    assert not trace.exists()


def test_a_joblib_file_is_loaded_when_vouched_for(tmp_path: Path) -> None:
    model = fitted(LogisticRegression())
    joblib.dump(model, tmp_path / "m.joblib", compress=3)
    file = ModelFile(format="joblib", file="m.joblib", kind="", vouched_by="ada")
    assert np.array_equal(models.load(tmp_path, file).predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("kind", ["skops", "pickle", "joblib", "lightgbm"])
def test_a_file_that_cannot_be_read_is_one_clear_error(kind: str, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"nonsense")
    with pytest.raises(RegistryError, match=r"cannot be read") as caught:
        models.load(tmp_path, ModelFile(format=kind, file="m", kind="x"), vouched=True)  # type: ignore[arg-type]
    assert caught.value.remedy


def test_a_model_that_nothing_can_hold_is_refused(tmp_path: Path) -> None:
    model = fitted(make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression()))
    with pytest.raises(RegistryError, match=r"cannot be saved[\s\S]*lambdas"):
        models.save(model, tmp_path)


def test_classes_of_the_script_that_was_started_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(LogisticRegression):
        pass

    Mine.__module__, Mine.__qualname__ = "__main__", "Mine"
    monkeypatch.setattr(sys.modules["__main__"], "Mine", Mine, raising=False)
    for model in (Mine(), make_pipeline(Mine())):
        with pytest.raises(RegistryError, match=r"__main__\.Mine is defined in the script[\s\S]*module of the project"):
            models.save(model, tmp_path)


def test_encoded_columns_survive(tmp_path: Path) -> None:
    import polars as pl

    rows = pl.DataFrame({"c": ["a", "b", None, "a"] * 10, "x": list(range(40))})
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["c"]), remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(rows, [0, 1, 1, 0] * 10)
    file = models.save(model, tmp_path)
    assert file.format == "skops"
    assert np.array_equal(models.load(tmp_path, file).predict_proba(rows), model.predict_proba(rows))
