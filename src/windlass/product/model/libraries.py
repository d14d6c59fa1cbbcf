"""Whether a model is made of the code of well-known libraries alone, or of its user's as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from windlass.product.model.blend import Blend

_LIBRARIES = frozenset(
    {"builtins", "catboost", "lightgbm", "numpy", "onnxruntime", "scipy", "sklearn", "windlass", "xgboost"}
)
_FUNCTIONS = (type, FunctionType, BuiltinFunctionType, MethodType)


def is_of_libraries(model: Any) -> bool:
    """Whether every estimator and function that `model` was put together from is a library's. One that is not known is
    taken for the user's."""
    return all(_library_of(part) in _LIBRARIES for part in _parts(model))


def _library_of(part: Any) -> str:
    owner = part if isinstance(part, _FUNCTIONS) else type(part)
    return str(owner.__module__).partition(".")[0]


def _parts(value: Any) -> Iterator[Any]:
    """`value` and all that it was made with, as scikit-learn's `get_params` tells."""
    if isinstance(value, list | tuple):
        inner: Any = value
    elif isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, Blend):
        inner = value.members
    else:
        yield value
        told = getattr(value, "get_params", None)
        inner = () if told is None or isinstance(value, type) else told(deep=False).values()
    for each in inner:
        yield from _parts(each)
