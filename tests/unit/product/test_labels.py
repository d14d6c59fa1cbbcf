"""Labels and their codes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import DataError
from windlass.product.labels import UNKNOWN, LabelCodec
from windlass.product.task import BinaryClassification, MulticlassClassification, Regression

BINARY = BinaryClassification(target="late")
MANY = MulticlassClassification(target="late")
NUMBER = Regression(target="late")


def late(*values: object, dtype: pl.DataType | type[pl.DataType] | None = None) -> pl.Series:
    return pl.Series("late", list(values), dtype=dtype, strict=False)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (late(True, False, None), (False, True)),
        (late(1, 0, 1), (0, 1)),
        (late(2, 1, dtype=pl.UInt8), (1, 2)),
        (late(1.0, 0.0, float("nan")), (0, 1)),
        (late("yes", "no"), ("no", "yes")),
        (late("b", "a", dtype=pl.Categorical()), ("a", "b")),
        (late("b", "a", dtype=pl.Enum(["b", "a"])), ("a", "b")),
        (late(Decimal("1.0"), Decimal("0.0")), (0, 1)),
        (late(Decimal("1.0"), Decimal("0.0"), dtype=pl.Decimal(10, 2)), (0, 1)),
    ],
)
def test_two_labels_of_any_type_become_codes_and_come_back(labels: pl.Series, classes: tuple[object, ...]) -> None:
    codec = LabelCodec.learn(labels, BINARY)
    assert codec.classes == classes
    assert [type(label) for label in codec.classes] == [type(label) for label in classes]
    known = labels.fill_nan(None).drop_nulls() if labels.dtype.is_float() else labels.drop_nulls()
    codes = codec.encode(known)
    assert codes.dtype == np.int64
    assert codec.decode(codes) == [classes[code] for code in codes]
    assert [str(label) for label in codec.decode(codes)] == [
        str(int(v) if isinstance(v, float | Decimal) else v) for v in known
    ]


def test_the_positive_class_is_the_declared_one() -> None:
    codec = LabelCodec.learn(late("ok", "late"), BinaryClassification(target="late", positive="late"))
    assert codec.classes == ("ok", "late")
    assert codec.encode(late("late", "ok")).tolist() == [1, 0]
    turned = LabelCodec.learn(late(True, False), BinaryClassification(target="late", positive=False))
    assert turned.encode(late(True, False)).tolist() == [0, 1]
    with pytest.raises(DataError, match=r"positive class 'Late' does not occur among 'late', 'ok'"):
        LabelCodec.learn(late("ok", "late"), BinaryClassification(target="late", positive="Late"))


@pytest.mark.parametrize(
    ("labels", "task", "said"),
    [
        (late(1, 1), BINARY, r"only the label 1, and a binary task needs two"),
        (late(None, None), BINARY, "no label at all"),
        (late("a", "b", "c"), BINARY, r"3 labels \('a', 'b', 'c'\)[\s\S]*MulticlassClassification"),
        (late(*range(30)), BINARY, r"30 labels \(0, 1, 2, 3, 4, \.\.\.\)[\s\S]*Regression"),
        (late(0.5, 1.0), BINARY, r"0\.5 is a fraction[\s\S]*Regression"),
        (late(1.0, float("inf")), BINARY, "inf is a fraction"),
        (late([1], [2]), BINARY, r"values of type List\(Int64\) cannot be classes"),
        (late("a", "b"), MANY, r"just two labels[\s\S]*BinaryClassification"),
        (late("a", "a"), MANY, "only the label 'a'"),
        (late(*range(1001)), MANY, r"1001 different labels[\s\S]*wrong column"),
        (late("a", "b"), NUMBER, r"type String[\s\S]*BinaryClassification or"),
        (late(True, False), NUMBER, r"type Boolean[\s\S]*BinaryClassification or"),
        (late(1.0, float("-inf")), NUMBER, r"not finite[\s\S]*row 1"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_the_task_are_refused(labels: pl.Series, task: BinaryClassification, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        LabelCodec.learn(labels, task)
    assert "'late'" in caught.value.where
    assert caught.value.remedy


def test_an_unknown_or_missing_label_is_refused_with_its_row() -> None:
    codec = LabelCodec.learn(late("a", "b"), BINARY)
    with pytest.raises(DataError, match=r"label 'c' is not one of 'a', 'b' \(and 1 more rows\).*column 'late', row 1"):
        codec.encode(late("a", "c", "a", "d"))
    with pytest.raises(DataError, match=r"there is no label .*row 2"):
        codec.encode(late("a", "b", None))
    with pytest.raises(DataError, match=r"type List\(String\)"):
        codec.encode(late(["a"]))
    numbers = LabelCodec.learn(late(1, 2), NUMBER)
    with pytest.raises(DataError, match=r"there is no label .*row 1"):
        numbers.encode(late(1.0, float("nan")))
    with pytest.raises(DataError, match=r"not finite .*row 0"):
        numbers.encode(late(float("inf"), 1.0))


def test_an_empty_column_has_no_codes() -> None:
    assert LabelCodec.learn(late(0, 1), BINARY).encode(late(dtype=pl.Int64)).shape == (0,)
    assert LabelCodec.learn(late(0.5), NUMBER).encode(late(dtype=pl.Float64)).dtype == np.float64


@pytest.mark.parametrize(
    ("classes", "value", "code"),
    [
        ((0, 1), True, 1), ((0, 1), 1.0, 1), ((0, 1), "1", 1), ((0, 1), "1.0", 1), ((0, 1), "true", 1),
        ((0, 1), 0.5, None),
        ((False, True), 1, 1), ((False, True), "False", 0), ((False, True), 2, None), ((False, True), "yes", None),
        (("no", "yes"), "yes", 1), (("no", "yes"), True, None), (("no", "yes"), "Yes", None), (("no", "yes"), 1, None),
        (("0", "1"), 1, 1), (("0", "1"), True, 1), (("0", "1"), 1.0, 1), (("false", "true"), True, 1),
        ((1, 2), True, None), ((1, 2), "true", None), ((1, 2), 2, 1), ((0, 1, 2), True, None), ((0, 1, 2), 2.0, 2),
        (("1", "1.0", "2"), 1, None), (("1", "1.0", "2"), "1", 0), (("a", "nan"), float("nan"), None),
        ((0, 1), None, None), ((0, 1), float("nan"), None), ((0, 1), [1], None), ((0, 1), {"a": 1}, None),
        ((0, 1), 10**400, None),
    ],
)  # fmt: skip
def test_a_value_is_recognised_however_it_was_carried(
    classes: tuple[object, ...], value: object, code: int | None
) -> None:
    codec = LabelCodec.from_manifest("binary" if len(classes) == 2 else "multiclass", classes, column="late")  # type: ignore[arg-type]
    if code is None:
        with pytest.raises(DataError, match="cannot be a label: it must be one of"):
            codec.check_value(value)  # type: ignore[arg-type]
        assert codec.recognise(value) is None  # type: ignore[arg-type]
    else:
        codec.check_value(value)  # type: ignore[arg-type]
        assert codec.recognise(value) == classes[code]  # type: ignore[arg-type]
        assert codec.encode_texts(pl.Series([json.dumps(value)])).to_list() == [code]


@pytest.mark.parametrize(("value", "number"), [(1, 1.0), ("12.5", 12.5), (-0.5, -0.5), (Decimal("1.5"), 1.5)])
def test_a_number_is_a_number(value: object, number: float) -> None:
    codec = LabelCodec.from_manifest("regression", ())
    assert codec.recognise(value) == number  # type: ignore[arg-type]
    assert codec.decode(np.array([number])) == [number]


@pytest.mark.parametrize("value", [True, "x", "true", None, float("nan"), float("inf"), "nan", [1], 10**400])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(DataError, match="must be a finite number"):
        LabelCodec.from_manifest("regression", ()).check_value(value)  # type: ignore[arg-type]


@given(st.lists(st.sampled_from(["a", "b", "c", "", "1", "true"]), min_size=1))
def test_a_column_and_its_values_one_by_one_get_the_same_codes(labels: list[str]) -> None:
    codec = LabelCodec.from_manifest("multiclass", ("", "1", "a", "b", "c", "true"))
    codes = codec.encode(pl.Series("late", labels))
    assert codes.tolist() == codec.encode_texts(pl.Series([json.dumps(label) for label in labels])).to_list()
    assert codec.decode(codes) == labels


@given(st.lists(st.one_of(st.booleans(), st.none()), min_size=1))
def test_truth_values_as_numbers_get_the_same_codes(labels: list[bool | None]) -> None:
    codec = LabelCodec.from_manifest("binary", (False, True))
    known = [label for label in labels if label is not None]
    for dtype in (pl.Boolean, pl.Int8, pl.Float32):
        assert codec.encode(pl.Series("late", known, dtype=pl.Boolean).cast(dtype)).tolist() == [int(v) for v in known]


@pytest.mark.parametrize(
    ("classes", "value", "label"),
    [
        (("calm", "rain", "snow"), "storm", "storm"), (("calm", "rain", "snow"), 3, None),
        (("calm", "rain", "snow"), True, None), (("calm", "rain", "snow"), None, None),
        ((1, 2, 3), 4, 4), ((1, 2, 3), 4.0, 4), ((1, 2, 3), 4.5, None), ((1, 2, 3), "4", None),
        ((1, 2, 3), float("nan"), None), ((1, 2, 3), float("inf"), None), ((1, 2, 3), True, None),
    ],
)  # fmt: skip
def test_of_several_classes_a_new_one_of_their_type_may_come(
    classes: tuple[Any, ...], value: Any, label: object
) -> None:
    codec = LabelCodec.from_manifest("multiclass", classes)
    assert codec.recognise(value) == label
    codes = codec.encode_texts(pl.Series([json.dumps(classes[2]), json.dumps(value)]))
    assert codes.to_list() == [2, None if label is None else UNKNOWN]
    if label is None:
        with pytest.raises(DataError, match=r"one of .*, or a new class of the same type"):
            codec.check_value(value)


def test_of_two_classes_there_is_no_third() -> None:
    codec = LabelCodec.from_manifest("binary", ("no", "yes"))
    assert codec.recognise("maybe") is None
    assert codec.encode_texts(pl.Series(['"maybe"', None])).to_list() == [None, None]


@given(st.lists(st.sampled_from([True, False, 1, 0, 1.0, "true", "False", None, "maybe", 7, [1], {"a": 1}])))
def test_every_text_is_a_code_or_null(values: list[Any]) -> None:
    texts = pl.Series("value", [None if value is None else json.dumps(value) for value in values], dtype=pl.String)
    found = LabelCodec.from_manifest("binary", (False, True)).encode_texts(texts)
    assert found.dtype == pl.Int64
    known = {True: 1, False: 0, "true": 1, "False": 0}  # 1 and 0 are found as True and False
    expected = [known.get(value) if isinstance(value, (bool, int, float, str)) else None for value in values]
    assert found.to_list() == expected


def test_texts_of_numbers_are_values() -> None:
    texts = pl.Series("value", ["1.5", None, "-2", '"3"', '"x"', "true", "1e400", '"nan"'])
    found = LabelCodec.from_manifest("regression", ()).encode_texts(texts)
    assert found.to_list() == [1.5, None, -2.0, 3.0, None, None, None, None]
    assert LabelCodec.from_manifest("regression", ()).encode_texts(texts.clear()).dtype == pl.Float64
