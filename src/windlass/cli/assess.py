"""`windlass assess`: how mature the machine learning of a project is, read from its files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from windlass.cli.context import PATH
from windlass.errors import UsageError

if TYPE_CHECKING:
    from windlass.assessment.assess import Amend
    from windlass.assessment.records import Assessment, Target

_MODELS = ("microsoft", "google", "mlab", "blog")


@click.command()
@click.argument("path", type=PATH, default=Path(), help="Folder of the project.")
@click.option("--model", default="all", help="microsoft, google, mlab, blog, or all of them.")
@click.option("--json", type=PATH, help="Write all that was found; - prints it.")
@click.option("--markdown", type=PATH, help="Write a plan to hand over.")
@click.option("--html", type=PATH, help="Write a page with ladders and radars.")
@click.option("--sarif", type=PATH, help="Write what code hosts show.")
@click.option("--badge", type=PATH, help="Write an SVG badge of --model.")
@click.option("--live", is_flag=True, help="Ask the MLflow server and the ledger of the project too.")
@click.option("--interview", is_flag=True, help="Ask what no file can show; kept in maturity.yaml.")
@click.option("--target", help="Level to plan for, such as microsoft:3.")
@click.option("--fail-under", help="Leave with 1 below this level, such as microsoft:2.")
@click.option("--history", is_flag=True, help="Show the path so far instead of assessing.")
@click.option("--no-history", is_flag=True, help="Keep nothing of this assessment.")
def assess(
    path: Path,
    *,
    model: str,
    json: Path | None,
    markdown: Path | None,
    html: Path | None,
    sarif: Path | None,
    badge: Path | None,
    live: bool,
    interview: bool,
    target: str | None,
    fail_under: str | None,
    history: bool,
    no_history: bool,
) -> None:
    """Say how mature a project is, with proof. Nothing of it is run or imported."""
    from windlass.assessment.history import read_history
    from windlass.cli.assess_out import check_outputs, write_outputs
    from windlass.cli.assess_view import show, show_history
    from windlass.cli.output import print_json

    outputs = {"--json": json, "--markdown": markdown, "--html": html, "--sarif": sarif, "--badge": badge}
    if history:
        _only_shown(outputs)
        show_history(path)
        return
    models = _models(model)
    aim = _level(target, "--target", models)
    floor = _level(fail_under, "--fail-under", models)
    check_outputs(outputs)
    if not no_history:
        read_history(path)  # one that cannot be read is told before any work
    found = _assessed(path, models, aim, live=live, interview=interview)
    write_outputs(
        found, outputs, model=model
    )  # before anything is shown: whoever reads that may stop at the first line
    if not no_history:
        _keep(path, found)
    if str(json) == "-":
        print_json(found)
    else:
        show(found)
    _hold(found, floor)


def _only_shown(outputs: Mapping[str, Path | None]) -> None:
    for flag in (flag for flag, path in outputs.items() if path is not None):
        raise UsageError(
            "with --history nothing is assessed, and nothing is written", where=flag, remedy="leave out one of the two"
        )


def _assessed(path: Path, models: tuple[str, ...], aim: Target | None, *, live: bool, interview: bool) -> Assessment:
    from windlass.assessment.assess import assess as assess_project
    from windlass.assessment.assess import check_folder
    from windlass.cli.assess_ask import answered, asked_live

    now = datetime.now(UTC)
    amendments: dict[str, Amend] = {}
    check_folder(path)
    answers = answered(path, now, ask=interview)
    if answers is not None:
        amendments["interview"] = answers
    if live:
        amendments["live"] = asked_live(path, now)
    return assess_project(path, now=now, models=models, target=aim, amendments=amendments)


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
    catalogue = load_catalogue()
    known = catalogue.models.get(name)
    if known is None or not level.isdecimal() or int(level) not in known.levels or (models and name not in models):
        levels = {each: catalogue.models[each].levels for each in models or _MODELS}
        shown = [f"{each}:{min(of)} to {each}:{max(of)}" for each, of in levels.items()]
        raise UsageError(f"{said!r} is no level", where=flag, remedy=f"name one from {', '.join(shown)}")
    return Target(model=name, level=int(level), why="It was asked for.")


def _keep(path: Path, found: Assessment) -> None:
    from windlass.assessment.history import keep

    try:
        keep(path, found)
    except OSError as error:
        click.echo(f"windlass: the assessment is not kept for --history: {error.strerror} (at {path})", err=True)
        click.echo("  remedy: let the folder be written to, or give --no-history", err=True)


def _hold(found: Assessment, floor: Target | None) -> None:
    if floor is None:
        return
    for each in found.projects or (found,):
        level = each.models[floor.model].level
        if level is None or level < floor.level:
            said = "has no level" if level is None else f"is at level {level}"
            click.echo(f"windlass: {each.name} {said} of {floor.model}, below {floor.level}", err=True)
            raise click.exceptions.Exit(1)
