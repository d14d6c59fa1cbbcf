from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from windlass.controller.captured import asked_groups, untyped_features, watched_features
from windlass.monitoring.drifting import Drifting
from windlass.monitoring.profiles import profile, profile_like
from windlass.monitoring.reference import make_reference
from windlass.records.bundle import Column

FEATURES = pl.DataFrame({"wind": [0.3, 0.1, 0.2], "carrier": ["a", "b", "a"], "wet": [True, False, True]})


def as_captured(*rows: str, features: bool = True) -> pl.DataFrame:
    texts: list[str | None] = list(rows)
    nothing: list[str | None] = [None] * len(rows)
    given = {"request": ["{}"] * len(rows), "features": texts} if features else {"request": texts, "features": nothing}
    return pl.DataFrame(given, schema={"request": pl.String, "features": pl.String})


@pytest.mark.parametrize("features", [True, False])
def test_features_get_the_types_of_the_reference(features: bool) -> None:
    reference = make_reference(FEATURES, kind="binary")
    rows = '{"wind": 1, "carrier": "x", "wet": null, "more": 1}', '{"carrier": null}'
    found = watched_features(as_captured(*rows, features=features), reference)
    assert found.to_dicts() == [
        {"wind": 1.0, "carrier": "x", "wet": None},
        {"wind": None, "carrier": None, "wet": None},
    ]


@pytest.mark.parametrize("value", ['"three"', "[1]", "{}"])
def test_a_feature_of_another_type_is_told_as_vanished_and_the_rest_is_watched(value: str) -> None:
    reference = make_reference(FEATURES, kind="binary")
    found = watched_features(as_captured(f'{{"wind": {value}, "carrier": "a", "wet": true}}'), reference)
    assert found["carrier"].to_list() == ["a"]
    assert found["wet"].to_list() == [True]
    assert profile_like(reference.features, found).vanished == ("wind",)


def test_columns_whose_values_are_not_judged_are_counted_as_they_were_in_the_frame() -> None:
    """A frame says what type they are, JSON does not."""
    rows = 300
    frame = pl.DataFrame(
        {
            "minute": pl.int_range(rows, eager=True),
            "at": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=place) for place in range(rows)],
            "on": [date(2026, 1, 1 + place // 30) for place in range(rows)],
            "id": [f"o{place}" for place in range(rows)],
            "user": [f"u{max(place, 1)}" for place in range(rows)],
            "tags": [["a", "b"]] * rows,
            "never": pl.Series([None] * rows, dtype=pl.Float64),
        }
    )
    reference = make_reference(frame, kind="binary")
    assert not reference.features.columns
    older = frame.with_columns(pl.col("at", "on").dt.offset_by("-1y"), pl.col("minute") - 900, id=pl.lit(None))
    for window in (frame, older):
        found = watched_features(as_captured(*window.write_ndjson().splitlines()), reference)
        seen, plain = (Drifting(reference).count([(each, np.zeros(rows))]) for each in (found, window))
        assert seen == plain
        assert None not in seen.counts
    odd = watched_features(as_captured('{"at": "soon", "minute": 7, "tags": null, "id": "x", "user": "y"}'), reference)
    found = Drifting(reference).count([(odd, np.zeros(1))]).counts
    counts = dict(zip([column.name for column in reference.features.presences], found, strict=True))
    assert counts["at"] == (0, 1, 0), "there, and no moment that can be told to be old"
    assert counts["tags"] == (0, 1)
    assert counts["on"] == (0, 0, 1)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (("1", "2.5", "null"), pl.Float64),
        (("1", "2", "3"), pl.Float64),
        (("true", "null", "false"), pl.Boolean),
        (('"a"', '"b"', "null"), pl.String),
        (("null", "null", "null"), pl.Null),
        (('"a"', "1", "null"), pl.String),
        (("true", "1", "null"), pl.String),
        (("[1]", '{"a": 2}', "null"), pl.String),
    ],
)
@pytest.mark.parametrize("features", [True, False])
def test_without_a_reference_the_values_tell_their_type(values: tuple[str, ...], dtype: object, features: bool) -> None:
    rows = as_captured(*(f'{{"id": 7, "x": {value}}}' for value in values), features=features)
    found = untyped_features(rows, ("x", "never"), ())
    assert found.columns == ["x", "never"]  # what else the request held is none of the model's
    assert found["x"].dtype == dtype
    assert found["x"].null_count() == values.count("null")
    assert found["never"].null_count() == len(values)


@pytest.mark.parametrize("dtype", ["datetime", "date"])
def test_moments_are_told_from_texts_by_the_columns_of_a_request(dtype: str) -> None:
    rows = as_captured('{"at": "2026-03-01", "name": "2026-03-01"}', features=False)
    found = untyped_features(rows, ("at", "name"), (Column(name="at", dtype=dtype),))  # type: ignore[arg-type]
    assert profile(found).unwatched == {"at": "it is a date or a time"}


def test_groups_are_told_as_frames_tell_them() -> None:
    rows = pl.DataFrame({"request": ['{"a": "x", "b": true, "n": 3, "f": 2.5}', '{"a": null, "b": false}']})
    found = asked_groups(rows, ["a", "b", "n", "f"])
    frame = pl.DataFrame({"a": ["x", None], "b": [True, False], "n": [3, None], "f": [2.5, None]})
    assert found == {name: frame[name].cast(pl.String).fill_null("(missing)").to_list() for name in frame.columns}
    assert asked_groups(rows, []) == {}
