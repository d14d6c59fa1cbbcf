"""One self-contained HTML page: everything in one file, nothing fetched, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from windlass.web.charts import Chart

if TYPE_CHECKING:
    from jinja2 import Template


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = "text"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number that should be seen first."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A row of numbers."""

    figures: Sequence[Figure]
    kind: str = "figures"


@dataclass(frozen=True, kw_only=True)
class Column:
    """How one column of a table is headed and set."""

    name: str
    number: bool = False
    tight: bool = False
    """Never broken over lines."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells; a list as a cell is shown one line each. `strong` names the rows to be set off. In a `stacked`
    table what may be broken stands below the rest of its row where the screen is narrow."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Sequence[str]]]
    strong: frozenset[int] = field(default_factory=frozenset)
    stacked: bool = False
    empty: str = "nothing"
    kind: str = "table"


@dataclass(frozen=True, kw_only=True)
class Card:
    """One of many things of a kind: its name, its picture and a few facts."""

    name: str
    kind: str
    facts: Sequence[tuple[str, str]]
    note: str = ""
    strong: bool = False
    svg: Markup | None = None


@dataclass(frozen=True, kw_only=True)
class Cards:
    """Cards side by side, as many as fit; `legend` names what is drawn first and second in each picture."""

    cards: Sequence[Card]
    legend: tuple[str, str]
    kind: str = "cards"


Block = Text | Figures | Table | Chart | Cards


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    blocks: Sequence[Block]


def render_page(title: str, sections: Sequence[Section], *, subtitle: str = "") -> str:
    """The page as HTML text. Whatever a text holds, it is shown, never run."""
    return _template().render(title=title, subtitle=subtitle, sections=sections)


def _look(column: Column) -> str:
    return " ".join(name for name, yes in (("number", column.number), ("tight", column.tight)) if yes)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("windlass.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["line"] = lambda cell: isinstance(cell, str)
    environment.filters["look"] = _look
    return environment.get_template("page.html.j2")
