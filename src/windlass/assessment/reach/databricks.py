"""Jobs of Databricks, as files of a bundle declare them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from windlass.assessment.automation.workflow import mapping, maps, text_of, words
from windlass.assessment.project import Project
from windlass.assessment.reading.shell import Command
from windlass.assessment.reading.yaml import Map

_OTHER_JOB = re.compile(r"resources\.jobs\.(\w+)\.")


def tasks_of(project: Project, job: Map, depth: int = 0) -> Iterator[Command]:
    """What the tasks of a job run, also those of another job that one of them starts."""
    for task in maps(job.get("tasks")):
        for key, field in (("notebook_task", "notebook_path"), ("spark_python_task", "python_file")):
            given = text_of(mapping(task.get(key)).get(field))
            if given:
                file = given.removeprefix("../")
                file = file if "." in posixpath.basename(file) else f"{file}.py"  # a notebook is named without it
                yield Command(argv=("python", file), line=task.line)
        wheel = mapping(task.get("python_wheel_task"))
        if text_of(wheel.get("entry_point")):
            argv = (text_of(wheel.get("entry_point")), *words(wheel.get("parameters")))
            yield Command(argv=argv, line=wheel.line)
        named = _OTHER_JOB.search(text_of(mapping(task.get("run_job_task")).get("job_id")))
        if named is not None and depth < 3:
            yield from tasks_of(project, job_of_databricks(project, named[1]), depth + 1)


def job_of_databricks(project: Project, name: str) -> Map:
    """The job of that name, in whichever file of the bundle it stands."""
    for path in project.yaml_paths:
        for document in project.yaml(path):
            found = mapping(mapping(mapping(mapping(document).get("resources")).get("jobs")).get(name))
            if found:
                return found
    return mapping(None)
