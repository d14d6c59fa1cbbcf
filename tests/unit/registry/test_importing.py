"""Starting from model files of all kinds."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import msgspec
import numpy as np
import polars as pl
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC

from windlass.errors import DataError, MissingExtra, RegistryError, UntrustedModel, UsageError
from windlass.product.contract import RowDecoder
from windlass.product.model.predict import predict
from windlass.product.task import BinaryClassification, MulticlassClassification, Regression
from windlass.records.bundle import Column
from windlass.records.paths import Paths
from windlass.registry import models
from windlass.registry.describing import describe
from windlass.registry.importing import import_model, inspect_model_file
from windlass.registry.pickles import imports_of
from windlass.registry.registry import Registry

from .conftest import fitted, manifest, publishing  # type: ignore[import-not-found]

ROWS = pl.DataFrame({"x0": [1.0, -1.0, 0.5], "x1": [0.0, 1.0, 2.0]})


@pytest.fixture(scope="module")
def model() -> Any:
    return fitted(LogisticRegression())


def booster() -> lightgbm.Booster:
    return fitted(lightgbm.LGBMClassifier(n_estimators=3, verbose=-1)).booster_


def put(folder: Path, kind: str, model: Any) -> Path:
    path = folder / "some.file"  # the suffix says nothing
    if kind == "skops":
        skops.io.dump(model, path)
    elif kind.startswith("pickle"):
        path.write_bytes(pickle.dumps(model, protocol=int(kind[-1])))
    elif kind == "lightgbm":
        model.save_model(path)
    else:
        joblib.dump(model, path, compress=(kind.removeprefix("joblib "), 3) if " " in kind else 0)
    return path


PICKLES = ["pickle0", "pickle1", "pickle2", "pickle5"]
JOBLIBS = ["joblib", "joblib zlib", "joblib xz", "joblib gzip", "joblib bz2"]


@pytest.mark.parametrize("kind", ["skops", *PICKLES, *JOBLIBS])
def test_a_format_is_told_by_the_content(kind: str, model: Any, tmp_path: Path) -> None:
    assert inspect_model_file(put(tmp_path, kind, model)) == kind.rstrip("0125").partition(" ")[0]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"learner":{},"version":[3,0,0]}', "xgboost"),
        (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", "xgboost"),
        (b"\x08\x09\x12\x03abc\x3a\x02\x0a\x00\x42\x00", "onnx"),
    ],
)
def test_the_formats_of_other_libraries_are_told_too(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(content)
    assert inspect_model_file(tmp_path / "m") == kind


@pytest.mark.parametrize(
    "content",
    [
        *(b"{}", b"{", b"[1]", b"hello world, no model", b"tree", b"a,b\n1,2\n"),
        *(b"\x08\x09\x12\x7fabc", b"\x08", b"PK\x03\x04", b"\x80\x09", b"\x1f\x8b\x00", b"\xff" * 50),
    ],
)
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(UsageError, match=r"no model that can be served[\s\S]*skops"):
        inspect_model_file(tmp_path / "m")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the model file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
    ],
)
def test_a_file_that_did_not_arrive_is_told_from_one_that_is_no_model(
    content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / "m.joblib").write_bytes(content)
    with pytest.raises(UsageError, match=said):
        inspect_model_file(tmp_path / "m.joblib")


@pytest.mark.parametrize("part", [0.02, 0.2, 0.5, 0.9])
def test_a_file_of_lightgbm_that_was_cut_off_is_never_handed_to_it(part: float, tmp_path: Path) -> None:
    """It would abort the process, or make a model without trees of it."""
    text = booster().model_to_string()
    cut = text[: text.index("Tree=0") + int(part * (text.index("end of trees") - text.index("Tree=0")))]
    (tmp_path / "m.txt").write_text(cut)
    with pytest.raises(UsageError, match="ends in the middle"):
        inspect_model_file(tmp_path / "m.txt")
    (tmp_path / "m.txt").write_text(text[: text.index("Tree=0") - 20])
    with pytest.raises(UsageError, match="ends in the middle"):
        inspect_model_file(tmp_path / "m.txt")
    whole = text[: text.index("end of trees")]  # releases before 2.2 write no such line
    (tmp_path / "m.txt").write_text(whole)
    assert inspect_model_file(tmp_path / "m.txt") == "lightgbm"


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("write", [joblib.dump, lambda model, path: path.write_bytes(pickle.dumps(model))])
def test_a_pickle_that_was_cut_off_is_told_to_be_that(write: Any, part: float, tmp_path: Path) -> None:
    write(fitted(LogisticRegression()), tmp_path / "m.pkl")
    whole = (tmp_path / "m.pkl").read_bytes()
    (tmp_path / "m.pkl").write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(RegistryError, match="ends in the middle"):
        import_model(tmp_path / "m.pkl", trust=True)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such model file"):
        import_model(tmp_path / "nothing.pkl")


# -- trust ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PICKLES + JOBLIBS)
def test_a_pickle_is_not_loaded_without_trust_and_says_what_it_would_import(
    kind: str, model: Any, tmp_path: Path
) -> None:
    path = put(tmp_path, kind, make_pipeline(StandardScaler().fit([[0.0, 1.0], [1.0, 2.0]]), model))
    with pytest.raises(
        UntrustedModel, match=r"sklearn\.linear_model\._logistic\.LogisticRegression[\s\S]*--trust"
    ) as caught:
        import_model(path)
    assert "sklearn.preprocessing._data.StandardScaler" in caught.value.what
    imported = import_model(path, trust=True)
    assert imported.kind == "binary"


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("kind", PICKLES + JOBLIBS)
def test_looking_runs_nothing_and_strange_names_come_first(kind: str, model: Any, tmp_path: Path) -> None:
    path = put(tmp_path, kind, [model, Trap(tmp_path / "trace")])
    with pytest.raises(UntrustedModel, match=r"may run: (__builtin__|builtins)?[\w., ]*?(posix|nt)\.mkdir"):
        import_model(path)
    assert not (tmp_path / "trace").exists()


def test_the_names_behind_raw_arrays_are_seen_too(tmp_path: Path) -> None:
    """joblib writes arrays between the pickle's instructions, among them arrays of objects."""
    things = {
        "a": np.arange(1000.0),
        "b": np.array(["x", None, {"k": Trap(tmp_path / "trace")}], dtype=object),
        "c": np.zeros((3, 2), dtype=[("p", "f4"), ("q", "i8")]),
        "d": np.array(["text", "more"]),
        "e": np.asfortranarray(np.ones((4, 5), dtype=np.float32)),
        "f": np.array([], dtype=np.int8),
        "g": np.array(["2020-01-01"], dtype="datetime64[D]"),
        "z": LogisticRegression(),
    }
    for compress in (0, 3):
        joblib.dump(things, tmp_path / "m", compress=compress)
        names = imports_of((tmp_path / "m").read_bytes())
        assert "sklearn.linear_model._logistic.LogisticRegression" in names
        assert f"{os.mkdir.__module__}.mkdir" in names
    assert not (tmp_path / "trace").exists()


def test_big_models_are_followed_to_their_end(tmp_path: Path) -> None:
    for estimator in (RandomForestClassifier(20), HistGradientBoostingClassifier(max_iter=20)):
        joblib.dump([fitted(estimator), LinearRegression()], tmp_path / "m")
        assert "sklearn.linear_model._base.LinearRegression" in imports_of((tmp_path / "m").read_bytes())


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-20], lambda data: data[:40] + b"\x93" + data[40:], lambda data: b"\x80\x04."]
)
def test_a_pickle_that_cannot_be_followed_is_refused(damage: Any, model: Any, tmp_path: Path) -> None:
    with pytest.raises(UntrustedModel, match=r"cannot be told[\s\S]*do not load it"):
        imports_of(damage(pickle.dumps(model)))


def test_a_skops_file_with_types_of_its_own_asks_for_trust(tmp_path: Path) -> None:
    path = put(tmp_path, "skops", fitted(RandomForestClassifier(3)))
    with pytest.raises(UntrustedModel, match=r"would build: sklearn\.tree\._tree\.Tree"):
        import_model(path)
    assert import_model(path, trust=True).kind == "binary"


def test_a_digest_written_down_vouches_for_exactly_this_file(model: Any, tmp_path: Path) -> None:
    path = put(tmp_path, "pickle5", model)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert import_model(path, sha256=digest).vouched_by == f"sha256 {digest}"
    path.write_bytes(path.read_bytes() + b"#")
    with pytest.raises(UntrustedModel, match=r"was vouched for[\s\S]*restore the file"):
        import_model(path, sha256=digest)


# -- what a model takes and answers --------------------------------------------------------------------------------


def test_a_classifier_of_named_columns_is_described(tmp_path: Path) -> None:
    data = load_breast_cancer()
    frame = pl.DataFrame(data.data, schema=[str(name) for name in data.feature_names])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, data.target_names[data.target])
    imported = import_model(put(tmp_path, "skops", model))
    assert (imported.kind, imported.classes) == ("binary", ("benign", "malignant"))
    assert imported.features == tuple(frame.columns)
    assert imported.columns[0] == Column(name="mean radius", dtype="float", nullable=False)


@pytest.mark.parametrize(
    ("target", "kind", "classes"),
    [
        ([0, 1, 1, 0], "binary", (0, 1)),
        ([0.0, 1.0, 1.0, 0.0], "binary", (0, 1)),
        ([True, False, True, False], "binary", (False, True)),
        (["b", "a", "c", "a"], "multiclass", ("a", "b", "c")),
    ],
)  # fmt: skip
def test_classes_come_as_plain_labels(target: list[Any], kind: str, classes: tuple[Any, ...], tmp_path: Path) -> None:
    model = LogisticRegression().fit(np.arange(8.0).reshape(4, 2), target)
    imported = import_model(put(tmp_path, "skops", model))
    assert (imported.kind, imported.classes) == (kind, classes)
    assert [type(label) for label in imported.classes] == [type(label) for label in classes]
    assert imported.features == ("x0", "x1")
    assert not imported.columns[0].nullable


def test_text_columns_are_told_by_their_encoder(tmp_path: Path) -> None:
    rows = pl.DataFrame({"carrier": ["AA", "UA", "AA", "DL"], "delay": [1.0, 2.0, 3.0, 4.0]})
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["carrier"]), remainder="passthrough")
    model = make_pipeline(encode, LinearRegression()).fit(rows, [1.0, 2.0, 3.0, 4.0])
    imported = import_model(put(tmp_path, "skops", model))
    assert imported.kind == "regression"
    assert [(column.name, column.dtype) for column in imported.columns] == [("carrier", "str"), ("delay", "float")]


def test_a_search_and_a_booster_are_described(tmp_path: Path) -> None:
    search = fitted(GridSearchCV(LogisticRegression(), {"C": [1.0]}))
    assert import_model(put(tmp_path, "skops", search), trust=True).kind == "binary"
    forest = import_model(put(tmp_path, "skops", fitted(HistGradientBoostingClassifier(max_iter=2))), trust=True)
    assert forest.columns[0].nullable


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"model": 1}, r"a dict has neither predict[\s\S]*fitted model itself"),
        (LogisticRegression(), "does not say what its classes are"),
        (LinearRegression(), r"does not say what columns[\s\S]*feature_names_in_"),
        (fitted(LinearSVC()), r"LinearSVC classifies, but has no predict_proba[\s\S]*Calibrated"),
        (LogisticRegression().fit([[0.0], [1.0], [2.0]], ["a", "b", "c"]).fit([[0.0], [1.0]], [0, 1]), ""),
    ],
)
def test_what_cannot_be_served_is_one_clear_error(model: Any, said: str, tmp_path: Path) -> None:
    path = put(tmp_path, "pickle5", model)
    if said:
        with pytest.raises(RegistryError, match=said):
            import_model(path, trust=True)
    else:
        assert import_model(path, trust=True).classes == (0, 1)


def test_a_model_of_several_outputs_is_refused_before_anybody_asks_it(tmp_path: Path) -> None:
    x = np.arange(8.0).reshape(4, 2)
    with pytest.raises(RegistryError, match=r"the shape \(1, 2\)[\s\S]*one prediction"):
        import_model(put(tmp_path, "skops", LinearRegression().fit(x, x)))


# -- which columns take gaps, found by asking ------------------------------------------------------------------------

MIXED = pl.DataFrame(
    {
        "age": [20.0, 30.0, 40.0, 50.0] * 5,
        "pay": [1.0, 3.0, 2.0, 5.0] * 5,
        "city": ["Rome", "Oslo", "Rome", "Bonn"] * 5,
        "member": [True, False, False, True] * 5,
        "ticket": [f"t{number}" for number in range(20)],
    }
)
SAID = ["no", "yes", "no", "yes"] * 5


def imputing() -> Any:
    return make_column_transformer(
        (SimpleImputer(), ["age"]),
        (StandardScaler(), ["pay"]),
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        (OrdinalEncoder(), ["member"]),
    )


@pytest.mark.parametrize(
    ("model", "nullable"),
    [
        (LogisticRegression(), [False, False]),
        (make_pipeline(StandardScaler(), LogisticRegression()), [False, False]),
        (make_pipeline(SimpleImputer(), LogisticRegression()), [True, True]),
        (
            make_pipeline(make_column_transformer((SimpleImputer(), [1]), ("passthrough", [0])), GaussianNB()),
            [False, True],
        ),
        (HistGradientBoostingClassifier(max_iter=2), [True, True]),
    ],
)
def test_a_column_may_be_null_where_the_model_answers_a_gap(model: Any, nullable: list[bool], tmp_path: Path) -> None:
    imported = import_model(put(tmp_path, "pickle5", fitted(model)), trust=True)
    assert [column.nullable for column in imported.columns] == nullable
    assert imported.doubt == ""


def test_columns_of_a_frame_are_described_one_by_one_and_dropped_ones_not_asked_for(tmp_path: Path) -> None:
    model = make_pipeline(imputing(), LogisticRegression()).fit(MIXED, SAID)
    imported = import_model(put(tmp_path, "pickle5", model), trust=True)
    assert [(column.name, column.dtype, column.nullable) for column in imported.columns] == [
        ("age", "float", True),
        ("pay", "float", False),
        ("city", "str", True),
        ("member", "bool", False),
    ]
    bundle = serve(imported, publishing(Paths(tmp_path / "w")))
    asked = RowDecoder(imported.columns).from_records(MIXED.head(4).to_dicts())
    assert np.allclose(bundle.predict(asked.frame).scores, model.predict_proba(MIXED.head(4))[:, 1])


def test_a_gap_in_any_of_many_columns_is_found(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(50, 40))
    takes = make_column_transformer((SimpleImputer(), list(range(0, 40, 3))), remainder="passthrough")
    model = make_pipeline(takes, LogisticRegression()).fit(x, x[:, 0] > 0)
    imported = import_model(put(tmp_path, "pickle5", model), trust=True)
    assert [place for place, column in enumerate(imported.columns) if column.nullable] == list(range(0, 40, 3))


class Picky(LogisticRegression):
    """Answers no plain row."""

    def predict_proba(self, x: Any) -> Any:
        if np.abs(x).max() < 5:
            raise ValueError("these are no measurements")
        return super().predict_proba(x)


def test_a_model_that_answers_no_plain_row_is_taken_with_a_doubt(tmp_path: Path) -> None:
    imported = import_model(put(tmp_path, "pickle5", fitted(Picky())), trust=True)
    assert imported.doubt == "ValueError: these are no measurements"
    assert [column.nullable for column in imported.columns] == [False, False]


class Framed(LogisticRegression):
    """Wants a frame that has what pandas has and polars has not."""

    def predict_proba(self, x: Any) -> Any:
        return super().predict_proba(x.assign())


def test_a_model_that_wants_pandas_is_marked_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pandas:
        def __init__(self, frame: pl.DataFrame) -> None:
            self.assign = lambda: frame

    path = put(tmp_path, "pickle5", Framed().fit(ROWS, [0, 1, 1]))
    monkeypatch.setattr(pl.DataFrame, "to_pandas", lambda frame: Pandas(frame))  # noqa: PLW0108 (binds the frame)
    imported = import_model(path, trust=True)
    assert (imported.model.windlass_input, imported.doubt) == ("pandas", "")

    def nowhere(_frame: pl.DataFrame) -> Any:
        raise ModuleNotFoundError("No module named 'pandas'", name="pandas")

    monkeypatch.setattr(pl.DataFrame, "to_pandas", nowhere)
    assert "pip install pandas pyarrow" in import_model(path, trust=True).doubt


class Lengths(LogisticRegression):
    """Takes texts with a moment beside each, in a frame that has what pandas has and polars has not."""

    def predict_proba(self, x: Any) -> Any:
        frame = x.assign()
        assert frame["when"].dtype == pl.Datetime("us")
        return super().predict_proba(frame.select(pl.col("name").str.len_chars(), "pay").to_numpy())


def lengths() -> Any:
    model = Lengths().fit([[1.0, 0.0], [5.0, 1.0]], [0, 1])
    model.feature_names_in_ = np.array(["name", "when", "pay"], dtype=object)
    return model


TOLD = {"name": pl.String(), "when": pl.Datetime("us")}


@pytest.mark.parametrize("by", ["contract", "rows"])
def test_what_a_file_does_not_say_of_its_columns_rows_and_a_contract_do(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pandas:
        def __init__(self, frame: pl.DataFrame) -> None:
            self.assign = lambda: frame

    monkeypatch.setattr(pl.DataFrame, "to_pandas", lambda frame: Pandas(frame))  # noqa: PLW0108 (binds the frame)
    path, rows = put(tmp_path, "pickle5", lengths()), tmp_path / "rows.parquet"
    pl.DataFrame({"name": [None, "ada"], "when": [None, datetime(2026, 1, 2)], "pay": [1, 2]}).write_parquet(rows)  # noqa: DTZ001
    assert "AttributeError" in import_model(path, trust=True).doubt
    told = import_model(path, trust=True, **({"rows": rows} if by == "rows" else {"declared": TOLD}))
    assert (told.doubt, told.model.windlass_input) == ("", "pandas")
    assert [(column.name, column.dtype, column.exact) for column in told.columns] == [
        ("name", "str", "" if by == "rows" else "String"),
        ("when", "datetime", "Datetime[us]"),
        ("pay", "float", ""),
    ]


def test_what_the_encoders_know_comes_before_rows_and_a_contract_before_both(tmp_path: Path) -> None:
    rows = pl.DataFrame({"zone": [1, 2, 1, 2], "pay": [1.0, 2.0, 3.0, 4.0]})
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["zone"]), remainder="passthrough")
    path = put(tmp_path, "pickle5", make_pipeline(encode, LogisticRegression()).fit(rows, [0, 1, 0, 1]))
    (tmp_path / "rows.csv").write_text("zone,pay\nx,1\n")
    (by_file, pay) = import_model(path, trust=True, rows=tmp_path / "rows.csv").columns
    assert (by_file.dtype, pay.dtype) == ("float", "float")
    (declared, _) = import_model(path, trust=True, declared={"zone": pl.Int32()}).columns
    assert (declared.dtype, declared.exact) == ("int", "Int32")


def test_columns_that_only_a_stranger_knows_are_said_to_be_taken_for_numbers(tmp_path: Path) -> None:
    path, rows = put(tmp_path, "pickle5", lengths()), tmp_path / "rows.csv"
    rows.write_text("name,when,pay\nada,2026-01-01,1\n")
    said = import_model(path, trust=True, declared={"when": pl.Datetime("us")}).assumed
    assert said.startswith("columns of which only a Lengths may know more are numbers (name, pay)")
    assert import_model(path, trust=True, rows=rows).assumed == ""
    assert import_model(put(tmp_path, "joblib", fitted(LogisticRegression())), trust=True).assumed == ""


@pytest.mark.parametrize("content", [None, "not parquet"])
def test_rows_that_cannot_be_read_are_told(content: str | None, tmp_path: Path) -> None:
    path = put(tmp_path, "pickle5", fitted(LogisticRegression()))
    if content is not None:
        (tmp_path / "rows.parquet").write_text(content)
    with pytest.raises(DataError, match=r"the rows cannot be read[\s\S]*give a .parquet or .csv file"):
        import_model(path, trust=True, rows=tmp_path / "rows.parquet")


# -- into a bundle -------------------------------------------------------------------------------------------------


def serve(imported: Any, registry: Registry) -> Any:
    staged = registry.stage("flights")
    file = imported.write(staged / "model")
    task = {"binary": BinaryClassification, "multiclass": MulticlassClassification, "regression": Regression}[
        imported.kind
    ]
    changed = {"run": None, "task": msgspec.to_builtins(task(target="y"))}
    changed |= {name: getattr(imported, name) for name in ("columns", "features", "classes")}
    return registry.open("flights", registry.publish(staged, manifest(file, **changed)))


@pytest.mark.parametrize("kind", ["skops", "pickle5", "joblib zlib"])
def test_an_imported_model_answers_like_any_other_and_is_kept_as_skops(kind: str, model: Any, tmp_path: Path) -> None:
    imported = import_model(put(tmp_path, kind, model), trust=True)
    bundle = serve(imported, publishing(Paths(tmp_path / "w")))
    assert bundle.manifest.model.format == "skops"
    assert bundle.product is None
    assert np.array_equal(bundle.predict(ROWS).scores, model.predict_proba(ROWS.to_numpy())[:, 1])


def test_what_only_a_pickle_holds_keeps_the_name_of_who_trusts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hidden:
        class Odd(LogisticRegression):
            pass

    for made, name in ((Hidden, "Hidden"), (Hidden.Odd, "Hidden.Odd")):
        made.__module__, made.__qualname__ = "odd_module", name
    module = type(sys)("odd_module")
    module.Hidden = Hidden  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "odd_module", module)
    path = put(tmp_path, "pickle5", fitted(Hidden.Odd()))
    bundle = serve(import_model(path, trust=True, vouched_by="ada"), publishing(Paths(tmp_path / "w")))
    assert (bundle.manifest.model.format, bundle.manifest.model.vouched_by) == ("pickle", "ada")
    assert bundle.predict(ROWS).scores.shape == (3,)


def test_lightgbm_serves_from_its_own_format(tmp_path: Path) -> None:
    trained = booster()
    imported = import_model(put(tmp_path, "lightgbm", trained))
    assert (imported.kind, imported.classes, imported.features) == ("binary", (0, 1), ("Column_0", "Column_1"))
    bundle = serve(imported, publishing(Paths(tmp_path / "w")))
    assert bundle.manifest.model.format == "lightgbm"
    rows = ROWS.rename({"x0": "Column_0", "x1": "Column_1"})
    assert np.allclose(bundle.predict(rows).scores, trained.predict(rows.to_numpy()))
    assert bundle.takes_matrix
    assert np.array_equal(bundle.scores(rows.to_numpy()), bundle.predict(rows).scores)


CITIES = ["Bonn", "Oslo", "Rome"]


def with_categories(**settings: Any) -> lightgbm.Booster:
    """A booster as pandas makes it: of a number, of cities and of a number that is a category."""
    chance = np.random.default_rng(3)
    codes = np.column_stack([chance.normal(size=300), chance.integers(0, 3, 300), chance.integers(0, 2, 300)])
    rows = lightgbm.Dataset(
        codes, (codes[:, 1] == 2) ^ (codes[:, 2] == 1), feature_name=["pay", "city", "zone"], categorical_feature=[1, 2]
    )
    made = lightgbm.train({"objective": "binary", "verbose": -1, "min_data_in_leaf": 5} | settings, rows, 5)
    made.pandas_categorical = [CITIES, [7, 9]]
    return made


@pytest.mark.parametrize("kind", ["lightgbm", "pickle5"])
def test_lightgbm_gets_its_categories_by_name(kind: str, tmp_path: Path) -> None:
    trained = with_categories()
    imported = import_model(put(tmp_path, kind, trained), trust=True)
    assert [(column.name, column.dtype) for column in imported.columns] == [
        ("pay", "float"),
        ("city", "str"),
        ("zone", "float"),
    ]
    bundle = serve(imported, publishing(Paths(tmp_path / "w")))
    assert bundle.manifest.model.format == "lightgbm"
    rows = pl.DataFrame(
        {"pay": [0.5, -1.0, 2.0, 0.1], "city": ["Rome", "Bonn", "Atlantis", None], "zone": [9.0, 7.0, 9.0, None]}
    )
    codes = np.array([[0.5, 2, 1], [-1.0, 0, 0], [2.0, np.nan, 1], [0.1, np.nan, np.nan]])
    trained.pandas_categorical = None
    assert np.allclose(bundle.predict(rows).scores, trained.predict(codes))


def test_lightgbm_s_wrapper_with_categories_keeps_its_labels(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    codes = np.column_stack([chance.normal(size=200), chance.integers(0, 3, 200)])
    said = np.where(codes[:, 1] == 1, "yes", "no")
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(codes, said, categorical_feature=[1])
    model.booster_.pandas_categorical = [CITIES]
    imported = import_model(put(tmp_path, "pickle5", model), trust=True)
    assert (imported.classes, imported.columns[1].dtype) == (("no", "yes"), "str")
    bundle = serve(imported, publishing(Paths(tmp_path / "w")))
    rows = pl.DataFrame({"Column_0": [0.0, 0.0], "Column_1": ["Oslo", "Rome"]})
    assert (bundle.predict(rows).scores > 0.5).tolist() == [True, False]


def test_categories_of_columns_that_are_not_named_are_refused(tmp_path: Path) -> None:
    trained = with_categories()
    trained.pandas_categorical = [CITIES]
    with pytest.raises(RegistryError, match=r"categories of columns that it does not name"):
        import_model(put(tmp_path, "lightgbm", trained))


def test_lightgbm_of_many_classes_and_of_numbers(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(300, 2))
    labels = np.digitize(x[:, 0], [-0.5, 0.5])
    many = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(x, labels).booster_
    bundle = serve(import_model(put(tmp_path, "lightgbm", many)), publishing(Paths(tmp_path / "many")))
    rows = ROWS.rename({"x0": "Column_0", "x1": "Column_1"})
    assert np.allclose(bundle.predict(rows).scores, many.predict(rows.to_numpy()))
    number = lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(x, x[:, 0]).booster_
    bundle = serve(import_model(put(tmp_path, "lightgbm", number)), publishing(Paths(tmp_path / "w")))
    assert np.allclose(bundle.predict(rows).scores, number.predict(rows.to_numpy()))


@pytest.mark.parametrize(
    ("content", "package", "extra"),
    [
        (b'{"learner":{},"version":[3,0,0]}', "xgboost", "xgboost"),
        (b"\x08\x09\x12\x03abc\x3a\x02\x0a\x00", "onnxruntime", "onnx"),
        (b"tree\nversion=v4\nnum_class=1\n\nend of trees\n", "lightgbm", "lightgbm"),
    ],
)
def test_a_missing_library_answers_with_the_install_command(
    content: bytes, package: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(MissingExtra, match=rf"'{package}'[\s\S]*windlass\[{extra}\]"):
        import_model(tmp_path / "m")


def test_a_model_that_takes_no_column_is_refused(tmp_path: Path) -> None:
    model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    model.n_features_in_ = 0
    with pytest.raises(RegistryError, match="does not say what columns it takes"):
        import_model(put(tmp_path, "pickle4", model), trust=True)


@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize("kind", ["pickle5", "joblib zlib"])
def test_what_a_notebook_defined_is_told_by_name_and_how_to_keep_it(
    kind: str, trust: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mine(LogisticRegression):
        pass

    Mine.__module__, Mine.__qualname__ = "__main__", "Mine"
    monkeypatch.setattr(sys.modules["__main__"], "Mine", Mine, raising=False)
    path = put(tmp_path, kind, fitted(Mine()))
    monkeypatch.delattr(sys.modules["__main__"], "Mine")
    with pytest.raises(RegistryError, match=r"__main__\.Mine is defined in the script or notebook") as raised:
        import_model(path, trust=trust)
    assert raised.value.where == str(path)
    assert "move it into a module" in raised.value.remedy


def test_a_module_that_is_not_here_is_named_and_where_it_may_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(LogisticRegression):
        pass

    Odd.__module__, Odd.__qualname__ = "left_behind", "Odd"
    module = type(sys)("left_behind")
    module.Odd = Odd  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "left_behind", module)
    path = put(tmp_path, "pickle5", fitted(Odd()))
    monkeypatch.delitem(sys.modules, "left_behind")
    with pytest.raises(RegistryError, match="No module named 'left_behind'") as raised:
        import_model(path, trust=True)
    assert raised.value.remedy.startswith("install what holds the module 'left_behind', or lay its file beside")


def test_catboosts_own_format_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.cbm"
    path.write_bytes(b"CBM1" + bytes(100))
    with pytest.raises(UsageError) as raised:
        inspect_model_file(path)
    assert "CatBoost" in raised.value.what
    assert "joblib.dump" in raised.value.remedy


def test_a_model_of_texts_has_one_column_of_text() -> None:
    texts = ["good film", "bad film", "good", "bad"] * 3
    described = describe(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0] * 3), where="m")
    assert [(column.name, column.dtype, column.nullable) for column in described.columns] == [("text", "str", False)]
    assert described.doubt == ""


@pytest.mark.parametrize("kind", ["skops", "joblib"])
def test_what_a_gap_is_to_a_model_stays_known_on_its_way_into_a_version(tmp_path: Path, kind: str) -> None:
    city = pl.Series("city", ["Rome", float("nan"), "Oslo"] * 4, dtype=pl.Object)
    encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    model = make_pipeline(*[step for _, step in encoder.steps], LogisticRegression()).fit(
        city.to_frame(), [0, 1, 1] * 4
    )
    imported = import_model(put(tmp_path, kind, model), trust=True)
    kept = models.load(tmp_path, models.save(imported.model, tmp_path), vouched=True)
    assert [(column.name, column.dtype, column.nullable) for column in imported.columns] == [("city", "str", True)]
    asked = predict(kept, pl.DataFrame({"city": ["Rome", None, "Oslo"]}), "binary")
    np.testing.assert_array_equal(asked, model.predict_proba(city[:3].to_frame())[:, 1])
    assert asked[1] == asked[2], "the most frequent"
