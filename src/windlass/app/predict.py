"""`windlass predict`: the rows of a file, answered by one version and written beside their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from windlass.app.queries import the_product
from windlass.app.version import the_version
from windlass.app.workspace import Workspace
from windlass.errors import DataError, UsageError
from windlass.product.contract import InvalidRows, Problem
from windlass.serving.files.rows import Rows, WholeFile, open_rows
from windlass.serving.files.scoring import Scorer
from windlass.serving.versions.lineup import Loaded

_SHOWN = 20
"""Bad rows that a message lists."""
Show = Callable[[int, float], object]
"""Hears how many rows are done, and which share of the file."""


@dataclass(frozen=True, kw_only=True)
class PredictedFile:
    """What came of it."""

    product: str
    version: str
    rows: int
    output: Path


def predict_file(
    workspace: Workspace,
    file: Path,
    *,
    output: Path | None,
    version: str | None,
    product: str | None,
    key_only: bool,
    show: Show,
) -> PredictedFile:
    """Answer every row of `file` by the champion, or by `version`; memory holds a stretch of the rows at a time.

    The answers are neither captured nor watched. Raises UsageError and DataError; nothing is written then.
    """
    rows = open_rows(file)
    target = _beside(file) if output is None else output
    if target.resolve() == file.resolve():
        raise UsageError("this is the file that is read", where=str(target), remedy="name another one")
    state = the_product(workspace, product)
    chosen = the_version(state, version)
    loaded = Loaded.of(chosen.version, chosen.digest, workspace.registry.open(state.name, chosen.digest))
    with WholeFile(target) as written:
        count = _score(loaded, rows, written, where=str(file), key_only=key_only, show=show)
        written.finish()
    return PredictedFile(product=state.name, version=chosen.version, rows=count, output=target)


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.stem}.predictions{file.suffix}")


def _score(loaded: Loaded, rows: Rows, written: WholeFile, *, where: str, key_only: bool, show: Show) -> int:
    """Ask about all rows; once one is bad, the rest is only looked through for others."""
    scorer, problems, count = Scorer(loaded, rows.names, where=where), list[Problem](), 0
    for stretch in rows.stretches(loaded.decoder.columns):
        try:
            decoded = scorer.check(stretch)
            if not problems:
                answers = scorer.score(stretch, decoded)
                carried = scorer.carried(stretch, key_only=key_only)
                written.write(pl.concat([carried, answers], how="horizontal"))
        except InvalidRows as error:
            problems += error.problems
        count += stretch.carried.height
        show(count, rows.share)
        if len(problems) >= _SHOWN:
            break
    if problems:
        raise _refused(problems, where)
    if not count:
        raise DataError("there are no rows", where=where, remedy="check what wrote it")
    return count


def _refused(problems: list[Problem], where: str) -> DataError:
    shown = problems[:_SHOWN]
    lines = [_line(problem) for problem in shown]
    more = ["..."] if len(problems) >= _SHOWN else []
    return DataError(
        "\n  ".join([f"some rows of {where} cannot be answered, so nothing was written:", *lines, *more]),
        plain="some rows cannot be answered",
        remedy="mend these rows or leave them out; rows count from 1, the header apart",
    )


def _line(problem: Problem) -> str:
    place = problem.field if problem.row is None else f"row {problem.row}, {problem.field}"
    return f"{place}: {problem.reason}"
