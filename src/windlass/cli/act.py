"""Commands that ask the loop for something; who asked, and why, is kept in the ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.context import ProductOption, ProjectOption, ReasonOption, workspace
from windlass.records.event import CommandName


def pause(*, reason: ReasonOption, product: ProductOption = None, project: ProjectOption = None) -> None:
    """Neither retrain nor release until resumed. Serving and watching go on."""
    _ask("pause", None, reason=reason, product=product, project=project)


def resume(*, reason: ReasonOption, product: ProductOption = None, project: ProjectOption = None) -> None:
    """End a pause."""
    _ask("resume", None, reason=reason, product=product, project=project)


def promote(
    version: Annotated[str, typer.Argument(help="Such as v3.", show_default=False)],
    *,
    reason: ReasonOption,
    product: ProductOption = None,
    project: ProjectOption = None,
) -> None:
    """Make a version the champion now. It skips shadow and canary; probation watches it."""
    _ask("promote", version, reason=reason, product=product, project=project)


def approve(
    version: Annotated[
        str | None, typer.Argument(help="By default the one that is being released.", show_default=False)
    ] = None,
    *,
    reason: ReasonOption,
    product: ProductOption = None,
    project: ProjectOption = None,
) -> None:
    """Agree that a version may answer everyone, where its release asks for that."""
    _ask("approve", version, reason=reason, product=product, project=project)


def rollback(
    version: Annotated[
        str | None, typer.Argument(help="By default the champion before this one.", show_default=False)
    ] = None,
    *,
    reason: ReasonOption,
    product: ProductOption = None,
    project: ProjectOption = None,
) -> None:
    """Let an earlier version answer again. A release under way ends."""
    _ask("rollback", version, reason=reason, product=product, project=project)


def _ask(name: CommandName, version: str | None, *, reason: str, product: str | None, project: ProjectOption) -> None:
    from windlass.app.act import ask
    from windlass.app.queries import the_product

    with workspace(project) as opened:
        message = ask(
            opened, name, product=the_product(opened, product).name, version=version, reason=reason, say=say_aside
        )
        typer.echo(message)


def say_aside(text: str) -> None:
    """On standard error, beside what the command answers."""
    typer.echo(f"windlass: {text}", err=True)


def register(app: typer.Typer) -> None:
    """Mount the commands of this file."""
    for command in (pause, resume, promote, approve, rollback):
        app.command()(command)
