"""What fitted transformers tell of their columns, in every way in which columns can be chosen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from windlass.errors import ProductError
from windlass.product.model.predict import input_of, predict
from windlass.product.model.transformers import (
    count_of,
    dropped_columns,
    known_columns,
    known_of,
    names_of,
    nan_columns,
    takes_text,
)

ROWS = pl.DataFrame(
    {
        "age": [1.0, 2.0, 3.0, 4.0] * 4,
        "city": ["Rome", "Oslo", "Oslo", "Bonn"] * 4,
        "note": ["good day", "bad day", "day", "bad night"] * 4,
        "ticket": list("abcdefghijklmnop"),
    }
)
NAMES = ROWS.columns
SAID = np.array([0, 1, 0, 1] * 4)


def chosen(columns: Any) -> Any:
    """A model that scales the age and encodes the columns it is told to."""
    parts = [("age", StandardScaler(), ["age"]), ("text", OneHotEncoder(handle_unknown="ignore"), columns)]
    return make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(ROWS, SAID)


@pytest.mark.parametrize(
    "columns",
    [
        ["city"],
        [1],
        [-3],
        slice(1, 2),
        slice("city", "city"),
        [False, True, False, False],
        np.array([False, True, False, False]),
        lambda frame: [name for name in frame.columns if name == "city"],
    ],
)
def test_a_choice_of_columns_is_understood_and_the_rest_is_not_needed(columns: Any) -> None:
    model = chosen(columns)
    assert {name: known.dtype for name, known in known_columns(model, NAMES).items()} == {"city": "str"}
    assert dropped_columns(model, NAMES) == {"note", "ticket"}
    asked = predict(model, ROWS.select("city", "age"), "binary")
    np.testing.assert_array_equal(asked, model.predict_proba(ROWS)[:, 1])
    with pytest.raises(ProductError, match="not there: age, note, ticket"):
        predict(model, ROWS.select("city"), "binary")


def test_nothing_is_dropped_by_a_remainder_that_stays_or_behind_a_step_that_takes_all() -> None:
    numbers = ROWS.select("age", other=pl.col("age") * 2)
    stays = ColumnTransformer([("age", StandardScaler(), ["age"])], remainder="passthrough")
    assert dropped_columns(make_pipeline(stays, LogisticRegression()).fit(numbers, SAID), numbers.columns) == set()
    first = SimpleImputer().set_output(transform="polars")
    drops = ColumnTransformer([("age", StandardScaler(), ["age"])])
    behind = make_pipeline(first, drops, LogisticRegression()).fit(numbers, SAID)
    assert dropped_columns(behind, numbers.columns) == set()
    assert dropped_columns(LogisticRegression().fit(numbers, SAID), numbers.columns) == set()


def test_columns_are_known_inside_a_search_a_pipeline_and_a_booster() -> None:
    search = GridSearchCV(chosen(["city"]), {"logisticregression__C": [1.0]}, cv=2).fit(ROWS, SAID)
    assert known_columns(search, NAMES)["city"].example == "Bonn"
    assert dropped_columns(search, NAMES) == {"note", "ticket"}
    first = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(ROWS.select("city"), SAID)
    assert known_columns(first, ["city"])["city"].dtype == "str"
    frame = ROWS.select("age", pl.col("city").cast(pl.Categorical))
    booster = HistGradientBoostingClassifier(max_iter=1, categorical_features="from_dtype").fit(frame, SAID)
    assert known_columns(booster, frame.columns)["city"].dtype == "str"
    words = make_pipeline(ColumnTransformer([("words", CountVectorizer(), "note")]), LogisticRegression())
    assert known_columns(words.fit(ROWS, SAID), NAMES)["note"].dtype == "str"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: CalibratedClassifierCV(inner, cv=2),
        FixedThresholdClassifier,
        lambda inner: VotingClassifier([("one", inner), ("none", "drop")], voting="soft"),
        lambda inner: StackingClassifier([("one", inner)], cv=2),
    ],
)
def test_columns_are_known_inside_what_wraps_a_pipeline(wrap: Any) -> None:
    wrapped = wrap(chosen(["city"])).fit(ROWS, SAID)
    assert known_columns(wrapped, NAMES)["city"].example == "Bonn"


def test_columns_are_known_behind_a_target_that_is_transformed() -> None:
    inner = make_pipeline(*[step for _, step in chosen(["city"]).steps[:-1]], Ridge())
    wrapped = TransformedTargetRegressor(inner, func=np.log1p, inverse_func=np.expm1).fit(ROWS, SAID)
    assert known_columns(wrapped, NAMES)["city"].example == "Bonn"
    assert dropped_columns(wrapped, NAMES) == {"note", "ticket"}


def test_what_a_vote_drops_in_one_of_its_parts_is_needed_by_another() -> None:
    vote = VotingClassifier([("one", chosen(["city"])), ("two", chosen(["ticket"]))], voting="soft").fit(ROWS, SAID)
    assert dropped_columns(vote, NAMES) == set()


TEXTS = ROWS["note"].to_list()


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(TfidfVectorizer(), LogisticRegression()),
        make_pipeline(HashingVectorizer(n_features=16), LogisticRegression()),
        make_pipeline(make_union(CountVectorizer(), TfidfVectorizer(analyzer="char")), LogisticRegression()),
        GridSearchCV(make_pipeline(CountVectorizer(), LogisticRegression()), {"logisticregression__C": [1.0]}, cv=2),
        CalibratedClassifierCV(make_pipeline(CountVectorizer(), LogisticRegression()), cv=2),
    ],
)
def test_a_model_of_texts_is_given_texts(model: Any) -> None:
    model.fit(TEXTS, SAID)
    assert takes_text(model)
    assert known_columns(model, ["text"])["text"].dtype == "str"
    asked = predict(model, pl.DataFrame({"anything": TEXTS}), "binary")
    np.testing.assert_array_equal(asked, model.predict_proba(TEXTS)[:, 1])
    with pytest.raises(ProductError, match="the model takes texts, and there are 2 columns: note, ticket"):
        predict(model, ROWS.select("note", "ticket"), "binary")


def test_a_model_of_which_a_column_holds_texts_is_given_the_frame() -> None:
    words = make_pipeline(ColumnTransformer([("words", CountVectorizer(), "note")]), LogisticRegression())
    assert not takes_text(words.fit(ROWS, SAID))
    assert not takes_text(LogisticRegression().fit(ROWS.select("age").to_numpy(), SAID))


@pytest.mark.parametrize(
    ("categories", "dtype", "example"),
    [
        (np.array(["b", None, "a"], dtype=object), "str", "b"),
        (np.array([False, True]), "bool", False),
        (np.array([3, 4]), "float", 3.0),
        (np.array([np.nan, 1.5]), "float", 1.5),
        (["a", 1], "float", 0.0),
        ([], "float", 0.0),
    ],
)
def test_the_type_of_categories_is_what_all_of_them_are(categories: Any, dtype: str, example: Any) -> None:
    known = known_of(categories)
    assert (known.dtype, known.example, type(known.example)) == (dtype, example, type(example))


GAPS = ROWS.select("age", city=pl.when(pl.col("city") == "Bonn").then(None).otherwise(pl.col("city")))
"""As rows are served: a gap is null, and None to who takes it as it is."""
AS_NAN = GAPS.with_columns(pl.Series("city", [cell or math.nan for cell in GAPS["city"]], dtype=pl.Object))
"""As pandas would give them."""


def within(*steps: Any) -> Any:
    return make_pipeline(
        ColumnTransformer([("age", SimpleImputer(), ["age"]), ("city", make_pipeline(*steps), ["city"])]),
        LogisticRegression(),
    )


FILLS, KNOWS = SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (within(FILLS, KNOWS), ("age", "city")),
        (within(KNOWS), ("age", "city")),
        (within(SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder()), ("age", "city")),
        (make_pipeline(FILLS, KNOWS, LogisticRegression()), ("age", "city")),
        (make_pipeline(OneHotEncoder(), LogisticRegression()), ("city",)),
        (make_pipeline(StandardScaler(), LogisticRegression()), ()),
    ],
)
def test_a_gap_among_texts_is_nan_to_who_has_learned_it_so(model: Any, names: tuple[str, ...]) -> None:
    wide = AS_NAN if "city" in names else AS_NAN.select("age")
    model.fit(wide, SAID)
    assert nan_columns(model, wide.columns) == names
    model.windlass_nan = list(names)
    asked = predict(model, GAPS.select(wide.columns), "binary")
    np.testing.assert_array_equal(asked, model.predict_proba(wide)[:, 1])


@pytest.mark.parametrize(
    "model",
    [within(KNOWS), within(FILLS, KNOWS), within(SimpleImputer(missing_values=None, strategy="most_frequent"), KNOWS)],
)
def test_a_gap_among_texts_is_none_to_who_has_learned_it_so(model: Any) -> None:
    model.fit(GAPS, SAID)
    assert nan_columns(model, GAPS.columns) == ("age",)


def test_numbers_with_gaps_that_are_nan_stay_numbers() -> None:
    counts = pl.DataFrame({"count": [1, None, 3]})
    model = LogisticRegression()
    model.feature_names_in_, model.windlass_nan = np.array(["count"], dtype=object), ["count"]
    (given,) = input_of(model, counts, "m").to_dict(as_series=False).values()
    assert given[::2] == [1.0, 3.0]
    assert math.isnan(given[1])


class Stranger:
    """A model that came without scikit-learn's words, as CatBoost's do: after a way through a file its count is 0."""

    n_features_in_ = 0

    def __init__(self, names: list[str], texts: list[int] | None = None) -> None:
        self.feature_names_ = names
        self.texts = texts or []

    def get_cat_feature_indices(self) -> list[int]:
        return self.texts

    def predict(self, rows: Any) -> Any:
        assert isinstance(rows, np.ndarray if self.feature_names_[0] == "0" else pl.DataFrame)
        return np.arange(len(rows))


def test_names_are_read_from_one_that_calls_them_otherwise_too() -> None:
    stranger = Stranger(["age", "city"], [1])
    assert (names_of(stranger), count_of(stranger)) == (["age", "city"], None)
    known = known_columns(stranger, ["age", "city"])
    assert {name: each.dtype for name, each in known.items()} == {"city": "str"}
    assert predict(stranger, ROWS.select("age", "city"), "regression").tolist() == list(range(16))


def test_one_that_was_fitted_on_an_array_and_numbers_its_columns_gets_one() -> None:
    stranger = Stranger(["0", "1"])
    assert (names_of(stranger), count_of(stranger)) == (None, 2)
    assert predict(stranger, pl.DataFrame({"x0": [1.0, 2.0], "x1": [0.0, 1.0]}), "regression").tolist() == [0, 1]


def test_the_names_that_a_transformer_gives_are_not_those_that_it_takes() -> None:
    vectorizer = DictVectorizer().fit([{"a": 1.0, "b": 2.0}])
    assert (names_of(vectorizer), list(vectorizer.feature_names_)) == (None, ["a", "b"])
