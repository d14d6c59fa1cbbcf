"""The catalogue is whole: what criteria name exists, and everything has what a report needs."""

from __future__ import annotations

from windlass.assessment.catalogue import EFFORT_DAYS, load_catalogue
from windlass.assessment.probes import PROBES

CATALOGUE = load_catalogue()


def test_every_probe_answers_for_a_practice() -> None:
    assert set(PROBES) <= set(CATALOGUE.practices)


def test_every_practice_that_files_can_show_has_a_probe() -> None:
    silent = {name for name, each in CATALOGUE.practices.items() if each.detect.repo and each.group != "people"}
    # Only people can tell these, whatever files hint at.
    assert silent - set(PROBES) == {"business-value-measured", "customer-impact"}


def test_criteria_name_practices_that_exist() -> None:
    for each in CATALOGUE.criteria:
        assert set(each.practices) | set(each.symptom_of_missing) <= set(CATALOGUE.practices), each.id
        assert bool(each.practices) != bool(each.symptom_of_missing), each.id


def test_criteria_belong_to_a_model_and_a_level_of_it() -> None:
    for each in CATALOGUE.criteria:
        levels = CATALOGUE.models[each.model].levels
        assert each.level in levels if levels else each.level is None, each.id


def test_every_level_above_the_lowest_has_a_core_criterion_and_a_signature() -> None:
    for model in CATALOGUE.models.values():
        for level in list(model.levels)[1:]:
            assert any(each.is_core and each.level == level for each in CATALOGUE.of_model(model.name)), model.name
            assert set(model.signature[level]) <= set(CATALOGUE.practices)


def test_ids_are_unique_and_efforts_known() -> None:
    ids = [each.id for each in CATALOGUE.criteria]
    assert len(ids) == len(set(ids))
    assert {each.effort for each in CATALOGUE.practices.values()} <= set(EFFORT_DAYS)
    assert all(each.remediation and each.why and each.evidence.strong for each in CATALOGUE.practices.values())


def test_unlocks_follow_from_the_criteria() -> None:
    assert "microsoft:4*" in CATALOGUE.unlocks("ct-trigger-threshold")
    assert CATALOGUE.unlocks("explainability") == ()
