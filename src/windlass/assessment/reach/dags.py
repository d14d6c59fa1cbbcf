"""One DAG of Airflow that starts another, by its name."""

from __future__ import annotations

from collections.abc import Iterator

from windlass.assessment.modules import Key
from windlass.assessment.project import Project
from windlass.assessment.reading.code import Call, Function, Module

STARTS_A_DAG = frozenset({"TriggerDagRunOperator", "trigger_dag", "trigger_dag_run"})


def dags_started(project: Project, call: Call, module: Module) -> tuple[Key, ...]:
    """What `TriggerDagRunOperator(trigger_dag_id="training")` starts, and `trigger_dag("training")`.

    A name that is looked up, in the environment say, is taken from the texts of the file, where its default stands.
    """
    given = call.kwarg("trigger_dag_id") or call.kwarg("dag_id") or next(iter(call.args), None) or ""
    found = [(name, key) for name, key in dags_of(project) if key[0] != module.path or name == given]
    named = [key for name, key in found if name == given]
    if named:
        return tuple(named)
    texts = {word for function in module.functions.values() for word in function.words.split("\n")}
    return tuple(key for name, key in found if name in texts)


def dags_asked(project: Project, module: Module, function: Function) -> Iterator[Key]:
    """What a function has Airflow start over HTTP, by the names in its file and in the calls of it."""
    if "/dagRuns" not in function.words:
        return
    own = function.name.rpartition(".")[2]
    texts = {word for each in module.functions.values() for word in each.words.split("\n")}
    for other in project.modules:
        for each in other.functions.values() if not project.modules.is_test(other.path) else ():
            if own in each.words:
                texts |= {value for call in each.calls if call.last == own for value in call.values}
    yield from (key for name, key in dags_of(project) if name in texts and key[0] != module.path)


def dags_of(project: Project) -> Iterator[tuple[str, Key]]:
    """Each DAG's name, and the function that makes it."""
    for module in project.modules:
        for name, function in module.functions.items() if "airflow" in module.packages else ():
            for call in function.calls:
                if call.last == "DAG" and (said := call.kwarg("dag_id") or next(iter(call.args), None)):
                    yield said, (module.path, name)
            for decorator in function.decorators:
                if decorator.last == "dag":
                    yield decorator.kwarg("dag_id") or next(iter(decorator.args), None) or name, (module.path, name)
