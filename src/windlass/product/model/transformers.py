"""What the transformers inside a fitted scikit-learn model tell of the columns that it was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np

# The last one is how gradient boosting by histograms encodes the categories of a frame.
_INNER = ("best_estimator_", "estimator_", "regressor_", "_preprocessor")
TEXT = "text"
"""What the one column is called of a model that takes texts apart into words, and knows no name of it."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a column."""

    dtype: Literal["bool", "int", "float", "str"]
    example: bool | int | float | str
    """A value that the model has met."""


def parts_of(model: Any) -> Iterator[Any]:
    """The model, the steps of a pipeline or a union, and what a search, a wrapper or a vote has fitted."""
    steps = getattr(model, "steps", None)
    if isinstance(steps, list):
        for _, step in steps:
            if step is not None and not isinstance(step, str):
                yield from parts_of(step)
        return
    yield model
    for inner in (*_wrapped_in(model), *_joined_in(model)):
        yield from parts_of(inner)


def takers_of(model: Any) -> Iterator[Any]:
    """Those of `parts_of` that get the very rows that the model gets: of a pipeline the first step alone."""
    steps = getattr(model, "steps", None)
    if isinstance(steps, list):
        real = (step for _, step in steps if step is not None and not isinstance(step, str))
        for step in islice(real, 1):
            yield from takers_of(step)
        return
    yield model
    for inner in (*_wrapped_in(model), *_joined_in(model)):
        yield from takers_of(inner)


_READ = frozenset({"sklearn", "lightgbm", "xgboost", "catboost", "imblearn", "windlass"})
"""Packages of whose transformers it is known where they keep what they learned of a column."""


def strangers_in(model: Any) -> list[str]:
    """The classes among those that get the rows first, in the parts of a ColumnTransformer too, of which nobody knows
    what they learned of a column."""
    found = []
    for part in takers_of(model):
        inner = [each for _, each, _ in getattr(part, "transformers_", ()) if not isinstance(each, str)]
        for each in (part, *(first for step in inner for first in takers_of(step))):
            if type(each).__module__.partition(".")[0] not in _READ:
                found.append(type(each).__name__)
    return found


def _wrapped_in(model: Any) -> list[Any]:
    """What gets the very rows that `model` gets, and answers in its place. Of several calibrated on folds the first."""
    found = [inner for name in _INNER if (inner := getattr(model, name, None)) is not None]
    return found + [each.estimator for each in getattr(model, "calibrated_classifiers_", ())[:1]]


def _joined_in(model: Any) -> list[Any]:
    """What gets these rows too, of a vote, a stack or a union."""
    voters = getattr(model, "named_estimators_", {}).values()
    joined = [part for _, part in getattr(model, "transformer_list", ())]
    return [part for part in (*voters, *joined) if not isinstance(part, str)]


def takes_text(model: Any) -> bool:
    """Whether the rows of `model` are texts: what gets them first takes texts apart into words."""
    for part in parts_of(model):
        if hasattr(part, "build_analyzer"):
            return True
        if names_of(part) is not None or _count_in(part):
            return False
    return False


def names_of(model: Any) -> list[str] | None:
    """The names of the columns that a model takes, as scikit-learn has it (`feature_names_in_`) or, of what predicts
    and came without scikit-learn, as CatBoost has it (`feature_names_`); None when it knows none."""
    names = getattr(model, "feature_names_in_", None)
    if names is None and not _count_in(model) and hasattr(model, "predict"):
        names = getattr(model, "feature_names_", None)
    found = None if names is None else [str(name) for name in names]
    return None if found and found == _numbered(len(found)) else found


def count_of(model: Any) -> int | None:
    """How many columns a model takes, which was fitted on an array; None when it does not say so, or knows names."""
    if names_of(model) is not None:
        return None
    return _count_in(model) or len(getattr(model, "feature_names_", ())) or None


def _count_in(model: Any) -> int:
    """scikit-learn's `n_features_in_`; 0 when it is not there, or was forgotten on the way through a file."""
    return int(getattr(model, "n_features_in_", None) or 0)


def _numbered(count: int) -> list[str]:
    """What CatBoost calls the columns of an array."""
    return [str(place) for place in range(count)]


def known_columns(model: Any, names: Sequence[str]) -> dict[str, Known]:
    """Type and an example of the columns among `names` whose categories or words a transformer has learned."""
    if takes_text(model):
        return {name: Known(dtype="str", example="") for name in names}
    found: dict[str, Known] = {}
    for part, its in _learners(model, names):
        found |= _known_to(part, its)
    first = next(parts_of(model))
    if hasattr(first, "get_cat_feature_indices"):  # CatBoost, which keeps no list of what it has met
        found |= {names[place]: Known(dtype="str", example="") for place in first.get_cat_feature_indices()}
    return found


def nan_columns(model: Any, names: Sequence[str]) -> tuple[str, ...]:
    """Those of `names` of whose gaps a transformer has learned that they are NaN, as in a frame of pandas, also among
    texts: to it None would be one more category. In a frame of polars a gap is None."""
    known: dict[str, bool] = {}
    for part, its in _learners(model, names):
        for name, is_nan in _gaps_of(part, its).items():
            known[name] = is_nan and known.get(name, True)
    return tuple(name for name in names if known.get(name))


def _learners(model: Any, names: Sequence[str]) -> Iterator[tuple[Any, Sequence[str]]]:
    """What learns of columns of the frame, each with those that it is given: the first steps, for as long as they take
    and pass on all of them, and what a ColumnTransformer distributes them to."""
    for part in parts_of(model):
        if hasattr(part, "transformers_"):
            for _, transformer, chosen in part.transformers_:
                its = _resolved(chosen, names)
                yield from ((inner, its) for inner in parts_of(transformer))
            return  # what comes behind gets other columns
        elif _wrapped_in(part) or _joined_in(part):
            continue  # its parts come next
        elif _count_in(part) != len(names):
            return
        else:
            yield part, names


def _gaps_of(part: Any, names: Sequence[str]) -> dict[str, bool]:
    """Of columns of which a transformer has learned what a gap is: whether it is NaN, and not None."""
    if hasattr(part, "statistics_") and hasattr(part, "missing_values"):  # an imputer
        return dict.fromkeys(names, _is_nan(part.missing_values))
    learned = {name: list(found) for name, found in zip(names, getattr(part, "categories_", ()), strict=False)}
    return {name: None not in found for name, found in learned.items() if None in found or any(map(_is_nan, found))}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value  # noqa: PLR0124


def known_of(categories: Sequence[Any]) -> Known:
    """The type that categories have together, and the first of them."""
    values = [value.item() if isinstance(value, np.generic) else value for value in categories]
    values = [value for value in values if value is not None and value == value]  # noqa: PLR0124 (NaN)
    if values and all(isinstance(value, str) for value in values):
        return Known(dtype="str", example=values[0])
    if values and all(isinstance(value, bool) for value in values):
        return Known(dtype="bool", example=values[0])
    number = values[0] if values and isinstance(values[0], int | float) else 0.0
    return Known(dtype="float", example=float(number))


def dropped_columns(model: Any, names: Sequence[str]) -> frozenset[str]:
    """Those of `names` that the model's first step leaves out, so that nobody needs to have them."""
    for part in parts_of(model):
        if list(getattr(part, "feature_names_in_", ())) != list(names):
            break
        if hasattr(part, "transformers_"):
            used = [chosen for _, transformer, chosen in part.transformers_ if not _is_drop(transformer)]
            return frozenset(names) - {name for chosen in used for name in _resolved(chosen, names)}
        if not _wrapped_in(part):
            break  # a step before the others, which gets all columns
    return frozenset()


def _is_drop(transformer: Any) -> bool:
    return isinstance(transformer, str) and transformer == "drop"


def _known_to(part: Any, names: Sequence[str]) -> dict[str, Known]:
    if hasattr(part, "build_analyzer"):  # it takes texts apart into words
        return {name: Known(dtype="str", example="") for name in names}
    learned = zip(names, getattr(part, "categories_", ()), strict=False)
    return {name: known_of(categories) for name, categories in learned}


def _resolved(chosen: Any, names: Sequence[str]) -> list[str]:
    """The names behind what a ColumnTransformer was told to choose: names, places, a slice of either, or a mask."""
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice):
        ends = [list(names).index(end) if isinstance(end, str) else end for end in (chosen.start, chosen.stop)]
        if isinstance(chosen.stop, str):
            ends[1] += 1  # named ends are part of the slice
        return list(names[ends[0] : ends[1] : chosen.step])
    places = np.atleast_1d(np.asarray(chosen))
    if not places.size:
        return []
    if places.dtype == bool:
        return [name for name, taken in zip(names, places, strict=True) if taken]
    return [each if isinstance(each, str) else names[int(each)] for each in places.tolist()]
