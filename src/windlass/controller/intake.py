"""Brings what was captured into the lake, and hands it to whoever judges by it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import polars as pl

from windlass.controller.context import LoopContext, policies_of
from windlass.controller.incidents import Incidents

log = logging.getLogger(__name__)

TITLE = "captured data is damaged or waits"
STRANGERS = "outcomes of unknown predictions"


class Listener(Protocol):
    """Somebody who judges by answers and outcomes."""

    def take(self, name: str, predictions: pl.DataFrame, outcomes: pl.DataFrame) -> None:
        """Answers and outcomes of the product that have just reached the lake."""
        ...


class Intake:
    """The one committer of the workspace's segments."""

    def __init__(self, *, context: LoopContext, incidents: Incidents, listeners: Sequence[Listener]) -> None:
        self._context = context
        self._incidents = incidents
        self._listeners = listeners
        self._told: dict[str, tuple[str, ...]] = {}

    def take(self, name: str) -> bool:
        """Commit what is new, as much as fits into one look; whether there is more."""
        committed = self._context.lake.commit_segments(name, self._context.paths.segments(name), self._context.now)
        for listener in self._listeners:
            listener.take(name, committed.predictions, committed.outcomes)
        self._tell(name, committed.problems)
        self._tell_strangers(name, committed.outcomes)
        return committed.more

    def drain(self, name: str) -> None:
        """Commit all there is."""
        while self.take(name):
            self._context.keep()

    def _tell(self, name: str, problems: tuple[str, ...]) -> None:
        if problems:
            if problems != self._told.get(name):
                log.error("%s: %s", name, "; ".join(problems))
            self._incidents.open(
                name,
                title=TITLE,
                cause="; ".join(problems),
                remedy="look at the disk; what could not be read lies beside the segments as *.corrupt: move it away",
            )
        elif self._incidents.is_open(name, TITLE) and not self._damaged(name):
            self._incidents.close(name, title=TITLE, resolution="everything captured is in the lake again")
        self._told[name] = problems

    def _tell_strangers(self, name: str, outcomes: pl.DataFrame) -> None:
        """Of outcomes by id whose id nobody gave; one incident, until a batch comes in which all ids are known.

        Where not all answers are captured, ids that are not known say nothing.
        """
        product = self._context.product(name)
        if product.declared is not None and policies_of(product).capture.sample < 1:
            return
        named = outcomes.filter(pl.col("prediction_id").is_not_null())
        if named.is_empty():
            return
        strangers = self._context.lake.unknown(name, named.get_column("prediction_id"))
        if strangers:
            self._incidents.open(
                name,
                title=STRANGERS,
                cause=f"{strangers:,} of {named.height:,} outcomes that came together name ids that no answer has",
                remedy="send them with the ids that came with the answers, of this workspace and product; they are "
                "kept, and count for nothing",
            )
        else:
            self._incidents.close(name, title=STRANGERS, resolution="the ids that came last are all known")

    def _damaged(self, name: str) -> bool:
        """Whether something that was set aside is still there for a person to look at."""
        return any(self._context.paths.segments(name).rglob("*.corrupt"))
