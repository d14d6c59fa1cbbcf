"""Search for the estimator's parameters, inside the training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from windlass.errors import MissingExtra, ProductError, WindlassError, fault_of
from windlass.pipeline.notes.notes import plain

SEED = 0
Score = Callable[[dict[str, Any]], float]
"""The figure that a set of parameters reaches on the validation rows."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One set of parameters that was tried."""

    number: int
    params: dict[str, str | int | float | bool | None]
    """For people: a choice that is no plain value stands as its text."""
    score: float | None
    """None: it could not be trained."""
    error: str = ""


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """What the search found."""

    metric: str
    best: dict[str, int | float]
    """The best set as `resolve` reads it: a value of a range, or the place in a list of choices."""
    params: dict[str, str | int | float | bool | None]
    """The same for people."""
    score: float
    trials: tuple[Trial, ...]


def need_optuna() -> Any:
    """The package that searches. Raises MissingExtra with the install command."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtra.named("optuna", "tune") from error
    return optuna


def search(space: Mapping[str, Any], score: Score, *, trials: int, metric: str, larger_is_better: bool) -> Tuning:
    """Try `trials` sets of parameters, each chosen in the light of those before (TPE with a fixed seed).

    A set that cannot be trained is noted and passed over; raises its error when none can be. Source: Bergstra et al.
    (2011), NeurIPS 24.
    """
    optuna = need_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=SEED)
    study = optuna.create_study(sampler=sampler, direction="maximize" if larger_is_better else "minimize")
    tried: list[tuple[Trial, dict[str, int | float]]] = []
    last: Exception | None = None
    for number in range(trials):
        asked = study.ask()
        coded = {name: _suggest(asked, name, values) for name, values in space.items()}
        trial, failure = _try(number, resolve(space, coded), score, metric)
        last = failure or last
        study.tell(asked, trial.score, state=None if trial.score is not None else optuna.trial.TrialState.FAIL)
        tried.append((trial, coded))
    scored = [(trial.score, trial, coded) for trial, coded in tried if trial.score is not None]
    if not scored:
        raise ProductError(
            f"none of {len(tried)} trials gave a {metric}: {tried[-1][0].error}",
            plain=f"none of {len(tried)} trials gave a {metric}",
            where="search",
            remedy="narrow the search space, or train on more rows",
        ) from last
    # Of equals the first, so that the same search finds the same.
    reached, best, coded = max(scored, key=lambda entry: entry[0] if larger_is_better else -entry[0])
    trials_only = tuple(trial for trial, _ in tried)
    return Tuning(metric=metric, best=coded, params=best.params, score=reached, trials=trials_only)


def resolve(space: Mapping[str, Any], coded: Mapping[str, int | float]) -> dict[str, Any]:
    """The parameters that `Tuning.best` stands for."""
    return {name: space[name][int(value)] if _is_choice(space[name]) else value for name, value in coded.items()}


def _try(number: int, params: dict[str, Any], score: Score, metric: str) -> tuple[Trial, Exception | None]:
    shown = {name: plain(value) for name, value in params.items()}
    try:
        reached = score(params)
    except (WindlassError, ValueError, TypeError, ArithmeticError) as error:
        return Trial(number=number, params=shown, score=None, error=fault_of(error)), error
    if not np.isfinite(reached):
        return Trial(number=number, params=shown, score=None, error=f"the {metric} is undefined"), None
    return Trial(number=number, params=shown, score=float(reached)), None


def _suggest(trial: Any, name: str, values: Any) -> int | float:
    found: int | float
    if _is_choice(values):
        # Optuna keeps only plain scalars as choices; the place in the list stands for any object.
        found = trial.suggest_categorical(name, list(range(len(values))))
        return found
    low, high, *scale = values
    if isinstance(low, int) and isinstance(high, int):
        found = trial.suggest_int(name, low, high, log=bool(scale))
    else:
        found = trial.suggest_float(name, float(low), float(high), log=bool(scale))
    return found


def _is_choice(values: Any) -> bool:
    return isinstance(values, list)
