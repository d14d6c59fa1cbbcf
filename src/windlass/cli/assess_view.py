"""An assessment as a person reads it in the terminal: levels, what holds them up, what to do first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from windlass.cli.output import console

if TYPE_CHECKING:
    from rich.console import Console

    from windlass.assessment.records import Assessment, Evidence, Finding, ModelScore

_TONES = {"proven": "bold green", "wired": "green", "present": "yellow", "declared": "dim yellow", "absent": "dim"}
_MOST_BLOCKERS = 6
_MOST_INVESTMENTS = 5


def show(found: Assessment) -> None:
    """Print the whole report; of a monorepo one after another."""
    from rich.text import Text

    out = console()
    for each in found.projects or (found,):
        out.print(Text(f"{each.name}", style="bold"), Text(f"{each.kind}, rules {each.rules}, from {each.mode}"))
        out.print(Text(each.kind_why, style="dim"))
        if any(score.level is not None for score in each.models.values()):
            _levels(out, each)
            _practices(out, each)
            _investments(out, each)
    _unread(out, found)


def _levels(out: Console, found: Assessment) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "level", "touched", "complete", "dimensions"):
        table.add_column(name, overflow="fold")
    scores = {name: score for name, score in found.models.items() if score.level is not None}
    for name, score in scores.items():
        table.add_row(name, _level(score), str(score.touched), _percent(score), _dimensions(score))
    out.print(table)
    for name, score in scores.items():
        if score.blockers:
            out.print(Text().append(f"{name} {score.next_level}", "bold").append(f" still needs {_blockers(score)}"))


def _level(score: ModelScore) -> str:
    return f"{score.level} {score.names.get(str(score.level), '')}".strip()


def _percent(score: ModelScore) -> str:
    return "-" if score.completeness is None else f"{score.completeness:.0f} %"


def _dimensions(score: ModelScore) -> str:
    return "\n".join(f"{name} {'not assessed' if level is None else level}" for name, level in score.dimensions.items())


def _blockers(score: ModelScore) -> str:
    shown = ", ".join(score.blockers[:_MOST_BLOCKERS])
    more = len(score.blockers) - _MOST_BLOCKERS
    return f"{shown} and {more} more" if more > 0 else shown


def _practices(out: Console, found: Assessment) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.style import Style
    from rich.table import Table
    from rich.text import Text

    from windlass.assessment.report.places import address_of, place_of

    table = Table(title="What was found", title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("state", "practice", "where", "why"):
        table.add_column(name, overflow="fold", no_wrap=name == "practice")  # it is looked up by
    shown = [each for each in found.practices if each.evidence or each.turned_down]
    for each in sorted(shown, key=lambda one: (-one.state.rank, one.id)):
        place, why = _proof(each)
        where = Text(place_of(place), style=Style(link=address_of(found, place) or None))
        table.add_row(Text(each.state, style=_TONES.get(each.state, "")), each.id, where, Text(why))
    out.print(table)


def _proof(finding: Finding) -> tuple[Evidence, str]:
    if finding.evidence:
        return finding.evidence[0], finding.evidence[0].why
    return finding.turned_down[0], f"turned down: {finding.turned_down[0].why}"


def _investments(out: Console, found: Assessment) -> None:
    from rich.text import Text

    if found.target is not None:
        out.print(Text(f"Target: {found.target.model} {found.target.level}. {found.target.why}"))
    if found.investments:
        out.print(Text("What to do first", style="bold"))
    for number, each in enumerate(found.investments[:_MOST_INVESTMENTS], start=1):
        least, most = each.days
        levels = f", for {', '.join(each.unlocks)}" if each.unlocks else ""
        out.print(Text(f"{number}. {each.title} ({each.id}): {least}-{most} person-days{levels}"))
        out.print(Text(f"   {'; '.join(each.steps)}", style="dim"))


def _unread(out: Console, found: Assessment) -> None:
    from rich.text import Text

    if found.unread:
        out.print(Text(f"{len(found.unread)} files or parts of files could not be read:", style="bold"))
        for each in found.unread[:10]:
            out.print(Text(f"   {each.path}: {each.why}", style="dim"))


def show_history(path: Path) -> None:
    """Print the path so far: levels, and what made the difference."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from windlass.assessment.assess import check_folder
    from windlass.assessment.history import changes, read_history

    check_folder(path)
    out = console()
    found = changes(read_history(path))
    if not found:
        out.print("[dim]no assessment of this project is kept yet[/dim]")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("at", "commit", "rules", "from", "levels", "because of", "what moved"):
        table.add_column(name, overflow="fold")
    for each in found:
        levels = ", ".join(f"{name} {level}" for name, level in each.now.levels.items() if level is not None)
        moved = "\n".join((*each.better, *each.worse)) or "-"
        commit = (each.now.commit or "-")[:10]
        table.add_row(
            each.now.at[:16], commit, each.now.rules, each.now.mode, levels or "no level", each.cause, Text(moved)
        )
    out.print(table)
