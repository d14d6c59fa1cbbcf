"""What a user can get wrong in the class, and in the rows."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import windlass as wl
from windlass.errors import DataError, ProductError
from windlass.product.checks.declaration import check_declaration, check_rows
from windlass.product.product import Product

BINARY = wl.BinaryClassification(target="late", time="at", key="id")
METRICS = {"binary": ("roc_auc", "log_loss"), "multiclass": ("accuracy",), "regression": ("mae", "rmse")}


def extract(self: Product, since: datetime | None) -> pl.DataFrame:
    return pl.DataFrame()


def product(**members: Any) -> type[Product]:
    body = {"task": BINARY, "extract": extract, "estimator": LogisticRegression()} | members
    return type("Flights", (Product,), {name: value for name, value in body.items() if value is not ...})


def train(self: Product, examples: wl.Examples) -> object:
    return None


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"estimator": make_pipeline(StandardScaler(), LogisticRegression())},
        {"estimator": GridSearchCV(LogisticRegression(), {"C": [1.0]})},
        {"estimator": ..., "train": train},
        {"estimator": LinearSVC(), "train": train},
        {"estimator": LinearRegression(), "task": wl.Regression(target="delay"), "gate": wl.Gate("rmse")},
        {"estimator": ..., "extract": ..., "model": wl.ModelFile("model.skops")},
        {"gate": wl.Gate("roc_auc", at_least=0.6, slices=["carrier"]), "retrain": wl.Retrain(every="30d")},
        {"gate": wl.Gate()},
        {"gate": wl.Gate(cost=[[0, 1], [5, 0]])},
        {"gate": wl.Gate(lambda truth, score: 0.0)},
        {"search": {"C": (0.01, 10.0, "log"), "penalty": ["l1", "l2"]}},
        {"estimator": make_pipeline(LogisticRegression()), "search": {"logisticregression__C": (1, 2)}},
        {"features": lambda self, frame: frame},
        {"features": staticmethod(lambda rows: rows)},
        {"extract": lambda self, since=None, limit=10: None},
    ],
)
def test_a_sound_product_passes(members: dict[str, Any]) -> None:
    check_declaration(product(**members), metrics=METRICS)  # type: ignore[arg-type]


NUMBER = {"task": wl.Regression(target="x"), "estimator": LinearRegression()}


async def later(self: Product, since: object) -> None: ...


def piecemeal(self: Product, since: object) -> Any:
    yield 1


def needy(self: Product, path: str) -> None: ...


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"task": ...}, r"has no task .*Flights\)[\s\S]*wl\.BinaryClassification"),
        ({"task": wl.BinaryClassification}, r"BinaryClassification is a class[\s\S]*write .*\(target="),
        ({"task": "late"}, r"a str is no Task .*Flights\.task"),
        ({"task": wl.Regression(target="")}, "empty or no text"),
        ({"task": wl.Regression(target="x", time="t", key="t")}, "'t' has two roles"),
        ({"capture": wl.Capture(redact=["id"])}, r"'id' is the task's time or key or target[\s\S]*`redact`"),
        ({"gate": wl.Gate}, r"Gate is a class[\s\S]*gate = wl\.Gate\(\.\.\.\)"),
        ({"release": wl.Gate()}, "a Gate is no Release"),
        ({"retrain": "30d"}, r"a str is no Retrain .*Flights\.retrain"),
        ({"outcome": None}, "a NoneType is no Outcome"),
        ({"model": "model.pkl"}, "a str is no ModelFile"),
        ({"trials": 0}, r"trials is 0"),
        ({"__init__": needy}, r"an instance cannot be made: TypeError[\s\S]*without arguments"),
        ({"extract": lambda self: None}, r"extract cannot be called with \(since\)[\s\S]*def extract\(self, since\)"),
        ({"features": lambda self, rows, more: rows}, r"features cannot be called with \(rows\)"),
        ({"features": "rows"}, "features is no method"),
        ({"train": lambda self, x, y: None}, r"train cannot be called with \(examples\)"),
        ({"extract": later}, r"asynchronous or a generator[\s\S]*def extract"),
        ({"extract": piecemeal}, "asynchronous or a generator"),
        ({"extract": ..., "retrain": wl.Retrain(every="1d")}, r"nothing to train from[\s\S]*extract"),
        ({"estimator": ...}, r"nothing that learns[\s\S]*estimator"),
        ({"estimator": LogisticRegression}, r"LogisticRegression is a class[\s\S]*write LogisticRegression\(\)"),
        ({"estimator": object()}, "object has no fit"),
        ({"estimator": LinearSVC()}, r"LinearSVC has no predict_proba, and a binary task[\s\S]*CalibratedClassifierCV"),
        ({"estimator": make_pipeline(StandardScaler(), LinearSVC())}, "Pipeline of LinearSVC has no predict_proba"),
        ({"estimator": GridSearchCV(LinearSVC(), {"C": [1]})}, "GridSearchCV of LinearSVC has no predict_proba"),
        ({"estimator": LinearRegression()}, "LinearRegression has no predict_proba"),
        ({"task": wl.Regression(target="x")}, "LogisticRegression is a classifier, and the task is regression"),
        ({"task": wl.Regression(target="x"), "estimator": StandardScaler()}, "StandardScaler has no predict"),
        ({"gate": wl.Gate("roc_acu")}, r"no metric 'roc_acu' for a binary task[\s\S]*did you mean 'roc_auc'"),
        ({"gate": wl.Gate("mae")}, r"no metric 'mae' for a binary[\s\S]*there are log_loss, roc_auc"),
        ({"gate": wl.Gate("cost")}, "needs a cost matrix"),
        ({"gate": wl.Gate(lambda truth: 1.0)}, r"metric cannot be called with \(truth, scores\)"),  # type: ignore[arg-type]
        (NUMBER | {"gate": wl.Gate(cost=[[0, 1], [1, 0]])}, "for binary tasks, not regression"),
        ({"gate": wl.Gate(slices=["late"])}, r"target cannot be a slice .*gate\.slices"),
        ({"search": {"c": [1]}}, r"no parameter 'c'"),
        ({"search": {"max_itr": [1]}}, r"did you mean 'max_iter'"),
        ({"search": {"C": (2, 1)}}, r"\(2, 1\) is neither .*search\['C'\]"),
        ({"search": {"C": (0, 1, "log")}}, "is neither a list of choices nor a range"),
        ({"search": {"C": []}}, "is neither"),
        ({"search": {"C": 3}}, "3 is neither"),
        ({"search": ["C"]}, "maps parameters"),
        ({"search": {"C": [1]}, "estimator": ..., "train": train}, "nothing to tune"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_clear_error(members: dict[str, Any], said: str) -> None:
    with pytest.raises(ProductError, match=said) as caught:
        check_declaration(product(**members), metrics=METRICS)  # type: ignore[arg-type]
    assert "Flights" in caught.value.where
    assert caught.value.remedy


def test_without_a_list_of_metrics_the_name_is_not_checked() -> None:
    check_declaration(product(gate=wl.Gate("whatever")))


# -- rows ----------------------------------------------------------------------------------------------------------

NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)


def rows(**columns: Any) -> pl.DataFrame:
    return pl.DataFrame(
        {"late": [True, False, None], "at": [NOON] * 3, "id": ["a", "b", "a"], "carrier": ["AA"] * 3} | columns
    )


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"at": [date(2013, 1, 1)] * 3},
        {"at": [NOON.replace(tzinfo=None)] * 3},
        {"id": [1, 1, 1]},
        {"late": ["yes", "no", "no"]},
    ],
)
def test_sound_rows_pass(columns: dict[str, Any]) -> None:
    check_rows(product(gate=wl.Gate(slices=["carrier"]), outcome=wl.Outcome(absent=None)), rows(**columns))


def without(name: str) -> pl.DataFrame:
    return rows().drop(name)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (rows().clear(), r"there are no rows .*flights, extract"),
        (without("late"), r"the target 'late' is not among the columns .*at, id, carrier"),
        (rows().rename({"late": "Late"}), r"did you mean 'Late'\?"),
        (rows().rename({"late": "lated"}), r"did you mean 'lated'\?"),
        (without("at"), "the time 'at' is not among"),
        (without("id"), "the key 'id' is not among"),
        (without("carrier"), "the slice of the gate 'carrier' is not among"),
        (rows(at=["2013-01-01"] * 3), r"type String, not a date or datetime .*'at'[\s\S]*str\.to_datetime"),
        (rows(at=[1, 2, 3]), r"type Int64[\s\S]*from_epoch"),
        (rows(at=[time(1)] * 3), r"type Time[\s\S]*its date"),
        (rows(at=[NOON, None, None]), r"the time is missing in 2 of 3 rows .*'at', rows 1, 2\)"),
        (rows(id=["a", None, "c"]), r"the key is missing in 1 of 3 rows .*'id', rows 1\)"),
        (rows(id=[1.0, 2.0, 3.0]), "a key of type Float64 cannot identify"),
        (rows(id=[["a"]] * 3), r"a key of type List"),
        (rows(late=[True, True, None]), "only the label True"),
        (rows(late=[None] * 3), "no label at all"),
        (rows(late=["a", "b", "c"]), r"3 labels[\s\S]*MulticlassClassification"),
        (rows(late=[0.1, 0.2, 0.3]), r"fraction[\s\S]*Regression"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_learned_from_are_one_clear_error(frame: pl.DataFrame, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        check_rows(product(gate=wl.Gate(slices=["carrier"])), frame)
    assert caught.value.where
    assert caught.value.remedy


def test_the_first_missing_rows_are_named_and_no_more() -> None:
    frame = pl.concat([rows()] * 10).with_columns(id=pl.lit(None, dtype=pl.String))
    with pytest.raises(DataError, match=r"in 30 of 30 rows .*rows 0, 1, 2, 3, 4, \.\.\.\)"):
        check_rows(product(), frame)


def test_what_an_absent_outcome_means_must_be_a_label() -> None:
    check_rows(product(outcome=wl.Outcome(absent=False)), rows())
    with pytest.raises(DataError, match=r"'no' cannot be a label: it must be one of False, True .*Outcome\.absent"):
        check_rows(product(outcome=wl.Outcome(absent="no")), rows())


def test_a_regression_needs_numbers() -> None:
    number = product(task=wl.Regression(target="late"), estimator=HistGradientBoostingClassifier())
    check_rows(number, rows(late=[1.5, None, 2.0]).select("late"))
    with pytest.raises(DataError, match="type Boolean"):
        check_rows(number, rows())
