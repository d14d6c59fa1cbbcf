"""Notebooks cell by cell, also those that were cut off."""

from __future__ import annotations

import json
import re
from typing import Any

from msgspec import structs

from windlass.assessment.reading.code import Module
from windlass.assessment.reading.python import NotPython, read_python

_CELLS = re.compile(r'"cells"\s*:\s*\[')
_MAGIC = re.compile(r"^\s*[%!?].*$|^.*\?\s*$", re.MULTILINE)


def read_notebook(path: str, text: str) -> Module:
    """The code of all cells as one module whose lines are the numbers of cells; NotPython if there are none."""
    cells = _cells(text)
    if not cells:
        raise NotPython("no cells can be read in it")
    module = Module(path=path)
    for number, cell in enumerate(cells, start=1):
        if cell.get("cell_type") == "code":
            _add(module, cell, number)
    return module


def _add(module: Module, cell: dict[str, Any], number: int) -> None:
    source = cell.get("source", cell.get("input", ""))
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    if text.lstrip().startswith("%%") and not text.lstrip().startswith(("%%time", "%%capture")):
        return
    # Names that earlier cells imported are known to later ones.
    known = "".join(f"import {full} as {name}\n" for name, full in module.imports.items() if name.isidentifier())
    try:
        read = read_python(module.path, known + _MAGIC.sub("pass", text))
    except NotPython:
        return  # one cell of scratch work; the others count all the same
    _renumber(read, number)
    for name, function in read.functions.items():
        kept = module.functions.setdefault(name, function)
        if kept is not function:
            kept.calls += function.calls
            kept.asserts += function.asserts
            kept.words += f"\n{function.words}"
    module.classes |= read.classes
    module.imports |= read.imports
    for full in read.import_lines:
        module.import_lines.setdefault(full, number)
    module.packages |= read.packages


def _renumber(module: Module, number: int) -> None:
    for function in module.functions.values():
        function.line = number
        function.calls = [structs.replace(call, line=number) for call in function.calls]


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
