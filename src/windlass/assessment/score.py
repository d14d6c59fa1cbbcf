"""From states to levels. Pure: the same states give the same levels.

A level holds when all core criteria up to it hold. Supporting criteria give a completeness in per cent, never a level.
Each dimension has a level of its own, and the overall level is the lowest of those that were assessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from windlass.assessment.catalogue import Catalogue, Criterion, Model
from windlass.assessment.records import ModelScore, State

States = Mapping[str, State]
_TOLD_BY_PEOPLE = frozenset({"people", "strategy"})
"""Groups of practices that files can at most hint at."""


def holds(criterion: Criterion, states: States) -> bool:
    """Whether a requirement is shown: by all of its practices, or by one of them; what does not apply is not asked."""
    known = (states.get(practice, State.ABSENT) for practice in criterion.practices)
    shown = [state.holds for state in known if state is not State.NOT_APPLICABLE]
    return any(shown) or not shown if criterion.match == "any" else all(shown)


def is_symptom(criterion: Criterion, states: States) -> bool:
    """Whether a deficit is there: none of the practices that would end it is in use."""
    return not any(states.get(practice, State.ABSENT).holds for practice in criterion.symptom_of_missing)


def is_assessable(criterion: Criterion, states: States) -> bool:
    """Whether anybody can say: not where all that is known of it is that nobody was asked."""
    unknown = (State.UNKNOWN, State.NOT_APPLICABLE)
    return any(states.get(practice, State.ABSENT) not in unknown for practice in criterion.practices)


def score_model(model: Model, catalogue: Catalogue, states: States, *, asked: bool = False) -> ModelScore:
    """Where the states stand in one model; `asked` once people were interviewed."""
    criteria = [each for each in catalogue.of_model(model.name) if each.is_requirement]
    dimensions = {
        name: _dimension([each for each in criteria if each.dimension == name], model, catalogue, states, asked=asked)
        for name in dict.fromkeys(each.dimension for each in catalogue.of_model(model.name))
    }
    assessed = [level for level in dimensions.values() if level is not None]
    level = min(assessed, default=None) if model.is_levelled else None
    following = None if level is None else next((each for each in sorted(model.levels) if each > level), None)
    return ModelScore(
        level=level,
        touched=None if level is None else max([level, *_touched(model, states)]),
        completeness=_completeness(criteria, states),
        dimensions=dimensions,
        blockers=_blockers(criteria, catalogue, states, following, asked=asked),
        next_level=following,
        names={str(each): name for each, name in model.levels.items()},
    )


def grounds(
    model: Model, catalogue: Catalogue, states: States, *, up_to: int, asked: bool
) -> list[tuple[Criterion, bool]]:
    """What decides on a level and those below it: each criterion of an assessed dimension, and whether it holds."""
    found: list[tuple[Criterion, bool]] = []
    criteria = [each for each in catalogue.of_model(model.name) if each.is_requirement]
    for dimension in dict.fromkeys(each.dimension for each in criteria):
        decisive = _decisive([each for each in criteria if each.dimension == dimension], catalogue, states, asked=asked)
        if any(is_assessable(each, states) for each in decisive):
            found += [
                (each, holds(each, states)) for each in decisive if each.level is not None and each.level <= up_to
            ]
    return sorted(found, key=lambda ground: ground[0].level or 0)


def _decisive(criteria: Sequence[Criterion], catalogue: Catalogue, states: States, *, asked: bool) -> list[Criterion]:
    """Core criteria; of a dimension of people, which has none, all that somebody has answered to."""
    core = [each for each in criteria if each.is_core]
    if core or not asked:
        return core
    groups = {catalogue.practices[practice].group for each in criteria for practice in each.practices}
    return [each for each in criteria if is_answered(each, states)] if groups & _TOLD_BY_PEOPLE else []


def is_answered(criterion: Criterion, states: States) -> bool:
    """Whether anything is known of all that it asks for."""
    return all(states.get(practice, State.ABSENT) is not State.UNKNOWN for practice in criterion.practices)


def _dimension(
    criteria: Sequence[Criterion], model: Model, catalogue: Catalogue, states: States, *, asked: bool
) -> int | None:
    decisive = _decisive(criteria, catalogue, states, asked=asked)
    if not decisive or not any(is_assessable(each, states) for each in decisive):
        return None
    lowest = min(model.levels, default=0)
    reached = lowest
    for level in sorted(each for each in model.levels if each > lowest):
        if not all(holds(each, states) for each in decisive if each.level == level):
            break
        reached = level
    return reached if model.is_levelled else None


def _touched(model: Model, states: States) -> list[int]:
    return [
        level
        for level, practices in model.signature.items()
        if any(states.get(practice, State.ABSENT).holds for practice in practices)
    ]


def _completeness(criteria: Sequence[Criterion], states: States) -> float | None:
    asked = [each for each in criteria if is_assessable(each, states)]
    return round(100 * sum(holds(each, states) for each in asked) / len(asked), 1) if asked else None


def _blockers(
    criteria: Sequence[Criterion], catalogue: Catalogue, states: States, following: int | None, *, asked: bool
) -> tuple[str, ...]:
    """The practices that the next level still needs, the cheapest first; of those that can stand for each other one."""
    if following is None:
        return ()
    missing: list[str] = []
    for dimension in dict.fromkeys(each.dimension for each in criteria):
        of_dimension = [one for one in criteria if one.dimension == dimension]
        for each in _decisive(of_dimension, catalogue, states, asked=asked):
            if each.level is not None and each.level <= following and not holds(each, states):
                open_ones = [practice for practice in each.practices if not states.get(practice, State.ABSENT).holds]
                cheapest = sorted(open_ones, key=lambda name: catalogue.practices[name].days)
                missing += cheapest[:1] if each.match == "any" else open_ones
    return tuple(sorted(dict.fromkeys(missing), key=lambda name: (catalogue.practices[name].days, name)))
