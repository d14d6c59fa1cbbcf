"""Whom `windlass assess` asks beside the files: people, an MLflow server, the ledger of a workspace."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from windlass.errors import UsageError

if TYPE_CHECKING:
    from windlass.assessment.assess import Amend
    from windlass.assessment.catalogue import Catalogue
    from windlass.assessment.interview import Answer
    from windlass.assessment.live.proof import Proof
    from windlass.assessment.records import Finding

_SHORT = {"y": "yes", "yes": "yes", "n": "no", "no": "no", "-": "not-applicable", "not-applicable": "not-applicable"}


def answered(path: Path, now: datetime, *, ask: bool) -> Amend | None:
    """What people have said of the project, and with `ask` what they say now; None if nobody has said anything."""
    from windlass.assessment.catalogue import load_catalogue
    from windlass.assessment.interview import check_answers_can_be_kept, read_answers, with_answers, write_answers

    catalogue = load_catalogue()
    if ask:
        check_answers_can_be_kept(path)
    kept = read_answers(path, catalogue)
    if not kept and not ask:
        return None

    def amend(findings: Mapping[str, Finding]) -> dict[str, Finding]:
        nonlocal kept
        if ask:
            kept = (*kept, *_ask(catalogue, findings, kept, now, root=path))
            click.echo(f"kept in {write_answers(path, kept)}", err=True)
        return with_answers(findings, kept, catalogue=catalogue, root=path, today=now.date())

    return amend


def _ask(
    catalogue: Catalogue, findings: Mapping[str, Finding], kept: Sequence[Answer], now: datetime, *, root: Path
) -> list[Answer]:
    """Each open question; an empty answer leaves it open, and an end of input all that are left."""
    from windlass.assessment.interview import Answer, open_questions

    questions = open_questions(catalogue, findings, kept)
    click.echo(
        f"{len(questions)} questions. Does it hold? y(es), n(o), - (does not apply), or Enter to leave it open",
        err=True,
    )
    given: list[Answer] = []
    try:
        role = click.prompt("Your role, such as data scientist", err=True)
        for number, practice in enumerate(questions, start=1):
            click.echo(f"\n{number}/{len(questions)} {practice.title}.", err=True)
            click.echo(f"Think of: {practice.detect.interview}", err=True)
            said = _holds()
            if said is not None:
                says = _prompt("In a sentence")
                link = "" if said == "no" else _artifact(root)
                given.append(Answer(practice=practice.id, answer=said, role=role, at=now.date(), says=says, link=link))
    except click.Abort:
        click.echo("\nleft there; what was answered is kept", err=True)
    return given


def _holds() -> str | None:
    """What a person says to the sentence above; None if it is left open."""
    while True:
        said = _prompt("Does it hold (y, n, -, Enter)").lower()
        if not said:
            return None
        if said in _SHORT:
            return _SHORT[said]
        click.echo(f"{said!r} is none of the answers: y(es), n(o), - (does not apply), or Enter", err=True)


def _artifact(root: Path) -> str:
    """What shows it: an address, or a path that is there; "" if nothing does."""
    from windlass.assessment.interview import is_there

    while True:
        link = _prompt("What shows it (path or address, Enter for nothing)")
        if not link or is_there(link, root):
            return link
        click.echo(f"there is no {link!r} in {root}: give a path from there, or an address with https://", err=True)


def _prompt(question: str) -> str:
    return str(click.prompt(question, default="", show_default=False, err=True)).strip()


def asked_live(path: Path, now: datetime) -> Amend:
    """What live systems show; UsageError if there is none to ask."""
    from windlass.assessment.live.proof import with_proofs

    proofs: list[Proof] = []
    watched: list[str] = []
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    asked = address.startswith(("http://", "https://"))
    tracked = False
    if asked:
        from windlass.assessment.live.mlflow import MlflowServer, holds_more, proofs_of_mlflow

        server = MlflowServer(address, os.environ)
        proofs += proofs_of_mlflow(server)
        tracked = not holds_more(server)
    events = _ledger(path)
    if events is not None:
        proofs += events
        from windlass.assessment.live.ledger import WATCHED

        watched += WATCHED
    if not asked and events is None:
        kind = address.partition(":")[0]
        named = f": MLFLOW_TRACKING_URI names {kind}, which is no server" if kind else ""
        raise UsageError(
            f"there is no live system to ask{named}",
            where="--live",
            remedy="set MLFLOW_TRACKING_URI to the address of a server, or assess a project with a Windlass workspace",
        )
    return lambda findings: with_proofs(findings, proofs, watched=watched, now=now, tracked=tracked)


def _ledger(path: Path) -> list[Proof] | None:
    """What the ledger of the project's workspace proves; None if there is none."""
    from windlass.app.workspace import Workspace
    from windlass.assessment.live.ledger import proofs_of_ledger
    from windlass.settings import load_settings

    settings = load_settings(directory=path, flags={})
    workspace = Workspace(settings)
    if not settings.ledger and not workspace.paths.ledger.is_file():
        return None
    try:
        return list(proofs_of_ledger(workspace.ledger.events()))
    finally:
        workspace.close()
