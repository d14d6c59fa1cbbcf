"""The version that answers now, and those before it, as the rows for a successor see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.gate import MINIMUM_ROWS
from windlass.decisions.statistics.alignment import align
from windlass.pipeline.rows.split import Split, came_after, row_hashes
from windlass.pipeline.steps.context import Training
from windlass.pipeline.steps.predictions import JUDGED, PREDICTIONS, ROW, from_frame
from windlass.pipeline.steps.tables import read_frame, read_record
from windlass.pipeline.verdicts.evaluation import EVALUATION, Evaluation

if TYPE_CHECKING:
    from windlass.pipeline.fitting.learning import Prepared

Array = np.ndarray[Any, Any]


def split_of_champion(training: Training) -> Split | None:
    """Which rows it has learned from; None when there is no champion, or nothing tells.

    One whose file is damaged is not told of here: the gate asks for its answers, and says why it got none.
    """
    try:
        return _split_of(training, training.request.champion_digest)
    except msgspec.DecodeError:
        return None


def answers_of(training: Training, prepared: Prepared, digest: str) -> tuple[Array, Array]:
    """A version's predictions of rows of the holdout, and which ones these are: those that it has not learned from.

    Where these are too few for the gate, what it said before it was fitted on its own holdout joins, row by row: an
    hour after a training, or with rows that came late, hardly anything is newer than all that it knows by now. Raises
    whatever is wrong with its bundle, its code or its answers.
    """
    bundle = training.registry.open(training.name, digest)
    holdout = prepared.holdout_part()
    unseen = (
        prepared.rows.unseen[len(prepared.rows.unseen) - len(holdout) :]
        if digest == training.request.champion_digest
        else came_after(_split_of(training, digest), prepared.rows.moments, rows=len(holdout))
    )
    said, told = from_frame(read_frame(bundle.folder / PREDICTIONS)), unseen.copy()
    scores = np.empty((len(holdout), *said.shape[1:]))
    if np.count_nonzero(unseen) < MINIMUM_ROWS and (bundle.folder / JUDGED).is_file():
        judged = read_frame(bundle.folder / JUDGED).get_column(ROW).to_numpy()
        known, places = _found(row_hashes(holdout.rows), judged)
        scores[known], told = said[places[known]], unseen | known
    if unseen.any():
        scores[unseen] = bundle.predict(holdout.rows.filter(pl.Series(unseen))).scores
    elif np.count_nonzero(told) < MINIMUM_ROWS:
        bundle.predict(holdout.rows.head(1))  # one that cannot be loaded any more must not be waited for
    return align(scores[told], bundle.manifest.classes, prepared.learned.classes), told


def _found(wanted: Array, among: Array) -> tuple[Array, Array]:
    """Which of `wanted` are in `among`, and at which place there (any, of those that are not)."""
    order = np.argsort(among)
    places = order[np.minimum(np.searchsorted(among, wanted, sorter=order), len(among) - 1)]
    return among[places] == wanted, places


def _split_of(training: Training, digest: str | None) -> Split | None:
    file = None if digest is None else training.paths.bundle(training.name, digest) / EVALUATION
    return read_record(file, Evaluation).split if file is not None and file.is_file() else None
