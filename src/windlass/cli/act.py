"""Commands that ask the loop for something; who asked, and why, is kept in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from windlass.cli.context import ProductOption, ProjectOption, ReasonOption, workspace
from windlass.records.event import CommandName

if TYPE_CHECKING:
    from windlass.controller.context import LoopContext


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
    """Agree that a version may answer everyone."""
    from windlass.app.act import carry_out, release_candidate

    def act(context: LoopContext, name: str) -> None:
        carry_out(context)
        release_candidate(context, name)  # nobody else would go on with it

    _ask("approve", version, reason=reason, product=product, project=project, act=act)


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


def _ask(
    name: CommandName,
    version: str | None,
    *,
    reason: str,
    product: str | None,
    project: ProjectOption,
    act: Callable[[LoopContext, str], None] | None = None,
) -> None:
    """`act`: what to do where no controller runs; by default what was asked for, and no more."""
    from windlass.app.act import ask, carry_out
    from windlass.app.queries import the_product

    with workspace(project) as opened:
        named = the_product(opened, product).name
        message = ask(
            opened,
            name,
            product=named,
            version=version,
            reason=reason,
            say=say_aside,
            act=carry_out if act is None else lambda context: act(context, named),
        )
        typer.echo(message)


def say_aside(text: str) -> None:
    """On standard error, beside what the command answers."""
    typer.echo(f"windlass: {text}", err=True)


def register(app: typer.Typer) -> None:
    """Mount the commands of this file."""
    for command in (pause, resume, promote, approve, rollback):
        app.command()(command)
