"""A list that a person reads: one line for each thing, in columns, and what there is to say about it below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import click

from windlass.cli.output import line_width, say

_INDENT = " " * 4
_GAP = " " * 2


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing."""

    head: tuple[object, ...]
    """Its line, one cell for each column; every entry of a list has as many."""
    more: tuple[tuple[str, object], ...] = ()
    """What is said below, each under a name; what is None is left out."""


def print_entries(entries: Sequence[Entry], *, title: str, columns: Sequence[str] = (), empty: str) -> None:
    """Print the list under its title. A cell is never broken, what is said below is broken between words.

    Plain text, since `status` and `trace` need nothing else: Rich would be a tenth of what they take.
    """
    if not entries:
        click.secho(empty, dim=True)
        return
    heads = [[_cell(cell) for cell in entry.head] for entry in entries]
    titles = [list(columns)] if columns else []
    widths = [max(map(len, cells)) for cells in zip(*titles, *heads, strict=True)]
    if title:
        click.secho(title, bold=True)
    for line in titles:
        click.secho(_line(line, widths), dim=True)
    for entry, cells in zip(entries, heads, strict=True):
        click.echo(_line(cells, widths))
        said = [(name, say(value)) for name, value in entry.more if value is not None]
        longest = max((len(name) for name, _ in said), default=0)
        for name, text in said:
            lines = _broken(text, line_width() - len(_INDENT) - longest - len(_GAP))
            label = click.style(name.ljust(longest), dim=True)
            click.echo(f"{_INDENT}{label}{_GAP}{lines[0]}")
            for further in lines[1:]:
                click.echo(f"{_INDENT}{' ' * longest}{_GAP}{further}")


def _cell(value: object) -> str:
    return "" if value is None else say(value)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _broken(text: str, room: int) -> list[str]:
    """The lines of a text that has `room` for so many characters."""
    broken = (wrap(line, max(room, 1), break_on_hyphens=False) for line in text.splitlines())
    return [part for parts in broken for part in parts or [""]] or [""]
