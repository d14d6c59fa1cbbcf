"""Where the rows of a run come from: since when they are asked for, and sources that are renamed, dropped or reused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from windlass.errors import DataError
from windlass.records.event import DataExtracted, DataPinned, RunFailed, StepFinished

if TYPE_CHECKING:
    from tests.unit.pipeline.conftest import Project


@pytest.mark.parametrize(("zone", "printed"), [("", "None"), ("UTC", "+00:00")])
def test_since_compares_with_the_users_own_times(project: Project, zone: str, printed: str) -> None:
    if zone:
        project.edit("return flights()", "return self.rows_of(since)")
        project.edit(
            "def features",
            "def rows_of(self, since):\n        f = flights().with_columns("
            "pl.col('at').dt.replace_time_zone('UTC'))\n        note(str(since and since.tzinfo))\n"
            "        return f if since is None else f.filter(pl.col('at') > since)\n\n    def features",
        )
    else:
        project.edit(
            "return flights()",
            "note(str(since and since.tzinfo)); f = flights(); "
            "return f if since is None else f.filter(pl.col('at') > since)",
        )
    for _ in range(3):
        project.train()
    seen = [call for call in project.calls() if call not in ("extract", "train")]
    assert seen == ["None", "UTC" if zone else "None", "UTC" if zone else "None"]
    assert [body.ingested[0].rows_seen for body in project.bodies(DataExtracted)] == [300, 0, 0]


SINCE = "f = flights(); f = f if since is None else f.filter(pl.col('at') > since)"


def test_a_source_can_be_renamed_and_brings_all_of_its_rows(project: Project) -> None:
    project.edit("return flights()", f"{SINCE}; return {{'old': f}}")
    assert project.train().outcome == "registered"
    project.edit("return {'old': f}", "return {'fresh': f}")
    result = project.train()
    assert result.outcome != "rejected"
    assert project.calls().count("extract") == 3  # since the watermark of `old`, and all of `fresh`
    assert [body.sources for body in project.bodies(DataExtracted)] == [("old",), ("fresh",)]
    assert [sorted(body.pin.upto) for body in project.bodies(DataPinned)] == [
        ["examples/old", "outcomes", "predictions"],
        ["examples/fresh", "outcomes", "predictions"],
    ]
    assert [body.pin.rows for body in project.bodies(DataPinned)] == [300, 300]
    project.train()
    assert project.calls().count("extract") == 4


def test_rows_of_another_question_under_the_same_name_are_told_apart_from_what_extract_returns(
    project: Project,
) -> None:
    project.train()
    project.edit("return flights()", "return flights().rename({'at': 'begin'}).clear()")
    project.edit('time="at"', 'time="begin"')
    with pytest.raises(DataError, match="give it another `name`"):
        project.train()
    (failed,) = project.bodies(RunFailed)
    assert failed.message == "the time 'begin' is not among the columns"
    assert failed.where.startswith("rows that came in earlier, columns id, at")


def test_a_source_can_be_dropped(project: Project) -> None:
    project.edit(
        "return flights()",
        f"{SINCE}; return {{'rows': f.drop('carrier'), 'carriers': f.select('id', 'carrier')}}",
    )
    join = "sources['rows'].join(sources['carriers'], on='id')"
    project.edit("def features", f"def assemble(self, sources):\n        return {join}\n\n    def features")
    project.train()
    project.edit("{'rows': f.drop('carrier'), 'carriers': f.select('id', 'carrier')}", "{'rows': f.drop('carrier')}")
    project.edit(join, "sources['rows']")
    project.edit('rows.select("wind", "carrier")', 'rows.select("wind")')
    assert project.train().outcome == "registered"
    assert project.bodies(DataPinned)[1].pin.rows == 300


def test_outcomes_alone_leave_the_sources_as_they_are(project: Project) -> None:
    project.edit(
        "return flights()",
        "f = flights(); rows = {'rows': f.with_columns(late=pl.when(pl.col('id') < 200).then('late'))}; "
        "late = {'outcomes': f.filter(pl.col('id') >= 250).select('id', value='late')}; "
        "return rows if since is None else late",
    )
    project.train()
    project.train()
    assert [body.sources for body in project.bodies(DataExtracted)] == [("rows",), ("rows",)]
    assert [body.summary["rows"] for body in project.bodies(StepFinished) if body.step == "check"] == [200, 250]
