"""Notebooks cell by cell, also those that were cut off."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any

from msgspec import structs

from windlass.assessment.reading.code import Module
from windlass.assessment.reading.python import NotPython, read_python

MOST_CODE = 200_000
"""Letters. To parse them takes up to a thousand times as much memory."""
_CELLS = re.compile(r'"cells"\s*:\s*\[')
_MAGIC = re.compile(r"^\s*[%!?].*$|^.*\?\s*$", re.MULTILINE)


def read_notebook(path: str, text: str) -> Module:
    """The code of all cells as one module whose lines are the numbers of cells; NotPython if there are none."""
    cells = _cells(text)
    if not cells:
        raise NotPython("no cells can be read in it")
    sources = [(number, _source(cell)) for number, cell in enumerate(cells, start=1) if cell.get("cell_type") == "code"]
    fitting = [up_to <= MOST_CODE for up_to in accumulate(len(text) for _, text in sources)]
    sources, left = sources[: sum(fitting)], len(sources) - sum(fitting)
    try:
        module = _read(path, sources)
    except NotPython:  # a cell of scratch work; the others count all the same
        module = _read(path, [each for each in sources if _is_python(path, each[1])])
    if left:
        module.left_out = f"more than {MOST_CODE // 1_000:,} KB of code: its last {left:,} cells were left out"
    return module


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    if text.lstrip().startswith("%%") and not text.lstrip().startswith(("%%time", "%%capture")):
        return ""
    return _MAGIC.sub("pass", text)


def _is_python(path: str, text: str) -> bool:
    try:
        read_python(path, text)
    except NotPython:
        return False
    return True


def _read(path: str, sources: list[tuple[int, str]]) -> Module:
    """Cells as one file: what one of them defines, imports or makes is known to those that come after it."""
    module = read_python(path, "\n".join(text for _, text in sources))
    numbers = [0, *(number for number, text in sources for _ in range(text.count("\n") + 1))]
    for function in module.functions.values():
        function.line = _cell_of(numbers, function.line)
        function.calls = [structs.replace(call, line=_cell_of(numbers, call.line)) for call in function.calls]
    for full, line in module.import_lines.items():
        module.import_lines[full] = _cell_of(numbers, line)
    return module


def _cell_of(numbers: list[int], line: int) -> int:
    """The number of the cell that a line of all of them together lies in."""
    return numbers[line] if line < len(numbers) else 1


def _cells(text: str) -> list[dict[str, Any]]:
    """Each whole cell; the last one of a file that was cut off is lost."""
    start = _CELLS.search(text)
    if start is None:
        return []
    decoder, place = json.JSONDecoder(), start.end()
    found: list[dict[str, Any]] = []
    while True:
        while place < len(text) and text[place] in ", \t\r\n":
            place += 1
        if place >= len(text) or text[place] != "{":
            return found
        try:
            cell, place = decoder.raw_decode(text, place)
        except (json.JSONDecodeError, RecursionError):
            return found
        if isinstance(cell, dict):
            found.append(cell)
