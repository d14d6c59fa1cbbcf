"""Functions that a cloud starts, on a schedule, for an event or for a request, as files declare them."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator

from windlass.assessment.automation.workflow import mapping, maps, text_of
from windlass.assessment.modules import Key
from windlass.assessment.project import Project
from windlass.assessment.reach.routes import By, Start
from windlass.assessment.reading.lines import line_at
from windlass.assessment.reading.shell import Command
from windlass.assessment.reading.yaml import Map
from windlass.assessment.records import Evidence
from windlass.assessment.words import parts_of

Entry = tuple[Start, tuple[Command | str, ...]]

_REQUESTS = frozenset({"api", "httpapi", "http", "httptrigger", "url", "alb", "websocket"})
_SCHEDULES = frozenset({"schedule", "schedulev2", "timertrigger"})


def cloud_functions(project: Project) -> Iterator[Entry]:
    """Each function with what starts it: SAM, the Serverless Framework, Azure Functions and Terraform."""
    for path in project.yaml_paths:
        for document in project.yaml(path)[:1]:
            top = mapping(document)
            if "Transform" in top:
                yield from _in_sam(project, path, top)
            elif posixpath.basename(path).startswith("serverless."):
                yield from _in_serverless(project, path, top)
    yield from _in_azure(project)
    yield from _in_terraform(project)
    yield from _only_declared(project)
    yield from _jobs_of_databricks(project)


def _start(kind: str, path: str, line: int) -> Start:
    name = kind.lower()
    by = By.REQUEST if name in _REQUESTS else By.ITSELF
    kinds = ("service",) if by is By.REQUEST else ("schedule",) if name in _SCHEDULES else ("event",)
    return Start(by=by, kinds=kinds, evidence=Evidence(path=path, line=line, why=f"the function is started: {kind}"))


def items_of(keys: list[Key]) -> tuple[str, ...]:
    """Functions, each with the file that it stands in, as a way goes on to them."""
    return tuple(f"{path}:{name}" for key in keys for path, name in ((key[0], ""), key))


def routes_asked(project: Project, address: str) -> tuple[str, ...]:
    """The functions of the project that answer at the end of an address: `https://churn.run.app/train`."""
    plain = address.partition("?")[0].rstrip("/")
    route = max((each for each in project.answering if plain.endswith(each)), key=len, default="")
    return items_of(list(project.answering[route])) if route else ()


def _in_sam(project: Project, path: str, top: Map) -> Iterator[Entry]:
    for about in map(mapping, mapping(top.get("Resources")).values()):
        if text_of(about.get("Type")) != "AWS::Serverless::Function":
            continue
        given = mapping(about.get("Properties"))
        folder = posixpath.join(posixpath.dirname(path), text_of(given.get("CodeUri")))
        keys = handlers_named(project, text_of(given.get("Handler")), folder)
        for event in map(mapping, mapping(given.get("Events")).values()) if keys else ():
            yield _start(text_of(event.get("Type")), path, event.line), items_of(keys)


def _in_serverless(project: Project, path: str, top: Map) -> Iterator[Entry]:
    for about in map(mapping, mapping(top.get("functions")).values()):
        keys = handlers_named(project, text_of(about.get("handler")), posixpath.dirname(path))
        for event in maps(about.get("events")) if keys else ():
            for kind in event:
                yield _start(kind, path, event.line), items_of(keys)


def handlers_named(project: Project, handler: str, folder: str = "", about: str = "") -> list[Key]:
    """The function that `app.handler` names; of several files of that name those that are called like `about`."""
    stem, _, name = handler.rpartition(".")
    file = f"{stem.replace('.', '/')}.py"
    exact = posixpath.normpath(posixpath.join(folder, file)).lstrip("./")
    module = project.modules.by_path.get(exact)
    if module is not None:
        return [(exact, name)] if name in module.functions else []
    found = [
        each.path
        for each in project.modules
        if stem and name in each.functions and f"/{each.path}".endswith(f"/{posixpath.basename(file)}")
    ]
    if len(found) > 1:
        found = [path for path in found if parts_of(path) & (parts_of(about) - parts_of(handler))]
    return [(path, name) for path in found] if len(found) == 1 else []


def _in_azure(project: Project) -> Iterator[Entry]:
    for path in project.named("function.json"):
        try:
            bindings = json.loads(project.text(path)).get("bindings", [])
            about = json.loads(project.text(path))
        except (ValueError, AttributeError, RecursionError):
            continue
        home = posixpath.normpath(posixpath.join(posixpath.dirname(path), str(about.get("scriptFile", "__init__.py"))))
        name = str(about.get("entryPoint", "main"))
        module = project.modules.by_path.get(home)
        for binding in bindings if module is not None and name in module.functions else ():
            kind = str(binding.get("type", "")) if isinstance(binding, dict) else ""
            if kind.endswith("Trigger"):
                yield _start(kind, path, 1), items_of([(home, name)])


# -- Terraform -------------------------------------------------------------------------------------------------------

_FUNCTIONS = re.compile(r"(aws_lambda_function|google_cloudfunctions2?_function)\.([\w-]+)")
_TOPIC = re.compile(r"aws_sns_topic\.([\w-]+)")
_ALARMS = re.compile(r"alarm_actions\s*=\s*\[[^\]]*?aws_sns_topic\.([\w-]+)")
_RULE = re.compile(r"aws_cloudwatch_event_rule\.([\w-]+)")
_JOBS = re.compile(
    r"google_cloud_run_v2_job\.|/jobs/[^\"]*:run\b|\becs_(target|parameters)\s*\{|aws_ecs_task_definition\."
)
"""Targets that run an image once."""
_TEXT = r'\s*=\s*"([^"]*)"'
_URI = re.compile(rf"\buri{_TEXT}")


def _in_terraform(project: Project) -> Iterator[Entry]:
    """Rules, schedules and jobs of a scheduler whose target is a function that the same files declare."""
    bodies = {f"{each.kind}.{each.name}": each.body for each in project.terraform}
    alarmed = {name for body in bodies.values() for name in _ALARMS.findall(body)}
    for each in project.terraform:
        kind, body = each.kind, each.body
        if kind == "aws_sns_topic_subscription" and alarmed.intersection(_TOPIC.findall(body)):
            here = Evidence(path=each.path, line=each.line, why="an alarm starts the function")
            start = Start(by=By.ITSELF, kinds=("event", "alarm"), evidence=here)
            keys = [
                key for one in _FUNCTIONS.finditer(body) for key in _declared(project, one[2], bodies.get(one[0], ""))
            ]
            if keys:
                yield start, items_of(keys)
            continue
        if kind == "aws_cloudwatch_event_target":
            rule = _RULE.search(body)
            when = bodies.get(f"aws_cloudwatch_event_rule.{rule[1]}", "") if rule is not None else ""
        elif kind in ("aws_scheduler_schedule", "google_cloud_scheduler_job"):
            when = body
        else:
            continue
        if "is_enabled = false" in when or 'state = "DISABLED"' in when:
            continue
        start = _start("Schedule" if "schedule" in when else "Event", each.path, each.line)
        for target in _FUNCTIONS.finditer(body) if when else ():
            keys = _declared(project, target[2], bodies.get(target[0], ""))
            if keys:
                yield start, items_of(keys)
        asked = _URI.search(body) if kind == "google_cloud_scheduler_job" else None
        if asked is not None and (items := routes_asked(project, asked[1])):
            yield start, items
        if when and _JOBS.search(body):
            yield start, (Command(argv=("gcloud", "run", "jobs", "execute"), line=each.line),)


_ASSET = re.compile(r"""\bfrom_?[aA]sset\(\s*[\"']([\w./-]+)[\"']""")
_HANDLER = re.compile(r"""\bhandler\s*[=:]\s*[\"']([\w./-]+\.\w+)[\"']""")


def _only_declared(project: Project) -> Iterator[Entry]:
    """Functions of AWS that Terraform or CDK declare: somebody asks them, whoever it is."""
    for each in project.terraform:
        keys = _declared(project, each.name, each.body) if each.kind == "aws_lambda_function" else []
        if keys:
            yield _told(each.path, each.line), items_of(keys)
    stacks = [each.path for each in project.modules if "aws_cdk" in each.packages]
    stacks += [path for path in project.named(".ts") if "aws-cdk" in project.text(path)]
    for path in stacks:
        text = project.text(path)
        for asset in _ASSET.finditer(text):
            before = _HANDLER.findall(text, max(0, asset.start() - 400), asset.start())[-1:]
            handler = (before or _HANDLER.findall(text, asset.end(), asset.end() + 400) or [""])[0]
            keys = handlers_named(project, handler, asset[1]) if handler else []
            if keys:
                yield _told(path, line_at(text, asset.start())), items_of(keys)


def _told(path: str, line: int) -> Start:
    here = Evidence(path=path, line=line, why="a function that is declared")
    return Start(by=By.PERSON, kinds=("person",), evidence=here)


_FILE_OF_TASK = re.compile(rf"\b(?:notebook_path|python_file){_TEXT}")
_OWN_TIME = re.compile(r"^\s*(schedule|trigger|continuous)\s*\{", re.MULTILINE)


def _jobs_of_databricks(project: Project) -> Iterator[Entry]:
    """Jobs of Databricks that Terraform declares, with the notebooks and files that their tasks run."""
    for each in project.terraform:
        if each.kind != "databricks_job":
            continue
        named = (file.removeprefix("${path.root}/").lstrip("./") for file in _FILE_OF_TASK.findall(each.body))
        paths = (file if file.endswith((".py", ".ipynb")) else f"{file}.py" for file in named)
        timed = _OWN_TIME.search(each.body) is not None and '"PAUSED"' not in each.body
        start = Start(
            by=By.ITSELF if timed else By.PERSON,
            kinds=("schedule",) if timed else ("person",),
            evidence=Evidence(path=each.path, line=each.line, why="a job of Databricks"),
        )
        yield start, tuple(Command(argv=("python", path), line=each.line) for path in paths)


def _declared(project: Project, name: str, body: str) -> list[Key]:
    """The function behind a resource: by its handler or entry point, and by what the resource is called."""
    handler = re.search(rf"\bhandler{_TEXT}", body)
    if handler is not None:
        return handlers_named(project, handler[1], about=f"{name} {body[:400]}")
    entry = re.search(rf"\bentry_point{_TEXT}", body)
    if entry is None:
        return []
    homes = [each.path for each in project.modules if entry[1] in each.functions]
    return [(path, entry[1]) for path in homes] if len(homes) == 1 else []
