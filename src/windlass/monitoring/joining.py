"""What the answer, the features and a second model say of a target, joined to one expectation, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.statistics.quasi import Link, fit, mean_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

ANSWER = "answer"
_BENDS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Quantiles of the answer at which its curve may bend."""
_THIRDS = (0.33, 0.67)
"""Quantiles of a number at which what it adds may bend."""
_FAR = 4.0
"""Standard deviations from the mean at which a number is cut off: one wild value must not tell of a row for certain."""
_COMMON = 0.02
"""Least share of the rows that a category needs to count on its own."""
_MOST_TERMS = 60
_FREE, _STIFF, _SHY = 0.1, 1.0, 3.0
"""Precision of the prior of what the answer says along its line, of its bends and the second model, and of a feature's
own terms (in standard deviations): these are to mend what the second model shrank, not to take its place."""


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the regression."""

    feature: str
    """ANSWER in front of its own column, else a feature's name."""
    form: Literal["line", "bend", "is", "missing"]
    at: float = 0.0
    """Centre of a line; where it bends."""
    scale: float = 1.0
    category: str = ""


class Join(msgspec.Struct, frozen=True, kw_only=True):
    """A regression of a target on what the answer says, what a second model says, and the features.

    It starts at the answer, so a second model that tells nothing, or that was shrunk, takes nothing away (as a forecast
    is combined with another: Ranjan and Gneiting 2010, J. R. Stat. Soc. B 72). Its score equations make the expectation
    right on average along each term: also where a window has more of the rows that are high in it (multi-accuracy; Kim,
    Kern, Goldwasser, Kreuter and Reingold 2022, PNAS 119). Its posterior tells how far it may be off: the more, the
    farther a window's rows are from what the reference shows.
    """

    link: Link
    answers: tuple[Term, ...]
    features: tuple[Term, ...]
    """None: the answer alone."""
    weights: tuple[float, ...]
    """Of 1, the answer's terms, the second model (where there is one), the features' terms."""
    root: tuple[tuple[float, ...], ...]
    """Of the covariance of the weights."""
    scale: float = 1.0
    """Of the target, by which its variance is its mean."""

    @property
    def second(self) -> bool:
        """Whether a second model is asked."""
        return bool(self.features)

    def at(self, answer: Floats, said: Floats, table: pl.DataFrame) -> Floats:
        """`(n,)` the expectation: `answer` and `said`, what the second model said, on the scale of the link."""
        return self.scale * mean_of(self._columns(answer, said, table) @ np.asarray(self.weights), self.link)

    def drawn(
        self, answer: Floats, said: Floats, moved: Floats, table: pl.DataFrame, noise: Floats
    ) -> Iterator[Floats]:
        """Expectations that may be instead, one for each row of `noise`, standard normal `(d, 1 + m)`.

        `moved` `(d, n)` is how far the second model may be off."""
        columns, weights, root = self._columns(answer, said, table), np.asarray(self.weights), np.asarray(self.root)
        own = weights[1 + len(self.answers)] if self.second else 0.0
        for place, each in enumerate(noise):
            line = columns @ (weights + root @ each[: len(weights)])
            yield self.scale * mean_of(line + own * moved[place] if self.second else line, self.link)

    def _columns(self, answer: Floats, said: Floats, table: pl.DataFrame) -> Floats:
        found = [np.ones(len(answer)), *(_of_number(term, answer) for term in self.answers)]
        if self.second:
            found += [said, *(_column(term, table) for term in self.features)]
        return np.column_stack(found)


def join(
    target: Floats, answer: Floats, said: Floats, table: pl.DataFrame, features: tuple[Term, ...], *, link: Link
) -> Join:
    """Learn from n rows; `said` is of models that have not learned from them. No `features`: by the answer alone."""
    own = _answer_terms(answer)
    empty = Join(link=link, answers=own, features=features, weights=(), root=())
    columns = empty._columns(answer, said, table)
    free = 1 + sum(term.form == "line" for term in own)
    prior = np.array(
        [_FREE] * free + [_STIFF] * (1 + len(own) - free) + ([_STIFF] + [_SHY] * len(features)) * bool(features)
    )
    start = np.zeros(len(prior))
    if link == "logit" and own:
        start[1] = 1.0 * own[0].scale  # calibrated, unless the rows say otherwise
    found = fit(columns, target, prior, start, link=link)
    return Join(
        link=link,
        answers=own,
        features=features,
        weights=tuple(found.weights.tolist()),
        root=tuple(tuple(row) for row in found.root.tolist()),
        scale=found.scale,
    )


def terms_of(table: pl.DataFrame, left: Floats, columns: Mapping[str, str]) -> tuple[Term, ...]:
    """Terms of the features along which `left` leans most: `(n, k)` what the answer alone leaves of the targets."""
    found = [term for name, kind in columns.items() for term in _feature_terms(table[name], kind)]
    if len(found) <= _MOST_TERMS:
        return tuple(found)
    lean = []
    for term in found:
        column = _column(term, table)
        column = column - column.mean()
        lean.append(float(np.abs(column @ left).max() / max(np.linalg.norm(column), 1e-12)))
    most = set(np.argsort(lean)[::-1][:_MOST_TERMS].tolist())
    return tuple(term for place, term in enumerate(found) if place in most)


def _answer_terms(answer: Floats) -> tuple[Term, ...]:
    centre, scale = float(answer.mean()), float(answer.std())
    if not scale > 1e-9:
        return ()
    line = Term(feature=ANSWER, form="line", at=centre, scale=scale)
    bends = np.unique(np.quantile(answer, _BENDS))
    inside = bends[(bends > answer.min()) & (bends < answer.max())]
    return (line, *(Term(feature=ANSWER, form="bend", at=float(at), scale=scale) for at in inside))


def _feature_terms(column: pl.Series, kind: str) -> list[Term]:
    missing = [Term(feature=column.name, form="missing")] if 0 < _gaps(column).sum() < len(column) else []
    if kind != "number":
        counts = column.cast(pl.String).value_counts().drop_nulls().sort("count", column.name, descending=True)
        common = counts.filter(pl.col("count") >= _COMMON * len(column))[column.name].to_list()
        return [*missing, *(Term(feature=column.name, form="is", category=each) for each in common)]
    values = column.to_numpy()[~_gaps(column)]
    scale = float(values.std()) if len(values) else 0.0
    if not (np.isfinite(scale) and scale > 0):
        return missing
    bends = np.unique(np.quantile(values, _THIRDS))
    bends = bends[(bends > values.min()) & (bends < values.max())]
    line = Term(feature=column.name, form="line", at=float(values.mean()), scale=scale)
    return [*missing, line, *(Term(feature=column.name, form="bend", at=float(at), scale=scale) for at in bends)]


def _column(term: Term, table: pl.DataFrame) -> Floats:
    column = table[term.feature]
    if term.form == "missing":
        return _gaps(column).astype(np.float64)
    if term.form == "is":
        same = column.cast(pl.String).fill_null("") == term.category
        return np.asarray(same.to_numpy() & ~_gaps(column), dtype=np.float64)
    values = column.to_numpy().astype(np.float64)
    return _of_number(term, np.where(_gaps(column), term.at, values))


def _of_number(term: Term, values: Floats) -> Floats:
    found = np.clip((values - term.at) / term.scale, -_FAR, _FAR)
    return np.maximum(found, 0.0) if term.form == "bend" else found


def _gaps(column: pl.Series) -> NDArray[np.bool_]:
    if column.dtype.is_float():
        return np.asarray(~np.isfinite(column.cast(pl.Float64).fill_null(np.nan).to_numpy()))
    return np.asarray(column.is_null().to_numpy())
