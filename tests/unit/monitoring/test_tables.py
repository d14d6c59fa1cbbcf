from __future__ import annotations

from pathlib import Path
from typing import Any

import arro3.core
import numpy as np
import polars as pl
import pytest

from windlass.errors import UsageError
from windlass.monitoring import drift, load_profile, merge, profile, profile_like, save_profile
from windlass.monitoring.tables import as_frame

ROWS = {"x": [1.5, None, 2.5], "s": ["a", "b", None], "flag": [True, False, True]}


def test_frames_tables_and_dicts_are_one() -> None:
    frame = pl.DataFrame(ROWS)
    assert as_frame(frame) is frame
    assert as_frame(frame.lazy()).equals(frame)
    assert as_frame(ROWS).equals(frame)
    assert as_frame(arro3.core.Table.from_arrow(frame)).equals(frame)


def test_arrays_get_names() -> None:
    assert as_frame(np.array([[1.0, 2.0], [3.0, 4.0]])).to_dict(as_series=False) == {
        "column_0": [1.0, 3.0],
        "column_1": [2.0, 4.0],
    }
    assert as_frame(np.arange(3)).columns == ["column_0"]
    assert as_frame(np.empty((0, 2))).shape == (0, 2)
    structured = np.array([(1, 2.5), (3, 4.5)], dtype=[("age", "i8"), ("pay", "f8")])
    assert as_frame(structured).to_dict(as_series=False) == {"age": [1, 3], "pay": [2.5, 4.5]}
    with pytest.raises(UsageError, match="3 dimensions"):
        as_frame(np.zeros((2, 2, 2)))


def test_arrays_of_objects_masks_and_times_say_what_they_hold() -> None:
    assert as_frame(np.array([[1.5, "a"], [None, "b"]], dtype=object)).to_dict(as_series=False) == {
        "column_0": [1.5, None],
        "column_1": ["a", "b"],
    }
    assert as_frame(np.array([1, "a", None, 2.5], dtype=object)).to_series().to_list() == ["1", "a", None, "2.5"]
    masked = np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])
    assert as_frame(masked).to_series().to_list() == [1.0, None, 3.0]
    assert as_frame({"x": masked}).to_series().to_list() == [1.0, None, 3.0]
    assert as_frame(np.array([1.5, 2.5], dtype=np.longdouble)).to_series().to_list() == [1.5, 2.5]
    times = np.zeros(2, dtype=[("at", "M8[s]"), ("took", "m8[h]"), ("hours", "M8[h]")])
    assert [dtype.is_temporal() for dtype in as_frame(times).dtypes] == [True, True, True]


def test_an_array_of_arrow_is_a_column() -> None:
    assert as_frame(arro3.core.Array.from_arrow(pl.Series([1.5, 2.5]))).to_dict(as_series=False) == {
        "column_0": [1.5, 2.5]
    }


class Column:
    """As much of a column of pandas as is used of it."""

    def __init__(self, values: list[object], dtype: object) -> None:
        self.values, self.dtype = values, dtype

    def isna(self) -> Column:
        return Column([value is None or value != value for value in self.values], np.dtype(bool))  # noqa: PLR0124

    def to_numpy(self) -> np.ndarray:
        return np.array(self.values, dtype=self.dtype if isinstance(self.dtype, np.dtype) else object)

    def tolist(self) -> list[object]:
        return self.values


@pytest.fixture
def pandas_frame() -> object:
    """A frame as pandas has it, made without pandas, which is not installed here."""
    columns = {
        "x": Column([1.5, float("nan"), 2.5], np.dtype("f8")),
        "s": Column(["a", "b", float("nan")], np.dtype("O")),
        "flag": Column([True, False, True], np.dtype("?")),
        "whole": Column([1, None, 3], "Int64"),
        "mixed": Column([1, "a", None], np.dtype("O")),
        "at": Column([0, 1, 2], np.dtype("M8[s]")),
    }

    class Places:
        def __getitem__(self, place: tuple[slice, int]) -> Column:
            return list(columns.values())[place[1]]

    frame = type("DataFrame", (), {"columns": list(columns), "iloc": Places()})
    frame.__module__ = "pandas.core.frame"
    return frame()


def test_frames_of_pandas_come_column_by_column(pandas_frame: object) -> None:
    assert as_frame(pandas_frame).to_dict(as_series=False) == {
        "x": [1.5, None, 2.5],
        "s": ["a", "b", None],
        "flag": [True, False, True],
        "whole": [1, None, 3],
        "mixed": ["1", "a", None],
        "at": np.arange(3).astype("M8[s]").tolist(),
    }


def test_two_columns_of_one_name_are_refused(pandas_frame: Any) -> None:
    type(pandas_frame).columns = ["x", "s", "x"]
    with pytest.raises(UsageError, match="two columns are called 'x'"):
        as_frame(pandas_frame)


def test_anything_else_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="cannot be read from str"):
        as_frame("rows.parquet")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"x": [1, 2, 3], "y": [1, 2]}, "make no table"),
        ({"x": 1}, "the column 'x' is one int"),
        ({"x": "abc"}, "the column 'x' is one str"),
    ],
)
def test_columns_that_make_no_table_are_refused(columns: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        as_frame(columns)


def test_the_library_by_itself(rng: np.random.Generator) -> None:
    reference = rng.normal(size=(5000, 4))
    moved = rng.normal([0, 0.5, 0, 0], size=(3000, 4))
    found = drift(reference, moved)
    assert found.report.alert
    assert [column.name for column in found.report.columns if column.alert] == ["column_1"]
    first = drift(profile(reference), rng.normal(size=(3000, 4)))
    assert not first.report.alert
    assert drift(first.reference, rng.normal(size=(3000, 4)), state=first.state).report.windows == 2


def test_a_profile_with_bins_of_its_own_is_not_compared(rng: np.random.Generator) -> None:
    reference = profile({"x": rng.normal(size=500)})
    with pytest.raises(UsageError, match="other bins than the reference"):
        drift(reference, profile({"x": rng.normal(size=500)}))
    assert not drift(reference, profile_like(reference, {"x": rng.normal(size=500)})).report.alert


def test_what_is_not_there_is_named(rng: np.random.Generator) -> None:
    with pytest.raises(UsageError, match="do not have the columns y"):
        profile({"x": rng.normal(size=500)}, columns=["x", "y"])
    with pytest.raises(UsageError, match="no profile to merge"):
        merge([])


def test_paths_may_be_texts(rng: np.random.Generator, tmp_path: Path) -> None:
    reference = profile({"x": rng.normal(size=500)})
    save_profile(reference, str(tmp_path / "p.json"))
    assert load_profile(str(tmp_path / "p.json")) == reference
