"""What training could not use is refused before the lake takes it; what the lake has from before is set aside."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import polars as pl
import pytest

from windlass.app import queries
from windlass.app.workspace import Workspace
from windlass.errors import ContractViolated, DataError, WindlassError
from windlass.lake.lake import Lake
from windlass.records.event import DataExtracted, RunFailed, StepFinished

if TYPE_CHECKING:
    from tests.unit.pipeline.conftest import Project

RETURN = "return flights()"
ID, LATE = "pl.col('id')", "pl.col('late')"
CONTRACT = """
import pandera.polars as pa

class Contract(pa.DataFrameModel):
    id: int
    wind: float = pa.Field(ge=-100)

class Flights"""


def with_contract(project: Project, contract: str = CONTRACT) -> None:
    project.edit("class Flights", contract.lstrip())
    project.edit("estimator =", "contract = Contract\n    estimator =")


def more(columns: str) -> str:
    """An extract that brings 20 rows more, the first of them with these columns."""
    return (
        f"f = flights(); g = flights(20, seed=2).with_columns({ID} + 300, pl.col('at') + timedelta(days=30)); "
        f"first = g.head(1).with_columns({columns}); "
        "return f if since is None else pl.concat([first, g.tail(19)], how='vertical_relaxed')"
    )


def checked(project: Project) -> list[tuple[object, object]]:
    return [
        (body.summary["rows"], body.summary["set_aside"])
        for body in project.bodies(StepFinished)
        if body.step == "check"
    ]


BAD_ROWS = [
    ("wind=pl.lit(-101.0)", ContractViolated, "-101.0 in row 0"),
    ("id=pl.lit(None, dtype=pl.Int64)", DataError, "key is missing in 1 of 20 rows"),
    ("late=pl.lit('maybe')", DataError, "now comes as String"),
    ("carrier=pl.lit(None, dtype=pl.Int8)", None, ""),
]


@pytest.mark.parametrize(("columns", "kind", "words"), BAD_ROWS)
def test_a_bad_row_is_refused_with_its_batch_and_blocks_nothing(
    project: Project, columns: str, kind: type[WindlassError] | None, words: str
) -> None:
    with_contract(project)
    bad = more(columns)
    project.edit(RETURN, bad)
    project.train()
    if kind is None:  # a column without a value is no bad one, whatever its type
        assert project.train().outcome == "registered"
        return
    with pytest.raises(WindlassError, match=words) as caught:
        project.train()
    assert type(caught.value) is kind
    assert project.bodies(RunFailed)[0].step == "extract"
    assert Lake(project.paths.lake).examples("flights", "rows").height == 300
    assert len(project.bodies(DataExtracted)) == 1
    project.edit(bad, more("pl.all()") + ".filter(pl.col('id') != 300)")
    assert project.train().outcome == "registered"
    assert checked(project) == [(300, 0), (319, 0)]


def test_a_third_label_is_refused_and_blocks_nothing(project: Project) -> None:
    text = "late=pl.when('late').then(pl.lit('yes')).otherwise(pl.lit('no'))"
    third = f"f = flights().with_columns({text}); {more('pl.all()').partition('; ')[2]}".replace(
        "g.head(1).with_columns(pl.all())", "g.head(1).with_columns(late=pl.lit('maybe'))"
    ).replace("timedelta(days=30));", f"timedelta(days=30), {text});")
    project.edit(RETURN, third)
    project.train()
    with pytest.raises(DataError, match=r"3 labels \('no', 'yes', 'maybe'\)"):
        project.train()
    assert project.bodies(RunFailed)[0].step == "extract"
    project.edit("late=pl.lit('maybe')", "late=pl.lit('yes')")
    assert project.train().outcome == "registered"
    assert checked(project) == [(300, 0), (320, 0)]


def test_a_bad_outcome_is_refused_with_the_rows_that_came_along(project: Project) -> None:
    project.edit(
        RETURN,
        "f = flights(); return {'rows': f.with_columns(late=pl.when(pl.col('id') < 280).then('late')),"
        " 'outcomes': f.filter(pl.col('id') >= 280).select('id', value=pl.lit('storm'))}",
    )
    with pytest.raises(DataError, match="'storm' cannot be a label: it must be one of False, True") as caught:
        project.train()
    assert "outcomes" in caught.value.where
    assert Lake(project.paths.lake).tables() == []
    project.edit("value=pl.lit('storm')", "value='late'")
    assert project.train().outcome == "registered"


def test_labels_of_one_class_may_come_first(project: Project) -> None:
    project.edit(
        RETURN,
        "f = flights(); return {'rows': f.with_columns(late=pl.when('late').then('late')),"
        " 'outcomes': f.filter('late' if since is None else ~pl.col('late')).select('id', value='late')}",
    )
    with pytest.raises(DataError, match="only the label True"):
        project.train()
    assert project.bodies(RunFailed)[0].step == "check"
    assert project.train().outcome == "registered"


def test_unlabelled_rows_need_no_label_for_the_contract(project: Project) -> None:
    with_contract(project, CONTRACT.replace("    id: int", "    id: int\n    late: bool"))
    project.edit(RETURN, "return flights().with_columns(late=pl.when(pl.col('id') < 290).then('late'))")
    assert project.train().outcome == "registered"
    assert checked(project) == [(290, 0)]


ASSEMBLE = """def assemble(self, sources):
        return sources['rows'].join(sources['winds'], on='id', how='left')

    def features"""


def test_of_several_sources_what_they_make_together_is_looked_at(project: Project) -> None:
    with_contract(project)
    several = "return {'rows': f.drop('wind'), 'winds': f.select('id', 'wind')}"
    project.edit(RETURN, f"f = flights(300 if since is None else 320); {several}")
    project.edit("def features", ASSEMBLE)
    project.train()
    gusty = "f = f.with_columns(wind=pl.when(pl.col('id') == 310).then(-101.0).otherwise('wind')); "
    project.edit(several, gusty + several)
    with pytest.raises(ContractViolated, match="1 rows of this extract cannot be used"):
        project.train()
    assert {table.rows for table in Lake(project.paths.lake).tables()} == {300}
    project.edit(gusty, "")
    assert project.train().outcome == "registered"
    # The contract grows, and a row that is there breaks it. That is no reason to refuse those that come now.
    project.edit("ge=-100", "ge=-2.6")
    project.edit("flights(300 if since is None else 320)", "flights(300 if since is None else 320).head(0)")
    assert project.train().outcome == "registered"
    assert checked(project)[-1][1] > 0


# -- what is there from before ---------------------------------------------------------------------------------------


def test_rows_from_before_the_contract_asked_for_so_much_are_set_aside_and_told(project: Project) -> None:
    with_contract(project)
    project.edit(RETURN, f"return flights().with_columns(wind=pl.when({ID} < 3).then(-50.0).otherwise('wind'))")
    project.train()
    project.edit("ge=-100", "ge=-10")
    project.edit("wind=pl.when(pl.col('id') < 3).then(-50.0).otherwise('wind'))", "pl.all()).tail(290)")
    assert project.train().outcome == "registered"
    assert checked(project) == [(300, 0), (297, 3)]
    told = "3 rows that came in earlier set aside: wind: greater_than_or_equal_to(-10) fails in 3 rows"
    note = next(message.text for message in project.messages if (message.step, message.state) == ("check", "finished"))
    assert told in note
    assert "-50.0 in row 0" in project.log("run-2", "check")
    summary = next(body.summary for body in project.bodies(StepFinished, run="run-2") if body.step == "check")
    assert "-50" not in str(summary)  # values of anybody's have no place in the ledger
    with closing(Workspace(project.settings)) as workspace:
        assert [row["remarks"] for row in queries.runs(workspace, None, limit=2)] == [None, told]


def test_a_contract_that_most_rows_break_is_wrong_until_they_come_anew(project: Project) -> None:
    with_contract(project)
    project.edit(RETURN, "f = flights(); f = f if since is None else f.head(0); return {'old': f}")
    project.train()
    project.edit("ge=-100", "ge=0")
    with pytest.raises(ContractViolated, match=r"\d+ of 300 rows that came in earlier break the contract") as caught:
        project.train()
    assert "source of another name" in caught.value.remedy
    project.edit("return {'old': f}", "return {'mended': f.with_columns(pl.col('wind').abs())}")
    assert project.train().outcome == "registered"
    assert checked(project) == [(300, 0), (300, 0)]


def test_a_row_without_a_key_that_is_there_already_is_set_aside(project: Project) -> None:
    project.train()
    lake = Lake(project.paths.lake, project.fence)
    row = lake.examples("flights", "rows").head(1).with_columns(id=pl.lit(None, dtype=pl.Int64))
    lake.ingest("flights", "rows", row, time="at", key="id", now=project.clock.now())
    assert project.train().outcome == "registered"
    assert checked(project) == [(300, 0), (300, 1)]
    assert any("id: must not be null: fails in 1 row" in message.text for message in project.messages)
