"""Rows of files: read a stretch at a time, answered as a request would be, written whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.app.predict import _score
from windlass.errors import DataError, UsageError
from windlass.product.contract import InvalidRows
from windlass.serving.files.rows import MOST_ROWS, WholeFile, open_rows
from windlass.serving.files.scoring import LABEL, SCORE, VERSION, Scorer
from windlass.serving.versions.lineup import Loaded

AT = datetime(2013, 3, 1, 10, tzinfo=UTC)


def rows_of(count: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "flight": [f"f{place}" for place in range(count)],
            "at": [AT] * count,
            "distance": [place / count for place in range(count)],
            "seats": [3] * count,
            "carrier": ["AA"] * count,
            "note": ["mine"] * count,
        }
    )


def loaded_of(stage: Any, **more: Any) -> Loaded:
    return Loaded.of("v1", "d-v1", stage.fake(stage.manifest(), **more))


def scored(loaded: Loaded, source: Path, target: Path, *, key_only: bool = False) -> int:
    with WholeFile(target) as written:
        count = _score(
            loaded, open_rows(source), written, where=str(source), key_only=key_only, show=lambda _rows, _share: None
        )
        written.finish()
    return count


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_come_back_beside_their_answers(stage: Any, tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    rows = rows_of(4)
    getattr(rows, f"write_{kind}")(source)
    assert scored(loaded_of(stage), source, target) == 4
    found = getattr(pl, f"read_{kind}")(target)
    assert found.columns == [*rows.columns, SCORE, LABEL, VERSION]
    assert found[SCORE].to_list() == [0.0, 0.25, 0.5, 0.75]
    assert found[LABEL].to_list() == [False, False, True, True]
    assert found["note"].to_list() == ["mine"] * 4


def test_a_file_is_answered_as_a_request_is(flights: Any, tmp_path: Path) -> None:
    frame = rows_of(7).drop("note")
    frame.write_csv(tmp_path / "in.csv")
    scored(loaded_of(flights), tmp_path / "in.csv", tmp_path / "out.csv")
    told = flights.predict(*frame.with_columns(pl.col("at").dt.to_string("%+")).to_dicts()).json()["predictions"]
    found = pl.read_csv(tmp_path / "out.csv")
    assert found[SCORE].to_list() == [answer["score"] for answer in told]
    assert found[LABEL].to_list() == [answer["label"] for answer in told]


def test_no_more_than_a_stretch_of_rows_is_held_at_a_time(stage: Any, tmp_path: Path) -> None:
    asked = []

    def model(rows: pl.DataFrame) -> Any:
        asked.append(rows.height)
        return rows["distance"].to_numpy()

    rows_of(3 * MOST_ROWS + 5).write_parquet(tmp_path / "in.parquet")
    assert scored(loaded_of(stage, model=model), tmp_path / "in.parquet", tmp_path / "out.parquet") == 3 * MOST_ROWS + 5
    assert sum(asked) == 3 * MOST_ROWS + 5
    assert max(asked) <= MOST_ROWS
    assert (
        pl.read_parquet(tmp_path / "out.parquet")["flight"].to_list() == rows_of(3 * MOST_ROWS + 5)["flight"].to_list()
    )


def test_bad_rows_are_named_by_their_number_in_the_file_and_nothing_is_written(stage: Any, tmp_path: Path) -> None:
    rows = rows_of(MOST_ROWS + 9).with_row_index("number", offset=1)
    bad = pl.col("number").is_in([3, MOST_ROWS + 4])
    rows.with_columns(pl.when(~bad).then("distance").alias("distance")).write_parquet(tmp_path / "in.parquet")
    (tmp_path / "out.csv").write_text("from before")
    with pytest.raises(DataError) as caught:
        scored(loaded_of(stage), tmp_path / "in.parquet", tmp_path / "out.csv")
    assert "row 3, distance:" in caught.value.what
    assert f"row {MOST_ROWS + 4}, distance:" in caught.value.what
    assert (tmp_path / "out.csv").read_text() == "from before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.csv"]


def test_a_row_that_the_version_fails_on_is_named(stage: Any, tmp_path: Path) -> None:
    def model(rows: pl.DataFrame) -> Any:
        if "ZZ" in rows["carrier"].to_list():
            raise ValueError("unknown carrier ZZ")
        return rows["distance"].to_numpy()

    rows = rows_of(40)
    carriers = pl.Series("carrier", ["ZZ" if place == 17 else "AA" for place in range(40)])
    rows.with_columns(carriers).write_csv(tmp_path / "in.csv")
    with pytest.raises(DataError, match="row 18, carrier"):
        scored(loaded_of(stage, model=model), tmp_path / "in.csv", tmp_path / "out.csv")


def test_a_version_that_fails_on_everything_is_told_apart(stage: Any, tmp_path: Path) -> None:
    def model(rows: pl.DataFrame) -> Any:
        raise RuntimeError("no such table")

    rows_of(3).write_csv(tmp_path / "in.csv")
    with pytest.raises(DataError, match="v1 fails on any row: RuntimeError: no such table"):
        scored(loaded_of(stage, model=model), tmp_path / "in.csv", tmp_path / "out.csv")


def test_an_infinite_number_is_refused_and_a_gap_in_a_float_is_null(stage: Any, tmp_path: Path) -> None:
    infinite = rows_of(3).with_columns(pl.Series("distance", [0.5, float("-inf"), 0.5]))
    infinite.write_parquet(tmp_path / "in.parquet")
    with pytest.raises(DataError, match="row 2, distance: is infinite"):
        scored(loaded_of(stage), tmp_path / "in.parquet", tmp_path / "out.parquet")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no header"),
        ("flight,at,seats\n", "lacks columns that v1 needs: distance, carrier"),
        ("a,a\n1,2\n", "comes twice"),
        ("flight;at;distance\nf1;2013-03-01T10:00:00Z;0,5\n", "separated by ';'"),
        ("flight\tat\n", r"separated by '\\t'"),
        ("flight,at,distance,seats,carrier\nf1,2013-03-01T10:00:00Z,0.5,3\n", "row 1 has 4 cells"),
        ("flight,at,distance,seats,carrier\n", "there are no rows"),
        ("flight,at,distance,seats,carrier,prediction_score\n", "already"),
        (
            "flight,at,distance,seats,carrier\nf1,2013-03-01T10:00:00Z,nan,3,AA\n",
            "row 1, distance: .*, got `str`: 'nan'",
        ),
        (f"flight,at,distance,seats,carrier\nf1,2013-03-01T10:00:00Z,{'x' * 99},3,A\n", f": '{'x' * 40}'\n"),
        ("flight,at,distance,seats,carrier\nf1,1/3/2013,0.5,3,AA\n", "row 1, at: Invalid RFC3339 .*: '1/3/2013'"),
    ],
)
def test_a_file_that_cannot_be_answered_says_why(stage: Any, tmp_path: Path, text: str, told: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text(text)
    with pytest.raises(DataError, match=told):
        scored(loaded_of(stage), source, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_the_key_alone_can_be_kept(stage: Any, tmp_path: Path) -> None:
    rows_of(2).write_csv(tmp_path / "in.csv")
    scored(loaded_of(stage), tmp_path / "in.csv", tmp_path / "out.csv", key_only=True)
    assert pl.read_csv(tmp_path / "out.csv").columns == ["flight", SCORE, LABEL, VERSION]
    rows_of(2).drop("flight").write_csv(tmp_path / "in.csv")
    with pytest.raises(UsageError, match="no column 'flight'"):
        scored(loaded_of(stage), tmp_path / "in.csv", tmp_path / "out.csv", key_only=True)


def test_several_classes_have_a_probability_each(stage: Any, tmp_path: Path) -> None:
    import numpy as np

    task = {"task": "multiclass", "target": "late"}
    bundle = stage.fake(
        stage.manifest(task, classes=("a", "b", "c")), model=lambda rows: np.tile([0.2, 0.5, 0.3], (rows.height, 1))
    )
    rows_of(2).write_parquet(tmp_path / "in.parquet")
    scored(Loaded.of("v1", "d-v1", bundle), tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pl.read_parquet(tmp_path / "out.parquet").row(0, named=True)
    assert (found[LABEL], found[SCORE], found["probability_c"]) == ("b", 0.5, 0.3)


@settings(max_examples=25)
@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=8),
        min_size=1,
        max_size=6,
    )
)
def test_a_csv_carries_any_text_through(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("texts")
    frame = pl.DataFrame({"number": list(map(str, range(len(texts)))), "text": [text or None for text in texts]})
    frame.cast(pl.String).write_csv(folder / "in.csv")
    (stretch,) = open_rows(folder / "in.csv").stretches([])
    with WholeFile(folder / "out.csv") as written:
        written.write(stretch.carried)
        written.finish()
    assert (folder / "out.csv").read_bytes() == (folder / "in.csv").read_bytes()


@pytest.mark.parametrize(
    "values", [pl.Series([[1], [2]]), pl.Series([b"a", b"b"]), pl.Series([timedelta(1)] * 2), pl.Series([{"a": 1}] * 2)]
)
def test_what_a_csv_cannot_hold_is_refused_by_name_and_a_parquet_holds_it(tmp_path: Path, values: pl.Series) -> None:
    rows = pl.DataFrame({"key": ["a", "b"], "odd": values})
    with (
        pytest.raises(UsageError, match="cannot hold the column 'odd' of type"),
        WholeFile(tmp_path / "o.csv") as written,
    ):
        written.write(rows)
    assert not list(tmp_path.iterdir())
    with WholeFile(tmp_path / "o.parquet") as written:
        written.write(rows)
        written.finish()
    assert pl.read_parquet(tmp_path / "o.parquet").equals(rows)


@pytest.mark.parametrize("name", ["o.csv", "o.parquet"])
def test_a_file_that_outgrows_its_place_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    """In a process of its own, whose files may have 20,000 bytes."""
    script = """
import resource, signal, sys
from pathlib import Path
import polars as pl
from windlass.errors import UsageError
from windlass.serving.files.rows import WholeFile
rows = pl.DataFrame({"text": [f"{n:x}" * 9 for n in range(3_000_000_000, 3_000_010_000)]})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    with WholeFile(Path(sys.argv[1])) as written:
        written.write(rows)
        written.finish()
except UsageError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / name)], capture_output=True, text=True, check=True
    )
    assert "it cannot be written: " in done.stdout
    assert "File too large" in done.stdout
    assert not list(tmp_path.iterdir())


def test_scores_name_the_row_of_a_later_stretch(stage: Any) -> None:
    from windlass.serving.files.rows import Stretch

    frame = rows_of(1).drop("note")
    values = {name: frame[name].to_list() for name in frame.columns} | {"seats": ["three"]}
    scorer = Scorer(loaded_of(stage), frame.columns, where="in.csv")
    with pytest.raises(InvalidRows) as caught:
        scorer.check(Stretch(first=500, carried=frame, values=values))
    assert [(problem.row, problem.field) for problem in caught.value.problems] == [(501, "seats")]
