"""Options that every command takes, and the workspace they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from windlass.app.workspace import Workspace
from windlass.settings import load_settings

ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", help="Folder of the project; by default the current one.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", help="How many at the most, the newest.", min=1)]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is kept in the ledger.", show_default=False)]
ProductOption = Annotated[
    str | None,
    typer.Option("--product", help="Name of the product; needed only when there are several.", show_default=False),
]


def workspace(project: Path | None, *, create: bool = False, **flags: Any) -> Workspace:
    """The workspace of the project, with the settings in force."""
    return Workspace.open(load_settings(directory=project, flags=flags), create=create)
