# ruff: noqa: DTZ001  (naive moments are what is tested)
from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from windlass.errors import ProductError
from windlass.product.examples import Examples
from windlass.product.model.encoding import FrameEncoder, default_estimator, fit_estimator, style_for
from windlass.product.model.predict import may_have_matrix, predict

STYLES = ("codes", "trees", "dense")
NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _one_thread():
    """Models this small only wait for each other's threads."""
    with threadpool_limits(1):
        yield


def mixed(rows: int = 400, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    hours = random.permutation(rows)
    return pl.DataFrame(
        {
            "amount": pl.Series(random.normal(size=rows)),
            "count": pl.Series([None if n % 7 == 0 else n % 5 for n in range(rows)]),
            "flag": pl.Series([None if n % 11 == 0 else n % 2 == 0 for n in range(rows)]),
            "colour": pl.Series([None if n % 9 == 0 else "rgb"[n % 3] for n in range(rows)], dtype=pl.Categorical),
            "level": pl.Series(["lo", "hi"] * (rows // 2), dtype=pl.Enum(["lo", "hi"])),
            "shop": pl.Series([f"shop {n % 40}" for n in random.integers(0, 40, rows)]),
            "opened": pl.Series([NOW - timedelta(hours=13 * int(n)) for n in hours]),
            "born": pl.Series([date(1980, 1, 1) + timedelta(days=11 * int(n)) for n in hours]),
            "took": pl.Series([timedelta(minutes=int(n)) for n in random.integers(0, 90, rows)]),
        }
    )


def labels(frame: pl.DataFrame, seed: int = 1) -> np.ndarray:
    chance = 1 / (1 + np.exp(-2 * frame["amount"].to_numpy()))
    return (np.random.default_rng(seed).random(frame.height) < chance).astype(np.int64)


def examples(frame: pl.DataFrame, target: np.ndarray, weight: np.ndarray | None = None) -> Examples:
    return Examples(features=frame, target=target, rows=frame, classes=(0, 1), weight=weight)


# -- the encoder -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_rows_are_encoded_alike_alone_and_together(style):
    frame = mixed()
    encoder = FrameEncoder(style=style, regression=False, max_codes=10)
    encoder.fit(frame, labels(frame))
    # unseen values, gaps and infinities among them, in a long and in short frames
    odd = frame.tail(100).with_columns(
        shop=pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("never seen")).otherwise("shop"),
        amount=pl.when(pl.int_range(pl.len()) % 6 == 0).then(pl.lit(float("inf"))).otherwise("amount"),
        opened=pl.when(pl.int_range(pl.len()) % 4 == 0).then(None).otherwise("opened"),
    )
    together = encoder.transform(odd)
    alone = np.vstack([encoder.transform(odd.slice(row, 1)) for row in range(odd.height)])
    shuffled = encoder.transform(odd[::-1])[::-1]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, shuffled)
    assert together.dtype == np.float64
    assert style != "dense" or np.isfinite(together).all()


@pytest.mark.parametrize("style", STYLES)
def test_numbers_are_encoded_alike_as_a_frame_and_as_a_matrix(style):
    frame = mixed().select("count", same=pl.lit(3.0), flag="flag", amount="amount")
    matrix = np.column_stack([column.cast(pl.Float64).to_numpy() for column in frame.get_columns()])
    matrix[0] = [1e300, 3.0, np.nan, -np.inf]
    odd = pl.DataFrame(matrix, schema=frame.columns)
    before = matrix.copy()
    encoder = FrameEncoder(style=style, regression=False).fit(frame, labels(frame))
    assert encoder.takes_matrix
    assert list(encoder.left_out_) == ["same"]
    np.testing.assert_array_equal(encoder.transform(matrix), encoder.transform(odd))
    np.testing.assert_array_equal(matrix, before)
    assert not FrameEncoder(style=style, regression=False).fit(mixed(), labels(frame)).takes_matrix


def test_a_model_of_numbers_alone_may_have_their_matrix_in_its_own_order():
    frame, target = mixed().select("amount", "count", "flag"), labels(mixed())
    model = fit_estimator(LogisticRegression(), examples(frame, target), kind="binary")
    assert may_have_matrix(model, ("amount", "count", "flag"))
    assert not may_have_matrix(model, ("count", "amount", "flag"))
    matrix = np.column_stack([column.cast(pl.Float64).to_numpy() for column in frame.get_columns()])
    np.testing.assert_array_equal(predict(model, matrix, "binary"), predict(model, frame, "binary"))
    texts = fit_estimator(LogisticRegression(), examples(mixed(), target), kind="binary")
    assert not may_have_matrix(texts, mixed().columns)


@pytest.mark.parametrize("steps", [[], [1, 2], [(1,)], "abc", None])
def test_what_a_model_of_ones_own_calls_its_steps_is_no_pipeline(steps):
    class Own:
        n_features_in_ = 2

    model = Own()
    model.steps = steps
    assert may_have_matrix(model, ("a", "b"))
    assert not may_have_matrix(model, ("a",))


_CELLS = st.fixed_dictionaries(
    {
        "number": st.none() | st.floats(width=32),
        "whole": st.none() | st.integers(-(2**40), 2**40),
        "text": st.none() | st.sampled_from(["a", "b", "", "long one", "ü", "nul\x00"]) | st.text(max_size=3),
        "truth": st.none() | st.booleans(),
        "when": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    }
)
_SCHEMA = {
    "number": pl.Float64,
    "whole": pl.Int64,
    "text": pl.String,
    "truth": pl.Boolean,
    "when": pl.Datetime("us"),
}


@given(st.lists(_CELLS, min_size=2, max_size=90), st.lists(_CELLS, min_size=1, max_size=70), st.sampled_from(STYLES))
@settings(max_examples=80)
def test_any_frame_is_encoded_and_a_rows_code_is_its_own(learned, asked, style):
    frame, other = pl.DataFrame(learned, schema=_SCHEMA), pl.DataFrame(asked, schema=_SCHEMA)
    encoder = FrameEncoder(style=style, regression=True, max_codes=3, max_one_hot=3)
    made = encoder.fit_transform(frame, np.arange(frame.height, dtype=float))
    found = encoder.transform(other)
    assert made.shape[1] == found.shape[1]
    assert not np.isinf(found).any()
    first = encoder.transform(other.head(1))
    np.testing.assert_array_equal(found[:1], first)


def test_what_says_nothing_is_left_out_by_name():
    frame = mixed(200).with_columns(
        constant=pl.lit(3),
        empty=pl.lit(None, dtype=pl.Null),
        ticket=pl.int_range(pl.len()).cast(pl.String),
        infinite=pl.lit(float("inf")),
    )
    encoder = FrameEncoder(regression=False).fit(frame, labels(frame))
    assert set(encoder.left_out_) == {"constant", "empty", "ticket", "infinite"}
    assert "value of its own" in encoder.left_out_["ticket"]


@pytest.mark.parametrize(
    ("column", "words", "remedy"),
    [
        (pl.concat_list("amount", "amount"), "'odd' of type List(Float64)", "pl.col('odd').list.get(0)"),
        (pl.concat_list("amount", "amount").list.to_array(2), "'odd' of type Array", "pl.col('odd').arr.get(0)"),
        (pl.struct("amount", "count"), "'odd' of type Struct", "rows.unnest('odd')"),
        (pl.lit(b"x"), "'odd' of type Binary", "a number, a text or a date"),
    ],
)
def test_a_type_without_an_encoding_is_told_and_never_dropped(column, words, remedy):
    frame = mixed(200).with_columns(column.alias("odd"))
    with pytest.raises(ProductError) as caught:
        fit_estimator(LogisticRegression(), examples(frame, labels(frame)), kind="binary")
    assert words in caught.value.what
    assert remedy in caught.value.remedy
    assert "'odd'" in caught.value.where


def test_a_pipeline_of_ones_own_takes_any_type():
    frame = mixed(200).with_columns(odd=pl.concat_list("amount", "amount"))
    own = ColumnTransformer([("numbers", StandardScaler(), ["count"])])
    model = fit_estimator(
        make_pipeline(own, HistGradientBoostingClassifier(max_iter=2)), examples(frame, labels(frame)), kind="binary"
    )
    assert len(predict(model, frame, "binary")) == 200


def test_nothing_but_useless_columns_still_makes_a_matrix():
    frame = pl.DataFrame({"constant": [1] * 30})
    model = fit_estimator(LogisticRegression(), examples(frame, np.arange(30) % 2), kind="binary")
    assert predict(model, frame, "binary") == pytest.approx(0.5)


def test_a_column_that_is_the_same_but_for_rounding_does_not_blow_up_what_is_unseen():
    frame = pl.DataFrame({"pair": [f"p{n // 2}" for n in range(60)], "size": [n % 7 for n in range(60)]})
    encoder = FrameEncoder(regression=False).fit(frame, np.arange(60) % 2)  # every pair is as common as the others
    assert np.abs(encoder.transform(pl.DataFrame({"pair": ["p99"], "size": [3]}))).max() < 10


@pytest.mark.parametrize("estimator", [LogisticRegression(), RandomForestClassifier(n_estimators=3)])
def test_numbers_that_few_estimators_can_hold_are_gaps(estimator):
    frame = mixed(200).with_columns(huge=pl.col("amount") * 1e300, sentinel=pl.lit(1.7e308))
    model = fit_estimator(estimator, examples(frame, labels(frame)), kind="binary")
    without = fit_estimator(estimator, examples(mixed(200), labels(frame)), kind="binary")
    np.testing.assert_array_equal(predict(model, frame, "binary"), predict(without, mixed(200), "binary"))


def test_labels_of_random_ids_do_not_leak_into_training():
    random = np.random.default_rng(3)
    target = random.integers(0, 2, 3000)
    frame = pl.DataFrame({"id": [f"id {n}" for n in random.integers(0, 1500, 3000)]})
    encoder = FrameEncoder(style="codes", regression=False)
    crossed = encoder.fit_transform(frame, target)
    naive = encoder.transform(frame)
    # the means of other folds know nothing of a row's own label; the plain means know a lot
    assert abs(np.corrcoef(crossed[:, 0], target)[0, 1]) < 0.1
    assert np.corrcoef(naive[:, 0], target)[0, 1] > 0.2


def test_ids_that_matter_are_learned():
    random = np.random.default_rng(4)
    ids = random.integers(0, 600, 6000)
    chance = np.where(np.random.default_rng(0).random(600) < 0.5, 0.1, 0.9)[ids]
    target = (random.random(6000) < chance).astype(int)
    frame = pl.DataFrame({"id": [f"id {n}" for n in ids]})
    model = fit_estimator(None, examples(frame[:4500], target[:4500]), kind="binary")
    right = (predict(model, frame[4500:], "binary") > 0.5) == target[4500:]
    assert right.mean() > 0.85


def test_multiclass_ids_get_a_mean_for_each_class():
    frame = pl.DataFrame({"id": [f"id {n % 50}" for n in range(500)]})
    made = FrameEncoder(style="trees", regression=False).fit_transform(frame, np.arange(500) % 3)
    assert made.shape == (500, 4)


def test_moments_keep_the_cycles_that_training_went_round():
    def parts(hours: int, step: int) -> list[str]:
        frame = pl.DataFrame({"t": [NOW + timedelta(hours=step * n) for n in range(hours)], "x": range(hours)})
        encoder = FrameEncoder(style="trees").fit(frame)
        return encoder.moments_[0]["parts"] if encoder.moments_ else []

    assert parts(100, 1) == ["hour"]
    assert parts(400, 1) == ["hour", "weekday"]
    assert parts(400, 25) == ["hour", "weekday", "yearday"]
    assert parts(5, 24) == []  # rises, and no cycle: left out


def test_a_moment_that_rises_with_the_rows_has_no_position_and_another_has():
    frame = mixed()
    encoder = FrameEncoder(style="trees").fit(frame.sort("opened"))
    position = {moment["name"]: moment["position"] for moment in encoder.moments_}
    assert position == {"opened": False, "born": True}  # the later it was opened, the earlier born
    shuffled = FrameEncoder(style="trees").fit(frame)
    assert all(moment["position"] for moment in shuffled.moments_)


def test_parts_of_moments_are_what_the_calendar_says():
    when = [
        datetime(2023, 1, 1, 6, 30),
        datetime(2024, 12, 31),
        datetime(2024, 2, 29, 23, 59),
        datetime(1969, 12, 31, 1),
    ]
    encoder = FrameEncoder(style="trees")
    made = encoder.fit_transform(pl.DataFrame({"t": [*when, *when[::-1]]}))[:4]
    assert [moment["parts"] for moment in encoder.moments_] == [["hour", "weekday", "yearday"]]
    for row, moment in zip(made, when, strict=True):
        assert row[0] == pytest.approx(moment.hour + moment.minute / 60)
        assert row[1] == moment.weekday()
        assert row[2] == moment.timetuple().tm_yday - 1


def test_a_missing_column_is_named():
    frame = mixed()
    encoder = FrameEncoder().fit(frame)
    with pytest.raises(ProductError, match="'shop' is missing"):
        encoder.transform(frame.drop("shop"))


def test_another_type_is_read_or_is_a_gap():
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "t": [datetime(2024, 1, n, n) for n in (4, 1, 3, 2)]})
    encoder = FrameEncoder(style="trees").fit(frame)
    text = pl.DataFrame({"x": ["2.5", "many"], "t": ["2024-01-02T02:00:00", "soon"]})
    found = encoder.transform(text)
    assert found[0, 0] == 2.5
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[0, 1:], encoder.transform(frame)[3, 1:])
    assert np.isnan(encoder.transform(pl.DataFrame({"x": [None], "t": [None]}))).all()


def test_naive_and_aware_moments_mean_the_same():
    naive = pl.DataFrame({"t": [datetime(2024, 1, n, n) for n in (4, 1, 3, 2)]})
    encoder = FrameEncoder(style="trees").fit(naive)
    aware = naive.with_columns(pl.col("t").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York"))
    nanoseconds = naive.with_columns(pl.col("t").cast(pl.Datetime("ns")))
    np.testing.assert_array_equal(encoder.transform(naive), encoder.transform(aware))
    np.testing.assert_array_equal(encoder.transform(naive), encoder.transform(nanoseconds))


def test_what_is_learned_survives_skops():
    import skops.io

    frame = mixed()
    model = fit_estimator(LogisticRegression(), examples(frame, labels(frame)), kind="binary")
    expected = predict(model, frame, "binary")  # asked before it is saved: what is looked up quickly is not kept
    saved = skops.io.dumps(model)
    unknown = skops.io.get_untrusted_types(data=saved)
    assert unknown == ["windlass.product.stored.FrameEncoder"]
    loaded = skops.io.loads(saved, trusted=unknown)
    np.testing.assert_array_equal(predict(loaded, frame, "binary"), expected)


# -- fitting -----------------------------------------------------------------------------------------------------


class LGBMModel(ClassifierMixin, BaseEstimator):
    """Takes what LightGBM's scikit-learn classes take."""

    def fit(self, matrix, target, *, sample_weight=None, categorical_feature="auto"):
        self.matrix_, self.categorical_, self.weight_ = matrix, categorical_feature, sample_weight
        self.classes_ = np.unique(target)
        return self

    def predict_proba(self, matrix):
        return np.full((len(matrix), 2), 0.5)


class MyLightGBM(LGBMModel):
    pass


def test_each_estimator_gets_what_it_can_take():
    assert style_for(HistGradientBoostingClassifier()) == "codes"
    assert style_for(MyLightGBM()) == "codes"
    assert style_for(RandomForestClassifier()) == "trees"
    assert style_for(LogisticRegression()) == "dense"
    assert style_for(make_pipeline(StandardScaler(), LogisticRegression())) == "dense"
    assert style_for(make_pipeline(SimpleImputer(), LogisticRegression())) == "trees"


@pytest.mark.parametrize(
    "estimator",
    [
        None,
        HistGradientBoostingClassifier(max_iter=10),
        RandomForestClassifier(n_estimators=10),
        LogisticRegression(),
        KNeighborsClassifier(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(SimpleImputer(), GaussianNB()),
    ],
)
def test_any_estimator_learns_from_any_frame(estimator):
    frame = mixed()
    target = labels(frame)
    model = fit_estimator(estimator, examples(frame[:300], target[:300]), kind="binary")
    found = predict(model, frame[300:], "binary")
    assert ((found > 0.5) == target[300:]).mean() > 0.6


def test_categories_are_declared_to_boosters_that_know_them():
    frame = mixed()
    target = labels(frame)
    boosted = fit_estimator(HistGradientBoostingClassifier(max_iter=2), examples(frame, target), kind="binary")
    encoder = boosted.named_steps["encoder"]
    matrix = encoder.transform(frame)
    assert boosted.named_steps["estimator"].is_categorical_.nonzero()[0].tolist() == encoder.categorical_
    names = [learned["name"] for learned in encoder.categories_]
    assert names == ["colour", "level", "shop"]
    for place, name in zip(encoder.categorical_, names, strict=True):
        assert np.unique(matrix[:, place][~np.isnan(matrix[:, place])]).size == frame[name].drop_nulls().n_unique()
    light = fit_estimator(MyLightGBM(), examples(frame, target), kind="binary").named_steps["estimator"]
    assert light.categorical_ == encoder.categorical_


def test_a_pipeline_that_names_columns_gets_the_frame():
    frame = mixed()
    own = ColumnTransformer(
        [("kinds", OneHotEncoder(handle_unknown="ignore"), ["level"]), ("rest", "passthrough", ["amount"])]
    )
    model = fit_estimator(make_pipeline(own, LogisticRegression()), examples(frame, labels(frame)), kind="binary")
    assert not isinstance(model.steps[0][1], FrameEncoder)
    assert predict(model, frame, "binary").shape == (400,)


def test_the_same_rows_give_the_same_model_and_the_estimator_is_left_alone():
    frame = mixed()
    forest = RandomForestClassifier(n_estimators=5)
    made = [
        predict(fit_estimator(forest, examples(frame, labels(frame)), kind="binary"), frame, "binary") for _ in "ab"
    ]
    np.testing.assert_array_equal(*made)
    assert forest.random_state is None
    assert not hasattr(forest, "estimators_")


def test_a_seed_of_ones_own_is_kept():
    model = fit_estimator(
        RandomForestClassifier(n_estimators=2, random_state=7), examples(mixed(), labels(mixed())), kind="binary"
    )
    assert model.named_steps["estimator"].random_state == 7


@pytest.mark.parametrize(("given", "expected"), [({}, -1), ({"verbose": 1}, 1), ({"verbosity": -1}, None)])
def test_a_booster_that_talks_is_quiet_unless_told_otherwise(capfd, given, expected):
    frame = mixed(60).select("amount")
    model = fit_estimator(LGBMClassifier(n_estimators=1, **given), examples(frame, labels(frame)), kind="binary")
    assert model[-1].get_params().get("verbose") == expected
    assert bool(capfd.readouterr().out) == (expected == 1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"verbose": False, "allow_writing_files": False}),
        ({"silent": False}, {"silent": False, "allow_writing_files": False}),
        ({"verbose": 50, "allow_writing_files": True}, {"verbose": 50, "allow_writing_files": True}),
    ],
)
def test_one_that_talks_and_writes_files_where_it_runs_does_neither_unless_told_to(given, expected):
    frame = mixed(60).select("amount")
    model = fit_estimator(CatBoostLike(**given), examples(frame, labels(frame)), kind="binary")
    assert model[-1].get_params() == expected


class CatBoost(GaussianNB):
    """Takes any parameter, and tells of those that were given, as the library's own base class does."""

    __module__ = "catboost.core"

    def __init__(self, **given: Any) -> None:
        super().__init__()
        self.given = given

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return dict(self.given)

    def set_params(self, **given: Any) -> CatBoost:
        self.given.update(given)
        return self


class CatBoostLike(CatBoost):
    """What a user takes."""


def test_weights_reach_the_estimator_or_are_refused():
    frame = mixed()
    weight = np.linspace(1, 2, 400)
    light = fit_estimator(MyLightGBM(), examples(frame, labels(frame), weight), kind="binary")
    np.testing.assert_array_equal(light.named_steps["estimator"].weight_, weight)
    with pytest.raises(ProductError, match="weights"):
        fit_estimator(KNeighborsClassifier(), examples(frame, labels(frame), weight), kind="binary")


def test_regression_learns_numbers():
    frame = mixed()
    target = frame["amount"].to_numpy() * 3 + 1
    model = fit_estimator(LinearRegression(), examples(frame, target), kind="regression")
    np.testing.assert_allclose(predict(model, frame, "regression"), target, atol=1e-6)
    assert type(default_estimator("regression")).__name__ == "HistGradientBoostingRegressor"


@pytest.mark.parametrize(
    ("estimator", "target", "message"),
    [
        (LogisticRegression, np.arange(400) % 2, "class LogisticRegression is not an estimator"),
        ("logistic", np.arange(400) % 2, "is not an estimator"),
        (LogisticRegression(), np.zeros(400), "same label"),
        (LogisticRegression(), np.full(400, np.nan), "missing or not finite"),
        (LogisticRegression(C=-1), np.arange(400) % 2, "could not be fitted to 400 rows"),
        (Pipeline([("a", StandardScaler()), ("b", KNeighborsClassifier(500))]), np.arange(400) % 2, None),
    ],
)
def test_what_cannot_be_fitted_says_why(estimator, target, message):
    frame = mixed()
    if message is None:
        fit_estimator(estimator, examples(frame, target), kind="binary")
        return
    with pytest.raises(ProductError, match=message) as caught:
        fit_estimator(estimator, examples(frame, target), kind="binary")
    assert caught.value.where
    assert caught.value.remedy


def test_no_rows_is_an_error_of_ours():
    with pytest.raises(ProductError, match="no labelled rows"):
        fit_estimator(None, examples(mixed().head(0), np.empty(0)), kind="binary")
