"""R by its calls: scripts, and the chunks of R in documents. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_CALL = re.compile(r"(?<![\w.$@])(?:([A-Za-z][\w.]*):::?)?([A-Za-z.][\w.]*)\s*\((?=([^()]{0,200}))")
_CHUNK = re.compile(r"^\s*```\s*\{r\b[^}]*\}\s*$(.*?)^\s*```\s*$", re.MULTILINE | re.DOTALL | re.IGNORECASE)
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
    parts = [(0, text)]
    if path.lower().endswith((".rmd", ".qmd")):
        parts = [(found.start(1), found[1]) for found in _CHUNK.finditer(text)]
    for start, part in parts:
        code = _NO_CODE.sub(lambda found: '""' if found[1] else "", part)
        first = text.count("\n", 0, start) + 1
        for found in _CALL.finditer(code):
            line = first + code.count("\n", 0, found.start())
            yield RCall(path=path, line=line, name=found[2], given=found[3])
