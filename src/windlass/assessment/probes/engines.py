"""The engines that run pipelines, and how code declares their steps."""

from __future__ import annotations

_STEPS = {
    "prefect": ("task", "flow"),
    "dagster": ("asset", "op", "graph_asset", "multi_asset", "graph", "job"),
    "airflow": ("task", "dag"),
    "zenml": ("step", "pipeline"),
    "kfp": ("component", "pipeline", "container_component"),
    "metaflow": ("step",),
    "flytekit": ("task", "workflow"),
    "flyte": ("task",),
    "modal": (),
    "azure.ai.ml.dsl": ("pipeline",),
    "azure.ai.ml": ("pipeline",),
    "hamilton": (),
    "clearml": ("component", "pipeline"),
    "kale": ("step", "pipeline"),
    "hatchet_sdk": ("task",),
    "dbos": ("step", "workflow"),
    "mage_ai": ("transformer", "data_loader", "data_exporter", "custom"),
    "hera": ("script",),
    "luigi": (),
    "ploomber": (),
}


def engine_of(name: str) -> str:
    """The engine whose step a decorator declares, or ""."""
    for engine, words in _STEPS.items():
        if name.startswith(f"{engine}.") and name.rpartition(".")[2] in words:
            return engine
    return ""
