"""What engines run: DVC stages, MLflow projects, images, jobs of training platforms."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

from windlass.assessment.automation.others import read_cloud_build, submitted
from windlass.assessment.automation.workflow import mapping, maps, script, text_of, words
from windlass.assessment.project import Project
from windlass.assessment.reach.asked import Asked, Leads, path_of
from windlass.assessment.reach.clients import (
    run_compose,
    run_dag,
    run_flow,
    run_flyte,
    run_inside,
    run_kedro,
    run_notebooks,
    run_there,
)
from windlass.assessment.reach.databricks import tasks_of
from windlass.assessment.reach.hooks import run_hooks
from windlass.assessment.reach.provisioners import run_provisioners
from windlass.assessment.reach.runners import RUNNERS
from windlass.assessment.reading.shell import Command, read_shell
from windlass.assessment.reading.yaml import Map


def dvc_stages(project: Project) -> Iterator[tuple[str, str, int, str, str, dict[str, list[str]]]]:
    """(path, stage, line, command, folder, what it depends on and makes) of each DVC stage."""
    for path in project.named("dvc.yaml"):
        for document in project.yaml(path)[:1]:
            values = _values(project, path, mapping(document).get("vars"))
            for name, given in mapping(mapping(document).get("stages")).items():
                about = mapping(given)
                about = mapping(about["do"]) if "do" in about else about
                commands = about.get("cmd")
                text = "\n".join(map(str, commands)) if isinstance(commands, list) else text_of(commands)
                text = _filled(text, values)
                folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), text_of(about.get("wdir")))).strip(
                    "."
                )
                lists = {
                    key: [_name(each) for each in about.get(key) or ()] for key in ("deps", "outs", "metrics", "plots")
                }
                yield path, name, about.line, text, folder, lists


_VALUE = re.compile(r"\$\{([\w.]+)\}")


def _values(project: Project, path: str, given: object) -> list[Map]:
    """What `${...}` of a file of stages is looked up in: its `vars`, the files that they name, and `params.yaml`."""
    folder = posixpath.dirname(path)
    named = ["params.yaml", *(each.partition(":")[0] for each in words(given))]
    places = [posixpath.normpath(posixpath.join(folder, each)) for each in named]
    documents = [each for place in places if place in project.tree for each in project.yaml(place)[:1]]
    return [*maps(given), *(each for each in documents if isinstance(each, Map))]


def _filled(text: str, values: list[Map]) -> str:
    """A command with the values for its `${...}`, as far as they are known."""
    return _VALUE.sub(lambda found: _looked_up(values, found[1]) or found[0], text)


def _looked_up(values: list[Map], dotted: str) -> str:
    for found in values:
        here: object = found
        for part in dotted.split("."):
            here = mapping(here).get(part)
        if isinstance(here, (str, int, float)):
            return str(here)
    return ""


def _name(entry: object) -> str:
    return next(iter(entry)) if isinstance(entry, dict) and entry else str(entry)


_STAGED = frozenset({"-f", "--force", "--no-exec", "--no-commit", "--always-changed", "--no-run-cache", "--external"})
"""Options of `dvc run` that take no value."""


def _dvc_run(asked: Asked) -> Leads:
    """`dvc run -n train -d train.py -o model.pkl python train.py` adds a stage and runs it at once."""
    words = iter(asked.argv[2:])
    for word in words:
        if not word.startswith("-"):
            command = Command(argv=(word, *words), line=asked.command.line)
            return Leads(commands=(("", command),))
        if word not in _STAGED and "=" not in word:
            next(words, None)
    return Leads()


def _dvc(asked: Asked) -> Leads:
    if asked.argv[1:2] == ("run",) and "--no-exec" not in asked.argv:
        return _dvc_run(asked)
    if asked.argv[1:2] not in (("repro",), ("exp",)) or (asked.argv[1:2] == ("exp",) and asked.argv[2:3] != ("run",)):
        return Leads()
    wanted = {word for word in asked.argv[2:] if not word.startswith("-")} & {
        name for _, name, *_ in dvc_stages(asked.project)
    }
    files = {asked.path(word.partition(":")[0]) for word in asked.argv[2:] if "dvc.yaml" in word}
    found = []
    for path, name, line, text, where, _ in dvc_stages(asked.project):
        if files and path not in files:
            continue
        if not wanted or name in wanted or len(wanted) == 1:
            found += [
                (
                    path,
                    Command(
                        argv=each.argv, line=line, swallowed=each.swallowed, folder=posixpath.join(where, each.folder)
                    ),
                )
                for each in read_shell(text, line)
            ]
    return Leads(commands=tuple(found))


def mlflow_entries(project: Project) -> Iterator[tuple[str, str, tuple[Command, ...]]]:
    """(path, entry point, its commands) of each MLflow project."""
    for path in project.named("mlproject"):
        for document in project.yaml(path)[:1]:
            for name, about in mapping(mapping(document).get("entry_points")).items():
                entry = mapping(about)
                text = re.sub(r"\{\w+\}", "X", text_of(entry.get("command")))
                where = posixpath.dirname(path)
                commands = read_shell(text, entry.line_of("command"))
                yield path, name, tuple(replace(each, folder=posixpath.join(where, each.folder)) for each in commands)


def _mlflow(asked: Asked) -> Leads:
    """`mlflow run FOLDER -e NAME`: one entry point, `main` unless it is named."""
    if asked.argv[1:2] != ("run",):
        return Leads()
    given = list(asked.argv[2:])
    wanted = next((given[place + 1] for place, word in enumerate(given[:-1]) if word in ("-e", "--entry-point")), "")
    wanted = wanted or next((word.partition("=")[2] for word in given if word.startswith("--entry-point=")), "main")
    places = {posixpath.normpath(posixpath.join(asked.folder, word.removeprefix("{}/"))).strip(".") for word in given}
    entries = list(mlflow_entries(asked.project))
    here = [each for each in entries if _lies_in(posixpath.dirname(each[0]), places)] or entries
    found = [(path, each) for path, name, commands in here if name == wanted for each in commands]
    return Leads(commands=tuple(found))


def _lies_in(folder: str, places: set[str]) -> bool:
    return folder in places or any(place and folder.endswith(f"/{place}") for place in places)


def _docker(asked: Asked) -> Leads:
    """What runs while an image is built, and what an image that the project builds does when it is run."""
    if asked.argv[1:2] in (("exec",), ("compose",)):
        return run_inside(asked) if asked.argv[1] == "exec" else run_compose(asked)
    found: list[tuple[str, Command]] = []
    if asked.argv[1:2] == ("run",):
        found += _image_run(asked)
    elif "build" in asked.argv:
        name = next(
            (asked.argv[place + 1] for place, word in enumerate(asked.argv[:-1]) if word in ("-f", "--file")),
            "Dockerfile",
        )
        path = asked.path(name)
        for image in asked.project.images:
            if image.path == path:
                found += [(image.path, each) for each in image.builds if each.argv[0] not in ("pip", "apt-get", "apt")]
    return Leads(commands=tuple(found))


def _image_run(asked: Asked) -> Iterator[tuple[str, Command]]:
    """`docker run --rm churn-train`: what the image starts, or the program that is named after it."""
    for place, word in enumerate(asked.argv[2:], start=3):
        path = asked.project.dockerfile_of(word)
        image = next((each for each in asked.project.images if each.path == path), None)
        if image is not None:
            rest = asked.argv[place:]
            given = tuple(_put_in(asked.argv[2:place]))
            if rest and not rest[0].startswith("-"):
                yield "", Command(argv=rest, line=asked.command.line, given=given)
            else:
                starts = [replace(each, argv=(*each.argv, *rest), given=given) for each in image.starts]
                yield from ((image.path, each) for each in starts)
            return


def _put_in(options: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """`-e SCRIPT=train.py` and `--env=SCRIPT=train.py`: what a container finds in its environment."""
    for before, word in pairwise(("", *options)):
        text = word if before in ("-e", "--env") else word.removeprefix("--env=") if word.startswith("--env=") else ""
        name, said, value = text.partition("=")
        if said:
            yield name, value


def _files_named(asked: Asked) -> Leads:
    """Clients of training platforms: the job file that they are given, and what it runs."""
    found: list[tuple[str, Command]] = []
    here = posixpath.normpath(asked.folder or ".")
    for word in asked.argv[1:]:
        value = word.rpartition("=")[2]
        if value.endswith((".yml", ".yaml")) and (path := asked.path(value)) is not None:
            commands = yaml_commands(asked.project, path, set())  # each in a folder as seen from the top
            found += [(path, replace(each, folder=posixpath.relpath(each.folder or ".", here))) for each in commands]
    return Leads(commands=tuple(found))


def _kubectl(asked: Asked) -> Leads:
    """`kubectl exec deploy/trainer -- python train.py`, and the files that it is given."""
    if "exec" in asked.argv[1:] and "--" in asked.argv:
        inside = asked.argv[asked.argv.index("--") + 1 :]
        return Leads(commands=(("", Command(argv=inside, line=asked.command.line)),) if inside else ())
    return _files_named(asked)


def _helm(asked: Asked) -> Leads:
    """`helm upgrade --install churn ./chart`: the jobs of a chart of the project that start with it."""
    asks = next((word for word in asked.argv[1:] if not word.startswith("-")), "")
    if asks not in ("install", "upgrade") or any(word.startswith("--dry-run") for word in asked.argv):
        return Leads()
    folders = [posixpath.normpath(posixpath.join(asked.folder, word)) for word in asked.argv[2:]]
    charts = [folder for folder in folders if posixpath.normpath(f"{folder}/Chart.yaml") in asked.project.tree]
    found = [
        (path, command)
        for path in asked.project.yaml_paths
        if any(path.startswith(posixpath.normpath(f"{chart}/templates") + "/") for chart in charts)
        for document in asked.project.yaml(path)
        if isinstance(document, Map) and document.get("kind") == "Job" and _starts_at(document, asks, asked.argv)
        for command in _commands_in(asked.project, document, "", set(), "")
    ]
    return Leads(commands=tuple(found))


def _starts_at(job: Map, asks: str, argv: tuple[str, ...]) -> bool:
    """Whether Helm starts a job then: one without a hook always, one with it if that is what it waits for."""
    hook = str(mapping(mapping(job.get("metadata")).get("annotations")).get("helm.sh/hook", ""))
    waits = {each.strip() for each in hook.split(",") if each.strip()}
    return not waits or bool(waits & {f"pre-{asks}", f"post-{asks}"} and "--no-hooks" not in argv)


def _databricks(asked: Asked) -> Leads:
    """`databricks bundle run train`: the tasks of a job of the bundle; other calls name job files."""
    if asked.argv[1:3] != ("bundle", "run"):
        return _files_named(asked)
    words = [word for word in asked.argv[3:] if not word.startswith("-")]
    found = [
        (path, command)
        for path in asked.project.yaml_paths
        for document in asked.project.yaml(path)
        for name, job in mapping(mapping(mapping(document).get("resources")).get("jobs")).items()
        if name in words
        for command in tasks_of(asked.project, mapping(job))
    ]
    return Leads(commands=tuple(found))


def _dbx(asked: Asked) -> Leads:
    """`dbx execute` and `dbx launch` run a workflow of the file that they name; `dbx deploy` only brings it there."""
    return _files_named(asked) if asked.argv[1:2] in (("execute",), ("launch",)) else Leads()


def yaml_commands(project: Project, path: str, seen: set[str]) -> Iterator[Command]:
    """Every `command` and `args` in a job file and in the files that it names: Azure ML, Vertex, Kubernetes."""
    if path in seen or len(seen) > 20:
        return
    seen.add(path)
    for document in project.yaml(path):
        yield from _commands_in(project, document, posixpath.dirname(path), seen, "")


def _commands_in(project: Project, value: object, folder: str, seen: set[str], code: str) -> Iterator[Command]:
    if isinstance(value, Map):
        code = value["code"] if isinstance(value.get("code"), str) else code
        where = posixpath.normpath(posixpath.join(folder, code)) if code else folder
        yield from _written(value, where)
        for inner in value.values():
            if isinstance(inner, str) and inner.endswith((".yml", ".yaml")):
                path = path_of(project, inner.removeprefix("file:"), folder)
                if path is not None:
                    yield from yaml_commands(project, path, seen)
            else:
                yield from _commands_in(project, inner, folder, seen, code)
    elif isinstance(value, list):
        for inner in value:
            yield from _commands_in(project, inner, folder, seen, code)


def _written(value: Map, where: str) -> Iterator[Command]:
    """The commands that stand in one mapping of a job file."""
    for key in ("command", "cmd", "args", "entrypoint"):
        given = value.get(key)
        if isinstance(given, str):
            text = re.sub(r"\$\{\{.*?\}\}", "X", given)
            yield from (
                Command(argv=each.argv, line=each.line, folder=where) for each in read_shell(text, value.line_of(key))
            )
        elif isinstance(given, list) and given and isinstance(given[0], str):
            argv = tuple(each if isinstance(each, str) else "X" for each in given)  # a value that a run fills in
            yield Command(argv=argv, line=value.line_of(key), folder=where)
    if isinstance(value.get("commands"), list):
        yield from (replace(each, folder=where) for each in script(value, "commands"))
    for key in ("python_file", "notebook_path"):  # a task of Databricks
        if isinstance(value.get(key), str):
            file = value[key].removeprefix("file:").removeprefix("fuse:").lstrip("/")
            file = file if "." in posixpath.basename(file) else f"{file}.py"
            yield Command(argv=("python", file, *words(value.get("parameters"))), line=value.line_of(key))
    if isinstance(value.get("entry_point"), str) and "package_name" in value:  # a wheel of the project, for Databricks
        yield Command(argv=(value["entry_point"], *words(value.get("parameters"))), line=value.line_of("entry_point"))


def _gcloud(asked: Asked) -> Leads:
    """`gcloud builds submit --config x.yaml` runs the steps of that file; other calls name job files."""
    if asked.argv[1:3] == ("run", "jobs") and ("--execute-now" in asked.argv or "execute" in asked.argv[3:4]):
        return _job_of_image(asked)
    if asked.argv[1:3] != ("builds", "submit"):
        leads = _files_named(asked)
        job = asked.argv[1:4] in (("ai", "custom-jobs", "create"), ("ai", "custom-jobs", "local-run"))
        images = _images_named(asked) if job else ()
        return replace(leads, commands=(*leads.commands, *images))
    config, values = submitted(asked.argv)
    path = asked.path(config) if config else None
    flow = read_cloud_build(path, next(iter(asked.project.yaml(path)), None), values) if path is not None else None
    steps = flow.jobs[0].steps if flow is not None else ()
    return Leads(commands=tuple((path or "", command) for step in steps for command in step.commands))


def _images_named(asked: Asked) -> tuple[tuple[str, Command], ...]:
    """What images of the project start that a job of Vertex AI names, on the command line or in its file."""
    said = list(asked.argv)
    for word in asked.argv:
        path = asked.path(word.rpartition("=")[2]) if word.endswith((".yml", ".yaml")) else None
        said += re.findall(r"imageUri[\"']?:\s*[\"']?([^\s\"']+)", asked.project.text(path)) if path is not None else []
    built = {asked.project.dockerfile_of(word.rpartition("=")[2]) for word in said}
    return tuple((each.path, command) for each in asked.project.images if each.path in built for command in each.starts)


def _job_of_image(asked: Asked) -> Leads:
    """A platform runs an image of the project once: what it starts, if it has one image or one that is named so."""
    images = asked.project.images
    named = images if len(images) == 1 else [each for each in images if re.search(r"train|job|pipeline", each.path)]
    return Leads(commands=tuple((each.path, command) for each in named for command in each.starts))


def _aws(asked: Asked) -> Leads:
    return _job_of_image(asked) if asked.argv[1:3] == ("ecs", "run-task") else _files_named(asked)


def _az(asked: Asked) -> Leads:
    """`az ml run submit-script -e churn train.py` runs a script of the folder; other calls name job files."""
    if asked.argv[1:4] != ("ml", "run", "submit-script"):
        return _files_named(asked)
    plain = [word for before, word in pairwise(asked.argv[3:]) if word.endswith(".py") and not before.startswith("-")]
    script = next(iter(plain), next((word for word in asked.argv[4:] if word.endswith(".py")), ""))
    return Leads(commands=(("", Command(argv=("python", script), line=asked.command.line)),) if script else ())


def _spark(asked: Asked) -> Leads:
    """`spark-submit --master yarn train.py`"""
    script = next((word for word in asked.rest if word.endswith(".py")), "")
    return Leads(commands=(("", Command(argv=("python", script), line=asked.command.line)),) if script else ())


def _ray(asked: Asked) -> Leads:
    """`ray job submit -- python train.py`"""
    if "--" not in asked.argv:
        return _files_named(asked)
    inner = asked.argv[asked.argv.index("--") + 1 :]
    return Leads(commands=(("", Command(argv=inner, line=asked.command.line)),) if inner else ())


def _bodywork(asked: Asked) -> Leads:
    """`bodywork create deployment`: every stage of the pipeline, batches and services."""
    if asked.argv[1:3] not in (("create", "deployment"), ("update", "deployment"), ("deployment", "create")):
        return Leads()
    found: list[tuple[str, Command]] = []
    for path in asked.project.named("bodywork.yaml"):
        stages = mapping(mapping(next(iter(asked.project.yaml(path)), None)).get("stages"))
        for stage in map(mapping, stages.values()):
            argv = ("python", text_of(stage.get("executable_module_path")), *words(stage.get("args")))
            found.append((path, Command(argv=argv, line=stage.line)))
    return Leads(commands=tuple(found))


ENGINES: dict[str, Callable[[Asked], Leads]] = {
    "dvc": _dvc,
    "mlflow": _mlflow,
    "pre-commit": run_hooks,
    "terraform": run_provisioners,
    "tofu": run_provisioners,
    "docker": _docker,
    "az": _az,
    "aws": _aws,
    "spark-submit": _spark,
    "gcloud": _gcloud,
    "kubectl": _kubectl,
    "helm": _helm,
    "databricks": _databricks,
    "sky": _files_named,
    "anyscale": _files_named,
    "dbx": _dbx,
    "ray": _ray,
    "bodywork": _bodywork,
    "papermill": run_notebooks,
    "jupyter": run_notebooks,
    "jupyter-nbconvert": run_notebooks,
    "jupyter-execute": run_notebooks,
    "nbconvert": run_notebooks,
    "kedro": run_kedro,
    "prefect": run_flow,
    "airflow": run_dag,
    "pyflyte": run_flyte,
    "docker-compose": run_compose,
    "ssh": run_there,
    "argo": _files_named,
    **RUNNERS,
}
