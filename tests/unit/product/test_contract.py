from __future__ import annotations

import contextlib
import json
import math
import pickle
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.typing.polars import Series

from windlass.errors import ContractViolated, DataError, ProductError
from windlass.product.contract import (
    InvalidRows,
    MalformedBody,
    RowDecoder,
    check_frame,
    columns_of,
    decode_rows,
    empty_frame,
    is_number,
)
from windlass.product.model.predict import as_matrix
from windlass.product.product import Product
from windlass.product.task import BinaryClassification
from windlass.records.bundle import Column


class Flight(pa.DataFrameModel):
    carrier: str = pa.Field(isin=["AA", "UA", "DL"])
    distance: int = pa.Field(ge=10, lt=5000)
    wind: float | None = pa.Field(nullable=True, ge=0)
    tail: str = pa.Field(str_matches=r"^N\d{3}$", str_length={"min_value": 4, "max_value": 4})
    scheduled: Annotated[pl.Datetime, "us", "UTC"] = pa.Field()
    late: bool = pa.Field()

    class Config:
        strict = True


class Flights(Product):
    task = BinaryClassification(target="late", time="scheduled", key="flight_id")
    contract = Flight


class Loose(Product):
    task = BinaryClassification(target="y", key="k")


def flights(n: int = 3) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "flight_id": [f"f{i}" for i in range(n)],
            "carrier": ["AA"] * n,
            "distance": [100 + i for i in range(n)],
            "wind": [1.5] * n,
            "tail": ["N123"] * n,
            "scheduled": [datetime(2013, 1, 1, 5, tzinfo=UTC)] * n,
            "late": [False] * n,
        }
    )


def body(*rows: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"rows": rows, **more}).encode()


GOOD = {
    "flight_id": "f0",
    "carrier": "AA",
    "distance": 100,
    "wind": 1.5,
    "tail": "N123",
    "scheduled": "2013-01-01T05:00:00Z",
}


@pytest.fixture(scope="module")
def decoder() -> RowDecoder:
    return RowDecoder(columns_of(Flights, check_frame(Flights, flights())), Flight)


# -- columns -----------------------------------------------------------------------------------------------------


def test_the_contract_says_what_may_be_null_and_what_may_be_missing() -> None:
    columns = {column.name: column for column in columns_of(Flights, flights())}
    assert list(columns) == ["flight_id", "carrier", "distance", "wind", "tail", "scheduled"]
    assert columns["distance"] == Column(name="distance", dtype="int", nullable=False, exact="Int64")
    assert columns["wind"].nullable
    assert columns["scheduled"].exact == "Datetime[us, UTC]"
    assert not columns["flight_id"].required, "the key is not in the contract and may be left out"


def test_a_column_that_only_the_contract_knows_may_come_if_it_is_optional() -> None:
    schema = pa.DataFrameSchema({"a": pa.Column(int), "b": pa.Column(float, required=False, nullable=True)})

    class P(Product):
        task = BinaryClassification(target="y")
        contract = schema

    columns = columns_of(P, pl.DataFrame({"a": [1], "y": [0]}))
    assert [(c.name, c.dtype, c.required) for c in columns] == [("a", "int", True), ("b", "float", False)]
    assert RowDecoder(columns, schema).decode(body({"a": 1})).row(0) == (1, None)


def test_without_a_contract_everything_may_be_null_and_only_the_key_may_be_missing() -> None:
    columns = columns_of(Loose, pl.DataFrame({"k": [1], "a": ["x"], "y": [0]}))
    assert all(column.nullable for column in columns)
    assert [(column.name, column.required) for column in columns] == [("k", False), ("a", True)]


@pytest.mark.parametrize("dtype", [pl.List(pl.Int64), pl.Struct({"a": pl.Int8}), pl.Duration, pl.Binary, pl.Time])
def test_a_type_that_json_cannot_carry_is_named(dtype: Any) -> None:
    with pytest.raises(DataError, match="'odd'"):
        columns_of(Loose, pl.DataFrame(schema={"odd": dtype}))


def test_something_that_is_no_contract_is_refused() -> None:
    with pytest.raises(ProductError, match="pandera"):
        RowDecoder((), {"a": int})


def test_no_pandera_without_a_contract() -> None:
    code = (
        "import sys, polars as pl; from windlass.product.contract import *; from windlass.records.bundle import Column;"
        "RowDecoder((Column(name='a', dtype='int'),)).decode(b'{\"rows\": [{\"a\": 1}]}');"
        "assert 'pandera' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- frames ------------------------------------------------------------------------------------------------------


def test_a_frame_that_holds_comes_back_in_its_order_with_the_columns_of_the_roles() -> None:
    assert check_frame(Flights, flights()).equals(flights())


def test_nan_becomes_null_as_it_would_from_json() -> None:
    frame = pl.DataFrame({"a": [1.0, float("nan")], "y": [0, 1]})
    assert check_frame(Loose, frame)["a"].to_list() == [1.0, None]
    assert check_frame(Flights, flights().with_columns(wind=pl.lit(float("nan"))))["wind"].null_count() == 3


def test_one_error_lists_every_finding_with_values_and_rows() -> None:
    broken = flights(4).with_columns(
        carrier=pl.Series(["AA", "XX", "YY", "DL"]),
        distance=pl.Series([100, 100, None, 9000]),
        late=pl.Series([True, None, True, True]),
    )
    with pytest.raises(ContractViolated) as caught:
        check_frame(Flights, broken)
    text = str(caught.value)
    assert "carrier" in text
    assert "'XX' in row 1, 'YY' in row 2" in text
    assert "9000 in row 3" in text
    assert "distance: must not be null: fails in 1 row (None in row 2)" in text
    assert "late: must not be null" in text, "the target is checked where the contract names it"
    assert "remedy" in text
    assert "wind" not in text


@pytest.mark.parametrize("coerce", [True, False])
def test_missing_and_unknown_columns_are_named_even_where_pandera_itself_stumbles(coerce: bool) -> None:
    schema = pa.DataFrameSchema({"a": pa.Column(int), "b": pa.Column(float)}, strict=True, coerce=coerce)

    class P(Product):
        task = BinaryClassification(target="y")
        contract = schema

    with pytest.raises(ContractViolated) as caught:
        check_frame(P, pl.DataFrame({"a": [1], "c": [2], "y": [0]}))
    assert "b: is missing" in str(caught.value)
    assert "c: is not in the contract" in str(caught.value)


def test_coercion_happens_where_the_contract_wants_it() -> None:
    schema = pa.DataFrameSchema({"a": pa.Column(pl.Int32)}, coerce=True)

    class P(Product):
        task = BinaryClassification(target="y")
        contract = schema

    assert check_frame(P, pl.DataFrame({"a": ["1", "2"], "y": [0, 1]})).schema == {"a": pl.Int32, "y": pl.Int64}
    with pytest.raises(ContractViolated, match="'x' in row 1"):
        check_frame(P, pl.DataFrame({"a": ["1", "x"]}))


class Naive(pa.DataFrameModel):
    at: datetime = pa.Field(ge=datetime(2013, 1, 1))  # noqa: DTZ001 (the naive moment that users write)
    told: Annotated[pl.Datetime, "ms", "Europe/Paris"]
    size: pl.UInt8
    carrier: pl.Categorical
    kind: Annotated[pl.Enum, ["x", "y"]] = pa.Field(nullable=True)


class NaiveFlights(Product):
    task = BinaryClassification(target="late", time="at")
    contract = Naive


def test_types_that_the_lake_keeps_as_others_come_as_the_contract_declares_them_also_in_a_request() -> None:
    moment = datetime(2013, 1, 1, 5, tzinfo=UTC)
    kept = pl.DataFrame(
        {
            "at": pl.Series([moment], dtype=pl.Datetime("us", "UTC")),
            "told": pl.Series([moment], dtype=pl.Datetime("us", "UTC")),
            "size": pl.Series([3], dtype=pl.Int16),
            "carrier": ["AA"],
            "kind": ["x"],
        }
    )
    declared = {
        "at": pl.Datetime("us"),
        "told": pl.Datetime("ms", "Europe/Paris"),
        "size": pl.UInt8(),
        "carrier": pl.Categorical(),
        "kind": pl.Enum(["x", "y"]),
    }
    checked = check_frame(NaiveFlights, kept)
    assert checked.schema == declared
    assert checked["at"].to_list() == [moment.replace(tzinfo=None)]
    assert checked["told"].to_list() == [moment]
    asked = RowDecoder(columns_of(NaiveFlights, checked), Naive)
    row = {"at": "2013-01-01T06:00:00+01:00", "told": "2013-01-01T05:00:00Z", "size": 3, "carrier": "AA", "kind": "x"}
    decoded = asked.read(body(row))
    assert decoded.frame.equals(checked)
    assert decode_rows(decoded.rows, asked.columns).equals(checked)
    with pytest.raises(InvalidRows, match="greater_than_or_equal_to"):
        asked.read(body({**row, "at": "2012-12-31T23:59:59"}))


@pytest.mark.parametrize(("column", "value"), [("size", -1), ("size", 300), ("kind", "z")])
def test_a_value_that_the_declared_type_cannot_hold_is_refused(column: str, value: Any) -> None:
    moment = datetime(2013, 1, 1, tzinfo=UTC)
    row = {"at": moment, "told": moment, "size": 3, "carrier": "AA", "kind": "x"} | {column: value}
    with pytest.raises(ContractViolated, match=f"{column}: cannot become .* fails in 1 row"):
        check_frame(NaiveFlights, pl.DataFrame([row]))


def test_a_wrong_type_is_named_without_coercion() -> None:
    with pytest.raises(ContractViolated, match=r"distance: must be Int64, is Float64"):
        check_frame(Flights, flights().with_columns(pl.col("distance").cast(pl.Float64)))


def test_served_rows_without_the_target_pass() -> None:
    assert check_frame(Flights, flights().drop("late")).height == 3


def test_checks_over_the_frame_unique_and_own_checks_are_found() -> None:
    class Own(pa.DataFrameModel):
        a: int = pa.Field(unique=True)
        b: int

        @pa.check("b")
        def even(cls, data: Any) -> pl.LazyFrame:
            return data.lazyframe.select(pl.col(data.key) % 2 == 0)

        @pa.check("b")
        def low_mean(cls, data: Any) -> bool:
            return bool(data.lazyframe.select(pl.col(data.key).mean() < 1).collect().item())

        @pa.dataframe_check
        def ordered(cls, data: Any) -> pl.LazyFrame:
            return data.lazyframe.select(pl.col("a") <= pl.col("b"))

    class P(Product):
        task = BinaryClassification(target="y")
        contract = Own

    with pytest.raises(ContractViolated) as caught:
        check_frame(P, pl.DataFrame({"a": [5, 5, 1], "b": [4, 6, 3]}))
    text = str(caught.value)
    assert "a: must be unique: fails in 2 rows (5 in row 0, 5 in row 1)" in text
    assert "b: even fails in 1 row (3 in row 2)" in text
    assert "b: low_mean fails" in text
    assert "whole row: ordered fails in 1 row" in text


# -- the decoder -------------------------------------------------------------------------------------------------


def test_a_good_row_becomes_a_typed_frame(decoder: RowDecoder) -> None:
    decoded = decoder.read(body(GOOD, {**GOOD, "wind": None}, request_id="r1"))
    assert decoded.request_id == "r1"
    assert decoded.frame.schema == flights().drop("late").schema
    assert decoded.frame.row(0) == flights().drop("late").row(0)
    assert decoded.values("scheduled") == [datetime(2013, 1, 1, 5, tzinfo=UTC)] * 2
    assert decoded.values("nonsense") == [None, None]
    assert decode_rows(decoded.rows, decoder.columns).equals(decoded.frame)


BAD_VALUES: list[tuple[str, Any, str]] = [
    ("carrier", "XX", "choose from 'AA'"),
    ("carrier", None, "null"),
    ("carrier", 1, "int"),
    ("carrier", ["AA"], "array"),
    ("distance", 9, ">= 10"),
    ("distance", 5000, "<= 4999"),
    ("distance", 10.5, "float"),
    ("distance", "100", "str"),
    ("distance", True, "bool"),
    ("distance", 2**63, "<="),
    ("distance", 10**40, "<="),
    ("distance", None, "null"),
    ("wind", -0.1, ">= 0.0"),
    ("wind", "calm", "str"),
    ("tail", "N12", "length"),
    ("tail", "N12345", "length"),
    ("tail", "X123", "regex"),
    ("tail", "N12\n", "regex"),
    ("scheduled", "yesterday", "RFC3339"),
    ("scheduled", "2013-02-30T00:00:00Z", "RFC3339"),
    ("scheduled", 1356998400, "int"),
    ("scheduled", "0001-01-01T00:00:00+05:00", "too far"),
    ("flight_id", {"a": 1}, "object"),
]


@pytest.mark.parametrize(("field", "value", "reason"), BAD_VALUES)
def test_a_bad_value_is_named_with_field_row_and_reason(
    decoder: RowDecoder, field: str, value: Any, reason: str
) -> None:
    with pytest.raises(InvalidRows) as caught:
        decoder.read(body(GOOD, {**GOOD, field: value}))
    (problem,) = caught.value.problems
    assert (problem.field, problem.row) == (field, 1)
    assert reason in problem.reason
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.problems == caught.value.problems


def test_every_problem_is_listed_and_the_list_ends(decoder: RowDecoder) -> None:
    with pytest.raises(InvalidRows) as caught:
        decoder.read(body({**GOOD, "carrier": "XX", "wind": -1}, GOOD, {"distance": 1, "odd": 1}))
    found = {(problem.row, problem.field) for problem in caught.value.problems}
    assert found == {
        *((0, name) for name in ("carrier", "wind")),
        *((2, name) for name in ("carrier", "distance", "tail", "scheduled", "odd")),
        (2, "wind"),
    } - ({(2, "wind")} if not next(c for c in decoder.columns if c.name == "wind").required else set())
    with pytest.raises(InvalidRows) as caught:
        decoder.read(body(*[{}] * 500))
    assert len(caught.value.problems) == 100


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"[]", "body"),
        (b"1", "body"),
        (b"{}", "body"),
        (b'{"rows": 1}', "rows"),
        (b'{"rows": []}', "rows"),
        (b'{"rows": [1]}', "rows"),
        (b'{"rows": [null]}', "rows"),
        (b'{"rows": {"a": 1}}', "rows"),
        (b'{"rows": [{}], "request_id": 1}', "request_id"),
    ],
)
def test_a_body_of_another_shape_is_named(decoder: RowDecoder, raw: bytes, field: str) -> None:
    with pytest.raises(InvalidRows) as caught:
        decoder.read(raw)
    assert caught.value.problems[0].field == field


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"rows": [{"distance": NaN}]}',
        b'{"rows": [{"distance": 1}]',
        b'\xef\xbb\xbf{"rows": []}',
        '{"rows": [{"carrier": "é"}]}'.encode("latin-1"),
        '{"rows": [{}]}'.encode("utf-16"),
        b'{"rows": [{"carrier": "\\ud800"}]}',
        b'{"rows": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_not_json_is_malformed_or_at_least_refused(decoder: RowDecoder, raw: bytes) -> None:
    with pytest.raises((MalformedBody, InvalidRows)):
        decoder.read(raw)


@pytest.mark.parametrize("end", [b'"}]}', b'x"}]}', rb'\n"}', b'"', b"ab"])
def test_half_of_a_character_at_the_end_is_called_that(decoder: RowDecoder, end: bytes) -> None:
    """Too near to the end for its other half, so that the JSON reader takes the body for cut off."""
    with pytest.raises(MalformedBody) as refused:
        decoder.read(rb'{"rows": [{"carrier": "\\\uD800' + end)
    assert refused.value.what == r"the body is not valid JSON: \uD800 is half of a character (byte 25)"


def test_a_byte_order_mark_before_json_is_named() -> None:
    with pytest.raises(MalformedBody, match="begins with a byte order mark"):
        RowDecoder(()).read(b'\xef\xbb\xbf{"rows": []}')


@pytest.mark.parametrize("end", [rb"\ud8", rb"\ud83d", rb"\ud83d\ude0", b"\\ud83d\\", rb'\\ud800"', b""])
def test_a_body_that_is_cut_off_is_called_that(decoder: RowDecoder, end: bytes) -> None:
    with pytest.raises(MalformedBody, match="Input data was truncated"):
        decoder.read(rb'{"rows": [{"carrier": "' + end)


def test_duplicate_keys_decode_the_same_now_and_later(decoder: RowDecoder) -> None:
    raw = json.dumps(GOOD)[:-1] + ', "distance": 200}'
    decoded = decoder.read(b'{"rows": [' + raw.encode() + b"]}")
    assert decoded.frame["distance"].to_list() == [200]
    assert decode_rows(decoded.rows, decoder.columns)["distance"].to_list() == [200]


def test_whole_numbers_may_be_written_with_a_point(decoder: RowDecoder) -> None:
    assert decoder.decode(body({**GOOD, "distance": 100.0}))["distance"].to_list() == [100]


def test_truth_values_are_numbers_where_no_more_is_known_than_that_a_number_is_wanted() -> None:
    rows = [{"a": True}, {"a": 0.5}, {"a": False}]
    unknown = RowDecoder((Column(name="a", dtype="float"),)).read(body(*rows))
    assert unknown.frame["a"].to_list() == [1.0, 0.5, 0.0]
    assert unknown.rows[0] == b'{"a":1.0}'
    with pytest.raises(InvalidRows, match=r"a of row 0: Expected `float \| null`, got `bool`"):
        RowDecoder((Column(name="a", dtype="float", exact="Float64"),)).read(body(*rows))


def test_naive_moments_are_utc_and_offsets_are_honoured(decoder: RowDecoder) -> None:
    frame = decoder.decode(
        body({**GOOD, "scheduled": "2013-01-01T05:00:00"}, {**GOOD, "scheduled": "2013-01-01T07:00:00+02:00"})
    )
    assert frame["scheduled"].n_unique() == 1


def test_unknown_fields_are_refused_only_by_a_strict_contract() -> None:
    columns = (Column(name="a", dtype="int"),)
    assert RowDecoder(columns).decode(body({"a": 1, "b": [1, {}]})).row(0) == (1,)
    with pytest.raises(InvalidRows, match="not a column"):
        RowDecoder(columns, pa.DataFrameSchema({"a": pa.Column(int)}, strict=True)).decode(body({"a": 1, "b": 2}))


def test_a_default_stands_in_for_null_at_the_request_and_in_the_lake() -> None:
    schema = pa.DataFrameSchema({"a": pa.Column(int, default=7, required=False)})
    columns = (Column(name="a", dtype="int", nullable=False, required=False),)
    decoder = RowDecoder(columns, schema)
    decoded = decoder.read(body({"a": None}, {}, {"a": 1}))
    assert decoded.frame["a"].to_list() == [7, 7, 1]
    assert decode_rows(decoded.rows, columns)["a"].to_list() == [7, 7, 1]


def test_checks_that_no_type_expresses_are_asked_of_pandera_row_by_row() -> None:
    class Own(pa.DataFrameModel):
        a: int = pa.Field(ne=3)
        b: int
        s: Series[str] = pa.Field(str_matches=r"(?i)^x+y$")

        @pa.check("b")
        def low_mean(cls, data: Any) -> pl.LazyFrame:
            return data.lazyframe.select(pl.col(data.key).mean() < 1)

        @pa.dataframe_check
        def ordered(cls, data: Any) -> pl.LazyFrame:
            return data.lazyframe.select(pl.col("a") <= pl.col("b"))

    columns = (Column(name="a", dtype="int"), Column(name="b", dtype="int"), Column(name="s", dtype="str"))
    decoder = RowDecoder(columns, Own)
    good = {"a": 1, "b": 50, "s": "XXY"}
    assert decoder.decode(body(good)).height == 1, "a verdict over a column is no verdict on a row"
    assert decoder.decode(body(good, good)).height == 2
    with pytest.raises(InvalidRows) as caught:
        decoder.decode(body(good, {"a": 3, "b": 2, "s": "no"}))
    assert {(p.field, p.row) for p in caught.value.problems} == {("a", 1), ("s", 1), ("row", 1)}
    with pytest.raises(InvalidRows):
        decoder.decode(body({"a": 3, "b": 4, "s": "xy"}))


def test_a_check_that_raises_refuses_with_its_message() -> None:
    def broken(data: Any) -> pl.LazyFrame:
        raise ValueError("no such luck")

    schema = pa.DataFrameSchema({"a": pa.Column(int, pa.Check(broken))})
    with pytest.raises(InvalidRows, match="no such luck"):
        RowDecoder((Column(name="a", dtype="int"),), schema).decode(body({"a": 1}))


# -- the compiled checks against pandera itself ------------------------------------------------------------------

CHECKS: list[tuple[Any, pa.Check, list[Any]]] = [
    (int, pa.Check.ge(3), [2, 3, 4]),
    (int, pa.Check.gt(2.5), [2, 3]),
    (int, pa.Check.lt(3), [2, 3]),
    (int, pa.Check.le(2.5), [2, 3]),
    (int, pa.Check.in_range(1, 4, include_min=False, include_max=False), [1, 2, 3, 4]),
    (int, pa.Check.isin([1, 2]), [0, 1, 2]),
    (int, pa.Check.notin([1, 2]), [0, 1, 2]),
    (int, pa.Check.eq(2), [1, 2]),
    (int, pa.Check.ne(2), [1, 2]),
    (float, pa.Check.ge(0.1), [0.1, 0.0999]),
    (float, pa.Check.gt(0.1), [0.1, 0.1001]),
    (float, pa.Check.in_range(0, 1, include_max=False), [0.0, 0.5, 1.0]),
    (float, pa.Check.isin([0.5, 1.0]), [0.5, 0.6]),
    (float, pa.Check.eq(0.5), [0.5, 0.6]),
    (bool, pa.Check.eq(True), [True, False]),
    (str, pa.Check.isin(["a", "b"]), ["a", "c", ""]),
    (str, pa.Check.isin("ab"), ["a", "ab"]),
    (str, pa.Check.notin(["a"]), ["a", "b"]),
    (str, pa.Check.eq("a"), ["a", "b"]),
    (str, pa.Check.str_startswith("a.b"), ["a.bc", "axb", "za.b"]),
    (str, pa.Check.str_endswith("$x"), ["a$x", "$x\n", "x"]),
    (str, pa.Check.str_contains("b[0-9]"), ["ab1", "ab"]),
    (str, pa.Check.str_matches("a|b"), ["a1", "1c", "b"]),
    (str, pa.Check.str_matches(r"[A-Z]{2}\d+$"), ["AB12", "AB", "AB12\n", "xAB12"]),
    (str, pa.Check.str_matches(r"\w+"), ["a", " "]),
    (str, pa.Check.str_length(2, 3), ["é", "éé", "😀😀😀", "abcd"]),
    (str, pa.Check.str_length(max_value=2), ["", "abc"]),
]


@pytest.mark.parametrize(("kind", "check", "values"), CHECKS, ids=[str(check[1]) for check in CHECKS])
def test_the_decoder_and_pandera_agree(kind: type, check: pa.Check, values: list[Any]) -> None:
    schema = pa.DataFrameSchema({"x": pa.Column(kind, check)})
    dtype = {int: "int", float: "float", bool: "bool", str: "str"}[kind]
    decoder = RowDecoder((Column(name="x", dtype=dtype, nullable=False),), schema)  # type: ignore[arg-type]
    verdicts = []
    for value in values:
        try:
            schema.validate(pl.DataFrame({"x": [value]}), lazy=True)
            expected = True
        except Exception:  # noqa: BLE001 (whatever pandera raises is a refusal)
            expected = False
        try:
            decoder.decode(body({"x": value}))
            verdicts.append((value, True, expected))
        except InvalidRows:
            verdicts.append((value, False, expected))
    assert [v for v in verdicts if v[1] != v[2]] == []
    assert {v[2] for v in verdicts} == {True, False}, "the values try both sides"


def test_choices_are_narrowed_by_the_other_checks() -> None:
    schema = pa.DataFrameSchema({"x": pa.Column(str, [pa.Check.isin(["a", "bb"]), pa.Check.str_length(2, 2)])})
    decoder = RowDecoder((Column(name="x", dtype="str"),), schema)
    assert decoder.rules[0].allowed == ("bb",)
    assert decoder.rules[0].checks == ()


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"a*b", r"(x|y)*", r"^a*a*b$", r"(?i)abc", r"^a|b+c"])
def test_a_pattern_that_could_run_away_or_reads_differently_is_left_to_pandera(pattern: str) -> None:
    schema = pa.DataFrameSchema({"x": pa.Column(str, pa.Check.str_contains(pattern))})
    decoder = RowDecoder((Column(name="x", dtype="str"),), schema)
    assert len(decoder.rules[0].checks) == 1


# -- parity ------------------------------------------------------------------------------------------------------

TYPES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "bool": (pl.Boolean, st.booleans()),
    "i64": (pl.Int64, st.integers(-(2**63), 2**63 - 1)),
    "i8": (pl.Int8, st.integers(-128, 127)),
    "u16": (pl.UInt16, st.integers(0, 2**16 - 1)),
    "f64": (pl.Float64, st.floats(allow_nan=True, allow_infinity=False)),
    "f32": (pl.Float32, st.floats(allow_nan=True, allow_infinity=False, width=32)),
    'a "quoted" name'.replace('"', "'"): (pl.String, st.text(st.characters(exclude_categories=("Cs",)))),
    "kätegorie": (pl.Categorical, st.sampled_from(["x", "y", ""])),
    "enum": (pl.Enum(["p", "q"]), st.sampled_from(["p", "q"])),
    "day": (pl.Date, st.dates(date(1, 1, 1), date(9999, 12, 31))),
    "us": (pl.Datetime("us", "UTC"), st.datetimes(timezones=st.just(UTC))),
    "naive": (pl.Datetime("us"), st.datetimes()),
    "ms": (
        pl.Datetime("ms", "Europe/Paris"),
        st.datetimes(datetime(1902, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
            lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        ),
    ),
}


class Everything(Product):
    task = BinaryClassification(target="y")
    kinds: ClassVar[dict[str, Any]] = {name: dtype for name, (dtype, _) in TYPES.items()}


ROW = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in TYPES.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.isoformat() if isinstance(value, date) else value


@settings(max_examples=80)
@given(st.lists(ROW, min_size=1, max_size=6))
def test_request_and_lake_give_the_frame_that_training_had(rows: list[dict[str, Any]]) -> None:
    trained = check_frame(
        Everything,
        pl.DataFrame([pl.Series(name, [row[name] for row in rows], dtype) for name, dtype in Everything.kinds.items()]),
    )
    columns = columns_of(Everything, trained)
    decoder = RowDecoder(columns)
    request = json.dumps({"rows": [{name: _plain(value) for name, value in row.items()} for row in rows]}).encode()
    decoded = decoder.read(request)
    served = decode_rows(list(decoded.rows), columns)
    assert decoded.frame.schema == trained.schema == served.schema == empty_frame(columns).schema
    assert decoded.frame.equals(trained)
    assert served.equals(trained)
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    assert decoder.from_records(plain).frame.equals(trained)
    assert decoder.from_columns({name: [row[name] for row in plain] for name in plain[0]}).frame.equals(trained)
    numbers = [column.name for column in columns if is_number(column)]
    assert numbers == ["bool", "i64", "f64"]
    for chosen in (numbers, numbers[::-1], numbers[:1]):
        made = decoded.matrix(decoder.reader(chosen))
        assert made.dtype == np.float64
        np.testing.assert_array_equal(made, as_matrix(decoded.frame[chosen], "here"))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200)
@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys([*TYPES, "more"], JUNK)), max_size=3))
def test_nonsense_is_refused_or_decodes_the_same_from_the_lake(rows: list[dict[str, Any]]) -> None:
    columns = columns_of(Everything, empty_frame_of_everything())
    decoder = RowDecoder(columns)
    with contextlib.suppress(InvalidRows, MalformedBody):
        decoded = decoder.read(json.dumps({"rows": rows}).encode())
        assert decode_rows(decoded.rows, columns).equals(decoded.frame)


def empty_frame_of_everything() -> pl.DataFrame:
    return pl.DataFrame(schema=Everything.kinds)


def test_captured_rows_of_another_version_read_with_the_columns_of_this_one() -> None:
    rows = [b'{"a": 1, "gone": {"x": 2}}', b'{"b": "new"}']
    columns = (Column(name="a", dtype="int"), Column(name="b", dtype="str"))
    assert decode_rows(pl.Series(rows), columns).rows() == [(1, None), (None, "new")]
    assert decode_rows([], columns).shape == (0, 2)
    with pytest.raises(DataError, match="cannot be read"):
        decode_rows([b'{"a": "text"}'], columns)


def test_the_json_schema_carries_the_contract(decoder: RowDecoder) -> None:
    schema = decoder.json_schema()
    assert schema["additionalProperties"] is False
    assert "carrier" in schema["required"]
    assert schema["properties"]["distance"] == {"type": "integer", "minimum": 10, "maximum": 4999}
    assert schema["properties"]["carrier"]["enum"] == ["AA", "DL", "UA"]


MOMENTS = [
    *("2013-03-01T10:00:00Z", "2013-03-01t10:00:00z", "2013-03-01 10:00:00", "2013-03-01T10:00:00.123456789+05:30"),
    *("2012-02-29T10:00:00Z", "2000-02-29T10:00:00Z", "2013-12-31T23:59:59-23:59", "2013-04-30T00:00:00Z"),
    *("", "2013-03-01", "2013-03-01T10:00Z", "2013-03-01T10:00:60Z", "2013-03-01T24:00:00Z", "2013-03-01T10:00:00.Z"),
    *("2013-02-29T10:00:00Z", "1900-02-29T10:00:00Z", "0000-03-01T10:00:00Z", "2013-04-31T10:00:00Z"),
    *("2013-03-01T10:00:00+0100", "2013-03-01T10:00:00+24:00", "2013-03-01_10:00:00Z", "2013-00-01T10:00:00Z"),
]


@pytest.mark.parametrize("text", MOMENTS)
def test_the_json_schema_says_which_texts_are_moments(text: str) -> None:
    decoder = RowDecoder([Column(name="at", dtype="datetime", nullable=False)])
    pattern = decoder.json_schema()["properties"]["at"]["pattern"]
    fits = re.search(pattern, text) is not None
    try:
        decoder.decode(json.dumps({"rows": [{"at": text}]}).encode())
    except InvalidRows:
        assert not fits
    else:
        assert fits


def test_the_json_schema_says_where_truth_values_are_numbers() -> None:
    fields = RowDecoder([Column(name="a", dtype="float"), Column(name="b", dtype="float", exact="Float64")])
    said = fields.json_schema()["properties"]
    assert {"type": "boolean"} in said["a"]["anyOf"]
    assert {"type": "boolean"} not in said["b"]["anyOf"]


@pytest.mark.parametrize("filled", range(4))
def test_the_types_of_a_frame_do_not_hang_on_which_cells_are_empty(filled: int) -> None:
    columns = [
        Column(name=name, dtype=dtype, required=False, exact=exact)
        for name, dtype, exact in (("i", "int", "Int32"), ("f", "float", ""), ("s", "str", ""), ("t", "datetime", ""))
    ]
    row = [{"i": 1}, {"f": 2}, {"s": "x"}, {"t": "2013-01-01T00:00:00Z"}][filled]
    frame = RowDecoder(columns).decode(json.dumps({"rows": [{}, row]}).encode())
    assert frame.dtypes == [pl.Int32(), pl.Float64(), pl.String(), pl.Datetime("us", "UTC")]
    assert frame.null_count().row(0) == tuple(2 - (place == filled) for place in range(4))
