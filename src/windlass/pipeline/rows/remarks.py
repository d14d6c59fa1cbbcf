"""What must be known of extracted rows besides their number, in words."""

from __future__ import annotations

from collections.abc import Sequence

from windlass.records.data import Ingested


def remarks(ingested: Sequence[Ingested]) -> list[str]:
    """What somebody who reads the numbers of rows must know besides; empty when every row that came counts."""
    found = []
    for each in ingested:
        source = "" if each.source == "rows" else f" of {each.source}"
        if each.rows_equal:
            found.append(f"{_count(each.rows_equal, 'row')}{source} left out, equal to another row of the frame")
        if each.rows_superseded:
            where = "" if each.first_superseded is None else ", such as row {} by row {}".format(*each.first_superseded)
            keys = _count(each.keys_superseded, "key")
            rows = _count(each.rows_superseded, "row")
            found.append(f"{rows}{source} superseded by a later row of the same key ({keys}{where})")
    return found


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
