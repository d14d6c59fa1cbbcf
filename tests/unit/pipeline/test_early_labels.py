"""Labels that come early judge nothing, and are learned from unless they misled before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from windlass.errors import RunFailed
from windlass.pipeline.reproducing import ReproduceRequest, reproduce
from windlass.pipeline.rows import dataset
from windlass.pipeline.steps.tables import read_record
from windlass.pipeline.verdicts.evaluation import EVALUATION, Evaluation
from windlass.records.event import GateDecided, StepFinished

LATE = """
from datetime import timezone

class Flights(wl.Product):
    \"\"\"Hourly. Who is late is known after six hours, who is not after a month. At first wind tells, then rain.\"\"\"
    task = wl.BinaryClassification(target="late", time="at", key="id")
    outcome = wl.Outcome(within="50d")
    estimator = LogisticRegression()

    def extract(self, since):
        now, count = datetime(2026, 3, 1, tzinfo=timezone.utc), 3000
        wind, rain, noise = np.random.default_rng(3).normal(size=(count, 3)).T
        late = np.where(np.arange(count) < 800, wind, rain) + noise / 2 > 0
        hours = np.where(late, 6.0, 720 + np.random.default_rng(4).exponential(24.0, count))
        rows = pl.DataFrame({"id": np.arange(count), "wind": wind, "rain": rain, "late": late}).with_columns(
            at=pl.Series([now - timedelta(hours=count - place) for place in range(count)])
        )
        came = pl.Series((hours * 3.6e9).astype(np.int64)).cast(pl.Duration("us"))
        told = rows.with_columns(told=pl.col("at") + came).filter(pl.col("told") <= now)
        return {"rows": rows.drop("late"), "outcomes": told.select("id", value="late", at="told")}

    def features(self, rows):
        return rows.select("wind", "rain")
"""


def released(project: Any, run: str) -> str:
    """What the step `refit` noted."""
    (step,) = [body for body in project.bodies(StepFinished, run=run) if body.step == "refit"]
    return str(step.summary["note"])


def split_of(project: Any, digest: str) -> Any:
    return read_record(project.paths.bundle("flights", digest) / EVALUATION, Evaluation).split


def test_they_are_learned_from_where_that_would_have_helped_before(project: Any) -> None:
    project.write(LATE)
    first = project.train()
    assert "early labels included" in released(project, "run-1")
    split = split_of(project, first.digest)
    assert split.early == project.clock.now()
    assert split.until > split.boundary
    (check,) = [body.summary for body in project.bodies(StepFinished, run="run-1") if body.step == "check"]
    (refit,) = [body.summary for body in project.bodies(StepFinished, run="run-1") if body.step == "refit"]
    assert refit["rows"] == check["rows"] + check["early"] > check["rows"]
    # what judges is as before: rows that stand for their time
    assert check["choice"] + check["holdout"] < check["rows"]
    request = ReproduceRequest(
        settings=project.settings, product="flights", version=first.version, digest=first.digest, run="again"
    )
    assert reproduce(request).same


def test_they_are_not_where_it_would_not(project: Any) -> None:
    """Of early labels alone one learns that lately everybody is late: the worse where probabilities are asked for."""
    project.write(LATE)
    project.edit("LogisticRegression()", "DecisionTreeClassifier(min_samples_leaf=50)")
    project.edit("import timezone", "import timezone\nfrom sklearn.tree import DecisionTreeClassifier")
    project.edit('select("wind", "rain")', 'select("wind", "rain", since=pl.col("at").dt.epoch("ms"))')
    project.edit('wl.Outcome(within="50d")', 'wl.Outcome(within="50d")\n    gate = wl.Gate("log_loss")')
    first = project.train()
    assert "early" not in released(project, "run-1")
    assert split_of(project, first.digest).early is None


def test_what_an_older_release_had_checked_is_checked_again(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(LATE)
    checked = dataset._check

    def before(training: Any, pinned: Any, learned: Any, folder: Any) -> Any:
        summary = checked(training, pinned, learned, folder)
        (folder / "then.json").unlink()
        return summary

    with monkeypatch.context() as patched:
        patched.setattr(dataset, "_check", before)
        with pytest.raises(RunFailed, match="FileNotFoundError"):
            project.train()
    assert project.train().outcome == "registered"
    assert "check" in project.steps("run-2", reused=False)


@pytest.mark.parametrize("days", [5, 40])
def test_the_next_candidate_is_judged_on_rows_whose_labels_the_champion_did_not_know(project: Any, days: int) -> None:
    project.write(LATE)
    first = project.train()
    moment = project.clock.now() + timedelta(days=days)
    later = f"datetime(2026, 3, 1, tzinfo=timezone.utc) + timedelta(days={days}), {3000 + 24 * days}"
    project.edit("datetime(2026, 3, 1, tzinfo=timezone.utc), 3000", later)
    project.clock.move_to(moment)
    project.train(champion="v1", champion_digest=first.digest)
    (gate,) = project.bodies(GateDecided, run="run-2")
    holdouts = [body.summary["holdout"] for body in project.bodies(StepFinished) if body.step == "check"]
    compared = gate.decision.count("rows_compared")
    if days == 5:  # of no row since then both classes are known: what it said of its own holdout is compared
        assert compared == holdouts[0] <= holdouts[1]
    else:
        assert 30 <= compared <= min(holdouts[1], 24 * days)
