"""The steps of pipelines that a project declares in code, for whatever engine."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.facts import Facts, once
from windlass.assessment.modules import Key
from windlass.assessment.probes.engines import engine_of
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import Call, Function, Module, last_of
from windlass.assessment.records import Evidence
from windlass.assessment.words import parts_of

_OPERATORS = re.compile(r"^airflow\..*(Operator|Sensor)$|^airflow_provider.*Operator$")
_PLATFORM_STEPS = re.compile(
    r"^(stepfunctions\..*(TrainingStep|ProcessingStep|ModelStep|LambdaStep|TransformStep|EndpointStep|Chain)"
    r"|sagemaker\..*(TrainingStep|ProcessingStep|TuningStep|ConditionStep|ModelStep|RegisterModel|TransformStep|Pipeline)"
    r"|aws_cdk\.aws_stepfunctions_tasks\.[A-Z]\w+"
    r"|azureml\.pipeline\..*(PythonScriptStep|CommandStep|DatabricksStep|ParallelRunStep|Pipeline)"
    r"|kedro\.pipeline\.\w*\.?(node|Node|pipeline|Pipeline)|kedro\.pipeline\.(node|Node|pipeline|Pipeline)"
    r"|tfx\..*(Trainer|Evaluator|Transform|Pusher|ExampleValidator|StatisticsGen|SchemaGen|CsvExampleGen|Pipeline)"
    r"|google_cloud_pipeline_components\..*Op|prefect\.task|azure\.ai\.ml\.load_component"
    r"|azure\.ai\.ml\.command|kfp\.components\.\w+|kfp\.\w*\.?ContainerOp|clearml\..*add_(function_)?step"
    r"|hera\.workflows\.(\w+\.)*(Container|Script|Task))$"
)
TRAINS = frozenset(
    {
        "train", "training", "trainer", "fit", "tune", "tuning", "model", "retrain", "finetune", "learn",
    }
)  # fmt: skip


_OF_DATA = frozenset(
    {"data", "dataset", "split", "test", "load", "get", "set", "sets", "features", "prepare", "validate", "dvc", "x"}
)
"""With one of these a step that names training only prepares it: `load_train_data`, `train_test_split`."""


_OF_TIME = frozenset({"date", "dates", "period", "window", "schedule", "csv", "parquet", "pkl", "npy"})
"""Beside one of these a word is about the rows that are trained on, or when."""


class Declared:
    """The steps of one engine."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.places: list[Evidence] = []
        self.keys: list[Key] = []
        self.trains = False
        self.by = By.NOBODY


@once
def declared_pipelines(facts: Facts) -> list[Declared]:
    """Each engine with the steps that the project declares for it in code."""
    found: dict[str, Declared] = {}
    for module, function in facts.functions:
        for decorator in function.decorators:
            engine = engine_of(decorator.name)
            if engine:
                _add(facts, found.setdefault(engine, Declared(engine)), module, function.name, decorator.line)
    for module, function, call, engine in _made(facts):
        declared = found.setdefault(engine, Declared(engine))
        if call.last not in ("Pipeline", "pipeline"):  # what holds the steps is none
            declared.places.append(Evidence(path=module.path, line=call.line, why=f"{call.last} of {engine}"))
        declared.keys += facts.project.modules.handed_over(call, module)
        declared.keys += facts.started(module, function, call)
        said = (parts_of(word) for value in (*_said(call, function), call.last) for word in value.split())
        # Of a model much else is done than to train it, and `get_training_dates` trains nothing.
        says = any(each & (TRAINS - {"model"}) and not each & _OF_TIME for each in said)
        declared.trains |= bool(says and call.last not in ("Pipeline", "pipeline"))
        declared.trains |= call.name.startswith("clearml.") and call.has("base_task_name") and _has_task(facts)
        _reach(facts, declared, module.path, function.name)
    for module in facts.project.modules:
        for owner in module.classes.values():
            if any(base.startswith("luigi.") or base in ("luigi.Task",) for base in owner.bases):
                declared = found.setdefault("luigi", Declared("luigi"))
                declared.places.append(
                    Evidence(path=module.path, line=owner.line, why=f"{owner.name}: a task of Luigi")
                )
                declared.keys += [(module.path, name) for name in owner.methods.values()]
    for declared in found.values():
        declared.trains = declared.trains or any(facts.trains(key) for key in declared.keys)
    return [each for each in found.values() if each.places]


def _has_task(facts: Facts) -> bool:
    """Whether a task of ClearML trains: a step that names a task has it run again, under a name made while it runs."""
    tasks = [(module.path, function.name) for module, function, _ in facts.named(_TASKS.match)]
    return any(map(facts.trains, tasks))


_TASKS = re.compile(r"clearml\.Task\.(init|create)$")


def _said(call: Call, function: Function) -> tuple[str, ...]:
    """What a step is given; where its file is put together, `folder / "train.yaml"`, those that its function names."""
    if call.last == "load_component" and not any(value.endswith((".yml", ".yaml")) for value in call.values):
        return tuple(word for word in function.words.split("\n") if word.endswith((".yml", ".yaml")))
    return call.values


def _made(facts: Facts) -> Iterator[tuple[Module, Function, Call, str]]:
    """Each call that makes a step of an engine, and which engine."""
    own = _own_steps(facts)
    for module, function, call in facts.named(lambda name: _is_step(name) or last_of(name) in own):
        if module.is_notebook or (call.name == "azure.ai.ml.command" and not _has_pipeline(module)):
            continue
        of_own = own.get(call.last, {})
        engine = (
            call.name.partition(".")[0] if _is_step(call.name) else _engine_of(facts, of_own, module, function, call)
        )
        if engine:
            yield module, function, call, engine


def _has_pipeline(module: Module) -> bool:
    """Whether a file makes a pipeline of Azure ML of its jobs, each of which could stand alone."""
    decorators = (each for function in module.functions.values() for each in function.decorators)
    return any(each.name.endswith("dsl.pipeline") for each in decorators)


def _is_step(name: str) -> bool:
    return bool(_OPERATORS.match(name) or _PLATFORM_STEPS.match(name))


def _own_steps(facts: Facts) -> dict[str, dict[Key, str]]:
    """Last name of what makes a step of an engine, and is the project's own, to where it stands and the engine.

    Functions that answer with an operator, `make_step(task_id="train", ...)`, and classes that derive from one.
    """
    found: dict[str, dict[Key, str]] = {}
    for module, function, call in facts.named(_OPERATORS.match):
        made = function.name.rpartition(".")[2]
        if made and function.parameters and not module.is_notebook and not _is_dag_maker(function):
            found.setdefault(made, {})[(module.path, function.name)] = call.name.partition(".")[0]
    for module in facts.project.modules:
        for owner in module.classes.values():
            engine = next((base.partition(".")[0] for base in owner.bases if _OPERATORS.match(base)), "")
            if engine:
                found.setdefault(owner.name, {})[(module.path, owner.name)] = engine
    return found


def _is_dag_maker(function: Function) -> bool:
    return any(call.last in ("DAG", "dag") for call in (*function.calls, *function.decorators))


def _engine_of(facts: Facts, own: dict[Key, str], module: Module, function: Function, call: Call) -> str:
    """The engine of a step that the project's own function or class makes, or ""."""
    modules = facts.project.modules
    for key in modules.called(call.name, module, function):
        if key in own and key != (module.path, function.name):
            return own[key]
    found = modules.class_of(call.name, module)
    return own.get((found[0].path, found[1].name), "") if found is not None else ""


def _add(facts: Facts, declared: Declared, module: Module, name: str, line: int) -> None:
    declared.places.append(Evidence(path=module.path, line=line, why=f"{name}: a step of {declared.engine}"))
    declared.keys.append((module.path, name))
    parts = parts_of(name.rpartition(".")[2])
    says = parts & {"train", "retrain", "fit", "finetune"} and not parts & _OF_DATA
    declared.trains |= bool(says and not module.functions[name].stub)
    _reach(facts, declared, module.path, name)


def _reach(facts: Facts, declared: Declared, path: str, name: str) -> None:
    route = facts.graph.best((path, name))
    declared.by = max(declared.by, route.by if route is not None else By.NOBODY)
