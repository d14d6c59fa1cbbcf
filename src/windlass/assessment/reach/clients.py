"""Clients that start what somebody wrote for an engine: notebooks, flows, DAGs, nodes, services, other machines."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch

from windlass.assessment.modules import Key
from windlass.assessment.project import Project
from windlass.assessment.reach.asked import Asked, Leads, main_of
from windlass.assessment.reach.dags import dags_of
from windlass.assessment.reading.shell import Command, option, read_shell


def run_notebooks(asked: Asked) -> Leads:
    """`papermill a.ipynb b.ipynb`, `jupyter execute a.ipynb` and `jupyter nbconvert --execute *.ipynb`."""
    words = list(asked.argv)
    if words[0] == "papermill":
        given = [word for word in words[1:] if word.endswith(".ipynb")][:1]
    elif "--execute" in words or words[1:2] in (["execute"], ["run"]) or words[0] == "jupyter-execute":
        given = [word for word in words[1:] if word.endswith(".ipynb")]
    else:
        given = []
    return Leads(functions=tuple(key for word in given for path in _files(asked, word) for key in _main(asked, path)))


def _files(asked: Asked, word: str) -> list[str]:
    if "*" in word:
        pattern = f"{asked.folder}/{word}".strip("/").removeprefix("./")
        return [path for path in asked.project.modules.by_path if fnmatch(path, pattern)]
    path = asked.path(word)
    return [path] if path is not None else []


def _main(asked: Asked, path: str) -> tuple[Key, ...]:
    return main_of(asked.project, path) if path in asked.project.modules.by_path else ()


def run_kedro(asked: Asked) -> Leads:
    """`kedro run --pipeline training`: the nodes of that pipeline, or of all."""
    if "run" not in asked.argv[1:2]:
        return Leads()
    wanted = option(asked.argv, "--pipeline", "-p")
    made = [
        (module.path, function.name)
        for module in asked.project.modules
        if "kedro" in module.packages
        for function in module.functions.values()
        if function.name == "create_pipeline"
    ]
    named = [key for key in made if wanted and f"/{wanted}/" in f"/{key[0].removesuffix('.py')}/"]
    return Leads(functions=tuple(named or made))


def run_flow(asked: Asked) -> Leads:
    """`prefect deployment run churn/daily`: the flow of that name, or the only one that there is."""
    if asked.argv[1:3] != ("deployment", "run") or len(asked.argv) < 4:
        return Leads()
    wanted = next((word for word in asked.argv[3:] if not word.startswith("-")), "").partition("/")[0]
    return Leads(functions=flows_named(asked.project, wanted))


def flows_named(project: Project, wanted: str) -> tuple[Key, ...]:
    """The flow of Prefect of that name, or the only one that there is."""
    flows = [
        (deco.kwarg("name") or function.name, (module.path, function.name))
        for module in project.modules
        for function in module.functions.values()
        for deco in function.decorators
        if deco.name == "prefect.flow"
    ]
    named = [key for name, key in flows if name.replace("_", "-") == wanted.replace("_", "-")]
    return tuple(named or [key for _, key in flows if len(flows) == 1])


def run_dag(asked: Asked) -> Leads:
    """`airflow dags trigger churn`"""
    if asked.argv[1:3] not in (("dags", "trigger"), ("dags", "test"), ("dags", "backfill")):
        return Leads()
    return Leads(functions=tuple(key for name, key in dags_of(asked.project) if name in asked.argv[3:]))


def run_flyte(asked: Asked) -> Leads:
    """`pyflyte run --remote flow.py churn`"""
    words = [word for word in asked.rest if not word.startswith("-")]
    path = asked.path(words[1]) if words[:1] == ["run"] and len(words) > 2 else None
    module = asked.project.modules.by_path.get(path or "")
    found = ((module.path, word) for word in words[2:] if word in module.functions) if module is not None else ()
    return Leads(functions=tuple(found))


_VALUED = frozenset({"-f", "--file", "-p", "--project-name", "--profile", "--env-file", "-e", "--env", "-u", "--user",
                     "-v", "--volume", "-w", "--workdir", "--name", "--entrypoint", "--project-directory"})  # fmt: skip


def run_compose(asked: Asked) -> Leads:
    """`docker compose run trainer`, `docker compose up trainer` while it waits, and `docker compose exec`."""
    words = [word for word in asked.rest if asked.argv[0] == "docker-compose" or word != "compose"]
    plain = _plain(words)
    if not plain or plain[0] not in ("run", "exec", "up") or (plain[0] == "up" and {"-d", "--detach"} & set(words)):
        return Leads()
    names = plain[1:] if plain[0] == "up" else plain[1:2]
    inner = words[words.index(names[0]) + 1 :] if names and plain[0] != "up" else []
    if inner:
        return Leads(commands=(("", Command(argv=tuple(inner), line=asked.command.line)),))
    return Leads(
        commands=tuple(
            (service.path, each)
            for service in asked.project.services
            if service.name in names
            for each in service.commands or _started(asked, service.dockerfile)
        )
    )


def _started(asked: Asked, dockerfile: str) -> Iterator[Command]:
    yield from (each for image in asked.project.images if image.path == dockerfile for each in image.starts)


def run_inside(asked: Asked) -> Leads:
    """`docker exec app python train.py`"""
    plain = _plain(list(asked.argv[2:]))
    rest = asked.argv[asked.argv.index(plain[0], 2) + 1 :] if plain else ()
    return Leads(commands=(("", Command(argv=rest, line=asked.command.line)),) if rest else ())


def run_there(asked: Asked) -> Leads:
    """`ssh host 'cd app && python train.py'`, or what a here-document gives it."""
    words = list(asked.rest)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-i", "-p", "-o", "-l", "-F", "-J") and words:
            words.pop(0)
    script = asked.command.fed or " ".join(words[1:])
    return Leads(commands=tuple(("", each) for each in read_shell(script, asked.command.line)))


def _plain(words: list[str]) -> list[str]:
    """Words without options and their values."""
    found, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in _VALUED
        else:
            found.append(word)
    return found
