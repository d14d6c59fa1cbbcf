"""The models that `bench/serving.py` serves, and how they become versions of a workspace."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from served import models
from windlass.product.code.loading import load_product
from windlass.product.code.source import read_source
from windlass.product.contract import columns_of
from windlass.records.bundle import Environment, Manifest
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.records.routing import Routing, Target
from windlass.registry.compiling import compile_model
from windlass.registry.models import save
from windlass.registry.registry import Registry
from windlass.staging import Staging

PLAIN = """
import windlass as wl

class {name}(wl.Product):
    task = wl.BinaryClassification(target="y", time="at", key="key")
    contract = None
"""
CONTRACT = """
import pandera.polars as pa
import polars as pl
import windlass as wl

class Columns(pa.DataFrameModel):
{columns}

class Contract(wl.Product):
    task = wl.BinaryClassification(target="y")
    contract = Columns

    def features(self, rows: pl.DataFrame) -> pl.DataFrame:
        a, b = pl.col("x0"), pl.col("x1")
        return rows.select(
            f0=a + b, f1=a * b, f2=(a - b).abs(), f3=pl.col("x2").clip(-1, 1), f4=pl.col("x3").exp(),
            f5=pl.when(pl.col("x4") > 0).then(pl.col("x5")).otherwise(pl.col("x6")),
            f6=pl.col("x7").fill_null(0.0) / 2, f7=pl.col("x8") > pl.col("x9"),
        )
"""


def request_row(width: int = models.WIDTH, number: int = 0) -> dict[str, float]:
    return {f"x{place}": round(float(value), 6) for place, value in enumerate(models.sample(width)[0][number])}


def bodies(width: int = models.WIDTH, *, count: int = 1000) -> list[bytes]:
    """Requests for a row each, all different: watching would take the same row again and again for drift."""
    return [json.dumps({"rows": [request_row(width, place)]}).encode() for place in range(count)]


def publish(paths: Paths) -> None:
    """`line`, `forest` and `contract` in the registry, each routed as champion of its own product."""
    fence = Fence(holder="bench", token=1)
    paths.registry.mkdir(parents=True, exist_ok=True)
    Staging(paths.registry, fence).begin()
    registry = Registry(paths, fence)
    frame = pl.DataFrame({f"x{place}": column for place, column in enumerate(models.sample()[0].T)})
    for name, model in models.fitted().items():
        source = PLAIN.format(name=name.title())
        fit = lambda _features, model=model: model  # noqa: E731
        route(paths, name, publish_one(paths, registry, name=name, source=source, frame=frame, fit=fit))
    columns = "\n".join(f"    x{place}: float = pa.Field(ge=-100, le=100)" for place in range(models.CONTRACT_WIDTH))
    source = CONTRACT.format(columns=columns)
    digest = publish_one(
        paths, registry, name="contract", source=source, frame=frame[:, : models.CONTRACT_WIDTH], fit=_line
    )
    route(paths, "contract", digest)


def _line(features: pl.DataFrame) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(features.to_numpy(), models.sample()[1])


def publish_one(
    paths: Paths,
    registry: Registry,
    *,
    name: str,
    source: str,
    frame: pl.DataFrame,
    fit: Any,
    policies: dict[str, Any] | None = None,
) -> str:
    """Fit, save and publish a version of the product in `source`; its digest."""
    project = paths.root / "projects" / name
    project.mkdir(parents=True, exist_ok=True)
    (project / f"bench_{name}.py").write_text(source)
    entry = f"bench_{name}:{name.title()}"
    product = load_product(entry, project)
    features = product().features(frame)
    staged = registry.stage(name)
    read_source(entry, project).write(staged / "source")
    model = fit(features)
    compiled = compile_model(model, features, staged, kind="binary")
    print(f"{name}: compiled: {compiled.reason or f'{compiled.faster:g} times as fast'}")
    manifest = Manifest(
        product=name,
        entry=entry,
        run=None,
        created_at=datetime(2013, 1, 1, tzinfo=UTC),
        task=msgspec.to_builtins(product.task),
        policies=policies or {},
        columns=columns_of(product, frame),
        features=tuple(features.columns),
        classes=(0, 1),
        model=save(model, staged),
        metrics={},
        pin=None,
        environment=Environment(python="", platform="", windlass="", distributions={}),
        compiled=compiled,
        files={},
    )
    return registry.publish(staged, manifest)


def route(
    paths: Paths, name: str, digest: str, *, version: str = "v1", sequence: int = 1, shadow: str | None = None
) -> None:
    """Let `version` answer for the product; `shadow` is the digest of a version that is asked unseen beside it."""
    routed = paths.routing(name)
    routed.parent.mkdir(parents=True, exist_ok=True)
    record = Routing(product=name, sequence=sequence, champion=Target(version=version, digest=digest))
    if shadow is not None:
        record = msgspec.structs.replace(record, challenger=Target(version="shadow", digest=shadow), mode="shadow")
    staged = routed.with_suffix(".tmp")
    staged.write_bytes(msgspec.json.encode(record))
    staged.replace(routed)
