"""Profiles and drift as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from windlass.cli.output import console, say

if TYPE_CHECKING:
    from windlass.monitoring.column import ColumnProfile
    from windlass.monitoring.profiles import Profile
    from windlass.monitoring.report import Comparison, DriftReport, ReportedColumn

_LARGE = 1e6
_MOST = 20
"""Lines that a person reads; the rest is in the JSON and on the page."""


def print_profile(profile: Profile, *, title: str, written: Path, seconds: float) -> None:
    """The columns, and where the profile lies."""
    if profile.columns:
        _table(
            ["column", "kind", "missing", "distinct", "least", "mean", "most"],
            [_profiled(column) for column in profile.columns[:_MOST]],
            title=f"{title}: {profile.rows:,} rows",
        )
    else:
        console().print(f"{title}: {profile.rows:,} rows, and no column that can be watched", style="bold yellow")
    _more(len(profile.columns) - _MOST)
    _unwatched(profile.unwatched)
    console().print(f"Written to {written} in {seconds:.1f} s.", highlight=False)
    if profile.columns:
        console().print(f"Next: windlass drift {written} CURRENT", style="dim")


def print_report(compared: Comparison, *, title: str, written: Sequence[Path]) -> None:
    """The verdict, the columns that matter, and what to do next."""
    report = compared.report
    out = console()
    colour = "bold red" if report.alert else "bold green" if report.judged else "bold yellow"
    out.print(f"[{colour}]{verdict_of(report)}[/]  ", end="")
    out.print(f"{title}: {report.rows.current:,} rows against {report.rows.reference:,}", markup=False)
    for reason in report.reasons:
        out.print(reason, markup=False)
    order = sorted(report.columns, key=lambda column: (not column.alert, -column.evidence))
    shown = [column for column in order if column.alert][:_MOST] or order[:5]
    names = ["column", "kind", "PSI", "shift, sd", "Wasserstein", "missing", "evidence"]
    _table(names, [_line(each, gone=each.name in report.vanished) for each in shown])
    _more(sum(column.alert for column in order) - _MOST)
    _unwatched(report.unwatched)
    for line in _said(report):
        out.print(line, markup=False)
    if written:
        out.print(f"Written: {', '.join(map(str, written))}", markup=False)


def verdict_of(report: DriftReport) -> str:
    """The answer in a word or two."""
    return "DRIFT" if report.alert else "No drift" if report.judged else "Not judged"


def _said(report: DriftReport) -> list[str]:
    needed = f"{report.evidence_needed:,.0f}"
    together = "" if report.windows == 1 else f" over {report.windows} windows"
    lines = [f"Mean evidence {evidence(report.evidence)}{together}; an alert needs {needed}."]
    limits = [column.least_shift for column in report.columns if column.least_shift is not None]
    if report.again:
        lines.append("These rows were judged last time already, so they were not counted again.")
    if limits:
        lines.append(
            f"The reference has {report.rows.reference:,} rows: no shift of a mean below {max(limits):.3f} standard "
            "deviations can be told from its own noise, however long one waits."
        )
    if report.unknown:
        lines.append(f"Not in the reference, so not judged: {listed(report.unknown)}.")
    if report.uneven:
        lines.append(
            f"The reference is uneven: stretches of its rows differ in {listed(report.uneven, most=3)}. "
            "If these are its seasons, give --seasons; if not, its rows are no independent sample: alerts mean less."
        )
    if report.alert:
        lines.append(
            "Next: look at both distributions (--html PAGE). If the source is at fault, mend it; if the world changed, "
            "train again and take a new reference."
        )
    return lines


def evidence(value: float) -> str:
    """Evidence as a person reads it: beyond a million its size is all that matters."""
    return f"{value:.0e}" if value >= _LARGE else say(value)


def listed(names: Sequence[str], *, most: int = _MOST) -> str:
    """The first of the names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _line(column: ReportedColumn, *, gone: bool) -> list[str]:
    effect = column.effect
    figures = (effect.psi, effect.shift, effect.wasserstein)
    return [
        column.name,
        column.kind,
        *(say(each) for each in figures),
        "-" if gone else f"{effect.missing_change:+.1%}",
        evidence(column.evidence),
    ]


def _profiled(column: ColumnProfile) -> list[str]:
    share = column.missing / max(column.rows, 1)
    about = "about " if column.distinct > 100_000 else ""
    figures = (column.minimum, column.mean, column.maximum)
    return [column.name, column.kind, f"{share:.1%}", f"{about}{column.distinct:,}", *(say(each) for each in figures)]


def _table(names: list[str], rows: list[list[str]], *, title: str = "") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(names):
        table.add_column(name, overflow="fold", justify="left" if place < 2 else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


def _more(count: int) -> None:
    if count > 0:
        console().print(f"... and {count} more", style="dim")


def _unwatched(unwatched: dict[str, str]) -> None:
    if unwatched:
        listed = "; ".join(f"{name}: {why}" for name, why in list(unwatched.items())[:_MOST])
        console().print(f"Not judged by their values: {listed}", markup=False)
