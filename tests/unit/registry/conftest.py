"""A registry in a temporary workspace, and what a bundle is made of."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import windlass as wl
from windlass.product.code.source import Source, read_source
from windlass.product.policy import to_plain
from windlass.records.bundle import Column, Environment, Manifest, ModelFile
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.registry import models
from windlass.registry.registry import Registry
from windlass.staging import Staging

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENVIRONMENT = Environment(python="3.11", platform="linux", windlass="0", distributions={})
PRODUCT = """
    import polars as pl
    import windlass as wl
    from helpers import FACTOR, Doubler

    class Flights(wl.Product):
        task = wl.BinaryClassification(target="late")

        def features(self, rows):
            return rows.select(pl.col("a") * FACTOR, "b")
"""
HELPERS = """
    from sklearn.base import BaseEstimator, TransformerMixin

    FACTOR = {factor}

    class Doubler(TransformerMixin, BaseEstimator):
        def fit(self, x, y=None):
            self.n_features_in_ = x.shape[1]
            return self

        def transform(self, x):
            return x * 2 * FACTOR
"""


def manifest(model: ModelFile, **changed: Any) -> Manifest:
    """A manifest for a model of two columns, `a` and `b`."""
    given: dict[str, Any] = {
        "product": "flights",
        "entry": "",
        "run": "run-1",
        "created_at": NOON,
        "task": msgspec.to_builtins(wl.BinaryClassification(target="late")),
        "policies": to_plain(wl.Product.policies()),
        "columns": (Column(name="a", dtype="float"), Column(name="b", dtype="float")),
        "features": ("a", "b"),
        "classes": (False, True),
        "model": msgspec.structs.replace(model, file=f"model/{model.file}"),
        "metrics": {"roc_auc": 0.75},
        "pin": None,
        "environment": ENVIRONMENT,
        "files": {},
    }
    return Manifest(**(given | changed))


def fitted(estimator: Any, *, rows: int = 200) -> Any:
    """The estimator, fitted on two columns of noise of which the first tells the class."""
    chance = np.random.default_rng(7)
    x = chance.normal(size=(rows, 2))
    return estimator.fit(x, (x[:, 0] > 0).astype(int))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "workspace")


def publishing(paths: Paths) -> Registry:
    """A registry that may publish."""
    fence = Fence(holder="test", token=1)
    Staging(paths.registry, fence).begin()
    return Registry(paths, fence)


@pytest.fixture
def registry(paths: Paths) -> Registry:
    return publishing(paths)


@pytest.fixture
def source(tmp_path: Path) -> Callable[[int], Source]:
    """`source(factor)`: a product of two modules that multiplies one column by `factor`."""

    def make(factor: int) -> Source:
        project = tmp_path / f"project-{factor}"
        project.mkdir(exist_ok=True)
        (project / "flights.py").write_text(textwrap.dedent(PRODUCT))
        (project / "helpers.py").write_text(textwrap.dedent(HELPERS).format(factor=factor))
        return read_source("flights:Flights", project)

    return make


@pytest.fixture
def publish(registry: Registry) -> Callable[..., str]:
    """`publish(model, source=None, **manifest)` puts a bundle together and returns its digest."""

    def put(model: Any, source: Source | None = None, **changed: Any) -> str:
        staged = registry.stage("flights")
        file = models.save(model, staged / "model")
        if source is not None:
            source.write(staged / "source")
            changed["entry"] = source.entry
        return registry.publish(staged, manifest(file, **changed))

    return put
