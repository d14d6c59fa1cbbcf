"""Features that training and serving share: a feature store, or one transform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from windlass.assessment.cloud import declared
from windlass.assessment.facts import Facts, Seen, Sighting, conclude
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.serving import below_scoring, scoring_modules
from windlass.assessment.reach.routes import By
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import parts_of

_TRANSFORMS = frozenset(
    {
        "preprocess", "transform", "features", "feature", "engineering", "clean", "encode", "build",
    }
)  # fmt: skip


@probe("feature-consistency")
def feature_consistency(facts: Facts) -> Finding:
    """A feature store read for training and serving, or one transform used by both."""
    seen = [each.seen("feature store: features are read or written") for each in feature_store_calls(facts)]
    seen += list(_feature_repository(facts))
    groups = ("AWS::SageMaker::FeatureGroup", "aws_sagemaker_feature_group", "google_vertex_ai_feature_group")
    seen += [replace(each, evidence=(_as_store(each.evidence[0]),)) for each in declared(facts, "", *groups)]
    if not seen:
        seen += list(_shared_transforms(facts))
    down = [
        Evidence(path=module.path, line=owner.line, why=f"{owner.name} is never used")
        for module in facts.project.modules
        for owner in module.classes.values()
        if "featurestore" in owner.name.lower() and not any(True for _ in facts.calls(owner.name))
    ]
    return conclude(
        "feature-consistency", seen, turned_down=down, declared=facts.listed("feast", "tecton", "hopsworks")
    )


def _as_store(place: Evidence) -> Evidence:
    return Evidence(path=place.path, line=place.line, why="feature store: a group of features is declared")


def feature_store_calls(facts: Facts) -> Iterator[Sighting]:
    """Calls of a feature store that read or write features."""
    names = (
        "get_historical_features", "get_online_features", "materialize", "materialize_incremental", "FeatureView",
        "push", "write_to_online_store", "get_or_create_feature_group", "get_feature_view", "create_training_set",
        "score_batch",
        "FeatureEngineeringClient", "FeatureStoreClient", "ingest", "get_feature_group",
        "batch_feature_view", "stream_feature_view", "on_demand_feature_view", "Feature", "Featurestore", "create",
        "create_bigtable_store", "create_optimized_store",
    )  # fmt: skip
    packages = (
        "feast", "tecton", "hopsworks", "hsfs", "databricks.feature_store", "databricks.feature_engineering",
        "featureform", "sagemaker.feature_store", "vertexai.resources", "azureml.featurestore",
        "google.cloud.aiplatform.Featurestore",
    )  # fmt: skip
    yield from facts.calls(*names, where=lambda call, _: call.name.startswith(packages))
    for sighting in facts.calls("get_historical_features", "get_online_features"):
        if not sighting.call.name.startswith(packages) and any(
            full.startswith(packages) for full in sighting.module.imports.values()
        ):
            yield sighting


def _feature_repository(facts: Facts) -> Iterator[Seen]:
    for path in facts.project.named("feature_store.yaml"):
        if any("FeatureView" in full for module in facts.project.modules for full in module.imports.values()):
            yield Seen(
                (Evidence(path=path, line=1, why="feature store: a Feast repository with feature views"),), by=By.PERSON
            )


def _shared_transforms(facts: Facts) -> Iterator[Seen]:
    scoring = scoring_modules(facts)
    training = (
        key
        for module, function in facts.functions
        if not module.is_notebook and facts.trains(key := (module.path, function.name))
    )
    for key in sorted(below_scoring(facts) & facts.below_all(training)):
        if parts_of(key[1]) & _TRANSFORMS and key[0] not in scoring:
            function = facts.project.modules.function(key)
            route = facts.graph.best(key)
            way = route.evidence if route is not None else ()
            here = Evidence(path=key[0], line=function.line, why=f"{function.name} is used by training and by serving")
            yield Seen((here, *way), by=route.by if route is not None else By.NOBODY)
