"""Which functions hand a statement of SQL to a database: as a text, or as the file that holds it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from windlass.assessment.project import Project
from windlass.assessment.reading.code import Call, Function, Module
from windlass.assessment.reading.sql import makes_model, names_model

_CLIENTS = frozenset(
    {
        "google", "airflow", "pandas_gbq", "kfp", "bigframes", "prefect_gcp", "dagster_gcp", "redshift_connector",
        "boto3", "psycopg2", "psycopg", "snowflake", "sqlalchemy",
    }
)  # fmt: skip
_TOLD = re.compile(r"(^|/|_)(tests?|fixtures?|examples?)(/|_|\.)", re.IGNORECASE)


def sql_files(project: Project) -> list[str]:
    """Files of SQL but those of tests."""
    return [path for path in project.paths if path.lower().endswith((".sql", ".sqlx")) and not _TOLD.search(path)]


def naming(
    functions: Iterable[tuple[Module, Function]], files: Iterable[str]
) -> Mapping[str, list[tuple[Module, Function, Call]]]:
    """Each file to the calls that name it, as in `sql="sql/train.sql"`, or to the first of a function that does."""
    found: dict[str, list[tuple[Module, Function, Call]]] = defaultdict(list)
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in files:
        by_name[path.rpartition("/")[2]].append(path)
    for module, function in functions if by_name else ():
        told = [(value, call) for call in function.calls for value in call.values]
        if function.calls and ".sql" in function.words:  # `(HERE / "sql" / "train.sql").read_text()`
            told += [(word, function.calls[0]) for word in function.words.split("\n")]
        for value, call in told:
            if value.endswith((".sql", ".sqlx")):
                tail = value.rpartition("}")[2].lstrip("./")
                for path in by_name.get(tail.rpartition("/")[2], ()):
                    if f"/{path}".endswith(f"/{tail}") and (module, function, call) not in found[path]:
                        found[path].append((module, function, call))
    return found


def fitting(functions: Iterable[tuple[Module, Function]]) -> Iterator[tuple[Module, Function, Call]]:
    """Calls that are given a statement which fits a model, in files that have a client of a database."""
    for module, function in functions:
        if not _CLIENTS.isdisjoint(module.packages):
            for call in function.calls:
                if any(names_model(value) and makes_model(value) for value in call.values):
                    yield module, function, call
