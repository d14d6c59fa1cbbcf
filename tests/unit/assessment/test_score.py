"""From states to levels, completeness, touched levels, blockers and the plan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.assessment.catalogue import load_catalogue
from windlass.assessment.plan import investments, recommend
from windlass.assessment.records import Finding, ModelScore, State, Target
from windlass.assessment.score import score_model

CATALOGUE = load_catalogue()
MODELS = [name for name, model in CATALOGUE.models.items() if model.is_levelled]
ALL_WIRED = dict.fromkeys(CATALOGUE.practices, State.WIRED)
ALL_ABSENT = dict.fromkeys(CATALOGUE.practices, State.ABSENT)


def score(name: str, states: dict[str, State], *, asked: bool = False) -> ModelScore:
    return score_model(CATALOGUE.models[name], CATALOGUE, states, asked=asked)


def core_of(model: str, upto: int) -> set[str]:
    return {
        practice
        for each in CATALOGUE.of_model(model)
        if each.is_core and each.level is not None and each.level <= upto
        for practice in each.practices
    }


@pytest.mark.parametrize("name", MODELS)
class TestEveryModel:
    def test_everything_wired_is_the_top(self, name: str) -> None:
        top = max(CATALOGUE.models[name].levels)
        found = score(name, ALL_WIRED)
        assert (found.level, found.touched, found.completeness, found.blockers) == (top, top, 100.0, ())

    def test_nothing_is_the_bottom(self, name: str) -> None:
        bottom = min(CATALOGUE.models[name].levels)
        found = score(name, ALL_ABSENT)
        assert (found.level, found.touched, found.completeness) == (bottom, bottom, 0.0)
        assert found.next_level == bottom + 1

    def test_the_core_of_a_level_is_enough_for_it(self, name: str) -> None:
        for level in list(CATALOGUE.models[name].levels)[1:]:
            states = ALL_ABSENT | dict.fromkeys(core_of(name, level), State.WIRED)
            assert (score(name, states).level or 0) >= level

    def test_supporting_criteria_give_no_level(self, name: str) -> None:
        top = max(CATALOGUE.models[name].levels)
        states = ALL_WIRED | dict.fromkeys(core_of(name, top), State.ABSENT)
        found = score(name, states)
        assert found.level == min(CATALOGUE.models[name].levels)
        assert found.completeness is not None
        assert found.completeness < 100

    def test_present_is_not_enough(self, name: str) -> None:
        assert score(name, dict.fromkeys(CATALOGUE.practices, State.PRESENT)).level == score(name, ALL_ABSENT).level

    def test_wiring_the_blockers_reaches_the_next_level(self, name: str) -> None:
        states = dict(ALL_ABSENT)
        for _ in CATALOGUE.models[name].levels:
            found = score(name, states)
            if found.next_level is None:
                break
            states |= dict.fromkeys(found.blockers, State.WIRED)
            assert (score(name, states).level or 0) >= found.next_level
        assert score(name, states).level == max(CATALOGUE.models[name].levels)


STATES = st.fixed_dictionaries(
    {name: st.sampled_from([State.ABSENT, State.PRESENT, State.WIRED]) for name in CATALOGUE.practices}
)


@given(states=STATES, better=st.sampled_from(sorted(CATALOGUE.practices)))
def test_doing_more_never_lowers_anything(states: dict[str, State], better: str) -> None:
    for name in MODELS:
        before, after = score(name, states), score(name, states | {better: State.WIRED})
        assert (after.level or 0) >= (before.level or 0)
        assert (after.touched or 0) >= (before.touched or 0)
        assert (after.completeness or 0) >= (before.completeness or 0)


@given(states=STATES)
def test_the_level_is_the_lowest_of_the_dimensions_that_were_assessed(states: dict[str, State]) -> None:
    for name in MODELS:
        found = score(name, states)
        assert found.level == min(level for level in found.dimensions.values() if level is not None)
        assert (found.touched or 0) >= (found.level or 0)


def test_people_are_not_assessed_until_somebody_is_asked() -> None:
    unknown = {name: State.UNKNOWN for name, each in CATALOGUE.practices.items() if each.group == "people"}
    assert score("microsoft", ALL_WIRED | unknown).dimensions["people"] is None
    assert score("microsoft", ALL_WIRED | unknown).level == 4
    assert score("microsoft", ALL_WIRED | unknown, asked=True).dimensions["people"] is None
    answered = unknown | {"collab-ds-de": State.DECLARED}
    found = score("microsoft", ALL_WIRED | answered, asked=True)
    assert found.dimensions["people"] == 1
    assert found.level == 1


def test_a_spiky_profile_shows() -> None:
    found = score("microsoft", ALL_ABSENT | {"ct-trigger-threshold": State.WIRED})
    assert (found.level, found.touched) == (0, 4)


def test_what_does_not_apply_is_not_asked() -> None:
    states = ALL_WIRED | {"automated-build": State.NOT_APPLICABLE, "tests-in-ci": State.WIRED}
    assert score("blog", states).level == 4


class TestPlan:
    def findings(self, **states: State) -> dict[str, Finding]:
        given_states = ALL_ABSENT | {name.replace("_", "-"): state for name, state in states.items()}
        return {name: Finding(id=name, state=state) for name, state in given_states.items()}

    def scores(self, findings: dict[str, Finding]) -> dict[str, ModelScore]:
        states = {name: finding.state for name, finding in findings.items()}
        return {name: score(name, states) for name in MODELS}

    def test_the_most_rewarding_comes_first_and_what_holds_is_left_out(self) -> None:
        findings = self.findings(tests_in_ci=State.WIRED)
        found = investments(CATALOGUE, findings, self.scores(findings), None)
        assert [each.value for each in found] == sorted((each.value for each in found), reverse=True)
        assert "tests-in-ci" not in {each.id for each in found}
        assert all(each.steps and each.deliverables and each.success for each in found)
        assert all(0 < each.days[0] < each.days[1] for each in found)

    def test_a_target_keeps_to_what_it_needs(self) -> None:
        findings = self.findings()
        target = Target(model="microsoft", level=1, why="")
        found = investments(CATALOGUE, findings, self.scores(findings), target)
        assert found
        assert all(unlocked == "microsoft:1" for each in found for unlocked in each.unlocks)
        wired = findings | {each.id: Finding(id=each.id, state=State.WIRED) for each in found}
        assert self.scores(wired)["microsoft"].level == 1

    def test_what_is_there_costs_less_to_wire(self) -> None:
        absent, present = self.findings(), self.findings(service_cd=State.PRESENT)
        days = [
            next(each.days for each in investments(CATALOGUE, one, self.scores(one), None) if each.id == "service-cd")
            for one in (absent, present)
        ]
        assert days == [(3, 10), (1, 5)]

    def test_the_target_follows_what_changes(self) -> None:
        scores = self.scores(self.findings())
        assert recommend(scores, approach_changes=False).level == 1  # type: ignore[union-attr]
        assert recommend(scores, approach_changes=True).level == 2  # type: ignore[union-attr]
        unknown = recommend(scores, approach_changes=None)
        assert unknown is not None
        assert "As long as" in unknown.why
        assert recommend({}, approach_changes=None) is None
