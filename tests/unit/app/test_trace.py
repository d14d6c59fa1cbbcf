from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from windlass.app.trace import trace
from windlass.errors import UsageError
from windlass.lake.lake import Lake
from windlass.lake.segments import SegmentWriter
from windlass.records.bundle import Environment, Manifest, ModelFile
from windlass.records.capture import OutcomeBatch, OutcomeRow, PredictionBatch
from windlass.records.decision import Decision
from windlass.records.event import ReleaseAdvanced, ReleaseFinished, ReleaseStarted, VersionRegistered

from .conftest import NOON, PRODUCT, Office  # type: ignore[import-not-found]

HOUR = timedelta(hours=1)


class Shelf:
    """The registry, as far as a trace asks it."""

    def manifest(self, product: str, digest: str) -> Manifest:
        return Manifest(
            product=product,
            entry="",
            run=None,
            created_at=NOON,
            task={},
            policies={},
            columns=(),
            features=("wind",),
            classes=(False, True),
            model=ModelFile(format="onnx", file="m", kind="of " + digest),
            metrics={},
            pin=None,
            environment=Environment(python="3", platform="", windlass="0", distributions={}),
            files={},
        )


@pytest.fixture
def world(office: Office) -> Office:
    """v1 was imported and v2 trained; v2 was released twice, an hour after the other."""
    office.workspace.__dict__["registry"] = Shelf()
    fence = office.fence = office.hold("controller", 1e6)
    office.write(
        VersionRegistered(version="v1", digest="a", run=None, metrics={}, file="f" * 64, trusted_by="ada"),
        VersionRegistered(version="v2", digest="b", run=None, metrics={}),
        fence=fence,
    )
    for number in (0, 1):
        at, release = NOON + number * HOUR, f"release-{number}"
        decision = Decision(judgement="release", verdict="advance", reasons=(f"{number}",), numbers={}, at=at)
        bodies = (
            ReleaseStarted(release=release, version="v2", previous="v1", run=None, plan={}),
            ReleaseAdvanced(release=release, version="v2", stage="canary", share=0.5, decision=decision),
            ReleaseFinished(release=release, version="v2", outcome="rolled_back", decision=decision),
        )
        office.ledger.append(*bodies, at=at, actor="test", product=PRODUCT, fence=fence)
    return office


def capture(
    office: Office, name: str, *, at: timedelta = HOUR / 2, version: str = "v1", stage: Any = "champion"
) -> None:
    """One answer, in a segment."""
    writer = SegmentWriter(office.workspace.paths.segments(PRODUCT) / "w0")
    writer.append(
        PredictionBatch(
            request_id="r",
            at=NOON + at,
            version=version,
            stage=stage,
            latency_ms=1.0,
            ids=(name,),
            keys=("key",),
            event_times=(None,),
            scores=(0.25,),
            rows=(b'{"wind": 3.5, "id": 7}',),
        )
    )
    writer.close()


def commit(office: Office) -> None:
    """What the holder of the lease does with segments."""
    paths = office.workspace.paths
    Lake(paths.lake, office.fence).commit_segments(PRODUCT, paths.segments(PRODUCT), NOON)


def test_an_answer_is_found_before_and_after_it_comes_into_the_lake(world: Office) -> None:
    capture(world, "p1")
    before = trace(world.workspace, "p1", product=None)
    commit(world)
    after = trace(world.workspace, "p1", product=PRODUCT)
    assert (before["waiting"], after["waiting"]) == (True, False)
    assert before["request"] == after["request"] == {"wind": 3.5, "id": 7}
    assert before["prediction"] == after["prediction"]
    assert before["version"]["model"] == "of a"


def test_an_imported_model_leads_to_its_file_and_to_who_vouched_for_it(world: Office) -> None:
    capture(world, "p1")
    found = trace(world.workspace, "p1", product=None)
    assert (found["file"]["sha256"], found["file"]["vouched_by"]) == ("f" * 64, "ada")
    assert (found["run"], found["data"]) == (None, None)


@pytest.mark.parametrize(("at", "release"), [(HOUR / 2, "release-0"), (HOUR, "release-1"), (9 * HOUR, "release-1")])
def test_an_answer_in_canary_leads_to_the_release_in_force_then(world: Office, at: timedelta, release: str) -> None:
    capture(world, "p1", at=at, version="v2", stage="canary")
    commit(world)
    found = trace(world.workspace, "p1", product=None)
    assert found["prediction"]["stage"] == "canary"
    assert found["release"]["release"] == release
    assert [(each["stage"], each["share"]) for each in found["release"]["stages"]] == [
        ("release.started", None),
        ("canary", 0.5),
        ("release.finished", None),
    ]


@pytest.mark.parametrize("committed", [True, False])
def test_what_a_shadow_answered_stands_beside_what_the_caller_got(world: Office, committed: bool) -> None:
    capture(world, "p1", version="v2", stage="shadow")
    capture(world, "p1")
    if committed:
        commit(world)
    found = trace(world.workspace, "p1", product=None)
    assert (found["prediction"]["version"], found["prediction"]["stage"]) == ("v1", "champion")
    assert [(each["version"], each["stage"]) for each in found["beside"]] == [("v2", "shadow")]


def test_what_came_true_is_found_by_id_and_by_key(world: Office) -> None:
    capture(world, "p1")
    writer = SegmentWriter(world.workspace.paths.segments(PRODUCT) / "w1")
    rows = (
        OutcomeRow(prediction_id="p1", value=True, observed_at=NOON),
        OutcomeRow(key="key", value=False, observed_at=NOON),
        OutcomeRow(key="another", value=False, observed_at=NOON),
    )
    writer.append(OutcomeBatch(request_id="o", received_at=NOON, outcomes=rows))
    writer.close()
    commit(world)
    found = trace(world.workspace, "p1", product=None)
    assert [each["value"] for each in found["outcomes"]] == [True, False]


def test_an_unknown_id_is_one_clear_error(world: Office) -> None:
    capture(world, "p1")
    with pytest.raises(UsageError, match="no answer has the id 'p2'") as told:
        trace(world.workspace, "p2", product=None)
    assert "data show predictions" in told.value.remedy


def test_a_version_that_the_ledger_does_not_know_is_not_made_up(world: Office) -> None:
    capture(world, "p1", version="v9")
    found = trace(world.workspace, "p1", product=None)
    assert [found[name] for name in ("version", "release", "file", "run", "code")] == [None] * 5
