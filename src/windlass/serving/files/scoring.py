"""Rows of a file, answered by one version: the checks of a request, and the answers beside the rows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import polars as pl

from windlass.errors import DataError, UsageError
from windlass.product.contract import Decoded, InvalidRows, Problem
from windlass.serving.files.rows import Stretch
from windlass.serving.versions.asking import answer, labels_of, problems_in, told_of
from windlass.serving.versions.lineup import Loaded

_SHOWN = 40
"""Characters of a cell that a message shows."""
SCORE, LABEL, VERSION = "prediction_score", "prediction_label", "prediction_version"


class Scorer:
    """One version, asked about stretches of a file."""

    def __init__(self, loaded: Loaded, names: Sequence[str], *, where: str) -> None:
        """`names` are the file's columns. Raises DataError when one that must come is missing or bears a name of
        the answer's own."""
        self._loaded = loaded
        self._where = where
        columns = loaded.decoder.columns
        missing = [column.name for column in columns if column.required and column.name not in names]
        if missing:
            told = ", ".join(missing)
            raise DataError(
                f"the file lacks columns that {loaded.version} needs: {told}",
                where=where,
                remedy="add them, empty where they are not known",
            )
        taken = sorted({*self.answers} & {*names})
        if taken:
            told = f"the file has a column {taken[0]!r} already, as the answers do"
            raise DataError(told, where=where, remedy="rename it, or leave it out")

    @property
    def answers(self) -> tuple[str, ...]:
        """Names of the columns that an answer has."""
        classes = self._loaded.manifest.classes if self._loaded.task.kind == "multiclass" else ()
        label = () if self._loaded.task.kind == "regression" else (LABEL,)
        return (SCORE, *label, *(f"probability_{name}" for name in classes), VERSION)

    def check(self, stretch: Stretch) -> Decoded:
        """The rows, decoded. Raises InvalidRows with the file's own numbers of the rows that do not fit."""
        decoder, problems = self._loaded.decoder, _infinite(stretch)
        try:
            decoded = decoder.from_columns(stretch.values)
            (refusal,) = decoder.check([decoded])
            if refusal is not None:
                raise refusal
        except InvalidRows as error:
            problems += (_with_cell(problem, stretch) for problem in error.problems)
        if problems:
            raise InvalidRows.of(_numbered(problems, stretch.first))
        return decoded

    def score(self, stretch: Stretch, decoded: Decoded) -> pl.DataFrame:
        """The answers to n rows, one each.

        Raises InvalidRows naming the rows that the version fails on, and DataError when it fails on others too.
        """
        loaded, frame = self._loaded, decoded.frame
        try:
            _, scores, chances = answer(loaded, frame)
        except Exception as error:  # features and model are the user's
            problems = problems_in(loaded, frame, told_of(error))
            if problems:
                raise InvalidRows.of(_numbered(problems, stretch.first)) from error
            raise DataError(
                f"{loaded.version} fails on any row: {told_of(error)}",
                where=self._where,
                remedy="give another version with --version; `windlass versions` lists them",
            ) from error
        loaded.witness.keep(frame)
        columns = [pl.Series(SCORE, scores, dtype=pl.Float64)]
        if loaded.task.kind != "regression":
            columns.append(pl.Series(LABEL, labels_of(loaded, scores, chances)))
        if chances is not None:
            names = loaded.manifest.classes or range(len(chances[0]))
            for name, column in zip(names, zip(*chances, strict=True), strict=True):
                columns.append(pl.Series(f"probability_{name}", column, dtype=pl.Float64))
        columns.append(pl.repeat(loaded.version, frame.height, eager=True).alias(VERSION))
        return pl.DataFrame(columns)

    def carried(self, stretch: Stretch, *, key_only: bool) -> pl.DataFrame:
        """What of the n rows stands beside their answers: all of it, or the task's key.

        Raises UsageError when it is to be the key and there is none.
        """
        if not key_only:
            return stretch.carried
        key = self._loaded.task.key
        if key is None or key not in stretch.carried.columns:
            told = "the task names no key" if key is None else f"the file has no column {key!r}, the task's key"
            raise UsageError(told, where="--key-only", remedy="leave it out: all columns are kept then")
        return stretch.carried.select(key)


def _infinite(stretch: Stretch) -> list[Problem]:
    """JSON, in whose terms rows are checked, would carry an infinite number as null."""
    floats = [series for series in stretch.carried.select(list(stretch.values)) if series.dtype.is_float()]
    return [
        Problem(field=series.name, row=row, reason="is infinite")
        for series in floats
        for row in series.is_infinite().arg_true().to_list()
    ]


def _with_cell(problem: Problem, stretch: Stretch) -> Problem:
    """The problem with what stands in the cell, of a file of texts: nobody sees a type in it."""
    if problem.row is None or stretch.carried.schema.get(problem.field) != pl.String:
        return problem
    cell = stretch.carried[problem.field][problem.row]
    return problem if cell is None else msgspec.structs.replace(problem, reason=f"{problem.reason}: {cell[:_SHOWN]!r}")


def _numbered(problems: Sequence[Problem], first: int) -> list[Problem]:
    """`problems` by the number of the row in the file, from 1."""
    return [
        problem if problem.row is None else msgspec.structs.replace(problem, row=first + problem.row + 1)
        for problem in problems
    ]
