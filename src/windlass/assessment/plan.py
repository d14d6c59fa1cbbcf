"""The way up: what to do first, what it brings and what it costs, and how far up is worth going. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from windlass.assessment.catalogue import Catalogue, Practice
from windlass.assessment.records import Finding, Investment, ModelScore, State, Target
from windlass.assessment.score import holds

_NEXT, _LATER, _SUPPORTING = 1.0, 0.3, 0.1
"""What a practice is worth to one model: for the next level, for a later one, for its completeness."""


def investments(
    catalogue: Catalogue, findings: Mapping[str, Finding], scores: Mapping[str, ModelScore], target: Target | None
) -> tuple[Investment, ...]:
    """Every practice that is missing and needed, by what it unlocks over its effort; up to a target."""
    states = {name: finding.state for name, finding in findings.items()}
    found = []
    for practice in catalogue.practices.values():
        if states.get(practice.id, State.ABSENT).holds or states.get(practice.id) is State.NOT_APPLICABLE:
            continue
        worth, unlocks = _worth(practice, catalogue, states, scores, target)
        if worth:
            found.append(_investment(practice, findings[practice.id], worth, unlocks))
    return tuple(sorted(found, key=lambda each: (-each.value, each.id)))


def _worth(
    practice: Practice,
    catalogue: Catalogue,
    states: Mapping[str, State],
    scores: Mapping[str, ModelScore],
    target: Target | None,
) -> tuple[float, tuple[str, ...]]:
    best: dict[str, float] = {}
    unlocks: set[str] = set()
    for criterion in catalogue.criteria:
        score = scores.get(criterion.model)
        if (
            practice.id not in criterion.practices
            or not criterion.is_requirement
            or score is None
            or score.level is None
        ):
            continue
        level = criterion.level
        if level is None or holds(criterion, states) or _is_beyond(criterion.model, level, target):
            continue
        worth = _SUPPORTING
        if criterion.is_core and practice.id in (*score.blockers, *criterion.practices):
            worth = (
                _NEXT if practice.id in score.blockers else _LATER if level > (score.next_level or 0) else _SUPPORTING
            )
            unlocks.add(f"{criterion.model}:{level}")
        best[criterion.model] = max(best.get(criterion.model, 0.0), worth)
    return sum(best.values()), tuple(sorted(unlocks))


def _is_beyond(model: str, level: int, target: Target | None) -> bool:
    return target is not None and (model != target.model or level > target.level)


def _investment(practice: Practice, finding: Finding, worth: float, unlocks: tuple[str, ...]) -> Investment:
    least, most = practice.days
    if finding.state is State.PRESENT:
        # What is there has only to be wired: half of the work is done.
        least, most = max(1, least // 2), max(2, most // 2)
    success = (f"windlass assess says that {practice.id} is wired", *practice.detect.live[:1])
    return Investment(
        id=practice.id,
        title=practice.title,
        why=practice.why,
        state=finding.state,
        steps=practice.remediation,
        deliverables=(practice.evidence.strong,),
        success=success,
        effort=practice.effort,
        days=(least, most),
        unlocks=unlocks,
        value=round(worth / ((least + most) / 2), 4),
    )


def recommend(scores: Mapping[str, ModelScore], *, approach_changes: bool | None) -> Target | None:
    """The target by the rule of the sources: continuous training if only data change, CI/CD if the approach does.

    `approach_changes` is None where neither history nor a person tells.
    """
    score = scores.get("google")
    if score is None or score.level is None:
        return None
    if approach_changes:
        return Target(
            model="google",
            level=2,
            why=(
                "The code of training changes too, not only the data: the pipeline itself needs CI/CD (Google level 2)."
            ),
        )
    known = "Only the data change" if approach_changes is False else "As long as only the data change"
    why = f"{known}: continuous training is enough (Google level 1)."
    if score.level >= 1:
        why += " It is reached."
    if approach_changes is None:
        why += " Should the approach change often, go on to level 2."
    return Target(model="google", level=1, why=why)
