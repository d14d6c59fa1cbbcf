"""After a decay: a version that answered before is gone back to when the world is what it was again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from windlass.pipeline.notes.compare import compare_runs
from windlass.records.event import RecourseDecided, RunFinished, VersionRegistered

if TYPE_CHECKING:
    from tests.unit.pipeline.conftest import Project

TURNED = ".with_columns(late=pl.when(pl.col('id').is_between(300, 899)).then(~pl.col('late')).otherwise('late'))"
"""What wind does is the opposite for a while, and then as before."""


@pytest.fixture
def returned(project: Project) -> tuple[Project, dict[str, object]]:
    """v1 learned from the world as it was and is again, v2, which answers, from what it was in between."""
    first = project.train()
    project.edit("return flights()", f"return flights(900){TURNED}")
    second = project.train()
    project.edit("flights(900)", "flights(1050)")
    return project, {
        "champion": "v2",
        "champion_digest": second.digest,
        "earlier": (("v1", first.digest),),
    }


def test_a_version_that_does_better_than_champion_and_candidate_is_released_once_more(
    returned: tuple[Project, dict[str, object]],
) -> None:
    project, versions = returned
    result = project.train(**versions)
    assert (result.outcome, result.version, result.digest) == ("recalled", "v1", versions["earlier"][0][1])
    (decided,) = project.bodies(RecourseDecided)
    numbers = decided.decision.numbers
    assert (decided.run, decided.decision.verdict, numbers["version"]) == ("run-3", "back", "v1")
    assert numbers["v1"] > 0.7
    assert [(body.outcome, body.version) for body in project.bodies(RunFinished)][-1] == ("recalled", "v1")
    assert len(project.bodies(VersionRegistered)) == 2
    assert project.steps("run-3")[-2:] == ["gate", "recourse"]
    compared = {(row.group, row.name): row for row in compare_runs(project.ledger, "run-2", "run-3").rows}
    assert compared["recourse", "verdict"].b == "back"


def test_where_none_is_better_it_goes_forward_and_says_why(returned: tuple[Project, dict[str, object]]) -> None:
    project, versions = returned
    swapped = {
        "champion": "v1",
        "champion_digest": versions["earlier"][0][1],
        "earlier": (("v2", versions["champion_digest"]),),
    }
    project.train(**swapped)
    (decided,) = project.bodies(RecourseDecided)
    assert (decided.decision.verdict, "version" in decided.decision.numbers) == ("forward", False)
    assert "No earlier version is clearly better than the champion" in decided.decision.reasons[0]


def test_a_version_that_cannot_be_asked_is_told_of_and_stops_nothing(
    returned: tuple[Project, dict[str, object]],
) -> None:
    project, versions = returned
    bundle = project.paths.bundle("flights", str(versions["earlier"][0][1]))
    (model,) = bundle.glob("model/*")
    model.chmod(0o600)
    model.write_bytes(b"something else")
    result = project.train(**versions)
    assert result.outcome in ("registered", "rejected")
    (decided,) = project.bodies(RecourseDecided)
    assert decided.decision.verdict == "forward"
    assert "v1 could not be asked" in decided.decision.reasons[-1]


def test_nobody_asks_where_there_is_nothing_to_go_back_to(project: Project) -> None:
    first = project.train()
    project.edit("return flights()", "return flights(400)")
    project.train(champion="v1", champion_digest=first.digest)
    assert project.bodies(RecourseDecided) == []


def test_where_no_version_may_be_made_the_earlier_ones_are_asked_and_nothing_is_fitted(
    returned: tuple[Project, dict[str, object]],
) -> None:
    project, versions = returned
    result = project.train(**versions, only_earlier=True)
    assert (result.outcome, result.version, result.digest) == ("recalled", "v1", versions["earlier"][0][1])
    assert (result.decision.judgement, result.metrics) == ("recourse", {})
    assert project.steps("run-3")[-2:] == ["features", "recourse"]
    assert not {"tune", "train", "evaluate", "gate", "refit"} & set(project.steps("run-3"))
    (decided,) = project.bodies(RecourseDecided)
    assert (decided.decision.verdict, "the candidate" in decided.decision.reasons[0]) == ("back", False)
    assert len(project.bodies(VersionRegistered)) == 2


@pytest.mark.parametrize("others", [True, False])
def test_where_none_of_them_is_better_the_champion_is_kept(
    returned: tuple[Project, dict[str, object]], others: bool
) -> None:
    project, versions = returned
    ((first, digest),) = versions["earlier"]
    earlier = (("v2", versions["champion_digest"]),) if others else ()
    result = project.train(champion=first, champion_digest=digest, earlier=earlier, only_earlier=True)
    assert (result.outcome, result.version, result.digest) == ("kept", None, None)
    assert result.decision.verdict == "forward"
    assert [(body.outcome, body.version) for body in project.bodies(RunFinished)][-1] == ("kept", None)
