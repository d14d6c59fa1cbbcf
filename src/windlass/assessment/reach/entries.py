"""What starts by itself outside of CI: schedules of orchestrators and clusters, services and loops."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from windlass.assessment.automation.workflow import mapping, maps, text_of, words
from windlass.assessment.project import Project
from windlass.assessment.reach.asked import path_of
from windlass.assessment.reach.databricks import tasks_of
from windlass.assessment.reach.routes import By, Start
from windlass.assessment.reading.code import Call, Function, Module
from windlass.assessment.reading.shell import Command, read_shell
from windlass.assessment.reading.yaml import Map
from windlass.assessment.records import Evidence

Entry = tuple[Start, tuple[Command | str, ...]]
"""A start and what it runs: commands, or `path:function`."""

_NEVER = frozenset({"None", "@once", "", "null"})
_SCHEDULE_WORDS = (
    "schedule", "schedule_interval", "timetable", "cron", "interval", "cron_schedule", "schedules", "rrule",
)  # fmt: skip
_SCHEDULING = {
    "airflow.DAG": "an Airflow schedule",
    "airflow.models.DAG": "an Airflow schedule",
    "airflow.models.dag.DAG": "an Airflow schedule",
    "airflow.sdk.DAG": "an Airflow schedule",
    "dagster.ScheduleDefinition": "a Dagster schedule",
    "dagster.build_schedule_from_partitioned_job": "a Dagster schedule",
    "prefect.deployments.Deployment.build_from_flow": "a Prefect schedule",
    "prefect.deployments.Deployment": "a Prefect schedule",
    "prefect.deployments.DeploymentSpec": "a Prefect schedule",
    "prefect.Flow": "a Prefect schedule",
    "zenml.config.schedule.Schedule": "a ZenML schedule",
    "zenml.pipelines.Schedule": "a ZenML schedule",
    "flytekit.LaunchPlan.get_or_create": "a Flyte schedule",
    "flytekit.CronSchedule": "a Flyte schedule",
    "azure.ai.ml.entities.JobSchedule": "an Azure ML schedule",
    "sagemaker.workflow.triggers.PipelineSchedule": "a SageMaker schedule",
    "modal.Cron": "a Modal schedule",
    "modal.Period": "a Modal schedule",
}
_ALWAYS = frozenset(
    {
        "dagster.build_schedule_from_partitioned_job", "azure.ai.ml.entities.JobSchedule", "modal.Cron", "modal.Period",
        "sagemaker.workflow.triggers.PipelineSchedule", "flytekit.CronSchedule", "zenml.config.schedule.Schedule",
    }
)  # fmt: skip
_SENSORS = (
    "dagster.sensor",
    "dagster.schedule",
    "dagster.asset_sensor",
    "dagster.run_status_sensor",
    "metaflow.schedule",
)
_FOLLOWS = ("automation_condition", "auto_materialize_policy")
"""With these Dagster makes an asset by itself, when the clock says so or those above it were made."""
_TIMERS = frozenset({"timer_trigger", "blob_trigger", "queue_trigger", "event_grid_trigger", "schedule"})
"""Decorators of an application of Azure Functions."""


def python_entries(project: Project) -> Iterator[Entry]:
    """Schedules declared in code."""
    for module in project.modules:
        if module.is_notebook:
            continue
        for function in module.functions.values():
            for call in function.calls:
                said = _scheduled(call, module)
                if said:
                    own = (f"{module.path}:", *_handed(module, function.name))
                    yield _start(module.path, call.line, said), (*own, *_from_source(project, function, call))
            for decorator in function.decorators:
                if (
                    decorator.name in _SENSORS
                    or (_is_dag(decorator.name) and _has_schedule(decorator))
                    or (decorator.last in _TIMERS and decorator.name.startswith("azure.functions."))
                    or (decorator.name.startswith("dagster.") and any(map(decorator.has, _FOLLOWS)))
                    or (decorator.last == "scheduled_job" and "apscheduler" in module.packages)
                ):
                    why = f"{decorator.last}: started by its orchestrator"
                    yield (
                        _start(module.path, decorator.line, why),
                        (f"{module.path}:", f"{module.path}:{function.name}"),
                    )
        yield from _beaten(project, module)
        for owner in module.classes.values():
            for decorator in owner.decorators:
                if decorator.name == "metaflow.schedule":
                    methods = tuple(f"{module.path}:{name}" for name in owner.methods.values())
                    yield _start(module.path, decorator.line, "a Metaflow schedule"), methods


def _beaten(project: Project, module: Module) -> Iterator[Entry]:
    """Tasks that `app.conf.beat_schedule = {...: {"task": "jobs.retrain"}}` names."""
    for function in module.functions.values():
        for made in function.assigned:
            if not made.name.lower().endswith("beat_schedule"):
                continue
            texts = function.words.split("\n")
            tasks = [
                f"{each.path}:{name}"
                for each in project.modules
                for name, task in each.functions.items()
                if any(deco.last in ("task", "shared_task") for deco in task.decorators)
                and any(text.rpartition(".")[2] == name for text in texts)
            ]
            if tasks:
                yield _start(module.path, made.line, "a schedule of Celery"), tuple(tasks)


def _from_source(project: Project, function: Function, call: Call) -> Iterator[str]:
    """`flow.from_source(source=..., entrypoint="train.py:main").deploy(cron=...)`: the flow that the source has."""
    made = call.name.removesuffix(f".{call.last}")
    for each in function.calls:
        if each.last == "from_source" and each.name == made and abs(each.line - call.line) < _MOST_LINES:
            path, _, name = (each.kwarg("entrypoint") or "").rpartition(":")
            found = path_of(project, path, "")
            if found is not None:
                yield f"{found}:{name}"


_MOST_LINES = 40
"""Between the two halves of one statement, such as a list of packages."""


def _handed(module: Module, name: str) -> tuple[str, ...]:
    return (f"{module.path}:{name}",) if name else ()


def _is_dag(name: str) -> bool:
    return name.endswith(".dag") and name.startswith("airflow")


def _scheduled(call: Call, module: Module) -> str:
    said = _SCHEDULING.get(call.name)
    if said is not None:
        return said if call.name in _ALWAYS or _has_schedule(call) else ""
    if (
        call.last in ("serve", "deploy", "to_deployment")
        and (call.last != "deploy" or any(package.startswith("prefect") for package in module.packages))
        and _has_schedule(call)
    ):
        return "a Prefect schedule"
    if call.last == "add_job" and "apscheduler" in module.packages:
        return "a job of APScheduler"
    if call.last == "add_periodic_task" and "celery" in module.packages:
        return "a periodic task of Celery"
    if call.last in ("create_recurring_run", "create_schedule") and (call.has("cron_expression") or call.has("cron")):
        return "a recurring run of the pipeline"
    return ""


def _has_schedule(call: Call) -> bool:
    for name in _SCHEDULE_WORDS:
        value = call.kwarg(name)
        if call.has(name) and (value is None or value not in _NEVER):
            return True
    return False


def _start(path: str, line: int, why: str) -> Start:
    return Start(by=By.ITSELF, kinds=("schedule",), evidence=Evidence(path=path, line=line, why=why))


# -- files of orchestrators and clusters ---------------------------------------------------------------------------


def declared_entries(project: Project) -> Iterator[Entry]:
    """Schedules and services declared in YAML, crontabs and Procfiles."""
    for path in project.yaml_paths:
        if ".github/" in path:
            continue
        for document in project.yaml(path):
            if isinstance(document, Map):
                yield from _yaml_entries(project, path, document)
    for path in project.paths:
        name = path.rpartition("/")[2].lower()
        if "crontab" in name or name.endswith(".cron"):
            yield from _crontab(path, project.text(path))
        elif name == "render.yaml":
            yield from _render(project, path)
        elif name == "procfile":
            for number, line in enumerate(project.text(path).splitlines(), start=1):
                role, _, command = line.partition(":")
                if command.strip() and not role.startswith("#"):
                    yield _service(path, number, f"Procfile: {role}"), tuple(read_shell(command.strip(), number))


def _render(project: Project, path: str) -> Iterator[Entry]:
    """Jobs that Render starts on a schedule, and services."""
    for document in project.yaml(path)[:1]:
        for service in maps(mapping(document).get("services")):
            command = text_of(service.get("startCommand")) or text_of(service.get("dockerCommand"))
            items = tuple(read_shell(command, service.line))
            if text_of(service.get("type")) == "cron":
                yield _start(path, service.line, f"a schedule of Render: {text_of(service.get('schedule'))}"), items
            elif items:
                yield _service(path, service.line, f"the service {text_of(service.get('name'))}"), items


def _yaml_entries(project: Project, path: str, document: Map) -> Iterator[Entry]:
    name = path.rpartition("/")[2]
    kind = text_of(document.get("kind"))
    if kind in ("CronJob", "ScheduledSparkApplication", "CronWorkflow"):
        yield _start(path, document.line_of("kind"), f"a {kind} of Kubernetes"), tuple(_containers(document))
    elif kind in ("Deployment", "StatefulSet", "DaemonSet"):
        yield _service(path, document.line_of("kind"), f"a {kind} of Kubernetes"), tuple(_containers(document))
    elif name in ("prefect.yaml", "prefect.yml"):
        yield from _prefect(project, path, maps(document.get("deployments")))
    elif name in ("triggers.yaml", "triggers.yml", "metadata.yaml") and "pipelines/" in path:
        yield from _mage(project, path, document)
    elif "flow_name" in document and "entrypoint" in document:
        yield from _prefect(project, path, [document])
    elif "azureml" in text_of(document.get("$schema")) and "schedule" in text_of(document.get("$schema")):
        job = text_of(document.get("create_job"))
        yield (
            _start(path, document.line_of("trigger"), "an Azure ML schedule"),
            (Command(argv=("az", "ml", "job", "create", "--file", job), line=1),),
        )
    elif ("resources" in document and "bundle" in document) or "jobs" in mapping(document.get("resources")):
        yield from _databricks(project, path, document)
    elif any("schedule_interval" in mapping(about) or "schedule" in mapping(about) for about in document.values()):
        yield from _dag_factory(path, document)
    elif "AWSTemplateFormatVersion" in document or "Transform" in document:
        for about in mapping(document.get("Resources")).values():
            if "Schedule" in text_of(mapping(about).get("Type")) or "ScheduleExpression" in mapping(
                mapping(about).get("Properties")
            ):
                yield _start(path, mapping(about).line, "a schedule of CloudFormation"), ()


def _prefect(project: Project, path: str, deployments: Sequence[Map]) -> Iterator[Entry]:
    for deployment in deployments:
        file, _, flow = text_of(deployment.get("entrypoint")).rpartition(":")
        entry = f"{path_of(project, file, posixpath.dirname(path)) or file}:{flow}" if flow else ""
        schedules = [*maps(deployment.get("schedules")), *maps(deployment.get("schedule"))]
        active = [
            each for each in schedules if each.get("active") is not False and set(each) & {"cron", "interval", "rrule"}
        ]
        if active and deployment.get("is_schedule_active") is not False:
            yield _start(path, active[0].line, f"a Prefect schedule of {entry}"), (entry,)
        elif entry:
            start = Start(
                by=By.PERSON,
                kinds=("person",),
                evidence=Evidence(path=path, line=deployment.line, why=f"a Prefect deployment of {entry}"),
            )
            yield start, (entry,)


def _mage(project: Project, path: str, document: Map) -> Iterator[Entry]:
    """A pipeline of Mage, and the triggers that start it: its blocks are files of their own."""
    folder = path.rpartition("/")[0]
    home = folder.partition("pipelines/")[0]
    if any("uuid" in each for each in maps(document.get("blocks"))):
        start = _person(path, document.line_of("blocks"), "a pipeline of Mage")
        yield start, tuple(_blocks(project, path, home))
    for trigger in maps(document.get("triggers")):
        kind, every = text_of(trigger.get("schedule_type")), text_of(trigger.get("schedule_interval"))
        timed = kind == "time" and every not in _NEVER
        if (
            "pipeline_uuid" not in trigger
            or text_of(trigger.get("status")) != "active"
            or not (timed or kind == "event")
        ):
            continue
        start = Start(
            by=By.ITSELF,
            kinds=("schedule" if timed else "event",),
            evidence=Evidence(path=path, line=trigger.line, why=f"a trigger of Mage: {text_of(trigger.get('name'))}"),
        )
        yield start, tuple(_blocks(project, f"{folder}/metadata.yaml", home))


def _blocks(project: Project, path: str, home: str) -> Iterator[str]:
    for document in project.yaml(path)[:1] if path in project.tree else ():
        for block in maps(mapping(document).get("blocks")):
            source = mapping(mapping(block.get("configuration")).get("file_source")).get("path")
            file = text_of(source).rpartition(home or "/")[2] or f"{text_of(block.get('uuid'))}.py"
            for kind in ("", *(f"{folder}/" for folder in _OF_BLOCKS)):
                module = project.modules.by_path.get(f"{home}{kind}{file}")
                if module is not None:
                    yield from (f"{module.path}:{name}" for name, each in module.functions.items() if each.decorators)
                    break


_OF_BLOCKS = ("custom", "transformers", "data_loaders", "data_exporters", "sensors", "conditionals")


def _dag_factory(path: str, document: Map) -> Iterator[Entry]:
    """DAGs that dag-factory makes for Airflow: tasks with a callable in a file or a command."""
    for name, about in document.items():
        dag = mapping(about)
        tasks = mapping(dag.get("tasks"))
        schedule = text_of(dag.get("schedule_interval")) or text_of(dag.get("schedule"))
        found: list[Command | str] = []
        for task in map(mapping, tasks.values()):
            place = text_of(task.get("python_callable_file")).rpartition("dags/")
            if place[2]:
                found += [f"{folder}{place[2]}:{text_of(task.get('python_callable_name'))}" for folder in ("", "dags/")]
            found += read_shell(text_of(task.get("bash_command")), task.line)
        if found and schedule not in _NEVER:
            yield _start(path, dag.line, f"an Airflow schedule of {name}"), tuple(found)


def _databricks(project: Project, path: str, document: Map) -> Iterator[Entry]:
    for job in mapping(mapping(document.get("resources")).get("jobs")).values():
        about = mapping(job)
        schedule = mapping(about.get("schedule")) or mapping(about.get("trigger")) or mapping(about.get("continuous"))
        paused = text_of(schedule.get("pause_status")) == "PAUSED"
        commands = list(tasks_of(project, about))
        if schedule and not paused:
            yield _start(path, schedule.line, "a schedule of a Databricks job"), tuple(commands)
        elif commands:
            yield _person(path, about.line, "a Databricks job"), tuple(commands)


def _containers(value: Any) -> Iterator[Command]:
    if isinstance(value, Map):
        argv = (*words(value.get("command")), *words(value.get("args")))
        if argv and "image" in value:
            line = value.line_of("command")
            if argv[:2] in (("sh", "-c"), ("/bin/sh", "-c"), ("bash", "-c"), ("/bin/bash", "-c")) and len(argv) > 2:
                yield from read_shell(argv[2], line)
            else:
                yield Command(argv=argv, line=line)
        for inner in value.values():
            yield from _containers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _containers(inner)


def _crontabs_of_images(project: Project) -> Iterator[Entry]:
    """Lines that an image writes into its crontab while it is built: `echo "0 2 * * * python train.py" | crontab -`."""
    for image in project.images:
        for command in image.builds:
            if command.argv[0] in ("echo", "printf"):
                yield from _crontab(image.path, "\n".join(command.argv[1:]), command.line)


def _crontab(path: str, text: str, first: int = 1) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), start=first):
        found = re.match(r"\s*(@\w+|(?:[\d*/,-]+\s+){5})\s*(?:root\s+)?(.+)$", line)
        if found:
            yield _start(path, number, f"a crontab: {found[1].strip()}"), tuple(read_shell(found[2], number))


def service_entries(project: Project) -> Iterator[Entry]:
    """Services of compose files and images, which answer while they run."""
    images = {image.path: image for image in project.images}
    served: set[str] = set()
    for service in project.services:
        context = service.path.rpartition("/")[0]
        folder = _joined(context, service.context) if service.builds else ""
        dockerfile = _joined(folder, service.dockerfile) if service.builds else ""
        image = images.get(dockerfile) or images.get(_joined(context, service.dockerfile))
        commands = service.commands or (image.starts if image is not None else ())
        if image is not None:
            served.add(image.path)
        if commands:
            yield _service(service.path, service.line, f"the service {service.name}"), _placed(commands, folder)
    yield from _crontabs_of_images(project)
    for image in project.images:
        if image.path not in served and image.starts:
            folder = image.path.rpartition("/")[0]
            yield _service(image.path, image.starts[-1].line, "what the image starts"), _placed(image.starts, folder)


def _placed(commands: tuple[Command, ...], folder: str) -> tuple[Command, ...]:
    """Commands of a container, as seen from the folder that it is made of: of files called alike it has that one."""
    return tuple(replace(each, folder=_joined(folder, each.folder)) for each in commands) if folder else commands


def _joined(folder: str, name: str) -> str:
    parts: list[str] = [part for part in folder.split("/") if part not in ("", ".")]
    for part in name.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _service(path: str, line: int, why: str) -> Start:
    return Start(by=By.REQUEST, kinds=("service",), evidence=Evidence(path=path, line=line, why=why))


def _person(path: str, line: int, why: str) -> Start:
    return Start(by=By.PERSON, kinds=("person",), evidence=Evidence(path=path, line=line, why=why))
