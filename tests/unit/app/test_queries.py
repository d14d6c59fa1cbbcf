from __future__ import annotations

from dataclasses import replace

import pytest

from windlass.app.queries import runs, status, versions
from windlass.product.policy import Gate, to_plain
from windlass.records.decision import UNAPPROVED, Decision
from windlass.records.event import (
    ControllerStarted,
    GateDecided,
    ProductDeclared,
    ReleaseAdvanced,
    ReleaseDelayed,
    ReleaseStarted,
    RetrainDecided,
    RunFailed,
    RunFinished,
    RunStarted,
    VersionRegistered,
)

from .conftest import NOON, POLICIES, Office  # type: ignore[import-not-found]


def started(run: str, trigger: str = "manual") -> RunStarted:
    return RunStarted(run=run, trigger=trigger, reason="because")  # type: ignore[arg-type]


def test_a_run_that_nobody_works_on_is_interrupted_and_not_running(office: Office) -> None:
    fence = office.hold("controller", 10)
    office.write(started("r1"), started("r2", "notebook"), fence=fence)
    assert [row["outcome"] for row in runs(office.workspace, None, limit=9)] == ["running", "running"]
    office.seconds = 11  # its lease has run out
    assert [row["outcome"] for row in runs(office.workspace, None, limit=9)] == ["interrupted", "running"]


def test_status_says_that_nobody_works_on_a_run(office: Office) -> None:
    fence = office.hold("controller", 10)
    office.write(started("r1"), fence=fence)
    assert [row["run"] for row in status(office.workspace)] == ["r1 (manual)"]
    office.seconds = 11  # its lease has run out
    assert [row["run"] for row in status(office.workspace)] == ["r1 (manual), interrupted"]
    fence = office.hold("another", 10)
    office.write(ControllerStarted(holder="another", token=fence.token), fence=fence)
    assert [row["run"] for row in status(office.workspace)] == ["r1 (manual), interrupted"]


@pytest.mark.parametrize(
    ("reason", "approval", "said"),
    [
        ("It seems to fail more often.", False, "v2 in canary; it waits: It seems to fail more often."),
        ("It seems slow.", True, "v2 in canary, waits for `windlass approve`; it waits: It seems slow."),
        (UNAPPROVED, True, "v2 in canary, waits for `windlass approve`"),
    ],
)
def test_status_says_why_a_release_waits(reason: str, approval: bool, said: str, office: Office) -> None:
    wait = Decision(judgement="release", verdict="wait", reasons=(reason,), numbers={}, at=NOON)
    fence = office.hold("controller")
    office.write(
        ReleaseStarted(release="r", version="v2", previous="v1", run=None, plan={"approval": approval}),
        ReleaseAdvanced(release="r", version="v2", stage="canary", share=0.1, decision=wait),
        ReleaseDelayed(release="r", version="v2", decision=wait),
        fence=fence,
    )
    assert [row["release"] for row in status(office.workspace)] == [said]
    office.write(ReleaseAdvanced(release="r", version="v2", stage="canary", share=0.5, decision=wait), fence=fence)
    assert ["it waits" in row["release"] for row in status(office.workspace)] == [False]


def test_a_run_that_the_next_holder_waits_with_is_interrupted(office: Office) -> None:
    wait = Decision(judgement="retrain", verdict="wait", reasons=("The last 2 runs failed.",), numbers={}, at=NOON)
    office.write(started("r1"), RetrainDecided(decision=wait), fence=office.hold("controller"))
    assert [row["outcome"] for row in runs(office.workspace, None, limit=9)] == ["interrupted"]


def test_what_was_wrong_with_a_run_is_told_with_its_remedy(office: Office) -> None:
    reject = Decision(judgement="gate", verdict="reject", reasons=("It is worse.", "Clearly."), numbers={}, at=NOON)
    office.write(
        started("r1"),
        RunFailed(run="r1", step="train", error="E", message="it raised", where="p.py:3", remedy="mend it"),
        started("r2"),
        GateDecided(run="r2", against=None, decision=reject),
        RunFinished(run="r2", outcome="rejected", seconds=1.0),
        fence=office.hold("controller"),
    )
    first, second = runs(office.workspace, None, limit=9)
    assert (first["outcome"], first["error"], first["remedy"]) == (
        "failed in train",
        "it raised (at p.py:3)",
        "mend it",
    )
    assert (second["outcome"], second["error"], second["remedy"]) == ("rejected", "It is worse. Clearly.", None)


@pytest.mark.parametrize("holder", ["host-1", None])
def test_status_says_who_runs_the_loop(office: Office, holder: str | None) -> None:
    if holder is not None:
        office.hold(holder)
    (row,) = status(office.workspace)
    assert row["loop"] == holder


@pytest.mark.parametrize(
    ("kind", "gate", "shown"),
    [
        ("binary", None, "roc_auc"),
        ("regression", None, "mae"),
        ("multiclass", None, "accuracy"),
        ("binary", Gate("log_loss"), "log_loss"),
        ("binary", Gate("recall"), "roc_auc"),
    ],
)
def test_a_version_is_shown_by_what_the_gate_asks_or_its_kind_of_task_is_judged_by(
    office: Office, kind: str, gate: Gate | None, shown: str
) -> None:
    policies = to_plain(replace(POLICIES, gate=gate))
    figures = {"brier": 0.1, "accuracy": 0.8, "roc_auc": 0.7, "log_loss": 0.5, "mae": 2.0}
    fence = office.hold("controller")
    office.write(
        ProductDeclared(entry="m:P", source="t", task={"task": kind, "target": "y"}, policies=policies, trains=True),
        VersionRegistered(version="v1", digest="d" * 64, run="r1", metrics=figures),
        fence=fence,
    )
    assert [row["metric"] for row in versions(office.workspace, None)] == [shown]
