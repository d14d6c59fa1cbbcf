"""Asking one version about rows: features and model, timed, and whatever goes wrong told apart from an answer.

Requests are asked about together, since a frame of one row costs as much as one of fifty. None of them feels the
others: if the version fails on them together, the halves are asked about, down to single requests; and a version that
is seen to answer a row differently when others stand beside it is asked about each request alone from then on.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from itertools import accumulate, pairwise
from typing import Any

import msgspec
import numpy as np
import polars as pl

from windlass.errors import WindlassError
from windlass.product.contract import Decoded, Problem
from windlass.product.task import TaskKind
from windlass.records.capture import PredictionBatch
from windlass.records.routing import Stage
from windlass.serving.refusal import Escaped, PredictionFailed
from windlass.serving.versions.blame import blame
from windlass.serving.versions.lineup import Loaded, Prediction

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

Scores = tuple[float, ...]
Chances = tuple[tuple[float, ...], ...]


class Question(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Rows that one version is asked about, and what is known of them before."""

    request_id: str
    at: datetime
    stage: Stage
    ids: tuple[str, ...]
    decoded: Decoded
    named: bool = False
    """The caller has named the request, and may send it again."""
    failed: PredictionBatch | None = None
    """What the version that leads made of these rows, where it failed on them and they were held to be why. Whoever is
    asked about them then is its witness: if these rows can be answered, the failure was its own."""

    def take(self, places: Sequence[int]) -> Question:
        return Question(
            request_id=self.request_id,
            at=self.at,
            stage=self.stage,
            ids=tuple(self.ids[place] for place in places),
            decoded=self.decoded.take(places),
            named=self.named,
        )


class Verdict(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the version said, or why it did not."""

    batch: PredictionBatch
    labels: tuple[Any, ...]
    """The likeliest class of each row; empty for regression and after an error."""
    cause: Exception | None = None
    """What features or model raised."""
    sample: float = 1.0
    """The part of the keys that is captured."""

    @property
    def error(self) -> str | None:
        return self.batch.error


def ask(loaded: Loaded, question: Question) -> Verdict:
    """What `loaded` says. A version that raises, or gives anything but finite numbers, comes back as an error."""
    return _ask(loaded, [question])[0]


def ask_together(loaded: Loaded, questions: Sequence[Question]) -> list[Verdict]:
    """What `loaded` says to each question, decoded for it, from one call of its features and model if that works."""
    if not loaded.company.allowed:
        return [ask(loaded, question) for question in questions]
    verdicts = _ask(loaded, questions)
    if len(questions) > 1 and loaded.company.on_trial:
        return _tried(loaded, questions, verdicts)
    return verdicts


def _ask(loaded: Loaded, questions: Sequence[Question]) -> list[Verdict]:
    elapsed = loaded.timing()
    decoded = Decoded.together([question.decoded for question in questions])
    given = decoded.frame if loaded.numbers is None else decoded.matrix(loaded.numbers)
    try:
        scores, probabilities, features = _said(loaded, given)
    except Exception as error:  # noqa: BLE001 (features and model are the user's: whatever they raise is their failure)
        if len(questions) == 1:
            batch = _failure(loaded, questions[0], _milliseconds(elapsed), _discreet(loaded, error))
            return [Verdict(batch=batch, labels=(), cause=error, sample=loaded.capture.sample)]
        middle = len(questions) // 2
        return [*_ask(loaded, questions[:middle]), *_ask(loaded, questions[middle:])]
    if loaded.witness.row is None:  # else there may be no frame, and none is needed
        loaded.witness.keep(decoded.frame)
    took, sample, verdicts = _milliseconds(elapsed), loaded.capture.sample, []
    loaded.calls.took(took / 1000, len(decoded))
    keys, times, rows = *_keys_and_times(loaded, decoded), _rows(loaded, decoded)
    labels = labels_of(loaded, scores, probabilities)
    ends = accumulate((len(question.ids) for question in questions), initial=0)
    for question, (first, end) in zip(questions, pairwise(ends), strict=True):
        batch = _batch(
            loaded,
            question,
            took,
            keys=keys[first:end],
            event_times=times[first:end],
            rows=rows[first:end],
            scores=scores[first:end],
            probabilities=None if probabilities is None else probabilities[first:end],
            features=None if features is None else features[first:end],
        )
        verdicts.append(Verdict(batch=batch, labels=labels[first:end], sample=sample))
    return verdicts


def _said(
    loaded: Loaded, given: pl.DataFrame | np.ndarray[Any, Any]
) -> tuple[Scores, Chances | None, tuple[bytes, ...] | None]:
    """What the version says of n rows, and their features where these are to be written down."""
    if isinstance(given, np.ndarray):
        return *_checked(np.asarray(loaded.scores(given), dtype=np.float64), loaded.task.kind, len(given)), None
    predicted, scores, chances = answer(loaded, given)
    computes = loaded.bundle.computes_features
    return scores, chances, _features(predicted.features, given, redact=loaded.capture.redact) if computes else None


def _tried(loaded: Loaded, questions: Sequence[Question], verdicts: list[Verdict]) -> list[Verdict]:
    """`verdicts`, if the first and the last question get the same alone; else what each question gets alone."""
    same = all(_agree(verdicts[place].batch, ask(loaded, questions[place]).batch) for place in (0, -1))
    if loaded.company.judge(same=same):
        return verdicts
    _log.warning("version %s answers a row differently beside others; each request is asked alone", loaded.version)
    return [ask(loaded, question) for question in questions]


def _agree(one: PredictionBatch, other: PredictionBatch) -> bool:
    """Up to what another order of sums leaves in the last digits, single precision included."""
    if one.error is not None or other.error is not None:
        return (one.error is None) == (other.error is None)
    close = np.allclose(np.asarray(one.scores, float), np.asarray(other.scores, float), rtol=1e-5, atol=1e-6)
    return bool(close)


def problems_of(loaded: Loaded, question: Question, verdict: Verdict) -> list[Problem]:
    """What is wrong with rows that `loaded` failed on; empty when it fails on other rows too, and it is not them."""
    # What is kept of the failure may be less than what was raised; the caller knows his own values.
    error = verdict.error or "" if verdict.cause is None else told_of(verdict.cause)
    return problems_in(loaded, question.decoded.frame, error)


def problems_in(loaded: Loaded, frame: pl.DataFrame, error: str) -> list[Problem]:
    """As `problems_of`, of the n rows of `frame`, on which `loaded` failed with `error`."""

    def attempt(rows: pl.DataFrame) -> str | None:
        try:
            answer(loaded, rows)
        except Exception as raised:  # noqa: BLE001 (this is what was asked)
            return told_of(raised)
        return None

    return blame(
        attempt,
        frame,
        error,
        witness=loaded.witness,
        columns=loaded.manifest.columns,
    )


def answer(loaded: Loaded, frame: pl.DataFrame) -> tuple[Prediction, Scores, Chances | None]:
    """The version's own answer to n rows, its scores, and for multiclass the probabilities of all classes."""
    predicted = loaded.predict(frame)
    return predicted, *_checked(np.asarray(predicted.scores, dtype=np.float64), loaded.task.kind, frame.height)


def told_of(error: Exception) -> str:
    if isinstance(error, Escaped):
        return error.what[:500]
    text = error.what if isinstance(error, WindlassError) else str(error)
    return f"{type(error).__name__}: {text}"[:500]


def _checked(answer: np.ndarray[Any, Any], kind: TaskKind, rows: int) -> tuple[Scores, Chances | None]:
    multiclass = kind == "multiclass"
    if answer.shape[:1] != (rows,) or answer.ndim != (2 if multiclass else 1):
        raise PredictionFailed(f"the answer has shape {answer.shape} for {rows} rows")
    values = answer.ravel().tolist()
    if not all(map(math.isfinite, values)):
        bad = np.flatnonzero(~np.isfinite(answer.reshape(rows, -1)).all(axis=1))[:5].tolist()
        raise PredictionFailed(f"the answer is not a finite number in rows {bad}")
    if not multiclass:
        return tuple(values), None
    return tuple(answer.max(axis=1).tolist()), tuple(map(tuple, answer.tolist()))


def labels_of(
    loaded: Loaded, scores: Sequence[float | None], probabilities: Sequence[Sequence[float]] | None
) -> tuple[Any, ...]:
    """The likeliest class of each of n rows; empty for regression."""
    kind, classes = loaded.task.kind, loaded.manifest.classes
    if kind == "multiclass":
        chances = probabilities or ()
        names = classes or tuple(range(len(chances[0]) if chances else 0))
        return tuple(names[row.index(max(row))] for row in chances)
    if kind == "binary":
        negative, positive = classes if len(classes) == 2 else (0, 1)
        return tuple(positive if score is not None and score >= loaded.threshold else negative for score in scores)
    return ()


def _rows(loaded: Loaded, decoded: Decoded) -> tuple[bytes, ...]:
    """Each row as it may be written down."""
    redact = loaded.capture.redact
    return decoded.rows_without(redact) if redact else decoded.rows


def _discreet(loaded: Loaded, error: Exception) -> str:
    """What was raised, without the words if those might show a value that is not to be written down."""
    return told_of(error).partition(":")[0] if loaded.capture.redact else told_of(error)


def _features(features: pl.DataFrame, rows: pl.DataFrame, *, redact: Sequence[str]) -> tuple[bytes, ...] | None:
    """Each row of features as JSON, null where they are not to be written down; None when every feature is a column of
    the row as it came."""
    names, known = features.columns, rows.columns
    if names == known or set(names) <= set(known):
        same = rows if names == known else rows[names]
        if same.equals(features) and same.dtypes == features.dtypes:  # comparing types takes longer than the values
            return None
    shown = features.with_columns(pl.lit(None).alias(name) for name in redact if name in names) if redact else features
    return tuple(_encode(dict(zip(names, row, strict=True))) for row in shown.rows())


def unanswered(loaded: Loaded, question: Question, *, error: str) -> Verdict:
    """That `loaded` has said nothing to `question`, and why."""
    return Verdict(batch=_failure(loaded, question, 0.0, error), labels=(), sample=loaded.capture.sample)


def _failure(loaded: Loaded, question: Question, took: float, error: str) -> PredictionBatch:
    keys, times = _keys_and_times(loaded, question.decoded)
    nothing = (None,) * len(question.ids)
    rows = _rows(loaded, question.decoded)
    return _batch(loaded, question, took, keys=keys, event_times=times, rows=rows, scores=nothing, error=error)


def _batch(loaded: Loaded, question: Question, took: float, **found: Any) -> PredictionBatch:
    return PredictionBatch(
        request_id=question.request_id,
        at=question.at,
        version=loaded.version,
        stage=question.stage,
        latency_ms=took,
        ids=question.ids,
        named=question.named,
        **found,
    )


def _milliseconds(elapsed: Callable[[], float]) -> float:
    return round(elapsed() * 1000, 3)


def _keys_and_times(loaded: Loaded, decoded: Decoded) -> tuple[tuple[str | None, ...], tuple[datetime | None, ...]]:
    task = loaded.task
    times = (None,) * len(decoded) if task.time is None else tuple(map(_moment, decoded.values(task.time)))
    return keys_of(decoded, task.key), times


def keys_of(decoded: Decoded, key: str | None) -> tuple[str | None, ...]:
    """The key of each row as text: as polars casts it, which is how examples are compared with it later."""
    if key is None or key not in decoded.fields:
        return (None,) * len(decoded)
    values = decoded.values(key)
    if all(value is None or type(value) is str for value in values):
        return tuple(values)
    return tuple(decoded.frame[key].cast(pl.String).to_list())


def _moment(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else None
