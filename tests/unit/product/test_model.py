from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from windlass.errors import ProductError
from windlass.product.model.predict import predict

FRAME = pl.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1, 0, 1, 0]})


class Answers:
    """A model that says what it was told to, and keeps what it was given."""

    def __init__(self, answer, **attributes):
        self.answer, self.given = answer, None
        self.__dict__.update(attributes)

    def predict(self, data):
        self.given = data
        return self.answer

    predict_proba = predict


def test_binary_is_the_probability_of_the_positive_class():
    model = Answers([[0.25, 0.75]] * 4)
    found = predict(model, FRAME, "binary")
    assert found.dtype == np.float64
    assert found.tolist() == [0.75] * 4
    assert model.given is FRAME


def test_multiclass_is_a_row_of_probabilities_and_regression_a_value():
    assert predict(Answers(np.full((4, 3), 1 / 3)), FRAME, "multiclass", classes=3).shape == (4, 3)
    assert predict(Answers(np.arange(4)), FRAME, "regression").tolist() == [0.0, 1.0, 2.0, 3.0]
    assert predict(Answers(np.arange(4).reshape(4, 1)), FRAME, "regression").shape == (4,)


@pytest.mark.parametrize(("seen", "expected"), [([0], 0.0), ([1], 1.0)])
def test_a_model_that_saw_one_class_gives_the_other_nothing(seen, expected):
    assert predict(Answers(np.ones((4, 1)), classes_=np.array(seen)), FRAME, "binary").tolist() == [expected] * 4


def test_classes_that_were_not_seen_get_nothing():
    model = Answers(np.full((4, 2), 0.5), classes_=np.array([0, 2]))
    assert predict(model, FRAME, "multiclass", classes=4)[0].tolist() == [0.5, 0.0, 0.5, 0.0]


def test_columns_are_given_by_name_in_the_order_of_training():
    model = LinearRegression().fit(FRAME, [0.0, 1.0, 2.0, 3.0])
    turned = FRAME.select(pl.lit("x").alias("more"), "b", "a")
    np.testing.assert_array_equal(predict(model, turned, "regression"), predict(model, FRAME, "regression"))


def test_a_model_fitted_on_an_array_gets_an_array(recwarn):
    model = LogisticRegression().fit(FRAME.to_numpy(), [0, 1, 0, 1])
    assert predict(model, FRAME, "binary").shape == (4,)
    assert not recwarn.list
    with pytest.raises(ProductError, match="takes 2 columns, and there are 1: a"):
        predict(model, FRAME.select("a"), "binary")
    with pytest.raises(ProductError, match="these columns are none: b"):
        predict(model, FRAME.with_columns(pl.col("b").cast(pl.String)), "binary")


def test_a_model_may_say_what_it_takes():
    model = Answers(np.zeros(4), windlass_input="numpy")
    predict(model, FRAME, "regression")
    assert isinstance(model.given, np.ndarray)
    with pytest.raises(ProductError, match="windlass_input is 'arrow'"):
        predict(Answers(np.zeros(4), windlass_input="arrow"), FRAME, "regression")


def test_no_rows_are_no_question():
    none = FRAME.head(0)
    assert predict(Answers(None), none, "binary").shape == (0,)
    assert predict(Answers(None), none, "multiclass", classes=3).shape == (0, 3)


@pytest.mark.parametrize(
    ("model", "kind", "classes", "message"),
    [
        (LinearSVC(), "binary", None, "no predict_proba, which a binary task needs"),
        (object(), "regression", None, "no predict, which a regression task needs"),
        (Answers(np.zeros(3)), "regression", None, r"shape \(3,\), where \(4,\)"),
        (Answers(np.zeros((4, 2))), "regression", None, "shape"),
        (Answers(np.zeros((4, 3))), "binary", None, "3 probabilities a row, and there are 2 classes"),
        (Answers(np.zeros((4, 2))), "multiclass", 3, "2 probabilities a row, and there are 3 classes"),
        (Answers(np.zeros((4, 2)), classes_=np.array([0, 9])), "multiclass", 3, "there are 3 classes"),
        (Answers(np.zeros((3, 2))), "binary", None, "shape"),
        (Answers(0.5), "binary", None, "shape"),
        (Answers(0.5), "regression", None, "shape"),
        (Answers(["yes"] * 4), "regression", None, "not an array of numbers"),
        (Answers([0.0, np.nan, np.inf, 1.0]), "regression", None, "2 of 4 answers are not finite, the first in row 1"),
        (Answers([[0.5, np.nan]] * 4), "binary", None, "4 of 4 answers"),
        (Answers(np.zeros(4), feature_names_in_=["a", "c", "d"]), "regression", None, "not there: c, d"),
    ],
)
def test_a_wrong_answer_says_what_is_wrong(model, kind, classes, message):
    with pytest.raises(ProductError, match=message) as caught:
        predict(model, FRAME, kind, classes=classes)
    assert caught.value.where == f"model {type(model).__name__}"
    assert caught.value.remedy
