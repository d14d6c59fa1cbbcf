"""What SQL does in a project: models that a database fits and asks, and who runs the statement."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.facts import Facts, Seen, once
from windlass.assessment.project import Project
from windlass.assessment.reach.commands import unwrapped
from windlass.assessment.reach.graph import Run
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.sql import keeps_answers, makes_model, names_model
from windlass.assessment.records import Evidence
from windlass.assessment.statements import sql_files


@once
def trained_in_sql(facts: Facts) -> list[Seen]:
    """Files with a statement that fits a model; those that a function names are seen with the function."""
    return [
        seen
        for path in sql_files(facts.project)
        if path not in facts.sql_named and (line := makes_model(facts.project.text(path)))
        for seen in _started(facts, Evidence(path=path, line=line, why="a model is fitted in SQL"))
    ]


@once
def scored_in_sql(facts: Facts) -> list[Seen]:
    """Statements that ask a model and keep what it says."""
    found = [
        seen
        for path in sql_files(facts.project)
        if (line := keeps_answers(facts.project.text(path), kept=_is_kept(facts, path)))
        for seen in _started(facts, Evidence(path=path, line=line, why="rows are answered in SQL"))
    ]
    for module, function in facts.functions:
        for call in function.calls:
            said = next(filter(names_model, call.values), "")
            if said and keeps_answers(said, kept=any("destination" in name for name, _ in call.kwargs)):
                found.append(facts.sight((module, function, call)).seen("rows are answered in SQL"))
    return found


def _is_kept(facts: Facts, path: str) -> bool:
    """Whether who runs the file puts what it selects into a table: dbt, or a job that is told its destination."""
    named = facts.sql_named.get(path, ())
    return _of_dbt(facts.project, path) or any("destination" in function.words for _, function, _ in named)


def _of_dbt(project: Project, path: str) -> bool:
    """Whether dbt makes a table or a view of what the file selects."""
    folders = path.split("/")
    above = ("/".join(folders[:depth]) for depth in range(len(folders)))
    return "models" in folders and any(f"{each}/dbt_project.yml".lstrip("/") in project.tree for each in above)


def _started(facts: Facts, here: Evidence) -> Iterator[Seen]:
    """By each command that runs the file; it lies there for a person, if none does and no function names it."""
    runs = [run for run in facts.graph.runs if _runs(facts.project, run, here.path)]
    for run in runs:
        route = run.route.then(run.evidence, swallowed=run.command.swallowed)
        yield Seen((here, *route.evidence), by=route.by, swallowed=route.swallowed, route=route)
    for place in facts.sql_named.get(here.path, ()):
        yield facts.sight(place).seen(here.why)
    if not runs and here.path not in facts.sql_named:
        yield Seen((here,), by=By.PERSON)


def _runs(project: Project, run: Run, path: str) -> bool:
    argv = unwrapped(run.command.argv)
    if argv[:1] == ("dbt",):
        chosen = next(
            (argv[at + 1] for at, word in enumerate(argv[:-1]) if word in ("-s", "-m", "--select", "--models")), ""
        )
        name = path.rpartition("/")[2].partition(".")[0]
        return bool({"run", "build"} & set(argv[1:])) and _of_dbt(project, path) and (not chosen or name in chosen)
    said = f"{run.command.text} {run.command.reads}"
    whole = f"{run.folder}/" if run.folder else ""
    name = path.removeprefix(whole) if path.startswith(whole) else path
    return bool(re.search(rf"(?:^|[\s/'\"(<=]){re.escape(name)}(?:$|[\s'\")])", said)) and _ONLY_LOOK.isdisjoint(
        argv[:1]
    )


_ONLY_LOOK = frozenset({"echo", "sqlfluff", "ls", "git", "cp", "mv", "rm", "test", "diff", "wc"})
