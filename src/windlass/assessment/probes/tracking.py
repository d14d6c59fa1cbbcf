"""Experiment tracking, and where it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.automation.workflow import mapping, text_of
from windlass.assessment.facts import Facts, Seen, Sighting, conclude, once
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.serving import predicts
from windlass.assessment.r import called_in_r
from windlass.assessment.reach.engines import dvc_stages
from windlass.assessment.reach.environment import asked_of_environment, environment_of, said_of
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import Call, Function, last_of
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import is_metric, parts_of

_LOGGING = {
    "mlflow": ("log_metric", "log_metrics", "log_param", "log_params", "autolog", "log_input", "evaluate"),
    "wandb": ("log", "watch", "summary", "plot_classifier", "plot_regressor", "plot_roc", "plot_learning_curve"),
    "comet_ml": ("log_metric", "log_metrics", "log_parameter", "log_parameters", "Experiment"),
    "neptune": ("init_run", "log", "append"),
    "clearml": ("init", "report_scalar", "connect"),
    "aim": ("track", "Run"),
    "dvclive": ("log_metric", "log_param", "log_params", "Live", "log", "next_step", "make_summary"),
    "azureml": ("log", "log_list"),
    "sagemaker.experiments": ("log_metric", "log_parameter", "log_parameters"),
    "google.cloud.aiplatform": ("log_metrics", "log_params", "start_run"),
    "trackio": ("log",),
    "windlass": ("run", "log_metric", "log_metrics", "log_param", "log_params", "metric", "metrics"),
    "dagshub": ("log_metrics", "log_hyperparams"),
    "sacred": ("log_scalar",),
    "guild": (),
    "polyaxon": ("log_metrics",),
    "swanlab": ("log",),
    "zenml": ("log_metadata", "log_model_metadata", "log_step_metadata", "log_artifact_metadata"),
}
_CALLBACKS = re.compile(
    r"(^|\.)(DvcLiveCallback|DVCLiveCallback|DVCLiveLogger|WandbCallback|WandbLogger|WandbMetricsLogger|MLFlowLogger|MlflowCallback|MLflowLoggerCallback|WandbLoggerCallback|CometLoggerCallback|CometLogger|NeptuneLogger|NeptuneCallback|TensorBoardLogger_|ClearMLLogger|AimLogger|MLflowCallback|mlflow_mixin)$"
)
_PACKAGES = tuple(_LOGGING)
_NAMES = frozenset(name for names in _LOGGING.values() for name in names)
_CALLBACK_OWNERS = (*_PACKAGES, "lightning", "pytorch_lightning", "optuna", "dvclive", "ray")
_HANDED = frozenset({"run", "live", "experiment", "logger", "mlflow_client", "client", "_run"})


def logs_run(call: Call, imported: frozenset[str]) -> bool:
    """Whether a call writes parameters or metrics of a run to a tracker."""
    if call.last in _NAMES or call.last.endswith("autolog"):
        # A tracker that is handed to a function: its kind is not written there, the import is.
        unknown = call.name.startswith("?.")
        handed = unknown and call.on.lower() in _HANDED
        for package, names in _LOGGING.items():
            if call.name.startswith(f"{package}.") and (call.last in names or call.last.endswith("autolog")):
                return True
            if call.last in names and ((handed and package in imported) or (unknown and call.on == package)):
                return True
    return call.name.startswith(_CALLBACK_OWNERS) and bool(_CALLBACKS.search(call.name))


@once
def tracking_calls(facts: Facts) -> list[Sighting]:
    """Calls that write to a tracker, outside of tests, and trainers that are told to."""
    told = [place for place in facts.given("report_to") if _TRACKERS.search(place[2].kwarg("report_to") or "")]
    told += [
        place for place in facts.given("log_experiment") if place[2].kwarg("log_experiment") not in ("False", None)
    ]
    told += [place for place in facts.given("experiment_config") if place[2].name.startswith(_STEPS_OF_AWS)]
    told += [place for place in facts.given("log_system_metrics") if place[2].last == "start_run"]
    logged = [place for place in facts.named(_may_log) if logs_run(place[2], place[0].packages)]
    logged += [
        place for place in facts.named(_KEEPS_MODEL.match) if _OPENS_RUN & {each.name for each in place[1].calls}
    ]
    return [facts.sight(place) for place in (*logged, *told)]


_STEPS_OF_AWS = ("sagemaker.", "stepfunctions.")
_KEEPS_MODEL = re.compile(r"(mlflow|databricks)\.([\w.]+\.)?log_model$")
_OPENS_RUN = frozenset({"mlflow.start_run"})
_TRACKERS = re.compile(r"\b(mlflow|wandb|comet_ml|neptune|clearml|dvclive|dagshub|swanlab|trackio)\b")


def _may_log(name: str) -> bool:
    last = last_of(name)
    return last in _NAMES or last.endswith("autolog") or bool(_CALLBACKS.search(name))


_SHARED_STORES = frozenset(
    {
        "upload_file", "put_object", "to_sql", "execute", "insert_one", "create_commit", "upload_folder",
        "list_repo_files", "list_objects_v2", "list_blobs",
    }
)  # fmt: skip


@once
def _home_grown(facts: Facts) -> tuple[Sighting, ...]:
    """Metrics of each run, under an id of its own, sent to a shared store or collected from it."""
    return tuple(_kept_by_hand(facts))


def _kept_by_hand(facts: Facts) -> Iterator[Sighting]:
    for module, function in facts.functions:
        parts = parts_of(function.name)
        named = parts & {"run", "runs", "experiment", "experiments"} and parts & {
            "metrics", "log", "record", "tracking", "track", "save",
        }  # fmt: skip
        told = (named and _says_how_good(function)) or _is_handed_run(function) or _writes_row(function)
        if function.stub or not told:
            continue
        yield from (
            Sighting(module, function, call, facts.route(module, function))
            for call in function.calls
            if call.last in _SHARED_STORES
        )


def _is_handed_run(function: Function) -> bool:
    """Whether a function takes both the metrics and the hyperparameters of a run, whatever it is called."""
    given = {part for name in function.parameters for part in parts_of(name)}
    return bool(given & {"metrics"} and given & {"params", "parameters", "hyperparameters"})


def _writes_row(function: Function) -> bool:
    """Whether a function writes a row with both the metrics and the parameters of a run, by SQL of its own."""
    if "insert into" not in function.words.lower():
        return False
    rows = [parts_of(word) for word in function.words.split("\n") if word.lower().startswith("insert into")]
    return any(row & {"metrics", "metric"} and row & {"params", "parameters", "hyperparameters"} for row in rows)


def _says_how_good(function: Function) -> bool:
    """Runs of many things are recorded: those of experiments have metrics or parameters."""
    words = (*function.parameters, *function.words.split("\n"))
    return any(is_metric(word) or parts_of(word) & {"params", "parameters", "hyperparameters"} for word in words)


@probe("experiment-tracking")
def experiment_tracking(facts: Facts) -> Finding:
    """Code that runs writes parameters and metrics to a tracker."""
    trained = facts.training_keys
    linked: list[Seen] = []
    loose: list[Evidence] = []
    for sighting in tracking_calls(facts):
        if sighting.by is By.REQUEST and _answers(facts, sighting):
            loose.append(sighting.here("it logs what a request is answered, which is no experiment"))
        elif sighting.by >= By.PERSON and not (sighting.module.is_notebook and sighting.by < By.PERSON):
            linked.append(sighting.seen())
        else:
            loose.append(sighting.here("nothing calls the function that this stands in"))
    linked += [
        each.seen("metrics of each run are kept in a shared store")
        for each in _home_grown(facts)
        if each.by >= By.PERSON
    ]
    linked += called_in_r(
        facts,
        frozenset({"mlflow_log_metric", "mlflow_log_param", "log_metric_to_run", "log_metrics_to_run"}),
        "a run is tracked",
    )
    for path, name, line, _, _, lists in dvc_stages(facts.project):
        if lists["metrics"] and trained:
            linked.append(
                Seen((Evidence(path=path, line=line, why=f"stage {name} keeps its metrics with DVC"),), by=By.PERSON)
            )
    linked += _kept_by_kedro(facts) if trained else ()
    down = [*loose, *_mocks(facts)]
    down += [
        Evidence(path=module.path, line=line, why=f"{full} is imported, and nothing of it that logs is called")
        for module in facts.project.modules
        for full, line in module.import_lines.items()
        if full.partition(".")[0] in ("mlflow", "wandb", "comet_ml", "neptune", "clearml", "aim") and not linked
    ]
    declared = facts.listed("mlflow", "wandb", "comet-ml", "neptune", "clearml", "aim", "dvclive") if not linked else ()
    return conclude("experiment-tracking", linked, turned_down=down, declared=declared)


def _answers(facts: Facts, sighting: Sighting) -> bool:
    """Whether a call stands in a function that asks a model for an answer, and trains none."""
    return any(map(predicts, sighting.function.calls)) and not facts.trains(sighting.key)


_OF_KEDRO = re.compile(r"^(kedro_mlflow\.io\.\S+|tracking\.(Metrics|JSON)Data[Ss]et|\S+\.MetricsData[Ss]et)$")


def _kept_by_kedro(facts: Facts) -> Iterator[Seen]:
    """Entries of Kedro's catalog that keep the metrics of each run."""
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path)[:1] if "catalog" in path else ():
            for about in map(mapping, mapping(document).values()):
                if _OF_KEDRO.match(text_of(about.get("type"))):
                    here = Evidence(path=path, line=about.line, why="the catalog keeps the metrics of each run")
                    yield Seen((here,), by=By.PERSON)


def _mocks(facts: Facts) -> Iterator[Evidence]:
    for module in facts.project.modules:
        for owner in module.classes.values():
            if re.search(r"ml_?flow|wandb|tracker", owner.name, re.IGNORECASE) and not (
                module.packages & {"mlflow", "wandb"}
            ):
                yield Evidence(
                    path=module.path, line=owner.line, why=f"{owner.name} only carries the name of a tracker"
                )


_REMOTE = re.compile(
    r"^(https?://(?!localhost|127\.0\.0\.1)|databricks|azureml|arn:|postgres|mysql)|os\.environ|getenv|environ",
    re.IGNORECASE,
)


@probe("tracking-centralized")
def tracking_centralized(facts: Facts) -> Finding:
    """Runs go to a server, or to a store that outlives the job."""
    seen: list[Seen] = []
    down: list[Evidence] = []
    calls = list(tracking_calls(facts))
    for sighting in facts.calls("set_tracking_uri", "init", "setup"):
        call = sighting.call
        value = next((arg for arg in call.args if arg), None) or call.kwarg("uri") or call.kwarg("project") or ""
        if call.name.startswith("mlflow") and call.last == "set_tracking_uri":
            local = _local(value) or _told_to_stay(facts, sighting, value)
            if local and not _persisted(facts, local):
                down.append(sighting.here(f"the tracker is local: {local[:60]}"))
            else:
                seen.append(sighting.seen("the tracker is named by its address or by the environment"))
        elif call.name.startswith(("wandb.init", "neptune.init", "clearml.Task.init", "comet_ml")) and call.kwarg(
            "mode"
        ) not in ("disabled", "offline"):
            seen.append(sighting.seen("a hosted tracker"))
    for service in facts.project.services:
        if "mlflow" in f"{service.name} {service.image}".lower() and any(
            "backend-store-uri" in command.text or "server" in command.text for command in service.commands
        ):
            seen.append(
                Seen(
                    (Evidence(path=service.path, line=service.line, why="a tracking server is declared"),),
                    by=By.REQUEST,
                )
            )
    for run in facts.runs(lambda argv: argv[:2] == ("mlflow", "server") or argv[:2] == ("mlflow", "ui")):
        if run.route.start.workflow is not None:
            down.append(
                Evidence(
                    path=run.path, line=run.command.line, why="a tracker that is started in CI and thrown away with it"
                )
            )
    seen += list(_kept_by_ci(facts)) if calls else []
    if any(each.call.name.startswith(("azureml", "google.cloud.aiplatform", "sagemaker")) for each in calls) or (
        calls and _runs_on_platform(facts)
    ):
        seen.append(next(iter(calls)).seen("the platform keeps the runs"))
    seen += [each.seen("metrics of each run are kept in a shared store") for each in _home_grown(facts)]
    return conclude(
        "tracking-centralized",
        seen if calls or seen else (),
        turned_down=down,
        wired_from=By.PERSON,
        may_be_wired=any(each.by is not By.NOBODY for each in seen),
    )


_LOCAL = re.compile(r"^(file:|sqlite:|\./|mlruns|/|http://(localhost|127))")


def _local(value: str) -> str:
    return value if _LOCAL.match(value) else ""


def _told_to_stay(facts: Facts, sighting: Sighting, value: str) -> str:
    """The folder or the file that the environment names as the tracker, wherever the best ways to a call begin."""
    asked = asked_of_environment(facts.project, value)
    routes = [route for route in facts.graph.routes(sighting.key) if route.by is sighting.by] if asked else []
    said = [said_of(asked, environment_of(facts.project, route.start)) for route in routes]
    return said[0] if said and all(map(_local, said)) else ""


def _persisted(facts: Facts, value: str) -> bool:
    return bool(value) and any(True for _ in _kept_by_ci(facts))


def _kept_by_ci(facts: Facts) -> Iterator[Seen]:
    """A CI job that puts the tracker's database back where the next one finds it."""
    from windlass.assessment.facts import seen_run

    for run in facts.runs(
        lambda argv: (
            argv[:2] in (("git", "add"), ("dvc", "add"), ("aws", "s3"), ("gsutil", "cp"))
            and any("mlflow" in word or "mlruns" in word for word in argv[2:])
        )
    ):
        if run.route.start.workflow is not None:
            yield seen_run(run)


def _runs_on_platform(facts: Facts) -> bool:
    return any(
        "azureml" in str(document.get("$schema", ""))
        for path in facts.project.yaml_paths
        for document in facts.project.yaml(path)
        if isinstance(document, dict)
    )


@probe("systematic-experimentation")
def systematic(facts: Facts) -> Finding:
    """Tracked runs whose parameters come from configuration or a search."""
    searches = list(
        facts.calls(
            "create_study",
            "GridSearchCV",
            "RandomizedSearchCV",
            "BayesSearchCV",
            "Tuner",
            "sweep",
            "HalvingGridSearchCV",
        )
    )
    configs = [
        path
        for path in facts.project.yaml_paths
        if re.search(r"(^|/)(params|config|conf|configs|experiments?|sweep)[^/]*(/|\.ya?ml)", path)
    ]
    calls = [each for each in tracking_calls(facts) if each.by >= By.PERSON]
    if calls and (searches or configs):
        more = (
            searches[0].here("a search over parameters")
            if searches
            else Evidence(path=configs[0], line=1, why="parameters in a file")
        )
        best = max(calls, key=lambda each: each.by)
        return conclude(
            "systematic-experimentation", [Seen((*best.seen().evidence, more), by=best.by)], wired_from=By.PERSON
        )
    cards = facts.project.named("model_card.md", "modelcard.md", "model-card.md")
    return conclude(
        "systematic-experimentation", (), declared=[Evidence(path=path, line=1, why="a model card") for path in cards]
    )
