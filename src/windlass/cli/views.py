"""Where things stand, as a person reads it in eighty columns. Programs get the same rows, whole, with `--json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from windlass.cli.entries import Entry, print_entries
from windlass.cli.output import ago, console, minute, print_record, say

Row = Mapping[str, Any]
_BY_PEOPLE = ("command.requested", "command.withdrawn")
"""Events whose sentence begins with who did it."""


def show_status(rows: Sequence[Row], *, now: datetime) -> None:
    """A block for each product."""
    entries = []
    for row in rows:
        since = (
            f"{row['champion']}, since {minute(row['since'])} UTC ({ago(row['since'], now)})" if row["since"] else None
        )
        incidents = row["incidents"]
        more = (
            ("champion", since or "none yet"),
            ("watched against", row["watched_against"]),
            ("answers with", row["answers_with"]),
            ("release", row["release"]),
            ("A/B test", row["experiment"]),
            ("run", row["run"]),
            ("alarms", row["alarms"]),
            ("incidents", f"{incidents} open: see `windlass incidents`" if incidents else None),
            ("paused", row["paused"]),
            ("next", row["next"]),
            ("loop", f"run by {row['loop']}" if row["loop"] else "nobody runs it: `windlass up`"),
        )
        entries.append(Entry(head=(row["product"],), more=more))
    print_entries(entries, title="Products", empty="no product has been declared yet")


def show_versions(rows: Sequence[Row]) -> None:
    """A line for each version; `windlass versions VERSION` has the rest."""
    entries = [
        Entry(
            head=(
                row["version"],
                row["role"],
                minute(row["registered"]),
                f"{row['metric']} {say(row['metrics'][row['metric']])}" if row["metric"] else "",
                row["run"] or "imported",
            )
        )
        for row in rows
    ]
    columns = ("version", "role", "registered (UTC)", "on its holdout", "made by")
    print_entries(entries, title="Versions", columns=columns, empty="no version has been registered yet")


def show_runs(rows: Sequence[Row]) -> None:
    """A line for each run, and below why it ran and what was wrong with it."""
    entries = [
        Entry(
            head=(
                minute(row["started"]),
                row["run"],
                *_products(rows, row),
                f"{row['outcome']} {row['version'] or ''}".rstrip(),
                None if row["seconds"] is None else f"{row['seconds']:.1f} s",
            ),
            more=(
                ("name", row["name"]),
                (row["trigger"], row["reason"]),
                ("why", row["error"]),
                ("remedy", row["remedy"]),
                ("remarks", row["remarks"]),
            ),
        )
        for row in rows
    ]
    columns = ("started (UTC)", "run", *_products(rows), "outcome", "took")
    print_entries(entries, title="Runs", columns=columns, empty="nothing has run yet")


def show_releases(rows: Sequence[Row]) -> None:
    """A line for each release, and below the stages that it went through and the last reason."""
    entries = [
        Entry(
            head=(
                minute(row["started"]),
                *_products(rows, row),
                f"{row['version']} instead of {row['previous']}" if row["previous"] else row["version"],
                row["outcome"],
            ),
            more=(
                ("stages", ", then ".join(row["stages"]) or None),
                ("because", row["reason"]),
                ("id", row["release"]),
            ),
        )
        for row in rows
    ]
    columns = ("started (UTC)", *_products(rows), "version", "outcome")
    print_entries(entries, title="Releases", columns=columns, empty="nothing has been released yet")


def show_experiments(rows: Sequence[Row]) -> None:
    """A line for each test, and below why it was asked for and how it ended."""
    entries = [
        Entry(
            head=(
                minute(row["started"]),
                f"{row['b']} on {row['split']:.0%} beside {row['a']}",
                row["metric"],
                row["verdict"],
            ),
            more=((row["by"], row["why"]), ("because", row["reason"]), ("id", row["experiment"])),
        )
        for row in rows
    ]
    columns = ("started (UTC)", "versions", "metric", "verdict")
    print_entries(entries, title="A/B tests", columns=columns, empty="nothing has been tested yet")


def show_experiment(row: Row) -> None:
    """One test and its figures."""
    show_experiments([row])
    print_record(row["numbers"], as_json=False, title="\nFigures")


def show_alarms(rows: Sequence[Row]) -> None:
    """A line for each alarm, and below what it rests on."""
    entries = [
        Entry(
            head=(
                minute(row["raised"]),
                *_products(rows, row),
                row["signal"] if row["version"] is None else f"{row['signal']} of {row['version']}",
                _over(row["cleared"]),
            ),
            more=(("because", row["reason"]), ("likely", row["likely"]), ("id", row["alarm"])),
        )
        for row in rows
    ]
    columns = ("raised (UTC)", *_products(rows), "alarm", "cleared (UTC)")
    print_entries(entries, title="Alarms", columns=columns, empty="no alarm has been raised")


def show_incidents(rows: Sequence[Row]) -> None:
    """A line for each incident, and below its cause and what helps."""
    entries = [
        Entry(
            head=(minute(row["opened"]), *_products(rows, row), row["title"], _over(row["closed"])),
            more=(
                ("cause", row["cause"]),
                ("remedy", None if row["closed"] else row["remedy"]),
                ("closed", row["resolution"]),
                ("id", row["incident"]),
            ),
        )
        for row in rows
    ]
    columns = ("opened (UTC)", *_products(rows), "incident", "closed (UTC)")
    print_entries(entries, title="Incidents", columns=columns, empty="no incident has been opened")


def show_events(rows: Sequence[Row]) -> None:
    """A line for each event under its day."""
    if not rows:
        console().print("nothing has happened yet", style="dim")
    for day, of_day in groupby(rows, key=lambda row: row["at"].date()):
        console().print(f"{day} (UTC)", style="bold")
        _print_events(list(of_day), moment="%H:%M:%S")


def show_event(row: Row) -> None:
    """One that has just happened."""
    _print_events([row], moment="%Y-%m-%d %H:%M:%S")


def _print_events(rows: Sequence[Row], *, moment: str) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        by = f"{row['actor']} " if row["kind"] in _BY_PEOPLE else ""
        table.add_row(f"{row['at']:{moment}}", row["product"] or "", Text(f"{by}{row['what']}"))
    console().print(table)


def show_tables(rows: Sequence[Row]) -> None:
    """A line for each table of the lake."""
    entries = [
        Entry(
            head=(
                *_products(rows, row),
                row["table"],
                f"{row['rows']:,}".rjust(12),
                f"{row['bytes'] / 1e6:,.1f} MB".rjust(10),
                "" if row["first"] is None else minute(row["first"]),
                "" if row["last"] is None else minute(row["last"]),
            )
        )
        for row in rows
    ]
    columns = (*_products(rows), "table", "rows".rjust(12), "size".rjust(10), "from (UTC)", "to (UTC)")
    print_entries(entries, title="Tables", columns=columns, empty="the lake is empty")


def _products(rows: Sequence[Row], row: Row | None = None) -> tuple[str, ...]:
    """A column for the product, where there are several: its title, or the cell of `row`."""
    if len({each["product"] for each in rows}) < 2:
        return ()
    return ("product",) if row is None else (row["product"] or "",)


def _over(moment: datetime | None) -> str:
    return "open" if moment is None else minute(moment)
