"""Which names become folders of the lake."""

from __future__ import annotations

import re

from windlass.errors import DataError

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")


def checked(name: str) -> str:
    """A product's or source's name, which becomes a folder."""
    if not _NAME.fullmatch(name):
        raise DataError(
            f"{name!r} cannot name a table",
            where="the lake",
            remedy="use letters, digits, dots, dashes and underscores, at most 128 of them",
        )
    return name
