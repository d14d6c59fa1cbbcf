"""Platforms that answer with a model: what makes an endpoint there, and what they run for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.automation.workflow import mapping, maps, text_of, words
from windlass.assessment.facts import Facts, Seen
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.lines import line_at
from windlass.assessment.records import Evidence
from windlass.assessment.words import parts_of


def endpoints(facts: Facts) -> Iterator[Seen]:
    """Calls and files by which a platform answers with a model of the project."""
    yield from _called(facts)
    yield from _declared(facts)
    yield from _given_weights(facts)
    yield from _applied(facts)
    yield from _run_there(facts)
    yield from _in_javascript(facts)


_ENDPOINTS = re.compile(
    r"(create_endpoint|update_endpoint|deploy_model|online_deployments\.begin_create_or_update|"
    r"batch_deployments\.begin_create_or_update|Endpoint\.deploy|Model\.deploy|Webservice\.deploy(_from_\w+)?|"
    r"azure\.ai\.ml\.entities\.((Managed|Kubernetes)Online|(Model|Pipeline)?Batch)Deployment|"
    r"serving_endpoints\.(create|update_config)\w*|model_deployer_step|"
    r"ModelDeployOp|BatchPredict(Job)?Op|KServeClient\.(create|replace|patch)|"
    r"(CreateEndpoint|DeployModel|SageMakerEndpoint|SageMakerDeploy|SageMakerTransform|BatchPredictionJob)Operator)$"
)


_OF_AZURE, _OF_SAGEMAKER = frozenset({"init", "run"}), frozenset({"model_fn", "predict_fn"})
"""Functions of a file by which a platform loads a model and asks it."""


def _is_endpoint(name: str) -> bool:
    return bool(_ENDPOINTS.search(name) or _HANDED_OVER.search(name))


_HANDED_OVER = re.compile(
    r"((aiplatform|sagemaker)\.([\w.]+\.)?(deploy|batch_predict)|BatchPredictionJob\.(create|submit)|"
    r"create_transform_job|TransformStep|Transformer\.transform)$"
)
"""Calls that a lesson makes as well: in a notebook they serve nobody."""


def _called(facts: Facts) -> Iterator[Seen]:
    roots = (
        "boto3", "google", "azure", "azureml", "sagemaker", "databricks", "zenml", "?", "kserve",
        "google_cloud_pipeline_components", "airflow",
    )  # fmt: skip
    for place in facts.named(lambda name: name.partition(".")[0] in roots and _is_endpoint(name)):
        sighting = facts.sight(place)
        if sighting.by > By.NOBODY and (not place[0].is_notebook or _ENDPOINTS.search(place[2].name)):
            yield sighting.seen()


def _declared(facts: Facts) -> Iterator[Seen]:
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path):
            for each in maps(document) if isinstance(document, list) else ():
                if text_of(each.get("kind")) in ("RealtimeAPI", "AsyncAPI", "BatchAPI"):
                    yield Seen((Evidence(path=path, line=each.line, why="an API of Cortex is declared"),), by=By.PERSON)
            if not isinstance(document, dict):
                continue
            if mapping(mapping(document.get("resources")).get("model_serving_endpoints")):
                line = mapping(document.get("resources")).line_of("model_serving_endpoints")
                yield Seen((Evidence(path=path, line=line, why="an endpoint for the model is declared"),), by=By.PERSON)
            schema, kind = str(document.get("$schema", "")), str(document.get("kind", ""))
            if re.search(r"azureml.*(online|batch|Online|Batch)(Endpoint|Deployment|-)", schema) or kind in (
                "InferenceService",
                "SeldonDeployment",
                "RayService",
                "ServingRuntime",
            ):
                line = document.line_of("$schema" if schema else "kind") if hasattr(document, "line_of") else 1
                yield Seen((Evidence(path=path, line=line, why="an endpoint for the model is declared"),), by=By.PERSON)


_WEIGHTS = re.compile(r"\S+\.(pt|pth|onnx|safetensors|gguf|h5|keras|pkl|joblib|tflite|engine)$")


def _given_weights(facts: Facts) -> Iterator[Seen]:
    """Deployments of Kubernetes whose container has a port and is started with the file of a model."""
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path):
            top = mapping(document)
            if text_of(top.get("kind")) not in ("Deployment", "StatefulSet"):
                continue
            inner = mapping(mapping(mapping(top.get("spec")).get("template")).get("spec"))
            for each in maps(inner.get("containers")):
                given = (*words(each.get("command")), *words(each.get("args")))
                if "ports" in each and any(map(_WEIGHTS.match, given)):
                    here = Evidence(path=path, line=each.line, why="a container that is started with a model")
                    yield Seen((here,), by=By.PERSON)


_IN_A_TEXT = re.compile(r"^\s*[\"']?kind[\"']?:\s*[\"']?(InferenceService|SeldonDeployment)\b", re.MULTILINE)


def _applied(facts: Facts) -> Iterator[Seen]:
    """Endpoints that a step of Argo or a program applies: their manifest is a text in it."""
    for path in (*facts.project.yaml_paths, *facts.project.named(".py", ".sh", ".j2")):
        text = facts.project.text(path)
        if ("serving.kserve.io" in text or "machinelearning.seldon.io" in text) and (found := _IN_A_TEXT.search(text)):
            line = line_at(text, found.start())
            yield Seen((Evidence(path=path, line=line, why="an endpoint for the model is declared"),), by=By.PERSON)


_SERVICE = re.compile(r"^service:\s*[\"']?([\w./-]+)\.py:", re.MULTILINE)


def serves_nothing(facts: Facts, path: str) -> bool:
    """Whether the file of a bento names a service in a file that is nowhere."""
    named = _SERVICE.search(facts.project.text(path))
    return named is not None and not any(each.endswith(f"{named[1]}.py") for each in facts.project.paths)


def _run_there(facts: Facts) -> Iterator[Seen]:
    """Files that a platform loads the model with, and asks."""
    for path in facts.project.named("bentofile.yaml", "cog.yaml", "deployment.mlem"):
        if not serves_nothing(facts, path):
            yield Seen((Evidence(path=path, line=1, why="what a serving platform runs"),), by=By.PERSON)
    for module in facts.project.modules:
        if module.is_notebook or facts.project.modules.is_test(module.path):
            continue
        scores = parts_of(module.path.rpartition("/")[2]) & {"score", "scoring", "inference"}
        if module.functions.keys() >= _OF_SAGEMAKER or (scores and module.functions.keys() >= _OF_AZURE):
            yield Seen((Evidence(path=module.path, line=1, why="what a serving platform runs"),), by=By.PERSON)


_IN_JAVASCRIPT = re.compile(r"\bnew (CreateEndpoint|CreateTransformJob|InvokeEndpoint)Command\(|\.createEndpoint\(")


def _in_javascript(facts: Facts) -> Iterator[Seen]:
    """Functions in JavaScript or TypeScript that make an endpoint of SageMaker or ask one."""
    for path in facts.project.named(".js", ".ts", ".mjs"):
        text = facts.project.text(path) if not re.search(r"(^|/)(node_modules|dist|build)/|\.min\.", path) else ""
        if "sagemaker" in text.lower() and (found := _IN_JAVASCRIPT.search(text)):
            here = Evidence(path=path, line=line_at(text, found.start()), why="an endpoint for the model")
            yield Seen((here,), by=By.PERSON)
