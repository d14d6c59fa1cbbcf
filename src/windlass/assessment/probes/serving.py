"""Serving: an API or a batch job that answers with the model, and where it takes the model from."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.cloud import declared
from windlass.assessment.facts import Facts, Place, Seen, Sighting, conclude, once, seen_run
from windlass.assessment.modules import Key
from windlass.assessment.probes.endpoints import endpoints
from windlass.assessment.probes.engines import engine_of
from windlass.assessment.probes.languages import served_elsewhere
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.steps import declared_pipelines
from windlass.assessment.r import called_in_r
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import Call, Function, Module, last_of
from windlass.assessment.reading.lines import line_at
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.sql import scored_in_sql
from windlass.assessment.training import LIBRARIES
from windlass.assessment.words import is_metric, parts_of

_APPS = (
    "fastapi.FastAPI", "flask.Flask", "starlette.applications.Starlette", "sanic.Sanic", "litserve.LitServer",
    "ray.serve.deployment", "bentoml.Service", "bentoml.service", "kserve.Model", "robyn.Robyn", "falcon.App",
    "aiohttp.web.Application", "litestar.Litestar", "quart.Quart", "chalice.Chalice", "mlserver.MLModel",
    "fastapi.APIRouter", "flask.Blueprint", "flask_restx.Namespace", "ninja.NinjaAPI", "ninja.Router", "bottle.Bottle",
    "connexion.App", "connexion.FlaskApp", "grpc.server", "grpc.aio.server",
    "gradio.Interface", "gradio.Blocks", "tornado.web.Application", "flask_restful.Api", "modal.fastapi_endpoint",
)  # fmt: skip
_PREDICTS = frozenset(
    {
        "predict", "predict_proba", "predict_step", "infer", "inference", "score", "predict_one", "make_prediction",
        "run_inference", "forward", "score_batch", "sample_posterior_predictive", "invoke_endpoint",
    }
)  # fmt: skip
_LOADS = frozenset(
    {
        "score_batch", "invoke_endpoint", "load_model", "load_from_checkpoint", "InferenceSession", "from_pretrained",
        "load_pipeline", "load_runner", "to_runner",
    }
)  # fmt: skip
_LOADERS = (
    "joblib.load", "pickle.load", "pickle.loads", "torch.load", "cloudpickle.load", "dill.load", "skops.io.load",
    "onnxruntime.InferenceSession", "transformers.pipeline", "torch.hub.load", "torch.jit.load",
    "tensorflow.saved_model.load", "spacy.load", "ultralytics.YOLO",
)  # fmt: skip


def predicts(call: Call) -> bool:
    """Whether a call asks a model for an answer."""
    return _may_predict(call.name)


def _may_predict(name: str) -> bool:
    last = last_of(name)
    if last in ("run", "async_run"):  # of a runner of BentoML: `runner.predict.run(rows)`
        last = last_of(name.rpartition(".")[0])
    parts = parts_of(last)
    return (
        last in _PREDICTS
        or name == "mlflow.pyfunc.spark_udf"
        or ("predict" in parts and len(parts) <= 4)
        or bool(parts & {"prediction", "predictions"} and parts & {"make", "get", "run"})
        or (last == "generate" and bool(_OF_LOADED.search(name)))
    )


_OF_LOADED = re.compile(r"^torch\.load\.|\.from_pretrained\.")


def loads_model(call: Call) -> bool:
    """Whether a call reads a saved model."""
    return _may_load(call.name)


def _may_load(name: str) -> bool:
    last = last_of(name)
    if last == "load" and name.startswith("pyspark.ml.") and name.removesuffix(".load").endswith("Model"):
        return True
    return (
        last in _LOADS
        or name in _LOADERS
        or name == "mlflow.pyfunc.spark_udf"
        or (last.startswith("load") and "model" in parts_of(last))
    )


def _apps(facts: Facts) -> Iterator[Sighting]:
    names = {each.rpartition(".")[2] for each in _APPS}
    yield from facts.calls(*names, where=lambda call, _: call.name in _APPS)


@once
def applications(facts: Facts) -> frozenset[str]:
    """The files that make an application, whatever it answers."""
    return frozenset(each.module.path for each in _apps(facts))


def _below_module(facts: Facts, module: Module) -> list[Call]:
    """All calls of a module and of what its functions lead to, and of the files that these stand in."""
    keys = {key for name in module.functions for key in facts.below((module.path, name), most=120)}
    by_path = facts.project.modules.by_path
    for path, made in [key for key in keys if key[1].endswith(".__init__")]:
        if any(map(loads_model, by_path[path].functions[made].calls)):  # kept somewhere, and asked under another name
            keys |= {(path, name) for name in by_path[path].classes[made.removesuffix(".__init__")].methods.values()}
    keys |= {(path, "") for path, _ in keys if "" in by_path[path].functions}
    return [call for key in sorted(keys) for call in facts.project.modules.function(key).calls]


def _uses_model(facts: Facts, module: Module) -> bool:
    calls = _below_module(facts, module)
    loads = any(loads_model(call) for call in calls)
    asks = any(predicts(call) for call in calls) or any(
        call.name.partition(".")[0] in ("torch", "onnxruntime") and call.last in ("run", "softmax", "argmax")
        for call in calls
    )
    asks = asks or (loads and any(_asked_as_it_is(call) for call in calls))
    said = [function.words.lower() for function in module.functions.values()]
    return asks and (loads or any("model" in words or _ANSWERED.search(words) for words in said))


_MODELS = frozenset({"model", "net", "network", "predictor", "classifier", "regressor", "estimator"})


def _asked_as_it_is(call: Call) -> bool:
    """Whether a model of Torch is called, `self.model(rows)`, a session run, or a pipeline of Transformers made."""
    owner = call.name.rpartition(".")[0]
    if call.last in ("run", "async_run") and parts_of(f"{call.on} {last_of(owner)}") & _RUNNERS:
        return True
    if call.last == "generate" and call.on in ("model", "llm"):
        return True
    # `model(rows)`, also where a file has it from another: its name is lost there, and nothing stands before it.
    own = owner in ("", "self") or (not call.on and not owner.startswith(("?", ":")))
    return call.name == "transformers.pipeline" or (own and call.last.lstrip("_") in _MODELS)


_RUNNERS = frozenset({"runner", "session", "sess"})
"""What runs a loaded model: a runner of BentoML, a session of ONNX Runtime, by whatever name."""


_ANSWERED = re.compile(r"(preds?|predictions?|forecasts?)\w*\.(parquet|csv|feather|json)\b")
"""A file of answers that were made before: who asks for one is told what stands there."""


@once
def service_modules(facts: Facts) -> dict[str, Sighting]:
    """Modules that make an application which answers with a model."""
    found: dict[str, Sighting] = {}
    for sighting in _apps(facts):
        if (
            not sighting.module.is_notebook
            and sighting.module.path not in found
            and _uses_model_near(facts, sighting.module)
        ):
            found[sighting.module.path] = sighting
    return found


def _uses_model_near(facts: Facts, module: Module) -> bool:
    """Here, or in a module that it takes in: routers stand beside the application."""
    if _uses_model(facts, module):
        return True
    for full in module.imports.values():
        key = facts.project.modules.find(full, seen_from=module.path)
        if key is not None and _uses_model(facts, facts.project.modules.by_path[key[0]]):
            return True
    return False


_CONSUMES = frozenset({"basic_consume", "start_consuming", "KafkaConsumer", "Consumer", "consume", "subscribe"})
_BROKERS = frozenset({"pika", "kafka", "confluent_kafka", "aiokafka", "aio_pika", "nats", "pulsar", "faust", "paho"})


def _consumers(facts: Facts) -> Iterator[Sighting]:
    """Programs that take messages of a broker, and answer each with the model."""
    seen: set[str] = set()
    for place in facts.named(lambda name: last_of(name) in _CONSUMES):
        module = place[0]
        if module.path in seen or module.is_notebook:
            continue
        seen.add(module.path)
        takes = _BROKERS & {
            each for path in taken_in(facts, module) for each in facts.project.modules.by_path[path].packages
        }
        if (
            takes
            and _uses_model(facts, module)
            and not any(facts.trains((module.path, each)) for each in module.functions)
        ):
            yield facts.sight(place)


def taken_in(facts: Facts, module: Module) -> set[str]:
    """A file and those of the project that it takes in."""
    found = (facts.project.modules.find(full, seen_from=module.path) for full in module.imports.values())
    return {module.path, *(key[0] for key in found if key is not None)}


_SERVED_CLASSES = re.compile(
    r"^(kserve\.(model\.)?Model|mlserver\.(model\.)?MLModel|litserve\.(api\.)?LitAPI|ts\.torch_handler\.\w+\.\w+)$"
)


_VIEWS = re.compile(
    r"^(tornado\.web\.RequestHandler|rest_framework\.(views|generics|viewsets)\.\w+|django\.views\.(\w+\.)*\w*View"
    r"|flask\.views\.\w+|flask_restful\.Resource|flask_restx\.Resource)$"
)
_SERVED_SO = ("bentoml.service", "ray.serve.deployment")
_ANSWERS_TO = frozenset({"get", "post", "put", "create", "retrieve"})


def _views(facts: Facts) -> Iterator[Seen]:
    """Classes and functions that answer requests of a framework, where they stand apart from the application."""
    for module in facts.project.modules:
        if module.is_notebook or facts.project.modules.is_test(module.path):
            continue
        owners = [
            owner
            for owner in module.classes.values()
            if (any(map(_VIEWS.match, owner.bases)) and _ANSWERS_TO & set(owner.methods))
            or any(decorator.name in _SERVED_SO for decorator in owner.decorators)
        ]
        functions = [
            function
            for function in module.functions.values()
            if "django" in module.packages and function.parameters[:1] == ("request",)
        ]
        if (owners or functions) and _uses_model(facts, module):
            first = (owners or functions)[0]
            here = Evidence(path=module.path, line=first.line, why=f"{first.name} answers requests with the model")
            yield Seen((here,), by=By.PERSON)


_MODEL_SERVERS = re.compile(
    r"(^|/)(tensorflow/serving|nvidia/tritonserver|pytorch/torchserve|seldonio/mlserver|vllm/vllm-openai"
    r"|text-generation-inference|text-embeddings-inference|bitnami/tensorflow-serving)\b"
)


def _servers(facts: Facts) -> Iterator[Seen]:
    """Services and images of a server that is given a model."""
    places = [(each.path, each.line, each.image) for each in facts.project.services]
    places += [(each.path, 1, each.base) for each in facts.project.images]
    for path, line, image in places:
        if _MODEL_SERVERS.search(image):
            yield Seen((Evidence(path=path, line=line, why=f"{image} answers with the model"),), by=By.REQUEST)
    for run in facts.runs(lambda argv: argv[:2] in (("docker", "run"), ("podman", "run"))):
        if any(map(_MODEL_SERVERS.search, run.command.argv)):
            yield seen_run(run)


def _served_classes(facts: Facts) -> Iterator[Seen]:
    """Classes of model servers: what derives from theirs answers with a model."""
    for module in facts.project.modules:
        for owner in module.classes.values() if not module.is_notebook else ():
            if any(map(_SERVED_CLASSES.match, owner.bases)) and {"predict", "inference", "handle"} & set(owner.methods):
                here = Evidence(path=module.path, line=owner.line, why=f"{owner.name}: a model server answers with it")
                yield Seen((here,), by=By.PERSON)


_ANSWERING = frozenset({"batch", "score", "scoring", "scored", "inference", "predict"})


@once
def batch_modules(facts: Facts) -> dict[str, Sighting]:
    """Scripts that load a saved model, answer for many rows and keep the answers, without fitting one."""
    loading, asking, keeping, filing = (
        facts.above((place[0].path, place[1].name) for place in facts.named(each) if not _puts_in_place(place[2]))
        for each in (_may_load, _may_predict, _may_keep, _may_file)
    )
    asking |= facts.above((module.path, function.name) for module, function, _ in _transforms_of_spark(facts))
    loading |= facts.above((module.path, function.name) for module, function, _ in facts.given("model_file"))
    keeping |= facts.above((module.path, function.name) for module, function, _ in _inserts(facts))
    keeping |= facts.above((module.path, function.name) for module, function in _files_in_buckets(facts))
    in_use = facts.above((module.path, function.name) for module, function, _ in facts.addressed(_REGISTERED))
    doing = loading & asking & (keeping | filing)
    steps = frozenset(key for each in declared_pipelines(facts) for key in each.keys) if doing else frozenset()
    found: dict[str, Sighting] = {}
    for module, function in facts.functions if doing else ():
        key = (module.path, function.name)
        if key not in doing or facts.trains(key) or module.is_notebook or not function.calls:
            continue
        route = facts.route(module, function)
        # A file that a person writes may be a submission; what a schedule or a pipeline writes is for somebody to use.
        step = key in steps and parts_of(module.path.rpartition("/")[2]) & _ANSWERING
        files = step or key in in_use or (route is not None and route.by is By.ITSELF)
        if key in keeping or (files and not _measures(facts, key)):
            found.setdefault(module.path, Sighting(module, function, function.calls[0], route))
    return found


_REGISTERED = re.compile(r"^models:/")
"""A model of the registry is one in use, also where a person starts what asks it."""
_TRUTH = frozenset({"y_test", "testy", "ytest", "y_true"})


def _measures(facts: Facts, key: Key) -> bool:
    """Whether the answers stand beside what they should have been, in the same file: a test of the model."""
    functions = facts.project.modules.by_path[key[0]].functions
    here = [functions[name] for path, name in facts.below(key, most=15) if path == key[0]]
    return any(not _TRUTH.isdisjoint((*each.words.lower().split("\n"), *each.parameters)) for each in here)


def _puts_in_place(call: Call) -> bool:
    """`frame.insert(0, "id", ids)` and `sys.path.insert(0, HERE)`: into a list or a frame, and no database."""
    return call.last == "insert" and (len(call.args) > 1 or call.has("loc"))


def _transforms_of_spark(facts: Facts) -> Iterator[Place]:
    """`model.transform(frame)`: how a model of Spark answers."""
    for module, function, call in facts.named(lambda name: last_of(name) == "transform"):
        if "pyspark" in module.packages and "model" in call.on.lower():
            yield module, function, call


def _inserts(facts: Facts) -> Iterator[Place]:
    """Rows that SQL of the project's own writes into a table."""
    for module, function, call in facts.named(lambda name: last_of(name) in ("execute", "executemany")):
        if any("insert into" in word.lower() for word in (*call.values, *function.words.split("\n"))):
            yield module, function, call


_FILED = frozenset({"to_parquet", "to_csv", "write_parquet", "write_csv", "sink_parquet", "to_json", "parquet", "csv"})


def _may_file(name: str) -> bool:
    return last_of(name) in _FILED


_BUCKET = re.compile(r"^(s3a?|gs|gcs|abfss?|wasbs?)://\S*\{|^(s3a?|gs|gcs|abfss?|wasbs?)://\S*/\S")


def _files_in_buckets(facts: Facts) -> Iterator[tuple[Module, Function]]:
    """Functions that write a file to a bucket whose address stands there."""
    for module, function, call in facts.named(_may_file):
        if any(map(_BUCKET.match, (*call.values, *function.words.split("\n")))):
            yield module, function


_KEEPERS = frozenset(
    {
        "to_sql", "write_to_sql", "to_gbq", "insert_rows_json", "load_table_from_dataframe", "insert", "put_object",
        "upload_file", "upload_blob", "saveAsTable", "write_table", "execute_values", "copy_from",
        "upload_from_string", "write_deltalake", "upload_fileobj",
    }
)  # fmt: skip


def _batch_steps(facts: Facts) -> Iterator[Sighting]:
    """Steps of an orchestrator that ask a model for answers and train none."""
    for module, function in facts.functions:
        if not any(engine_of(decorator.name) for decorator in function.decorators):
            continue
        if not (parts_of(f"{module.path} {function.name}") & _ANSWERING or _answers_from_file(function)):
            continue
        # What `fit_predict` gives belongs to the rows that it was fitted to.
        asked = [call for call in function.calls if predicts(call) and "fit" not in parts_of(call.last)]
        key = (module.path, function.name)
        if asked and not facts.trains(key) and (facts.callers(key) or not _has_pipelines(facts)):
            yield Sighting(module, function, asked[0], facts.route(module, function))


def _has_pipelines(facts: Facts) -> bool:
    """Whether something puts steps together: then a step that nothing calls is none of a pipeline's."""
    decorators = (each for _, function in facts.functions for each in function.decorators)
    return any(each.last == "pipeline" and engine_of(each.name) for each in decorators)


def _answers_from_file(function: Function) -> bool:
    """Whether a step loads a saved model and writes its answers down, and measures nothing."""
    return (
        any(map(loads_model, function.calls))
        and any(_may_file(call.name) or _may_keep(call.name) for call in function.calls)
        and not any(is_metric(call.last) or "evaluate" in parts_of(call.last) for call in function.calls)
        and not parts_of(function.name) & {"evaluate", "evaluation", "eval", "test", "train", "explain", "validate"}
    )


def _may_keep(name: str) -> bool:
    last = last_of(name)
    parts = parts_of(last)
    if ".write." in name and last in ("save", "jdbc", "insertInto"):  # of a frame of Spark
        return True
    return last in _KEEPERS or bool(
        parts & {"write", "upload", "upsert", "insert", "store"}
        and parts & {"sql", "db", "database", "table", "s3", "predictions", "blob", "bucket"}
    )


@once
def scoring_modules(facts: Facts) -> set[str]:
    """Modules that answer with a model: services, batch jobs, and what holds a `predict` of the project's own."""
    found = set(service_modules(facts)) | set(batch_modules(facts)) | {each.module.path for each in _consumers(facts)}
    for module, function in facts.functions:
        name = function.name.rpartition(".")[2]
        if (
            not module.is_notebook
            and ("predict" in parts_of(name) or name in ("score", "inference"))
            and not function.stub
        ):
            found.add(module.path)
    return found


def _pages(facts: Facts) -> Iterator[Sighting]:
    """Interactive pages that answer with a saved model."""
    seen: set[str] = set()
    for sighting in facts.calls_into("streamlit", "dash", "shiny", "chainlit", "nicegui"):
        path = sighting.module.path
        if path in seen or sighting.module.is_notebook:
            continue
        seen.add(path)
        below = {key for name in sighting.module.functions for key in facts.below((path, name), most=120)}
        inside = [facts.project.modules.function(key).calls for key in below]
        loads = any(loads_model(call) for calls in inside for call in calls)
        if loads and any(any(map(predicts, calls)) and not any(map(_fits, calls)) for calls in inside):
            yield sighting


def _fits(call: Call) -> bool:
    return call.last == "fit" and call.name.partition(".")[0] in LIBRARIES


def _commands(facts: Facts) -> Iterator[Seen]:
    for run in facts.runs(
        lambda argv: (
            argv[:2]
            in (
                ("mlflow", "models"),
                ("bentoml", "serve"),
                ("mlem", "serve"),
                ("mlem", "deployment"),
                ("mlem", "deploy"),
                ("seldon-core-microservice",),
                ("tritonserver",),
                ("tensorflow_model_server",),
                ("torchserve",),
                ("vllm", "serve"),
                ("bentoml", "deploy"),
            )
        )
    ):
        if run.command.argv[1:2] != ("models",) or "serve" in run.command.argv or "build-docker" in run.command.argv:
            yield seen_run(run)


def _answers(facts: Facts, key: Key) -> bool:
    """Whether a function itself asks a model, and trains none."""
    calls = (call for each in facts.below(key, most=60) for call in facts.project.modules.function(each).calls)
    asks = any(predicts(call) or call.name == "onnxruntime.InferenceSession.run" for call in calls)
    return asks and not facts.trains(key)


def _functions(facts: Facts) -> Iterator[Seen]:
    """Handlers of function services."""
    for module, function in facts.functions:
        if (
            function.parameters[:2] == ("event", "context")
            and not module.is_notebook
            and (function.name in ("lambda_handler", "handler") or _answers(facts, (module.path, function.name)))
            and _uses_model(facts, module)
        ):
            yield Seen(
                (Evidence(path=module.path, line=function.line, why="a function that answers events with the model"),),
                by=By.PERSON,
            )


def answers_events(facts: Facts) -> bool:
    """Whether a function of a cloud answers events with the model."""
    return any(True for _ in _functions(facts))


def _deployments(facts: Facts) -> Iterator[Seen]:
    """Deployments of UbiOps: a class or a pair of functions of R that it starts, and then asks for each request."""
    for path in facts.project.named("deployment.py"):
        module = facts.project.modules.by_path.get(path)
        owner = module.classes.get("Deployment") if module is not None else None
        if module is not None and owner is not None and "request" in owner.methods and _uses_model(facts, module):
            here = Evidence(path=path, line=owner.line, why="a deployment that answers with the model")
            yield Seen((here,), by=By.PERSON)
    for path in facts.project.named("deployment.r"):
        text = facts.project.text(path)
        started = re.search(r"^init\s*(<-|=)\s*function\(", text, re.MULTILINE)
        loads = re.search(r"\b(readRDS|read_rds|load|load_model\w*|xgb\.load)\(", text)
        if started and "request" in text and loads and "predict(" in text:
            line = line_at(text, started.start())
            yield Seen((Evidence(path=path, line=line, why="a deployment that answers with the model"),), by=By.PERSON)


_ANSWERS_IN_R = re.compile(r"^#\*\s*@(get|post)|plumb(er)?\(|shinyApp\(|shinyServer\(", re.MULTILINE)
_ASKS_IN_R = re.compile(r"\b(h2o\.)?predict\(")
_SOURCES = re.compile(r"""\bsource\(\s*(?:here(?:::here)?\()?["']([^"']+)["']""")


def _plumber(facts: Facts) -> Iterator[Seen]:
    """APIs and pages of R that predict, or whose helpers that they take in do."""
    for path in facts.project.r_files:
        text = facts.project.text(path)
        found = _ANSWERS_IN_R.search(text)
        names = [each.rpartition("/")[2] for each in _SOURCES.findall(text)] if found else []
        beside = (each for each in facts.project.r_files if each.rpartition("/")[2] in names)
        if found and any(_ASKS_IN_R.search(facts.project.text(each)) for each in (path, *beside)):
            line = line_at(text, found.start())
            yield Seen((Evidence(path=path, line=line, why="plumber or Shiny predicts"),), by=By.PERSON)


_SERVED_IN_R = frozenset(
    {
        "vetiver_api",
        "vetiver_deploy_rsconnect",
        "vetiver_deploy_sagemaker",
        "vetiver_write_plumber",
        "aci_webservice_deployment_config",
        "aks_webservice_deployment_config",
    }
)


@probe("model-serving")
def model_serving(facts: Facts) -> Finding:
    """A service or a batch job that answers with the model."""
    seen = [
        sighting.seen(f"{sighting.call.last}: an application that answers with the model")
        for sighting in service_modules(facts).values()
    ]
    seen += [
        sighting.seen(f"{sighting.function.name or 'the script'}: loads a model and keeps its answers")
        for sighting in batch_modules(facts).values()
    ]
    seen += [sighting.seen("a program that answers messages with the model") for sighting in _consumers(facts)]
    seen += [sighting.seen("a step that answers for a batch of rows") for sighting in _batch_steps(facts)]
    seen += [sighting.seen("a page that answers with the model") for sighting in _pages(facts)]
    seen += [
        *_served_classes(facts),
        *_views(facts),
        *_servers(facts),
        *_commands(facts),
        *endpoints(facts),
        *_functions(facts),
        *_plumber(facts),
        *_deployments(facts),
        *served_elsewhere(facts),
    ]
    seen += called_in_r(facts, _SERVED_IN_R, "an API that answers with the model")
    seen += scored_in_sql(facts)
    kinds = ("AWS::SageMaker::Endpoint", "aws_sagemaker_endpoint", "google_vertex_ai_endpoint")
    seen += declared(facts, "an endpoint for the model", *kinds)
    down = [] if seen else [each.here("an application that asks no model") for each in _apps(facts)]
    return conclude("model-serving", seen, turned_down=down)


_REGISTRY_URI = re.compile(r"^(models|runs):/")
_IN_REGISTRY = re.compile(r"models:/")


_TAKES = (
    "get_model_version_by_alias", "get_latest_versions", "get_registered_model", "get_model_version", "use_model",
    "use_artifact",
)  # fmt: skip


_TEXT = frozenset(
    {
        "compile", "match", "fullmatch", "search", "sub", "split", "startswith", "endswith", "replace", "removeprefix",
        "removesuffix", "strip", "lstrip", "rstrip", "format", "join", "find", "count", "partition", "rpartition",
        "print", "echo", "debug", "info", "warning", "error", "exception", "append",
    }
)  # fmt: skip


def _only_reads(call: Call) -> bool:
    """Whether a call looks at an address as a text, tells it, or raises with it, and takes nothing from there."""
    return call.last in _TEXT or call.last.endswith(("Error", "Exception"))


def _texts_for(module: Module, function: Function, call: Call) -> list[str]:
    """What a function says, and the top of its file where a name is given from there that the call takes."""
    top = module.functions.get("")
    given = top is not None and any(each.name in call.values for each in top.assigned)
    return [*function.words.split("\n"), *(top.words.split("\n") if given and top is not None else ())]


def registry_loads(facts: Facts) -> Iterator[Sighting]:
    """Calls that take a model from a registry by name, version or alias."""
    places = [place for place in facts.addressed(_REGISTRY_URI) if not _only_reads(place[2])]
    places += facts.named(lambda name: last_of(name) in _TAKES)
    # `uri = f"models:/{name}/{stage}"` stands in a line of its own, there or at the top of the file.
    loads = facts.named(lambda name: name.startswith("mlflow.") and last_of(name) == "load_model")
    places += [place for place in loads if any(map(_IN_REGISTRY.match, _texts_for(*place)))]
    yield from map(facts.sight, {id(place[2]): place for place in places}.values())


@probe("serve-from-registry")
def serve_from_registry(facts: Facts) -> Finding:
    """What serves takes the model from the registry."""
    scoring = scoring_modules(facts)
    reached = below_scoring(facts)
    seen = [
        sighting.seen("takes the model from the registry")
        for sighting in registry_loads(facts)
        if sighting.key in reached
    ]
    for key in sorted(reached):
        function = facts.project.modules.function(key)
        for call in function.calls:
            texts = " ".join(call.values).lower()
            if ("champion" in texts or "production" in parts_of(texts) or "registry" in call.name.lower()) and (
                call.last.startswith(("load", "get", "read", "resolve")) or call.last == "open"
            ):
                module = facts.project.modules.by_path[key[0]]
                seen.append(
                    Sighting(module, function, call, facts.route(module, function)).seen("takes the released model")
                )
    down = [
        Sighting(*place, None).here("a file of its own, not the registry")
        for place in facts.named(lambda name: name in _LOADERS)
        if place[0].path in scoring
    ]
    return conclude("serve-from-registry", seen, turned_down=down if not seen else ())


@once
def below_scoring(facts: Facts) -> frozenset[Key]:
    """All that the modules that score lead to."""
    by_path = facts.project.modules.by_path
    return facts.below_all((path, name) for path in scoring_modules(facts) for name in by_path[path].functions)
