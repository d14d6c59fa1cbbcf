"""R by its calls: scripts, and the chunks of R in documents. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_CALL = re.compile(r"(?<![\w.$@])(?:([A-Za-z][\w.]*):::?)?([A-Za-z.][\w.]*)\s*\((?=([^()]{0,200}))")
_OPENS = re.compile(r"\s*```+\s*\{r\b[^}]*\}\s*", re.IGNORECASE)
_CLOSES = re.compile(r"\s*```+\s*")
_NO_CODE = re.compile(r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|#[^\n]*""")


class RCall(msgspec.Struct, frozen=True, gc=False):
    """One call as written."""

    path: str
    line: int
    name: str
    """Without its package."""
    given: str
    """The beginning of what it is given, up to the first bracket in it, without texts."""


def read_r(path: str, text: str) -> Iterator[RCall]:
    """The calls of a script, or of the chunks of a document, in order; comments and texts are no code."""
    parts = list(_chunks(text)) if path.lower().endswith((".rmd", ".qmd")) else [(1, text)]
    for first, part in parts:
        line = first
        code = _NO_CODE.sub(lambda found: '""' if found[1] else "", part)
        place = 0
        for found in _CALL.finditer(code):
            line += code.count("\n", place, found.start())
            place = found.start()
            yield RCall(path=path, line=line, name=found[2], given=found[3])


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """(line, code) of each chunk, from one pass: whoever opens thousands and closes none gets no more than that."""
    kept: list[str] = []
    begun = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not begun:
            begun = number + 1 if _OPENS.fullmatch(line) else 0
        elif _CLOSES.fullmatch(line):
            yield begun, "\n".join(kept)
            kept, begun = [], 0
        else:
            kept.append(line)
