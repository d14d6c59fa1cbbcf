"""Options that every command takes, and the workspace they lead to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from windlass.app.workspace import Workspace
from windlass.errors import UsageError
from windlass.settings import load_settings

Command = TypeVar("Command", bound=Callable[..., Any])


class _LocalPath(click.Path):
    """A path on this machine. An address would be one too, and a backup would land in a folder `s3:`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if "://" in str(value):
            raise UsageError(
                f"{value} is an address, and no path on this machine",
                remedy="name a file or folder here, and copy it from there or to there",
            )
        return super().convert(value, param, ctx)


PATH = _LocalPath(path_type=Path)


def _reason(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """The reason, which is not blank: whoever looks it up is to find one."""
    if not value.strip():
        raise UsageError("the reason is empty", where="--reason", remedy="say in a few words why")
    return value.strip()


project_option = click.option("--project", type=PATH, help="Folder of the project; by default the current one.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
reason_option = click.option("--reason", required=True, callback=_reason, help="Why; it is kept in the ledger.")
product_option = click.option("--product", help="Name of the product; needed only when there are several.")


def limit_option(default: int) -> Callable[[Command], Command]:
    """How many lines of a list, which is longer for one than for another."""
    least = click.IntRange(min=1)
    return click.option("--limit", "-n", type=least, default=default, help="How many at the most, the newest.")


def workspace(project: Path | None, *, create: bool = False, **flags: Any) -> Workspace:
    """The workspace of the project, with the settings in force."""
    return Workspace.open(load_settings(directory=project, flags=flags), create=create)
