"""Commands that ask the loop for something; who asked, and why, is kept in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from windlass.cli.context import product_option, project_option, reason_option, workspace
from windlass.records.event import CommandName

if TYPE_CHECKING:
    from windlass.controller.context import LoopContext


@click.command()
@reason_option
@product_option
@project_option
def pause(*, reason: str, product: str | None, project: Path | None) -> None:
    """Neither retrain nor release until resumed. Serving and watching go on."""
    _ask("pause", None, reason=reason, product=product, project=project)


@click.command()
@reason_option
@product_option
@project_option
def resume(*, reason: str, product: str | None, project: Path | None) -> None:
    """End a pause."""
    _ask("resume", None, reason=reason, product=product, project=project)


@click.command()
@click.argument("version", help="Such as v3.")
@reason_option
@product_option
@project_option
def promote(version: str, *, reason: str, product: str | None, project: Path | None) -> None:
    """Make a version the champion now. It skips shadow and canary; probation watches it."""
    _ask("promote", version, reason=reason, product=product, project=project)


@click.command()
@click.argument("version", required=False, help="By default the one that is being released.")
@reason_option
@product_option
@project_option
def approve(version: str | None, *, reason: str, product: str | None, project: Path | None) -> None:
    """Agree that a version may answer everyone."""
    from windlass.app.act import carry_out, release_candidate

    def act(context: LoopContext, name: str) -> None:
        carry_out(context)
        release_candidate(context, name)  # nobody else would go on with it

    _ask("approve", version, reason=reason, product=product, project=project, act=act)


@click.command()
@click.argument("version", required=False, help="By default the champion before this one.")
@reason_option
@product_option
@project_option
def rollback(version: str | None, *, reason: str, product: str | None, project: Path | None) -> None:
    """Let an earlier version answer again. A release under way ends."""
    _ask("rollback", version, reason=reason, product=product, project=project)


def _ask(
    name: CommandName,
    version: str | None,
    *,
    reason: str,
    product: str | None,
    project: Path | None,
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
        click.echo(message)


def say_aside(text: str) -> None:
    """On standard error, beside what the command answers."""
    click.echo(f"windlass: {text}", err=True)
