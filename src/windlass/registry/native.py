"""Models in the formats of other libraries, behind the `predict` and `predict_proba` that everything else has."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from windlass.errors import MissingExtra, RegistryError
from windlass.product.task import TaskKind

Array = np.ndarray[Any, Any]


class NativeModel:
    """What is known of a model without scikit-learn: kind, number of classes and names of its columns."""

    windlass_input: Literal["polars", "numpy"] = "numpy"
    kind: TaskKind
    feature_names_in_: Array

    def predict(self, features: Any) -> Array:
        """n rows -> (n,) values; for a classifier the codes."""
        if self.kind == "regression":
            return self._scores(features)
        return np.asarray(self.predict_proba(features).argmax(axis=1))

    def predict_proba(self, features: Any) -> Array:
        """n rows -> (n, k) probabilities."""
        scores = self._scores(features)
        return np.column_stack([1 - scores, scores]) if scores.ndim == 1 else scores

    @property
    def classes_(self) -> Array:
        """The codes of the classes, which are all that such a file knows of them."""
        return np.arange(self._classes)

    _classes: int = 0

    def _scores(self, features: Any) -> Array:
        raise NotImplementedError


class LightGBMModel(NativeModel):
    """A LightGBM booster from its text file."""

    def __init__(self, path: Path) -> None:
        try:
            import lightgbm
        except ModuleNotFoundError as error:
            raise MissingExtra.named("lightgbm", "lightgbm") from error
        self._booster = _read(path, lambda: lightgbm.Booster(model_file=str(path)))
        objective = next((line for line in path.read_text().splitlines() if line.startswith("objective=")), "")
        name = objective.removeprefix("objective=").partition(" ")[0]
        self.kind = _kind_of(name, binary=("binary", "cross_entropy"), many=("multiclass", "multiclassova"))
        self._classes = 2 if self.kind == "binary" else self._booster.num_model_per_iteration()
        self.feature_names_in_ = np.array(self._booster.feature_name(), dtype=object)

    def _scores(self, features: Any) -> Array:
        return np.asarray(self._booster.predict(features))


class XGBoostModel(NativeModel):
    """An XGBoost booster from its JSON or UBJSON file."""

    def __init__(self, path: Path) -> None:
        try:
            import xgboost
        except ModuleNotFoundError as error:
            raise MissingExtra.named("xgboost", "xgboost") from error
        self._xgboost = xgboost
        self._booster = _read(path, lambda: xgboost.Booster(model_file=str(path)))
        learner = json.loads(self._booster.save_config())["learner"]
        name = learner["learner_train_param"]["objective"]
        self.kind = _kind_of(name, binary=("binary:logistic", "reg:logistic"), many=("multi:softprob",))
        if name in {"multi:softmax", "binary:logitraw", "binary:hinge"}:
            raise RegistryError(
                f"the objective {name} gives no probabilities",
                where=str(path),
                remedy="train with multi:softprob or binary:logistic",
            )
        self._classes = 2 if self.kind == "binary" else int(learner["learner_model_param"]["num_class"])
        names = self._booster.feature_names or [f"x{place}" for place in range(self._booster.num_features())]
        self.feature_names_in_ = np.array(names, dtype=object)

    def _scores(self, features: Any) -> Array:
        matrix = self._xgboost.DMatrix(features, feature_names=self._booster.feature_names)
        return np.asarray(self._booster.predict(matrix))


class OnnxModel(NativeModel):
    """An ONNX graph with one matrix of numbers as input, or one input for each column."""

    windlass_input = "polars"

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise MissingExtra.named("onnxruntime", "onnx") from error
        self._session = _read(path, lambda: onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]))
        self._inputs = self._session.get_inputs()
        outputs = self._session.get_outputs()
        labelled = len(outputs) > 1  # scikit-learn's converters give the label first, then the probabilities
        self._output = outputs[-1].name if labelled else outputs[0].name
        width = self._inputs[0].shape[-1]
        if len(self._inputs) == 1 and not isinstance(width, int):
            raise RegistryError(
                "the graph does not say how many columns it takes",
                where=str(path),
                remedy="export it with a fixed number of columns",
            )
        names = [each.name for each in self._inputs] if len(self._inputs) > 1 else [f"x{n}" for n in range(width)]
        self.feature_names_in_ = np.array(names, dtype=object)
        columns = outputs[-1].shape[-1] if labelled and outputs[-1].shape else None
        if labelled and not isinstance(columns, int):
            columns = self._probabilities(self._blank()).shape[1]
        self._classes = columns or 0
        self.kind = "regression" if not labelled else "binary" if columns == 2 else "multiclass"

    def _scores(self, features: Any) -> Array:
        feed = self._feed(features)
        if self.kind == "regression":
            return np.asarray(self._session.run([self._output], feed)[0], dtype=np.float64).reshape(features.height)
        return self._probabilities(feed)

    def _probabilities(self, feed: dict[str, Array]) -> Array:
        answer = self._session.run([self._output], feed)[0]
        if isinstance(answer, list):  # ZipMap: a dictionary for each row
            return np.array([list(row.values()) for row in answer], dtype=np.float64)
        return np.asarray(answer, dtype=np.float64)

    def _feed(self, features: Any) -> dict[str, Array]:
        if len(self._inputs) == 1:
            each = self._inputs[0]
            return {each.name: features.to_numpy().astype(_numpy_type(each.type))}
        return {
            each.name: features[each.name].to_numpy().astype(_numpy_type(each.type)).reshape(-1, 1)
            for each in self._inputs
        }

    def _blank(self) -> dict[str, Array]:
        return {
            each.name: np.zeros((1, each.shape[-1] if isinstance(each.shape[-1], int) else 1)).astype(
                _numpy_type(each.type)
            )
            for each in self._inputs
        }


def read_native(path: Path, format: str) -> NativeModel:  # noqa: A002 (the field's name in the manifest)
    """The model in a file of another library; raises MissingExtra when that library is not installed."""
    readers = {"lightgbm": LightGBMModel, "xgboost": XGBoostModel, "onnx": OnnxModel}
    return readers[format](path)


def _read(path: Path, read: Any) -> Any:
    try:
        return read()
    except Exception as error:
        raise RegistryError(
            f"the model cannot be read: {type(error).__name__}: {error}",
            where=str(path),
            remedy="export it again with the version of the library that is installed here",
        ) from error


def _kind_of(objective: str, *, binary: tuple[str, ...], many: tuple[str, ...]) -> TaskKind:
    return "binary" if objective in binary else "multiclass" if objective in many else "regression"


@functools.cache
def _numpy_type(name: str) -> Any:
    types = {"float": np.float32, "double": np.float64, "int64": np.int64, "int32": np.int32, "bool": np.bool_}
    return types.get(name.removeprefix("tensor(").rstrip(")"), np.object_)
