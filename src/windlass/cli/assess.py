"""`windlass assess`: how mature the machine learning of a project is, read from its files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windlass.errors import UsageError

if TYPE_CHECKING:
    from windlass.assessment.records import Assessment, Target

_MODELS = ("microsoft", "google", "mlab", "blog")


def assess(
    path: Annotated[Path, typer.Argument(metavar="[PATH]", help="Folder of the project.")] = Path(),
    *,
    model: Annotated[str, typer.Option("--model", help="microsoft, google, mlab, blog, or all of them.")] = "all",
    json: Annotated[
        Path | None, typer.Option("--json", help="Write all that was found; - prints it.", show_default=False)
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", help="Level to plan for, such as microsoft:3.", show_default=False),
    ] = None,
    fail_under: Annotated[
        str | None,
        typer.Option("--fail-under", help="Leave with 1 below this level, such as microsoft:2.", show_default=False),
    ] = None,
) -> None:
    """Say how mature a project is, with proof. Nothing of it is run or imported."""
    from windlass.assessment.assess import assess as assess_project
    from windlass.cli.assess_view import show
    from windlass.cli.output import check_target, print_json

    models = _models(model)
    aim = _level(target, "--target", models)
    floor = _level(fail_under, "--fail-under", models)
    if json is not None and str(json) != "-":
        check_target(json, "--json")
    found = assess_project(path, now=datetime.now(UTC), models=models, target=aim)
    if str(json) == "-":
        print_json(found)
    else:
        show(found)
        if json is not None:
            _write_json(json, found)
    _hold(found, floor)


def _models(name: str) -> tuple[str, ...]:
    if name == "all":
        return ()
    if name not in _MODELS:
        raise UsageError(f"there is no model {name!r}", where="--model", remedy=f"use one of {', '.join(_MODELS)}, all")
    return (name,)


def _level(said: str | None, flag: str, models: tuple[str, ...]) -> Target | None:
    """`microsoft:3`, or `3` where a single model is asked for."""
    from windlass.assessment.catalogue import load_catalogue
    from windlass.assessment.records import Target

    if said is None:
        return None
    name, _, level = said.rpartition(":")
    name = name or (models[0] if models else "")
    model = load_catalogue().models.get(name)
    if model is None or not level.isdigit() or int(level) not in model.levels:
        raise UsageError(f"{said!r} is no level", where=flag, remedy="name model and level, such as microsoft:3")
    return Target(model=name, level=int(level), why="asked for")


def _write_json(path: Path, found: Assessment) -> None:
    import msgspec

    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


def _hold(found: Assessment, floor: Target | None) -> None:
    if floor is None:
        return
    for each in found.projects or (found,):
        level = each.models[floor.model].level
        if level is None or level < floor.level:
            said = "has no level" if level is None else f"is at level {level}"
            typer.echo(f"windlass: {each.name} {said} of {floor.model}, below {floor.level}", err=True)
            raise typer.Exit(1)
