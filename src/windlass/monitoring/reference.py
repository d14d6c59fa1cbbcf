"""What a version is watched against; made when it is trained, kept in its bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.gate import one_score
from windlass.decisions.loss_reference import LossReference, summarise_losses, summarise_ranking
from windlass.decisions.statistics.losses import losses
from windlass.decisions.warning import ExpectedLosses, learn_expected
from windlass.errors import RegistryError
from windlass.monitoring.profiles import Profile, profile
from windlass.product.task import TaskKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

FILE = "profile.json"
"""Its name in a bundle."""
BACKGROUND = "background.json"
"""The same of a version that came as a model file with rows: answers are explained against it, none is watched."""
SCORE = "prediction"
MISSING = "(missing)"
MOST_GROUPS = 20
"""Of a slice, the largest, that are watched for themselves."""
CONFIDENCE = "confidence"
RARE = 0.1
"""Part of the holdout that the rarer class has at most where the ranking is watched by itself: where both are more
common the losses tell as soon."""


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs, predictions and losses of a version as they were when it was judged fit."""

    kind: TaskKind
    features: Profile
    predictions: Profile | None = None
    """Of the holdout; None: drift of the predictions is not watched."""
    loss: LossReference | None = None
    """Of the holdout; None: decay is not watched."""
    slices: dict[str, dict[str, LossReference]] = {}
    """Column -> group -> the same of the rows of that group; of declared slices and their larger groups."""
    ranking: LossReference | None = None
    """How positives stood among negatives there, where the metric is a ranking and one class is rare; None: that is not
    watched by itself."""
    expected: ExpectedLosses | None = None
    """What an answer loses, by the answer; None: nothing warns before labels come."""


def make_reference(
    features: pl.DataFrame,
    *,
    kind: TaskKind,
    redacted: Sequence[str] = (),
    predictions: Array | None = None,
    truth: Array | None = None,
    groups: Mapping[str, Array] | None = None,
    ranked: bool = False,
) -> Reference:
    """The reference from the features a version learned from and its predictions of the holdout, in the order of time.

    `predictions` `(m,)` or `(m, k)` and `truth` `(m,)` belong to rows that the model has not learned from: a model
    knows its training rows too well for their losses to be a measure. Columns that are `redacted` are not watched.
    `groups` is column -> `(m,)` the group of each of these rows (`group_text`), for the columns whose groups are
    watched for themselves. `ranked`: the product is judged by how positives are told from negatives, so that is watched
    as well where one of them is rare.
    """
    known = predictions is not None and len(predictions) > 0
    found = None if predictions is None or truth is None else losses(truth, predictions, kind)
    ranking = _ranking(truth, predictions) if ranked and truth is not None and predictions is not None else None
    sliced = {name: own for name, own in (groups or {}).items() if name not in redacted}
    return Reference(
        kind=kind,
        features=_watched(profile(features), redacted),
        predictions=profile(prediction_frame(predictions)) if predictions is not None and known else None,
        loss=None if found is None else summarise_losses(found, bounded=kind != "regression"),
        slices={} if found is None else {name: _by_group(found, own, kind) for name, own in sliced.items()},
        ranking=ranking,
        expected=None if found is None or predictions is None else _expected(predictions, found, kind),
    )


def _ranking(truth: Array, predictions: Array) -> LossReference | None:
    """Of the holdout's stretches, where one class is rare."""
    positive, known = np.count_nonzero(truth == 1), np.count_nonzero(np.isfinite(truth))
    return summarise_ranking(truth, predictions) if min(positive, known - positive) <= RARE * known else None


def _by_group(found: Array, groups: Array, kind: TaskKind) -> dict[str, LossReference]:
    """Of the largest groups, those with losses enough to be a reference."""
    texts, counts = np.unique(groups, return_counts=True)
    largest = texts[np.argsort(-counts, kind="stable")][:MOST_GROUPS]
    each = {str(text): summarise_losses(found[groups == text], bounded=kind != "regression") for text in largest}
    return {text: reference for text, reference in each.items() if reference is not None and reference.bound > 0}


def group_text(value: object) -> str:
    """A group as text: what Polars makes of a value, so that rows of frames and of JSON meet."""
    if value is None:
        return MISSING
    return str(value).lower() if isinstance(value, bool) else str(value)


def _expected(predictions: Array, found: Array, kind: TaskKind) -> ExpectedLosses | None:
    """What to expect of an answer, of the rows whose loss is known."""
    known = np.isfinite(found)
    return learn_expected(one_score(predictions)[known], found[known], bounded=kind != "regression")


def _watched(features: Profile, redacted: Sequence[str]) -> Profile:
    """The profile without columns of which no value is captured, so that nothing can be held against them."""
    kept, presences = (
        tuple(column for column in given if column.name not in redacted)
        for given in (features.columns, features.presences)
    )
    gone = {name: "its values are not captured" for name in redacted if name not in features.unwatched}
    types = {name: own for name, own in features.types.items() if name not in redacted}
    return msgspec.structs.replace(
        features, columns=kept, presences=presences, unwatched=features.unwatched | gone, types=types
    )


def prediction_frame(predictions: Array) -> pl.DataFrame:
    """Predictions as columns that can be profiled: the score, or the chosen class and its probability."""
    if predictions.ndim == 1:
        return pl.DataFrame({SCORE: np.asarray(predictions, dtype=np.float64)})
    chosen = pl.Series(SCORE, predictions.argmax(axis=1)).cast(pl.String)
    return pl.DataFrame([chosen, pl.Series(CONFIDENCE, predictions.max(axis=1))])


def encode(reference: Reference) -> bytes:
    """The reference as it lies in files."""
    return msgspec.json.encode(reference)


def decode(content: bytes) -> Reference:
    """What `encode` wrote; raises msgspec.DecodeError for anything else."""
    return msgspec.json.decode(content, type=Reference)


def save(reference: Reference, folder: Path, *, name: str = FILE) -> Path:
    """Write the reference, or BACKGROUND, into a bundle's folder."""
    path = folder / name
    path.write_bytes(encode(reference))
    return path


def load(folder: Path, *, name: str = FILE) -> Reference | None:
    """The reference, or BACKGROUND, in a bundle's folder; None when the version has none. Raises RegistryError if it
    cannot be read."""
    path = folder / name
    if not path.exists():
        return None
    try:
        return decode(path.read_bytes())
    except msgspec.DecodeError as error:
        raise RegistryError(
            f"the reference profile cannot be read: {error}", where=str(path), remedy="train the version again"
        ) from error
