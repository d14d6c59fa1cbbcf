"""Windlass takes one model from "here is the .pkl" to a model that is served, watched, retrained and rolled back.

Everything a product file needs is here; the rest of the package is the machinery.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windlass.pipeline.notes.tracking import active_run, run
    from windlass.product.examples import Examples
    from windlass.product.model_file import ModelFile
    from windlass.product.policy import Capture, Gate, Objectives, Outcome, Release, Retrain
    from windlass.product.product import Product
    from windlass.product.task import BinaryClassification, MulticlassClassification, Regression

__version__ = "0.1.0"

__all__ = [
    "BinaryClassification",
    "Capture",
    "Examples",
    "Gate",
    "ModelFile",
    "MulticlassClassification",
    "Objectives",
    "Outcome",
    "Product",
    "Regression",
    "Release",
    "Retrain",
    "active_run",
    "run",
]

_HOME = {
    "BinaryClassification": "windlass.product.task",
    "Capture": "windlass.product.policy",
    "Examples": "windlass.product.examples",
    "Gate": "windlass.product.policy",
    "ModelFile": "windlass.product.model_file",
    "MulticlassClassification": "windlass.product.task",
    "Objectives": "windlass.product.policy",
    "Outcome": "windlass.product.policy",
    "Product": "windlass.product.product",
    "Regression": "windlass.product.task",
    "Release": "windlass.product.policy",
    "Retrain": "windlass.product.policy",
    "active_run": "windlass.pipeline.notes.tracking",
    "run": "windlass.pipeline.notes.tracking",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `windlass --help` stays quick."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'windlass' has no attribute {name!r}")
