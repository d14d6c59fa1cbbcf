"""The checks of a contract that no type can express, asked of pandera once for each batch of request rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from windlass.product.contract.constraints import Rule
from windlass.product.contract.rows import MOST_PROBLEMS, InvalidRows, Problem
from windlass.product.contract.schema import name_of
from windlass.product.contract.violations import verdicts


class Leftover:
    """Runs what is left of a contract after its columns were compiled."""

    def __init__(self, schema: Any, rules: Sequence[Rule]) -> None:
        self._checks: list[tuple[str | None, Any]] = [
            (rule.column.name, check) for rule in rules for check in rule.checks
        ]
        self._checks += [(None, check) for check in schema.checks if not check.raise_warning]

    @property
    def any(self) -> bool:
        return bool(self._checks)

    def check(self, frame: pl.DataFrame) -> None:
        """Raises InvalidRows with the rows of `frame` that fail."""
        if not self._checks:
            return
        # A check that gives one verdict for the whole column cannot be told from a verdict on one row. Two rows can.
        asked = frame.vstack(frame) if frame.height == 1 else frame
        problems = [problem for column, check in self._checks for problem in _ask(check, column, asked, frame.height)]
        if problems:
            raise InvalidRows.of(problems)


def _ask(check: Any, column: str | None, frame: pl.DataFrame, height: int) -> Iterator[Problem]:
    field = column or "row"
    passed, complaint = verdicts(check, column, frame)
    if complaint is not None:
        yield Problem(field=field, row=None, reason=complaint)
    if passed is None or len(passed) != frame.height:
        return
    for row in passed.not_().arg_true().to_list()[:MOST_PROBLEMS]:
        if row < height:
            yield Problem(field=field, row=row, reason=f"does not pass the check {name_of(check)}")
