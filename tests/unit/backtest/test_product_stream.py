from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import windlass as wl
from windlass.backtest.estimators import estimator_from, with_seed
from windlass.backtest.product import stream_of, with_defaults
from windlass.backtest.replay import run_backtest
from windlass.backtest.stream import NEVER
from windlass.errors import ContractViolated, DataError, MissingExtra, ProductError, UsageError

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000
ROWS = 60


def orders(rows: int = ROWS) -> pl.DataFrame:
    random = np.random.default_rng(0)
    size = random.normal(size=rows)
    return pl.DataFrame(
        {
            "id": [f"o{n}" for n in range(rows)],
            "at": [START + timedelta(days=n) for n in range(rows)],
            "size": size,
            "late": (size + random.normal(size=rows) > 0).astype(int),
        }
    )


class Orders(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")
    outcome = wl.Outcome(within="3d")
    estimator = LogisticRegression()

    def extract(self, since):
        return orders().sample(fraction=1, shuffle=True, seed=1)


def test_a_products_rows_are_replayed_with_its_own_features_and_policies():
    stream = stream_of(with_defaults(Orders, estimator=None, seed=0))
    assert stream.features.columns == ["size"]
    assert stream.rows["id"].to_list() == orders()["id"].to_list()
    assert (stream.known_at - stream.at == 3 * DAY).all()
    assert stream.product.retrain == wl.Retrain()
    result = run_backtest(stream, windows=4)
    assert result.policies["every-window"].retrains == 3
    late = stream_of(Orders, label_delay="9d")
    assert (late.known_at - late.at == 9 * DAY).all()
    assert late.product.outcome.within == timedelta(days=9)
    assert late.product.name == Orders.name


def test_labels_that_are_waited_for_too_long_are_told_with_how_long():
    """By default it is 30 days, which nobody has written down who wonders where the labels of a month are."""
    with pytest.raises(DataError, match="0 labels are known at its end") as caught:
        run_backtest(stream_of(type("Slow", (Orders,), {"outcome": wl.Outcome()})), windows=4)
    assert caught.value.remedy.startswith("a label counts as known 30d after its row or later")


def test_what_extract_raises_is_told_with_its_line():
    class Gone(Orders):
        def extract(self, since):
            return pl.read_csv("gone.csv")

    with pytest.raises(ProductError, match=r"extract raised FileNotFoundError: .*gone\.csv") as caught:
        stream_of(Gone)
    assert caught.value.where == f"{__file__}:{Gone.extract.__code__.co_firstlineno + 1}"
    with pytest.raises(ProductError, match="extract raised TypeError"):
        stream_of(type("Unasked", (Orders,), {"extract": lambda self: orders()}))


def test_a_schedule_of_the_products_own_is_kept():
    class Scheduled(Orders):
        retrain = wl.Retrain(every="10d", cooldown="0s")
        outcome = wl.Outcome(within="0s")

        def extract(self, since):
            return orders(400)

    stream = stream_of(with_defaults(Scheduled, estimator=DecisionTreeClassifier(), seed=5))
    assert stream.product.estimator.random_state == 5
    decided = [event for event in run_backtest(stream, windows=8).events if event.kind == "retrain.decided"]
    assert len(decided) == 7
    assert {event.decision.numbers["trigger"] for event in decided} == {"schedule"}


def test_outcomes_of_their_own_come_at_their_own_time():
    class Separate(Orders):
        outcome = wl.Outcome(within="3d", absent=0)

        def extract(self, since):
            frame = orders()
            told = frame.head(20).select("id", pl.col("late").alias("value"), pl.col("at") + timedelta(days=9))
            corrected = told.head(1).with_columns(value=1 - pl.col("value"), at=pl.col("at") + timedelta(days=1))
            return {"orders": frame.drop("late"), "outcomes": pl.concat([told, corrected])}

    stream = stream_of(Separate)
    expected = orders()["late"].to_numpy()
    # Three days after each row nothing had come, which means 0; what came after nine corrects it, and again after ten.
    assert ((stream.known_at - stream.at) / DAY).round(6).tolist() == [3.0] * 60
    assert stream.target[0] == 1 - expected[0]
    assert stream.target[1:20].tolist() == expected[1:20].tolist()
    assert (stream.target[20:] == 0).all()
    first = [stream.known(int(stream.at[0]) + day * DAY, start=0, stop=1).labels.tolist() for day in (3, 4, 9, 10)]
    assert first == [[], [0], [expected[0]], [1 - expected[0]]]
    assert stream.known(int(stream.at[19]) + 9 * DAY, start=0, stop=20).labels[1:].tolist() == expected[1:20].tolist()


def test_a_correction_is_not_seen_before_it_came():
    class Corrected(Orders):
        def extract(self, since):
            frame = orders(400)
            told = frame.select("id", pl.col("late").alias("value"), pl.col("at") + timedelta(days=1))
            turned = told.with_columns(value=1 - pl.col("value"), at=pl.lit(frame["at"][-1] + timedelta(days=2)))
            return {"orders": frame.drop("late"), "outcomes": pl.concat([turned, told])}

    stream, plain = stream_of(Corrected), stream_of(_product(frame=orders(400)), label_delay="1d")
    assert (stream.target == 1 - plain.target).all()
    found: dict[str, list[float]] = {}
    for name, each in (("corrected", stream), ("plain", plain)):
        answers = found.setdefault(name, [])
        run_backtest(each, windows=4, answered=lambda _, __, given, answers=answers: answers.extend(given))
    assert found["corrected"] == found["plain"]


def test_a_rows_own_label_comes_before_outcomes_as_in_training():
    class Both(Orders):
        outcome = wl.Outcome(within="3d", absent=0)

        def extract(self, since):
            frame = orders()
            told = frame.select("id", value=1 - pl.col("late"), at=pl.col("at") + timedelta(days=1))
            return {"orders": frame.with_columns(late=pl.when(pl.int_range(60) < 30).then("late")), "outcomes": told}

    stream, expected = stream_of(Both), orders()["late"].to_numpy()
    assert stream.target[:30].tolist() == expected[:30].tolist()
    assert stream.target[30:].tolist() == (1 - expected[30:]).tolist()
    assert ((stream.known_at - stream.at) / DAY).tolist() == [1.0] * 60
    now = int(stream.at[0])
    assert stream.known(now + 2 * DAY, start=0, stop=1).labels.tolist() == [1 - expected[0]]
    assert stream.known(now + 3 * DAY, start=0, stop=1).labels.tolist() == [expected[0]]


def test_rows_are_those_that_training_would_have():
    class Kept(Orders):
        contract = pa.DataFrameSchema({"size": pa.Column(pl.Float64), "zip": pa.Column(str, coerce=True)})

        def extract(self, since):
            frame = orders().with_columns(zip=pl.int_range(60))
            older = frame.head(5).with_columns(size=0.0, at=pl.col("at") - timedelta(hours=1))
            return pl.concat([frame, frame.tail(3), older])

    stream = stream_of(Kept)
    assert stream.rows["size"].to_list() == orders()["size"].to_list()
    assert stream.rows["zip"].to_list() == [str(place) for place in range(60)]

    class Broken(Kept):
        contract = pa.DataFrameSchema({"size": pa.Column(pl.Float64, pa.Check.ge(0))})

    with pytest.raises(ContractViolated, match="size"):
        stream_of(Broken)


def test_a_label_that_never_came_is_never_known():
    class Gaps(Orders):
        def extract(self, since):
            return orders().with_columns(late=pl.when(pl.int_range(pl.len()) % 2 == 0).then("late"))

    stream = stream_of(Gaps)
    assert (stream.known_at[1::2] == NEVER).all()
    assert np.isnan(stream.target[1::2]).all()


def _product(**members):
    def extract(self, since):
        return members["frame"]

    return type("Wrong", (Orders,), {"extract": extract} | members)


@pytest.mark.parametrize(
    ("product", "message"),
    [
        (type("NoExtract", (wl.Product,), {"task": Orders.task}), "no `extract`"),
        (_product(frame=orders(), task=wl.BinaryClassification(target="late")), "when each row was"),
        (_product(frame=orders().drop("late")), "there is no label at all"),
        (
            _product(frame=orders().with_columns(at=pl.lit(None, pl.Datetime("us", "UTC")))),
            "60 rows have no event time",
        ),
        (_product(frame=[1]), "extract returned a builtins list"),
        (
            _product(frame={"orders": orders(), "outcomes": orders().select("id")}),
            "source `outcomes` has the columns",
        ),
    ],
)
def test_a_product_that_cannot_be_replayed_says_why(product, message):
    with pytest.raises((ProductError, DataError), match=message) as caught:
        stream_of(product)
    assert caught.value.remedy


# -- estimators --------------------------------------------------------------------------------------------------


def test_estimators_are_found_by_their_path(tmp_path):
    (tmp_path / "my_models_for_backtest.py").write_text(
        "from sklearn.linear_model import Ridge\nready = Ridge(alpha=7)\ndef make():\n    return Ridge(alpha=8)\n"
    )
    assert isinstance(estimator_from("sklearn.tree.DecisionTreeClassifier", folder=tmp_path), DecisionTreeClassifier)
    assert estimator_from("my_models_for_backtest:ready", folder=tmp_path).alpha == 7
    assert estimator_from("my_models_for_backtest.make", folder=tmp_path).alpha == 8


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("Ridge", "not an import path"),
        ("sklearn.linear_model.Rigde", "did you mean 'Ridge'"),
        ("sklern.linear_model.Ridge", "No module named 'sklern'"),
        ("math.pi", "is float, without fit"),
        ("sklearn.pipeline.Pipeline", "missing 1 required"),
        ("breaks_on_import.x", "raised ZeroDivisionError"),
    ],
)
def test_what_is_no_estimator_says_why(tmp_path, path, message):
    (tmp_path / "breaks_on_import.py").write_text("1 / 0\n")
    with pytest.raises(UsageError, match=message):
        estimator_from(path, folder=tmp_path)


def test_an_extra_that_is_not_installed_comes_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xgboost", None)
    with pytest.raises(MissingExtra, match=r"pip install 'windlass\[xgboost\]'"):
        estimator_from("xgboost.XGBClassifier", folder=tmp_path)


def test_the_seed_fills_only_what_was_left_open():
    assert with_seed(DecisionTreeClassifier(), 9).random_state == 9
    assert with_seed(DecisionTreeClassifier(random_state=1), 9).random_state == 1
