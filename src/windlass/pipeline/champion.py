"""The version that answers now, as the rows for its successor see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.alignment import align
from windlass.pipeline.context import Training
from windlass.pipeline.evaluation import EVALUATION, Evaluation
from windlass.pipeline.predictions import PREDICTIONS, from_frame
from windlass.pipeline.split import Split
from windlass.pipeline.tables import read_frame, read_record

if TYPE_CHECKING:
    from windlass.pipeline.learning import Prepared

Array = np.ndarray[Any, Any]


def split_of_champion(training: Training) -> Split | None:
    """Which rows it has learned from; None when there is no champion, or nothing tells.

    One whose file is damaged is not told of here: the gate asks for its answers, and says why it got none.
    """
    try:
        evaluation = _evaluation(training)
    except msgspec.DecodeError:
        return None
    return None if evaluation is None else evaluation.split


def answers_of_champion(training: Training, prepared: Prepared, digest: str) -> tuple[Array, Array]:
    """Its predictions of the rows of the holdout that it has not learned from, and which ones these are.

    Made from the very same rows, it has learned from all of them by now; but what it said of this holdout before it was
    fitted on it was kept, and is what a candidate of the same rows compares with. Raises whatever is wrong with its
    bundle, its code or its answers.
    """
    bundle = training.registry.open(training.name, digest)
    holdout = prepared.holdout_part()
    evaluation = _evaluation(training)
    if evaluation is not None and evaluation.judged_on == prepared.rows.step.digest():
        scores = from_frame(read_frame(bundle.folder / PREDICTIONS))
        unseen = np.ones(len(holdout), dtype=bool)
    else:
        unseen = _unseen(evaluation, prepared, len(holdout))
        scores = np.asarray(bundle.predict(holdout.rows.filter(pl.Series(unseen))).scores)
    return align(scores, bundle.manifest.classes, prepared.learned.classes), unseen


def _evaluation(training: Training) -> Evaluation | None:
    digest = training.request.champion_digest
    file = None if digest is None else training.paths.bundle(training.name, digest) / EVALUATION
    return read_record(file, Evaluation) if file is not None and file.is_file() else None


def _unseen(evaluation: Evaluation | None, prepared: Prepared, rows: int) -> Array:
    """Rows that came after all the champion learned from; all of them where its split was not by time."""
    moments = prepared.rows.moments
    if evaluation is None or evaluation.split.until is None or moments is None:
        return np.ones(rows, dtype=bool)
    return (moments[len(moments) - rows :] > evaluation.split.until).to_numpy()
