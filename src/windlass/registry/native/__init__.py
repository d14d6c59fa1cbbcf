"""Models in the formats of other libraries, behind the `predict` and `predict_proba` that everything else has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from windlass.registry.native.model import NativeModel

__all__ = ["NativeModel", "native_from", "read_native"]


def read_native(path: Path, format: str) -> NativeModel:  # noqa: A002 (the field's name in the manifest)
    """The model in a file of another library; raises MissingExtra when that library is not installed."""
    if format == "lightgbm":
        from windlass.registry.native.lightgbm_text import LightGBMModel

        return LightGBMModel.read(path)
    if format == "xgboost":
        from windlass.registry.native.xgboost_json import XGBoostModel

        return XGBoostModel.read(path)
    from windlass.registry.native.onnx_graph import OnnxModel

    return OnnxModel.read(path)


def native_from(model: Any) -> NativeModel | None:
    """The native form of a booster that came in a pickle, if it is of use; None for everything else.

    A bare booster does not say what it takes and answers, and one that has learned categories looks for them in a
    pandas frame. Both are told and done by the native form, whose file runs no code besides.
    """
    package = type(model).__module__.partition(".")[0]
    if package == "lightgbm":
        from windlass.registry.native.lightgbm_text import LightGBMModel

        return LightGBMModel.of(model)
    if package == "xgboost":
        from windlass.registry.native.xgboost_json import XGBoostModel

        return XGBoostModel.of(model)
    return None
