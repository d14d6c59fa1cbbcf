"""Whole training runs, in this process: what they leave behind, what they repeat, what they take over."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from windlass.app import queries
from windlass.app.describe import describe
from windlass.app.workspace import Workspace
from windlass.decisions.precedent import Precedent
from windlass.errors import DataError, LeaseLost, RunFailed
from windlass.lake.lake import Lake
from windlass.lake.segments import SegmentWriter
from windlass.monitoring import reference
from windlass.pipeline.declaring import declare
from windlass.pipeline.notes.compare import compare_runs
from windlass.pipeline.steps.predictions import as_frame, from_frame
from windlass.pipeline.steps.request import DeclareRequest
from windlass.pipeline.steps.tables import read_record
from windlass.pipeline.verdicts.evaluation import Evaluation
from windlass.product.contract import RowDecoder
from windlass.records.capture import OutcomeBatch, OutcomeRow, PredictionBatch
from windlass.records.event import (
    DataExtracted,
    DataPinned,
    GateDecided,
    ProductDeclared,
    RunFinished,
    RunLogged,
    RunStarted,
    StepFinished,
    StepStarted,
    VersionRegistered,
)
from windlass.records.event import RunFailed as RunFailedEvent

if TYPE_CHECKING:
    from tests.unit.pipeline.conftest import Project

STEPS = ["extract", "pin", "check", "features", "train", "evaluate", "gate", "refit", "bundle"]


def test_a_run_leaves_a_version_and_its_whole_story(project: Project) -> None:
    result = project.train()
    assert (result.outcome, result.version) == ("registered", "v1")
    assert project.steps("run-1") == STEPS
    registered = project.bodies(VersionRegistered)
    assert [(body.version, body.digest, body.run) for body in registered] == [("v1", result.digest, "run-1")]
    assert registered[0].metrics["roc_auc"] == result.metrics["roc_auc"] > 0.7
    assert [body.ingested[0].rows_new for body in project.bodies(DataExtracted)] == [300]
    assert project.bodies(GateDecided)[0].decision == result.decision
    finished = project.bodies(RunFinished)
    assert [(body.outcome, body.version) for body in finished] == [("registered", "v1")]
    assert [message.step for message in project.messages if message.state == "finished"] == STEPS
    assert project.ledger.verify().ok


def test_the_bundle_keeps_how_it_was_judged_and_answers_with_all_it_could_learn(project: Project) -> None:
    result = project.train()
    bundle = project.registry.open("flights", result.digest)
    (rows,) = (project.paths.root / "artifacts").rglob("rows.arrow")
    holdout = pl.read_ipc(rows).tail(100)
    judged = pl.read_ipc(bundle.folder / "predictions.arrow").to_series().to_numpy()
    assert ((judged >= 0.5) == holdout.get_column("late").to_numpy()).mean() == pytest.approx(
        result.metrics["accuracy"]
    )
    answered = bundle.predict(holdout.drop("late"))
    assert not np.array_equal(answered.scores, judged)
    rows_of = {body.step: body.summary.get("rows") for body in project.bodies(StepFinished)}
    assert (rows_of["train"], rows_of["refit"]) == (200, 300)
    assert [column.name for column in bundle.manifest.columns] == ["id", "at", "wind", "carrier"]
    assert bundle.manifest.features == ("wind", "carrier")
    assert bundle.manifest.pin == project.bodies(DataPinned)[0].pin
    assert bundle.manifest.run == "run-1"
    evaluation = read_record(bundle.folder / "evaluation.json", Evaluation)
    assert evaluation.rows == 100
    assert evaluation.split.boundary == datetime(2026, 1, 9, 8, tzinfo=UTC)
    assert evaluation.importances[0].feature == "wind"
    assert evaluation.metrics["roc_auc"] > 0.7
    numbers = project.bodies(GateDecided)[0].decision.numbers
    assert (numbers["candidate"], numbers["baseline"]) == (evaluation.metrics["roc_auc"], 0.5)
    assert evaluation.baseline["roc_auc"] == 0.5
    watched = reference.load(bundle.folder)
    assert watched is not None
    assert watched.loss is not None  # a fifth of 300 would be too few to be watched by
    assert watched.features.rows == 200


def test_a_contract_may_be_about_naive_moments_from_the_extract_to_the_request(project: Project) -> None:
    project.edit(
        "class Flights",
        "import pandera.polars as pa\n\n"
        "class Contract(pa.DataFrameModel):\n    at: datetime = pa.Field(ge=datetime(2020, 1, 1))\n\n"
        "class Flights",
    )
    project.edit("estimator =", "contract = Contract\n    estimator =")
    project.edit(
        'rows.select("wind", "carrier")', 'rows.select("wind", early=pl.col("at") < pl.lit(datetime(2026, 1, 5)))'
    )
    result = project.train()
    assert result.outcome == "registered"
    bundle = project.registry.open("flights", result.digest)
    assert bundle.product is not None
    decoder = RowDecoder(bundle.manifest.columns, bundle.product.contract)
    row = {"id": 1, "wind": 0.5, "carrier": "A"}
    asked = decoder.from_records([row | {"at": "2026-01-04T00:00:00Z"}, row | {"at": "2026-01-06T00:00:00"}])
    assert bundle.predict(asked.frame).features["early"].to_list() == [True, False]


def test_nothing_new_is_unchanged(project: Project) -> None:
    first = project.train()
    second = project.train()
    assert (second.outcome, second.version, second.digest) == ("unchanged", "v1", first.digest)
    assert project.steps("run-2", reused=False) == ["extract", "pin", "check"]
    assert project.calls() == ["extract", "train", "train", "extract"]
    assert len(project.bodies(VersionRegistered)) == 1
    assert [body.run for body in project.bodies(GateDecided)] == ["run-1", "run-2"]


def test_rows_that_do_not_count_are_told_and_the_latest_of_a_key_is_learned_from(project: Project) -> None:
    project.edit(
        "return flights()",
        "rows = flights()\n"
        "        later = rows.head(2).with_columns(at=pl.col('at').dt.offset_by('1y'), carrier=pl.lit('later'))\n"
        "        return pl.concat([later, rows, rows.tail(3)])",
    )
    assert project.train().outcome == "registered"
    told = "3 rows left out, equal to another row of the frame; 2 rows superseded by a later row of the same key"
    example = "(2 keys, such as row 2 by row 0)"
    extracted = next(message for message in project.messages if message.state == "finished")
    assert extracted.text == f"302 new; {told} {example}"
    assert any(message.text.startswith("id 0 came in several") for message in project.messages)
    assert "id 0 came in several different rows at once" in project.log("run-1", "extract")
    (event,) = project.ledger.events([DataExtracted])
    assert describe(event) == f"extracted 302 new rows of 305 from rows; {told} {example}"
    ahead = "2 rows with a label, but a time in the future: check zone, day and month"
    assert any(message.text.endswith(ahead) for message in project.messages)
    with closing(Workspace(project.settings)) as workspace:
        assert [row["remarks"] for row in queries.runs(workspace, None, limit=5)] == [f"{told} {example}; {ahead}"]
    (rows,) = (project.paths.root / "artifacts").rglob("rows.arrow")
    learned = pl.read_ipc(rows).sort("id")
    assert (learned.height, learned["carrier"][:2].to_list()) == (300, ["later", "later"])


def test_force_repeats_everything(project: Project) -> None:
    project.train()
    forced = project.train(force=True)
    assert forced.reused == ()
    assert project.calls() == ["extract", "train", "train"] * 2
    assert (forced.outcome, forced.version) == ("registered", "v2")


def test_new_rows_make_a_new_version(project: Project) -> None:
    project.train()
    project.edit("return flights()", "return flights(320)")
    second = project.train()
    assert (second.outcome, second.version) == ("registered", "v2")
    assert [body.ingested[0].rows_new for body in project.bodies(DataExtracted)][1] > 0


def test_rejected_by_the_floor(project: Project) -> None:
    project.edit("estimator =", "gate = wl.Gate('roc_auc', at_least=0.99)\n    estimator =")
    result = project.train()
    assert (result.outcome, result.version, result.digest) == ("rejected", None, None)
    assert project.steps("run-1") == STEPS[:-2]
    assert project.bodies(VersionRegistered) == []
    assert project.bodies(RunFinished)[0].outcome == "rejected"
    # The floor is lowered: only the gate and what follows is done again.
    project.edit("at_least=0.99", "at_least=0.6")
    again = project.train()
    assert again.outcome == "registered"
    assert "train" in again.reused
    assert project.calls() == ["extract", "train", "extract", "train"]  # the second one is the refit


def test_a_mended_train_takes_up_where_it_stopped(project: Project) -> None:
    project.edit('note("train")', 'note("train"); print("about to fail"); 1 / 0')
    with pytest.raises(RunFailed, match="ZeroDivisionError") as caught:
        project.train()
    assert str(project.folder / "flights.py") in caught.value.where
    failed = project.bodies(RunFailedEvent)[0]
    assert (failed.run, failed.step, failed.error) == ("run-1", "train", "ZeroDivisionError")
    assert "about to fail" in project.log("run-1", "train")
    assert "Traceback" in (project.paths.root / failed.log).read_text()
    project.edit('print("about to fail"); 1 / 0', "pass")
    result = project.train()
    assert result.outcome == "registered"
    assert result.reused == ("extract", "pin", "check", "features")
    assert project.calls() == ["extract", "train", "train", "train"]  # failed, mended, refit
    assert project.bodies(RunStarted)[1].resumes == "run-1"
    assert len(project.bodies(DataExtracted)) == 1
    assert [body.run for body in project.bodies(DataPinned)] == ["run-1", "run-2"]


def test_a_resumed_run_does_not_see_what_came_since(project: Project) -> None:
    project.edit('note("train")', "1 / 0")
    with pytest.raises(RunFailed):
        project.train()
    Lake(project.paths.lake, project.fence).ingest(
        "flights",
        "rows",
        pl.DataFrame(
            {"id": [999], "at": [datetime(2026, 2, 1, tzinfo=UTC)], "wind": [0.1], "carrier": ["A"], "late": [True]}
        ),
        time="at",
        key="id",
        now=datetime(2026, 3, 1, tzinfo=UTC),
    )
    project.edit("1 / 0", "pass")
    assert project.train().outcome == "registered"
    assert [body.pin.rows for body in project.bodies(DataPinned)] == [300, 300]


def test_a_changed_extract_is_asked_again_also_when_resuming(project: Project) -> None:
    project.edit('note("train")', "1 / 0")
    with pytest.raises(RunFailed):
        project.train()
    project.edit("1 / 0", "pass")
    project.edit("return flights()", "return flights(310)")
    result = project.train()
    assert (result.outcome, result.reused) == ("registered", ())
    assert [body.pin.rows for body in project.bodies(DataPinned)] == [300, 310]


def test_data_that_was_mended_at_its_source_is_asked_for_again(project: Project) -> None:
    project.edit("return flights()", "return flights().filter(pl.lit((HERE / 'mended').exists()))")
    with pytest.raises(DataError, match="no rows"):
        project.train()
    (project.folder / "mended").write_text("the table has been filled; no code has changed")
    result = project.train()
    assert (result.outcome, result.reused) == ("registered", ())
    assert project.bodies(RunStarted)[1].resumes is None


def test_a_corrupted_output_is_made_again(project: Project) -> None:
    project.edit('note("train")', "1 / 0")
    with pytest.raises(RunFailed):
        project.train()
    (file,) = (project.paths.root / "artifacts").rglob("features.arrow")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    project.edit("1 / 0", "pass")
    result = project.train()
    assert result.outcome == "registered"
    assert result.reused == ("extract", "pin", "check")


def test_a_bundle_that_is_gone_is_made_again(project: Project) -> None:
    first = project.train()
    folder = project.paths.bundle("flights", first.digest)
    folder.rename(folder.with_name("gone"))
    second = project.train()
    assert project.registry.open("flights", second.digest).manifest.run == "run-2"


def test_steps_of_earlier_runs_are_given_back(project: Project) -> None:
    project.train()
    project.edit("return flights()", "return flights(320)")
    project.train()
    folder = project.paths.step("flights", "x").parent
    assert len(list(folder.iterdir())) == len(STEPS)


# -- the champion ------------------------------------------------------------------------------------------------


def test_the_champion_is_asked_about_the_same_rows(project: Project) -> None:
    first = project.train()
    project.edit("return flights()", "return flights(400)")
    second = project.train(champion="v1", champion_digest=first.digest)
    decided = project.bodies(GateDecided)[1]
    assert decided.against == "v1"
    assert decided.decision.numbers["champion"] == pytest.approx(decided.decision.numbers["candidate"], abs=0.2)
    assert (decided.decision.numbers["rows"], decided.decision.numbers["rows_compared"]) == (100, 100)
    assert second.outcome == "registered"


def test_rows_that_the_champion_has_learned_from_do_not_count(project: Project) -> None:
    first = project.train()
    # Older history turns up with a few new rows: the holdout of the new run begins before the champion's last row.
    project.edit(
        "flights()",
        "pl.concat([flights(340), flights(300).with_columns(pl.col('id') + 1000, pl.col('at') - timedelta(days=100))])",
    )
    project.train(champion="v1", champion_digest=first.digest)
    numbers = [body.decision.numbers for body in project.bodies(GateDecided)]
    # The champion has learned from the first 300 of the flights; of the 128 in the new holdout 40 are later.
    # What the candidate is by itself is judged on all of them.
    assert [each["rows"] for each in numbers] == [100, 128]
    assert [each.get("rows_compared") for each in numbers] == [None, 40]


@pytest.mark.parametrize("shift", ["timedelta(hours=300)", "timedelta(days=-1)"])
def test_few_new_rows_or_only_late_ones_are_joined_by_what_the_champion_said_before_it_saw_its_own(
    project: Project, shift: str
) -> None:
    first = project.train()
    few = f"flights(9, seed=2).with_columns(pl.col('id') + 1000, pl.col('at') + {shift})"
    project.edit("return flights()", f"return pl.concat([flights(), {few}])")
    second = project.train(champion="v1", champion_digest=first.digest)
    numbers = project.bodies(GateDecided)[1].decision.numbers
    assert (numbers["rows"], numbers["rows_compared"]) == (100, 100)
    assert numbers["champion"] == pytest.approx(numbers["candidate"], abs=0.05)
    assert second.outcome == "registered"


def test_other_code_on_the_same_rows_is_compared_with_what_the_champion_said_before_it_saw_them(
    project: Project,
) -> None:
    first = project.train()
    project.edit("LogisticRegression()", "LogisticRegression(C=0.5)")
    project.train(champion="v1", champion_digest=first.digest)
    numbers = project.bodies(GateDecided)[1].decision.numbers
    assert (numbers["rows"], numbers["rows_compared"]) == (100, 100)
    assert numbers["champion"] == pytest.approx(first.metrics["roc_auc"])


def test_a_champion_that_cannot_answer_keeps_nobody_out(project: Project) -> None:
    project.edit("return rows.select", "assert not (HERE / 'old').exists()\n        return rows.select")
    first = project.train()
    (project.folder / "old").write_text("the champion's own code cannot read today's rows")
    project.edit("assert not (HERE / 'old').exists()", "pass")
    project.edit("return flights()", "return flights(320)")
    second = project.train(champion="v1", champion_digest=first.digest)
    decided = project.bodies(GateDecided)[1]
    assert decided.against is None
    assert any("could not be asked" in reason for reason in decided.decision.reasons)
    assert second.outcome == "registered"


def test_a_champion_that_cannot_answer_keeps_nobody_out_where_nothing_is_new(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of an older release, which did not keep what it said before it saw its holdout."""
    monkeypatch.setattr("windlass.pipeline.verdicts.champion.JUDGED", "of-later-releases")
    project.edit("return rows.select", "assert not (HERE / 'old').exists()\n        return rows.select")
    first = project.train()
    (project.folder / "old").write_text("as after an upgrade of libraries")
    project.edit("assert not (HERE / 'old').exists()", "pass")
    second = project.train(champion="v1", champion_digest=first.digest)
    assert any("could not be asked" in reason for reason in project.bodies(GateDecided)[1].decision.reasons)
    assert second.outcome == "registered"


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 1)])
def test_predictions_survive_the_disk(shape: tuple[int, ...]) -> None:
    predictions = np.random.default_rng(0).random(shape)
    assert from_frame(as_frame(predictions)).reshape(shape).tolist() == predictions.tolist()


# -- labels that come later --------------------------------------------------------------------------------------


def test_labels_from_the_source_outcomes(project: Project) -> None:
    project.edit(
        "return flights()",
        "f = flights(); return {'rows': f.with_columns(late=pl.when(pl.col('id') < 200).then('late')),"
        " 'outcomes': f.filter(pl.col('id') >= 250).select('id', value='late')}",
    )
    project.train()
    (check,) = [body for body in project.bodies(StepFinished) if body.step == "check"]
    assert (check.summary["rows"], check.summary["unlabelled"]) == (250, 50)
    # The same labels again are no news, although each extract says them without a time.
    assert "features" in project.train().reused
    assert Lake(project.paths.lake).outcomes("flights").height == 50
    # A correction of a label is a new training set, though no row has changed.
    project.edit("value='late')", "value=~pl.col('late'))")
    assert "features" not in project.train().reused


def serve(project: Project, row: str, *, ids: range, outcomes: dict[int, object]) -> None:
    """Answer rows, each the text `row` with its number filled in, and bring what became of them a day later."""
    at = datetime(2026, 2, 1, tzinfo=UTC)
    writer = SegmentWriter(project.paths.segments("flights"))
    batch = PredictionBatch(
        request_id="r",
        at=at,
        version="v1",
        stage="champion",
        latency_ms=1.0,
        ids=tuple(f"p{number}" for number in ids),
        keys=tuple(str(number) for number in ids),
        event_times=(at,) * len(ids),
        scores=(0.5,) * len(ids),
        rows=tuple((row % number).encode() for number in ids),
    )
    writer.append(batch)
    told = tuple(
        OutcomeRow(prediction_id=f"p{number}", value=value, observed_at=at + timedelta(days=1))  # type: ignore[arg-type]
        for number, value in outcomes.items()
    )
    writer.append(OutcomeBatch(request_id="o", received_at=at, outcomes=told))
    writer.close()
    lake = Lake(project.paths.lake, project.fence)
    lake.commit_segments("flights", project.paths.segments("flights"), project.clock.now())


SERVED = '{"id": %d, "at": "2026-02-01T00:00:00Z", "wind": 1.5, "carrier": "A"}'


def checked(project: Project, run: str) -> dict[str, object]:
    return next(body.summary for body in project.bodies(StepFinished, run=run) if body.step == "check")


HAPPENED = "f = flights(); return {'rows': f.drop('late'), 'outcomes': f.filter('late').select('id', value='late')}"


def test_what_never_came_is_the_absent_label_of_an_extracted_row_too(project: Project) -> None:
    """Only what happened is ever reported; the rest is known when the time for it is over."""
    project.edit("return flights()", HAPPENED)
    project.edit("    estimator =", "    outcome = wl.Outcome(within='50d', absent=False)\n    estimator =")
    project.train()
    check = next(body for body in project.bodies(StepFinished, run="run-1") if body.step == "check")
    rows = Lake(project.paths.lake).examples("flights", "rows")
    late = Lake(project.paths.lake).outcomes("flights").get_column("key")
    waiting = rows.filter(
        pl.col("at") + timedelta(days=50) >= project.clock.now(), ~pl.col("id").cast(pl.String).is_in(late.implode())
    )
    assert 0 < waiting.height < 100
    assert check.summary["unlabelled"] == waiting.height
    assert project.train().outcome == "unchanged"

    project.clock.move_to(project.clock.now() + timedelta(days=30))
    project.train()
    check = next(body for body in project.bodies(StepFinished, run="run-3") if body.step == "check")
    assert (check.summary["rows"], check.summary["unlabelled"]) == (300, 0)


def test_a_correction_is_learned_from_and_its_label_is_as_old_as_the_first_outcome(project: Project) -> None:
    told = "f.select('id', value={}, at=pl.col('at') + pl.duration(days={}))"
    twice = ", ".join(told.format(value, days) for value, days in (("pl.col('late')", 9), ("~pl.col('late')", 1)))
    project.edit(
        "return flights()", f"f = flights(); return {{'rows': f.drop('late'), 'outcomes': pl.concat([{twice}])}}"
    )
    project.train()
    (outcomes,) = (project.paths.root / "artifacts").rglob("outcomes.arrow")
    asked = Lake(project.paths.lake).examples("flights", "rows").select("at", key=pl.col("id").cast(pl.String))
    pinned = pl.read_ipc(outcomes).join(asked, on="key")
    assert (pinned["known_at"] - pinned["at"]).unique().to_list() == [timedelta(days=1)]
    assert (pinned["observed_at"] - pinned["at"]).unique().to_list() == [timedelta(days=9)]
    (rows,) = (project.paths.root / "artifacts").rglob("rows.arrow")
    came = pl.read_ipc(rows).select(key=pl.col("id").cast(pl.String), late="late").join(pinned, on="key")
    assert came.height == 300
    assert (came["late"].cast(pl.String) == came["value"]).all()


def test_an_absent_label_that_is_none_is_named(project: Project) -> None:
    project.edit("return flights()", HAPPENED)
    project.edit("    estimator =", "    outcome = wl.Outcome(within='50d', absent='no')\n    estimator =")
    with pytest.raises(DataError, match=r"'no' cannot be a label.*Outcome\.absent"):
        project.train()


def test_an_answer_whose_outcome_came_outweighs_the_silence_about_its_row(project: Project) -> None:
    told = "f = flights(); return f.with_columns(late=pl.when(pl.col('id') != 5).then('late'))"
    project.edit("return flights()", told)
    project.edit("    estimator =", "    outcome = wl.Outcome(within='1d', absent=False)\n    estimator =")
    project.train()
    serve(project, SERVED, ids=range(5, 6), outcomes={5: True})
    project.train()
    summary = checked(project, "run-2")
    assert (summary["served"], summary["unlabelled"], summary["rows"]) == (0, 0, 300)
    (rows,) = (project.paths.root / "artifacts").rglob("rows.arrow")
    assert pl.read_ipc(rows).filter(pl.col("id") == 5)["late"].to_list() == [True]


def test_served_rows_with_outcomes_are_learned_from(project: Project) -> None:
    project.train()
    # 9001 gets a label, 9002 gets none, 5 is an example that was extracted with its label.
    serve(project, SERVED, ids=range(9001, 9003), outcomes={9001: True})
    serve(project, SERVED, ids=range(5, 6), outcomes={5: True})
    project.train()
    summary = checked(project, "run-2")
    assert (summary["served"], summary["rows"]) == (1, 301)


def test_served_rows_come_in_the_types_that_the_contract_makes_of_extracted_ones(project: Project) -> None:
    project.edit(
        "class Flights",
        "import pandera.polars as pa\n\nclass Contract(pa.DataFrameModel):\n    zip: str = pa.Field(coerce=True)\n\n"
        "class Flights",
    )
    project.edit("estimator =", "contract = Contract\n    estimator =")
    project.edit("return flights()", "return flights().with_columns(zip=pl.col('id') + 10000)")
    project.train()
    serve(project, SERVED.replace('"A"}', '"A", "zip": "07030"}'), ids=range(9001, 9002), outcomes={9001: True})
    project.train()
    assert checked(project, "run-2")["served"] == 1
    (rows,) = (project.paths.root / "artifacts").rglob("rows.arrow")
    assert pl.read_ipc(rows)["zip"].tail(1).to_list() == ["07030"]


def test_served_rows_that_break_todays_contract_are_set_aside(project: Project) -> None:
    project.train()
    serve(project, SERVED, ids=range(9001, 9004), outcomes={9001: True, 9002: False})
    project.edit(
        "class Flights",
        "import pandera.polars as pa\n\nclass Contract(pa.DataFrameModel):\n    gust: float\n\nclass Flights",
    )
    project.edit("estimator =", "contract = Contract\n    estimator =")
    project.edit("return flights()", "return {'gusty': flights().with_columns(gust=1.0)}")
    assert project.train().outcome == "registered"
    summary = checked(project, "run-2")
    assert (summary["rows"], summary["served"], summary["set_aside"]) == (300, 0, 2)


# -- windows ----------------------------------------------------------------------------------------------------------


def test_window(project: Project) -> None:
    project.train(window=timedelta(days=50))
    # 1 March and a minute minus 50 days is 10 January, 00:01: the rows from 01:00 on, of 300 hours from 1 January.
    assert project.bodies(DataPinned)[0].pin.rows == 300 - 9 * 24 - 1


TURNED = """
class Flights(wl.Product):
    task = wl.Regression(target="minutes", time="at", key="id")
    estimator = LinearRegression()
    gate = wl.Gate("mae")

    def extract(self, since):
        random = np.random.default_rng(0)
        wind = random.normal(size=12_000)
        turned = np.where(np.arange(12_000) < 4_500, 1, -1)  # the relation has been another one since
        at = [datetime(2026, 1, 1) + timedelta(minutes=n) for n in range(12_000)]
        return pl.DataFrame({"id": range(12_000), "at": at, "wind": wind, "minutes": turned * wind}).with_columns(
            pl.col("at").dt.replace_time_zone("UTC")
        )

    def features(self, rows):
        return rows.select("wind")
"""


def test_stretches_compete_for_what_a_version_learns_from(project: Project) -> None:
    project.write(TURNED)
    first = project.train()
    (check,) = [body.summary for body in project.bodies(StepFinished) if body.step == "check"]
    assert (check["choice"], check["holdout"]) == (3200, 2400)
    (trained,) = [body.summary for body in project.bodies(StepFinished) if body.step == "train"]
    # of the 6,400 rows that compete, the longest stretch that holds the new relation alone
    assert "the newest quarter" in trained["learned_from"]
    assert not any(longer in trained["learned_from"] for longer in ("all rows", "half"))
    assert first.metrics["mae"] < 1e-6
    project.edit('gate = wl.Gate("mae")', 'gate = wl.Gate("mae"); retrain = wl.Retrain(window="all")')
    (check, trained) = (
        body.summary
        for result in [project.train()]
        for body in project.bodies(StepFinished, run=result.run)
        if body.step in ("check", "train")
    )
    assert (check["choice"], check["holdout"], trained["learned_from"]) == (0, 2400, "all rows")


def test_a_committee_says_how_many_models_it_asks(project: Project) -> None:
    noisy = TURNED.replace("turned * wind", "wind + random.normal(size=12_000)")
    project.write(noisy.replace("LinearRegression()", "DecisionTreeRegressor(min_samples_leaf=5)"))
    made = project.train()
    assert made.digest is not None
    (trained,) = [body.summary for body in project.bodies(StepFinished) if body.step == "train"]
    manifest = project.registry.manifest("flights", made.digest)
    assert "a blend of a committee of 4 on all rows" in trained["learned_from"]
    assert manifest.models == 4 + trained["learned_from"].count("the newest")


def test_a_run_that_must_gain_releases_nothing_that_is_as_good(project: Project) -> None:
    digest = project.train().digest
    project.edit('note("train")', 'note("train, again")')
    again = project.train(champion="v1", champion_digest=digest, must_gain=True)
    assert again.outcome == "rejected"
    assert "not worth a release" in again.decision.reasons[0]
    last = Precedent(gain=0.3, p_better=0.01)
    asked = project.train(champion="v1", champion_digest=digest, must_gain=True, precedent=last)
    assert (asked.decision.numbers["last_gain"], asked.decision.numbers["last_p_better"]) == (0.3, 0.01)
    assert (asked.outcome, "gate" in asked.reused) == ("rejected", False)
    project.edit('note("train, again")', 'note("train, once more")')
    assert project.train(champion="v1", champion_digest=digest).outcome == "registered"


def test_a_run_that_spares_versions_releases_nothing_that_seems_no_better(project: Project) -> None:
    digest = project.train().digest
    project.edit('note("train")', 'note("train, again")')
    again = project.train(champion="v1", champion_digest=digest, sparing=True)
    assert again.outcome == "rejected"
    assert "few versions may still be made" in again.decision.reasons[0]
    assert project.train(champion="v1", champion_digest=digest).outcome == "registered"


def test_what_more_rows_have_brought_is_asked_where_nothing_else_asks_for_the_run(project: Project) -> None:
    noisy = TURNED.replace("turned * wind", "wind + random.normal(size=12_000)")
    noisy = noisy.replace("LinearRegression()", "DecisionTreeRegressor(max_leaf_nodes=400)")
    noisy = noisy.replace('gate = wl.Gate("mae")', 'gate = wl.Gate("mae"); retrain = wl.Retrain(window="all")')
    project.write(noisy.replace("        )\n\n", "        ).head(8_000)\n\n"))
    digest = project.train().digest
    project.write(noisy)
    asked: dict[str, Any] = {"champion": "v1", "champion_digest": digest, "must_gain": True}
    assert "expected_gain" not in project.train(**asked).decision.numbers
    short = project.train(**asked, growth=True, window=timedelta(days=60))
    assert "expected_gain" not in short.decision.numbers
    grown = project.train(**asked, growth=True)
    (step,) = [body for body in project.bodies(StepFinished) if body.step == "curve"]
    assert (step.run, step.summary["rows"], step.summary["models"]) == (grown.run, 12_000, 4)
    assert grown.decision.numbers["expected_gain"] > 0
    assert grown.decision.numbers["expected_p_better"] < 0.1
    again = project.train(**asked, growth=True)
    assert {"curve", "gate"} <= set(again.reused)


# -- notes, search, other tasks ----------------------------------------------------------------------------------


def test_what_train_notes_belongs_to_every_run_that_uses_it(project: Project) -> None:
    project.edit(
        'note("train")',
        'note("train"); run = wl.active_run(); run.param("rows", len(examples)); run.metric("loss", 0.5, step=1); '
        'run.figure("curve", "<svg></svg>"); run.log("half way")',
    )
    project.train()
    project.train()
    noted = project.bodies(RunLogged)
    assert [(body.run, body.params, body.metrics) for body in noted] == [
        ("run-1", {"rows": 200}, {"loss": 0.5}),
        ("run-2", {"rows": 200}, {"loss": 0.5}),
    ]
    assert (project.paths.root / noted[0].figures["curve"]).read_text() == "<svg></svg>"
    assert (project.paths.run("flights", "run-1") / "run.log").read_text() == "half way\n"
    rows = compare_runs(project.ledger, "run-1", "run-2", paths=project.paths).rows
    found = {(row.group, row.name): row for row in rows}
    assert found["param", "rows"].a == found["param", "rows"].b == 200
    assert not found["data", "digest"].differs
    assert not found["environment", "polars"].differs
    assert found["metric", "holdout.roc_auc"].a is not None


def test_what_a_failing_train_noted_is_kept(project: Project) -> None:
    project.edit('note("train")', 'wl.active_run().metric("loss", 7.0); 1 / 0')
    with pytest.raises(RunFailed):
        project.train()
    assert [body.metrics for body in project.bodies(RunLogged)] == [{"loss": 7.0}]


def test_search(project: Project) -> None:
    project.edit("estimator =", "search = {'C': (1e-6, 10.0, 'log')}\n    trials = 4\n    estimator =")
    result = project.train()
    assert project.steps("run-1") == [*STEPS[:4], "tune", *STEPS[4:]]
    trials = [body for body in project.bodies(RunLogged) if "trial.roc_auc" in body.metrics]
    assert [body.step for body in trials] == [0, 1, 2, 3]
    best = max(trials, key=lambda body: body.metrics["trial.roc_auc"]).params["trial.C"]
    model = project.registry.open("flights", result.digest).model
    assert best == model.steps[-1][1].C
    assert project.train().outcome == "unchanged"


def test_regression(project: Project) -> None:
    project.edit("BinaryClassification", "Regression")
    project.edit("LogisticRegression()", "LinearRegression()")
    project.edit("return flights()", "return flights().with_columns(late=pl.col('wind') * 3 + 1)")
    result = project.train()
    assert result.metrics["mae"] == pytest.approx(0, abs=1e-6)
    evaluation = read_record(project.paths.bundle("flights", result.digest) / "evaluation.json", Evaluation)
    assert set(evaluation.residuals) == {"0.05", "0.25", "0.5", "0.75", "0.95"}
    assert evaluation.calibration is None


def test_several_classes_without_time(project: Project) -> None:
    project.edit('BinaryClassification(target="late", time="at", key="id")', "MulticlassClassification(target='kind')")
    project.edit(
        "return flights()",
        "return flights().with_columns(kind=pl.when(pl.col('wind') > 0.4).then(pl.lit('high'))"
        ".when(pl.col('wind') < -0.4).then(pl.lit('low')).otherwise(pl.lit('middle'))).drop('late', 'at')",
    )
    result = project.train()
    bundle = project.registry.open("flights", result.digest)
    assert bundle.manifest.classes == ("high", "low", "middle")
    assert result.metrics["accuracy"] > 0.6
    assert project.train(champion="v1", champion_digest=result.digest).outcome == "unchanged"


SKIES = (
    "return flights().with_columns(kind=pl.when(pl.col('wind') > 0.4).then(pl.lit('high'))"
    ".when(pl.col('wind') < -0.4).then(pl.lit('low')).otherwise(pl.lit('middle'))).drop('late')"
)


def test_a_class_that_came_up_since_is_learned_at_the_next_training(project: Project) -> None:
    project.edit('BinaryClassification(target="late"', "MulticlassClassification(target='kind'")
    project.edit("return flights()", SKIES)
    first = project.train()
    project.edit(
        SKIES,
        SKIES.replace("return flights()", "f = flights(360)")
        + "\n        return {'rows': f.with_columns(kind=pl.when(pl.col('id') < 320).then('kind')),"
        " 'outcomes': f.select('id', value=pl.when(pl.col('id') < 320).then('kind').otherwise(pl.lit('storm')))}",
    )
    second = project.train(champion="v1", champion_digest=first.digest)
    assert project.registry.open("flights", second.digest).manifest.classes == ("high", "low", "middle", "storm")
    numbers = project.bodies(GateDecided)[1].decision.numbers
    assert (numbers["rows"], numbers["rows_compared"]) == (100, 60)
    # 40 of the 60 were of a class that neither has learned: the one does not know it, the other has seen none of it.
    assert numbers["champion"] == pytest.approx(1 / 3, abs=0.05)
    assert numbers["gain"] == pytest.approx(0, abs=0.1)


def test_a_third_label_of_two_is_an_error_that_names_it(project: Project) -> None:
    project.edit(
        "return flights()",
        "f = flights(); return {'rows': f.with_columns(late=pl.when(pl.col('id') < 280).then('late')),"
        " 'outcomes': f.filter(pl.col('id') >= 280).select('id', value=pl.lit('storm'))}",
    )
    with pytest.raises(DataError, match="'storm' cannot be a label"):
        project.train()


OWN_MODEL = """
class Threshold:
    windlass_input = "polars"

    def predict_proba(self, frame):
        late = (frame.get_column("wind") > 0).cast(float).to_numpy() * 0.8 + 0.1
        return np.column_stack([1 - late, late])

class Flights(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")

    def extract(self, since):
        return flights()

    def train(self, examples):
        note("train")
        return Threshold()
"""


ASK = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import polars as pl
from windlass.records.paths import Paths
from windlass.registry.registry import Registry

bundle = Registry(Paths(Path(sys.argv[1]))).open("flights", sys.argv[2])
rows = pl.DataFrame({"id": [1], "at": [datetime(2026, 1, 1, tzinfo=UTC)], "wind": [2.0], "carrier": ["A"]})
print(bundle.predict(rows).scores.tolist())
"""


def test_a_model_of_the_users_own_class_follows_its_source(project: Project) -> None:
    project.write(OWN_MODEL)
    first = project.train()
    assert project.train().outcome == "unchanged"
    assert project.calls() == ["train", "train"]
    # Code that `train` does not reach: the model must be made again all the same, or the bundle could not load it.
    project.write(OWN_MODEL + "\n\ndef elsewhere():\n    return 1\n")
    second = project.train()
    assert second.digest != first.digest
    # In a process of its own, as a serving worker opens it: here the classes of the old source are still there.
    answered = subprocess.run(
        [sys.executable, "-c", ASK, str(project.paths.root), second.digest], capture_output=True, text=True, check=False
    )
    assert (answered.stdout, answered.stderr) == ("[0.9]\n", "")


# -- who may act -------------------------------------------------------------------------------------------------


def test_a_lost_lease_stops_the_run_without_a_trace(project: Project) -> None:
    assert project.fence is not None
    project.ledger.release(project.fence)
    assert project.ledger.acquire("other", 60) is not None
    before = project.ledger.head()
    with pytest.raises(LeaseLost):
        project.train()
    assert project.ledger.head() == before
    assert project.calls() == []


def test_declared_once_until_it_changes(project: Project) -> None:
    request = DeclareRequest(settings=project.settings, product="flights", entry="flights:Flights", fence=project.fence)
    declare(request)
    declare(request)
    project.train()
    assert len(project.bodies(ProductDeclared)) == 1
    project.edit("estimator =", "retrain = wl.Retrain(every='30d')\n    estimator =")
    declare(request)
    declared = project.bodies(ProductDeclared)
    assert len(declared) == 2
    assert declared[1].trains
    assert declared[1].policies["retrain"]["every"] == "30d"
    assert project.bodies(StepStarted)
