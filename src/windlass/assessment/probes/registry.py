"""Registries of models: named versions with metadata, wherever they are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.automation.workflow import mapping, text_of
from windlass.assessment.cloud import declared
from windlass.assessment.facts import Facts, Seen, Sighting, conclude, once, seen_run
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.tracking import tracking_calls
from windlass.assessment.r import called_in_r
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import Call, Function, Module, last_of
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import parts_of

_CALLS = frozenset(
    {
        "register_model", "create_registered_model", "create_model_version", "transition_model_version_stage",
        "set_registered_model_alias", "link_model", "create_model_package", "create_model_package_group",
        "log_registered_model", "upload_model_version", "set_stage", "add_version_aliases",
    }
)  # fmt: skip
_LINKS = frozenset({"link_artifact", "link"})
_CLIENTS = (
    "mlflow", "wandb", "sagemaker", "boto3", "azureml", "azure.ai.ml", "google.cloud.aiplatform", "comet_ml",
    "clearml", "bentoml", "hsml", "hopsworks", "zenml", "huggingface_hub", "kubeflow", "model_registry", "neptune",
    "databricks", "modelstore", "vertexai", "gto", "dvc",
)  # fmt: skip
_WHOLE = re.compile(
    r"(azureml\.core.*Model\.register|azure\.ai\.ml\..*models\.create_or_update|azure\.ai\.ml\.entities\.Model|"
    r"aiplatform\.(.*\.)?Model\.upload\w*"
    r"|(?<!steps\.)sagemaker\..*(RegisterModel|ModelStep|\.register)|bentoml\.\w+\.save(_model)?|"
    r"bentoml\.models\.create|hsml\..*\.save|comet_ml\..*register_model"
    r"|huggingface_hub\..*(upload_folder|upload_file|create_tag)|zenml\..*(create_model_version|Model)|"
    r"clearml\..*OutputModel|model_registry\..*register_model"
    r"|hopsworks\..*create_model\.save|snowflake\.ml\.registry\..*log_model"
    r"|wandb\..*(link_artifact|link_model)|neptune\.init_model_version"
    r"|modelstore\..*\.upload"
    r"|airflow\..*(UploadModelOperator|RegisterModelVersionOperator))$"
)

_WHOLE_ENDS = (
    "register", "create_or_update", "upload", "RegisterModel", "ModelStep", "save_model", "create", "save",
    "register_model", "upload_folder", "upload_file", "create_tag", "create_model_version", "Model", "link_artifact",
    "link_model", "init_model_version", "log_model", "_model_file", "_saved_model", "UploadModelOperator",
    "RegisterModelVersionOperator",
)  # fmt: skip
"""How the names above end: asked first, since nearly no call does."""


_IN_R = frozenset(
    {
        "vetiver_pin_write",
        "mlflow_register_model",
        "mlflow_create_model_version",
        "register_model",
        "register_model_from_run",
    }
)


def registers(call: Call, module: Module) -> bool:
    """Whether a call makes a named version of a model in a registry, or moves an alias of one."""
    if call.kwargs and _names_model(call):
        return True
    if call.last == "push_to_hub":  # of a model, and not of a data set or of what cuts texts into words
        return not re.search(r"dataset|tokeni[sz]er|processor", f"{call.name} {call.on}", re.IGNORECASE)
    if call.name.endswith(_WHOLE_ENDS) and _WHOLE.search(call.name):
        return _is_model_on_hub(call) and (call.name != _MODEL_OF_AZURE or call.has("name"))
    if (
        call.last in _LINKS
        and call.has("target_path")
        and any(full.startswith("wandb") for full in module.imports.values())
    ):
        return True
    if call.last in _CALLS:
        return call.name.startswith(_CLIENTS) or (
            call.name.startswith(("?.", "next.")) and any(full.startswith(_CLIENTS) for full in module.imports.values())
        )
    return False


def _names_model(call: Call) -> bool:
    """Whether a call is told the name under which a model is registered, or a job of Vertex AI uploads what it made."""
    named = call.has("registered_model_name") and call.kwarg("registered_model_name") != "None"
    return named or (call.has("model_display_name") and "aiplatform" in call.name)


_MODEL_OF_AZURE = "azure.ai.ml.entities.Model"
"""Without a name it is only a file for a deployment."""


def _is_model_on_hub(call: Call) -> bool:
    """Whether what goes to the hub of Hugging Face, if it does, is a model: no file of a Space or a data set."""
    if not call.name.startswith("huggingface_hub."):
        return True
    kind = call.kwarg("repo_type") or ""
    file = call.last == "upload_file"
    return kind == "model" or (kind == "" and (not file or any("model" in parts_of(value) for value in call.values)))


@once
def registrations(facts: Facts) -> list[Sighting]:
    """Calls that register, outside of tests."""
    places = [*facts.named(_may_register), *facts.given("registered_model_name", "model_display_name")]
    found = {id(place[2]): place for place in places if registers(place[2], place[0])}
    return [facts.sight(place) for place in found.values()]


def _may_register(name: str) -> bool:
    last = last_of(name)
    return (
        last in _CALLS
        or last in _LINKS
        or last == "push_to_hub"
        or bool(name.endswith(_WHOLE_ENDS) and _WHOLE.search(name))
    )


_WRITES = frozenset(
    {
        "dump", "dumps", "write_text", "write", "execute", "commit", "put_object", "upload_file", "insert",
        "insert_one", "save", "to_json", "replace", "upload_json", "upload_model_json", "upload_folder", "copy",
        "copytree", "add", "set", "symlink_to", "copy2", "copyfile", "put_item",
    }
)  # fmt: skip
_TAKING = frozenset(
    {
        "load", "get", "resolve", "read", "latest", "fetch", "current", "active", "production",
    }
)  # fmt: skip


def _writes(facts: Facts, module: Module, function: Function) -> bool:
    for key in facts.below((module.path, function.name), most=25):
        inner = facts.project.modules.function(key)
        if any(call.last in _WRITES for call in inner.calls):
            return True
    return False


def home_grown(facts: Facts) -> Iterator[Sighting]:
    """Calls of a registry of the project's own: something writes named versions, something else reads them back."""
    reads = any(
        parts_of(function.name) & _TAKING
        and parts_of(f"{function.name} {module.path}")
        & {"champion", "registry", "alias", "model", "version", "production"}
        for module, function in facts.functions
    )
    if not reads:
        return
    writers = {
        (module.path, function.name)
        for module, function in facts.functions
        if (_is_registering(module, function.name) or _promotes_in_registry(function))
        and not function.stub
        and _writes(facts, module, function)
    }
    for module, function in facts.functions if writers else ():
        if module.is_notebook or writers.isdisjoint(facts.project.modules.edges((module.path, function.name))):
            continue
        for call in function.calls:
            if not writers.isdisjoint(facts.project.modules.called(call.name, module, function)):
                yield facts.sight((module, function, call))


_SAVES = frozenset({"joblib.dump", "pickle.dump", "cloudpickle.dump", "torch.save", "shutil.copy", "shutil.copy2"})


def _in_folders(facts: Facts) -> Iterator[Sighting]:
    """A registry of folders: a model saved under the next version with what is known of it, which others read back."""
    found: list[tuple[Module, Function, Call]] = []
    readers: set[str] = set()
    for module, function in facts.functions if not any(home_grown(facts)) else ():
        if "registry" not in function.words.lower() or module.is_notebook:
            continue
        parts = {part for word in function.words.split("\n") for part in parts_of(word)}
        if not {"registry", "version"} <= parts:
            continue
        saved = [call for call in function.calls if call.name in _SAVES or call.last == "save_model"]
        if saved and any(call.name in ("json.dump", "yaml.dump", "yaml.safe_dump") for call in function.calls):
            found.append((module, function, saved[0]))
        if any(call.name in ("json.load", "yaml.safe_load") for call in function.calls):
            readers.add(module.path)
    yield from (facts.sight(place) for place in found if readers - {place[0].path})


def _in_tables(facts: Facts) -> Iterator[Sighting]:
    """A table of versions of models: a row of it is added, and others ask for rows of it."""
    made = facts.named(lambda name: _is_table(last_of(name)) and not name.startswith(_CLIENTS))
    asked = {
        last_of(value)
        for _, _, call in facts.named(lambda name: last_of(name) in ("query", "select", "get"))
        for value in call.values
    }
    for module, function, call in made:
        if not module.is_notebook and call.last in asked and any(each.last in _ADDED for each in function.calls):
            yield facts.sight((module, function, call))
    said = [
        (place, found)
        for place in facts.named(lambda name: last_of(name).startswith(("execute", "query", "fetch", "run_query")))
        for value in place[2].values
        if (found := _IN_SQL.search(value)) is not None
    ]
    read = {found["read"].lower() for _, found in said if found["read"]}
    yield from (facts.sight(place) for place, found in said if (found["added"] or "").lower() in read)


_ADDED = frozenset({"add", "add_all", "merge"})
_IN_SQL = re.compile(
    r"insert\s+into\s+(?P<added>\w*model_versions?)\b|\bfrom\s+(?P<read>\w*model_versions?)\b", re.IGNORECASE
)
"""Rows of such a table by SQL of the project's own."""


def _is_table(name: str) -> bool:
    return name[:1].isupper() and parts_of(name) >= {"model", "version"}


def _is_registering(module: Module, name: str) -> bool:
    parts = parts_of(name.rpartition(".")[2])
    place = parts_of(f"{module.path.rpartition('/')[2]} {name}")
    if parts & {"register", "promote", "publish"} and parts_of(name) & {
        "model",
        "version",
        "champion",
        "registry",
        "challenger",
        "candidate",
        "artifact",
        "run",
    }:
        return True
    if parts & {"register", "promote"} and "registry" in place:
        return True
    if parts & {"alias", "champion"} and parts & {"set", "write", "update", "save", "move"}:
        return True
    return (
        "registry" in place
        and bool(parts & {"save", "add", "log", "set", "create", "update"})
        and bool(parts & {"model", "version", "alias", "run"})
    )


def _promotes_in_registry(function: Function) -> bool:
    """`promote(settings)`, whose body names the registry and the model that its own name leaves out."""
    if not parts_of(function.name.rpartition(".")[2]) & {"register", "promote"}:
        return False
    told = {part for word in function.words.split("\n") for part in parts_of(word)}
    return "registry" in told and bool(told & {"model", "models", "champion"})


def declared_models(facts: Facts) -> Iterator[Seen]:
    """Models declared as artifacts for GTO and DVC, and commands that register."""
    for path in facts.project.named("dvc.yaml", "artifacts.yaml"):
        for document in facts.project.yaml(path)[:1]:
            top = mapping(document)
            table = (
                mapping(top.get("artifacts"))
                if "artifacts" in top
                else (top if path.endswith("artifacts.yaml") else mapping(None))
            )
            for name, about in table.items():
                if text_of(mapping(about).get("type")) == "model":
                    yield Seen(
                        (
                            Evidence(
                                path=path,
                                line=mapping(about).line,
                                why=f"the model {name} is an artifact with versions",
                            ),
                        ),
                        by=By.PERSON,
                    )
    wanted = (
        ("az", "ml", "model"),
        ("gcloud", "ai", "models"),
        ("gto", "register"),
        ("gto", "assign"),
        ("bentoml", "push"),
        ("aws", "sagemaker", "create-model-package"),
    )
    for run in facts.runs(lambda argv: any(argv[: len(each)] == each for each in wanted)):
        if run.command.argv[0] != "az" or {"create", "register"} & set(run.command.argv):
            yield seen_run(run)


_OF_WANDB = re.compile(r"\bwandb-registry-")


def _taken_from_wandb(facts: Facts) -> Iterator[Seen]:
    """A model that a program or a command takes from the registry of W&B, by the name of its collection."""
    yield from map(seen_run, facts.runs(lambda argv: any(map(_OF_WANDB.search, argv))))
    for place in facts.named(lambda name: last_of(name) in ("artifact", "use_artifact")):
        if any(map(_OF_WANDB.search, place[2].values)):
            yield facts.sight(place).seen("a model of the registry of W&B")


_OF_MLFLOW = re.compile(r"^models:/")


def _taken_by_name(facts: Facts) -> Iterator[Seen]:
    """A model that a program takes from the registry of MLflow by its address: somebody has registered it there."""
    for place in facts.addressed(_OF_MLFLOW):
        sighting = facts.sight(place)
        if last_of(place[2].name) in ("load_model", "spark_udf", "download_artifacts") and sighting.by > By.NOBODY:
            yield sighting.seen("a model of the registry of MLflow, by its name")


@probe("model-registry")
def model_registry(facts: Facts) -> Finding:
    """Models become named versions in a registry."""
    seen = [each.seen() for each in registrations(facts) if each.by > By.NOBODY]
    unreached = [
        each.here("nothing calls the function that registers") for each in registrations(facts) if each.by is By.NOBODY
    ]
    seen += [*declared_models(facts), *called_in_r(facts, _IN_R, "a named version of the model")]
    seen += declared(
        facts, "a group of versions", "AWS::SageMaker::ModelPackageGroup", "aws_sagemaker_model_package_group"
    )
    seen += list(_taken_from_wandb(facts))
    seen += [] if seen else list(_taken_by_name(facts))
    if not seen:
        seen = [
            each.seen("a registry of the project's own is written")
            for each in (*home_grown(facts), *_in_folders(facts), *_in_tables(facts))
            if each.by > By.NOBODY
        ]
    down = [
        each.here("a model that is logged with a run is not registered")
        for each in facts.calls("log_model")
        if not each.call.has("registered_model_name")
    ]
    return conclude("model-registry", seen, turned_down=[*unreached, *(down if not seen else [])])


_COMMIT = re.compile(r"git_?(sha|commit|hash|rev)|commit_?(sha|hash)|rev-parse|GITHUB_SHA", re.IGNORECASE)


@probe("model-versioned")
def model_versioned(facts: Facts) -> Finding:
    """Models are kept as versions: in a registry, by DVC, or under a digest."""
    registry = model_registry(facts)
    seen = [each.seen("a version in the registry") for each in registrations(facts) if each.by > By.NOBODY]
    seen += [*declared_models(facts), *called_in_r(facts, _IN_R, "a named version of the model")]
    seen += (
        [each.seen("a version of the project's own registry") for each in home_grown(facts) if each.by > By.NOBODY]
        if registry.evidence and not seen
        else []
    )
    for path in facts.project.named("dvc.lock"):
        text = facts.project.text(path)
        if re.search(r"path: \S*(model|\.pkl|\.joblib|\.pt|\.h5|\.onnx)", text):
            seen.append(Seen((Evidence(path=path, line=1, why="DVC keeps the model under its digest"),), by=By.PERSON))
    for path in facts.project.named(".dvc"):
        if re.search(r"(model|\.pkl|\.joblib|\.pt|\.h5|\.onnx)", path.lower()) and "/.dvc" not in path:
            seen.append(Seen((Evidence(path=path, line=1, why="DVC keeps the model under its digest"),), by=By.PERSON))
    binaries = [path for path in facts.project.named(".pkl", ".joblib", ".h5", ".pt", ".onnx") if "test" not in path]
    down = (
        [Evidence(path=path, line=1, why="a model file that is overwritten in git") for path in binaries[:3]]
        if not seen
        else []
    )
    return conclude("model-versioned", seen, turned_down=down)


_NOTES = frozenset({"set_tag", "set_tags", "log_param", "log_params", "set_model_version_tag"})


@probe("run-metadata-lineage")
def run_metadata(facts: Facts) -> Finding:
    """It is recorded which run, data and code made a model."""
    tracked = [each for each in tracking_calls(facts) if each.by >= By.PERSON]
    linked = [each for each in registrations(facts) if each.by >= By.PERSON]
    seen = []
    if tracked and linked:
        best = max(linked, key=lambda each: each.by)
        seen.append(
            Seen(
                (
                    best.here("a registered version points to its run"),
                    tracked[0].here("the run records what it did"),
                    *best.seen().evidence[1:],
                ),
                by=best.by,
            )
        )
    for sighting in facts.calls("log_input", "emit", *_NOTES):
        if sighting.call.last not in _NOTES:
            if sighting.call.name.startswith(("mlflow", "openlineage")):
                seen.append(sighting.seen("the data of a run are recorded"))
        elif _COMMIT.search(" ".join(sighting.call.values)):
            seen.append(sighting.seen("the commit of a run is recorded"))
    locks = facts.project.named("dvc.lock")
    if locks:
        seen.append(
            Seen(
                (Evidence(path=locks[0], line=1, why="each stage with digests of its code, data and outputs"),),
                by=By.PERSON,
            )
        )
    if any(name in facts.project.dependencies for name in ("zenml", "tfx")) and list(facts.calls_into("zenml", "tfx")):
        seen.append(next(iter(facts.calls_into("zenml", "tfx"))).seen("the engine keeps the metadata of every run"))
    if facts.graph.visits and any(
        "azureml" in str(document.get("$schema", "")) and "pipeline" in str(document.get("$schema", "")).lower()
        for path in facts.project.yaml_paths
        for document in facts.project.yaml(path)
        if isinstance(document, dict)
    ):
        seen.append(
            Seen(
                (Evidence(path=facts.project.yaml_paths[0], line=1, why="Azure ML keeps what each job read and made"),),
                by=By.PERSON,
            )
        )
    return conclude("run-metadata-lineage", seen)


_DATA_VERSION = re.compile(
    r"data(set)?_?(version|hash|digest|fingerprint|snapshot|sha)|snapshot_id|train_(start|end)|dvc"
)


def _said(call: Call) -> str:
    """The names and texts of all arguments."""
    return " ".join((*(key for key, _ in call.kwargs), *call.values)).lower()


@probe("data-lineage")
def data_lineage(facts: Facts) -> Finding:
    """A model leads back to its data: their version is recorded with the run or the model."""
    seen = [
        sighting.seen("the version of the data is recorded with the model")
        for sighting in facts.calls("log_input", "emit", *_NOTES)
        if _DATA_VERSION.search(_said(sighting.call))
    ]
    locks = facts.project.named("dvc.lock")
    if locks and any(word in facts.project.text(locks[0]).lower() for word in ("model", ".pkl", ".joblib")):
        seen.append(
            Seen((Evidence(path=locks[0], line=1, why="the digests of data and model in one lock"),), by=By.PERSON)
        )
    return conclude("data-lineage", seen)
