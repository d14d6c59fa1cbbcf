"""A table that a person reads, as far as the terminal has room for one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from windlass.cli.entries import Entry, print_entries
from windlass.cli.output import Row, console, line_width, print_json, say

_WORD = 32
"""More than an id has letters; longer words may be broken."""
_BETWEEN = 3
"""Between two columns."""


def print_rows(rows: Sequence[Row], *, as_json: bool, title: str, empty: str) -> None:
    """Rows with the same keys: a table, or a JSON array. `empty` is said when there are none.

    Where the terminal is too narrow for the words of all columns each row is a block, with a line for each column.
    """
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        console().print(f"[dim]{empty}[/dim]")
        return
    names = [name.replace("_", " ").strip() for name in rows[0]]
    values = [list(row.values()) for row in rows]
    moments = [any(isinstance(value, datetime) for value in column) for column in zip(*values, strict=True)]
    heads = [f"{name} (UTC)" if at else name for name, at in zip(names, moments, strict=True)]
    cells = [[say(value).removesuffix(" UTC") for value in own] for own in values]
    widths = _widths(list(zip(heads, *cells, strict=True)), room=line_width() - _BETWEEN * len(names))
    if widths is None:
        print_entries([_block(names, own) for own in values], title=title, empty=empty)
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for head, width in zip(heads, widths, strict=True):
        table.add_column(head, overflow="fold", width=width)
    for own in cells:
        table.add_row(*map(Text, own))
    console().print(table)


def _widths(columns: Sequence[Sequence[str]], *, room: int) -> list[int] | None:
    """Of columns in which no word is broken unless it is longer than any id; None where these do not fit."""
    widths = [min(_WORD, max(len(word) for text in column for word in text.split() or [""])) for column in columns]
    whole = [max(map(len, column)) for column in columns]
    left = room - sum(widths)
    if left < 0:
        return None
    narrowest_first = sorted(range(len(columns)), key=lambda place: whole[place] - widths[place])
    for turn, place in enumerate(narrowest_first):
        more = min(whole[place] - widths[place], left // (len(columns) - turn))
        widths[place] += more
        left -= more
    return widths


def _block(names: Sequence[str], values: Sequence[object]) -> Entry:
    return Entry(head=(f"{names[0]} {say(values[0])}",), more=tuple(zip(names[1:], values[1:], strict=True)))
