"""A compiled form is admitted when it answers the same and sooner, and turned down with the reason otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from windlass.product.examples import Examples
from windlass.product.model.blend import Blend
from windlass.product.model.encoding import fit_estimator
from windlass.product.model.predict import may_have_matrix, predict
from windlass.registry import compiling
from windlass.registry.compiling import CompiledModel, compile_model, compiled_form, parity_rows

CHANCE = np.random.default_rng(0)
QUICKEST = compiling._quickest
FILE = "compiled-0.onnx"
FRAME = pl.DataFrame(
    {
        "wind": CHANCE.normal(size=400),
        "gap": [None if place % 7 == 0 else place / 10 for place in range(400)],
        "carrier": CHANCE.choice(["AA", "UA", "DL"], 400),
    }
)
LATE = (FRAME["wind"].to_numpy() + (FRAME["carrier"] == "UA").to_numpy() > 0.3).astype(int)


@pytest.fixture(autouse=True)
def ten_times_as_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a compiled form takes on a busy machine is no matter of chance here."""
    takes(monkeypatch, native=1.0, form=0.1)


def takes(monkeypatch: pytest.MonkeyPatch, *, native: float, form: float) -> None:
    monkeypatch.setattr(compiling, "_quickest", lambda asks, _features, _size: [native, form][: len(asks)])


class Unknown(LogisticRegression):
    """One of the user's own, of which no converter has heard."""


def fitted(estimator: Any, kind: Any = "binary", target: Any = LATE) -> Any:
    examples = Examples(rows=FRAME, features=FRAME, target=np.asarray(target, dtype=float))
    return fit_estimator(estimator, examples, kind=kind)


@pytest.mark.parametrize(
    ("estimator", "kind", "target"),
    [
        (RandomForestClassifier(n_estimators=60, n_jobs=1), "binary", LATE),
        (RandomForestClassifier(n_estimators=60, n_jobs=1), "multiclass", LATE + (FRAME["wind"].to_numpy() > 1)),
        (RandomForestRegressor(n_estimators=60, n_jobs=1), "regression", FRAME["wind"].to_numpy() * 40),
    ],
)
def test_a_forest_behind_the_default_encoding_answers_the_same_from_a_graph(
    tmp_path: Path, estimator: Any, kind: Any, target: Any
) -> None:
    model = fitted(estimator, kind, target)
    compiled = compile_model(model, FRAME, tmp_path, kind=kind)
    assert (compiled.files, compiled.reason, compiled.rows, compiled.faster) == ((FILE,), "", 10_000, 10.0)
    assert compiled.difference <= 1e-5
    assert (compiled.native_ms, compiled.form_ms) == ((1000.0, 1000.0), (100.0, 100.0))
    rows = pl.concat([FRAME[CHANCE.integers(400, size=50)], FRAME[:3].with_columns(gap=None, wind=pl.lit(1e300))])
    quick = predict(CompiledModel(model, tmp_path / FILE), rows, kind)
    np.testing.assert_allclose(quick, predict(model, rows, kind), atol=1e-5, rtol=1e-5)


def test_a_blend_is_compiled_member_by_member(tmp_path: Path) -> None:
    members = [fitted(RandomForestClassifier(n_estimators=20, random_state=seed)) for seed in range(2)]
    blend = Blend(members, [0.3, 0.7], kind="binary", classes=2)
    compiled = compile_model(blend, FRAME, tmp_path, kind="binary", classes=2)
    assert (compiled.files, compiled.reason) == (("compiled-0.onnx", "compiled-1.onnx"), "")
    quick = predict(compiled_form(blend, tmp_path, compiled), FRAME, "binary")
    np.testing.assert_allclose(quick, predict(blend, FRAME, "binary"), atol=1e-5)


def test_a_blend_of_which_one_member_does_not_convert_is_not_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes(monkeypatch, native=1.0, form=1.0)
    members = [fitted(RandomForestClassifier(n_estimators=5)), fitted(Unknown())]
    compiled = compile_model(Blend(members, [0.5, 0.5], kind="binary", classes=2), FRAME, tmp_path, kind="binary")
    assert "does not convert" in compiled.reason
    assert not list(tmp_path.iterdir())


def test_boosted_trees_serve_from_a_graph_only_if_it_answers_the_same(tmp_path: Path) -> None:
    """One release of the converter refuses them all; the next converts those of numbers, and gets categories wrong."""
    numbers = FRAME.drop("carrier")
    for frame in (numbers, FRAME):
        examples = Examples(rows=frame, features=frame, target=LATE.astype(float))
        model = fit_estimator(HistGradientBoostingClassifier(max_iter=5), examples, kind="binary")
        compiled = compile_model(model, frame, tmp_path, kind="binary")
        assert compiled.reason or compiled.difference <= 1e-5
        assert bool(compiled.files) == (not compiled.reason) == (tmp_path / FILE).exists()
        assert compiled.reason or frame is numbers


@pytest.mark.parametrize("busy", [range(7), range(7, 14), range(3, 11), range(1, 12), range(1, 61, 2), range(40)])
def test_a_busy_stretch_of_the_machine_decides_nothing(busy: range) -> None:
    """Whichever calls meet it: asked in turn, and again while the form is not seen to be faster, each has one at least
    that does not."""
    now, calls = 0.0, 0

    def takes(seconds: float) -> Any:
        def ask(_rows: pl.DataFrame) -> Any:
            nonlocal now, calls
            now += seconds * (20 if calls in busy else 1)
            calls += 1

        return ask

    native, form = QUICKEST([takes(0.003), takes(0.001)], FRAME, 64, clock=lambda: now)
    assert native / form >= 3 - 1e-6


def test_a_form_that_is_slower_is_not_asked_for_ever() -> None:
    now, calls = 0.0, 0

    def slow(_rows: pl.DataFrame) -> Any:
        nonlocal now, calls
        now, calls = now + 0.1, calls + 1

    assert QUICKEST([slow, slow], FRAME, 64, clock=lambda: now) == pytest.approx([0.1, 0.1])
    assert 3 <= now < 3.5


def test_the_rows_nearest_to_the_threshold_are_among_those_compared() -> None:
    model = fitted(LogisticRegression())

    def ask(rows: pl.DataFrame) -> Any:
        return predict(model, rows, "binary")

    rows = parity_rows(FRAME, ask, kind="binary", threshold=0.2)
    distance = np.abs(ask(rows) - 0.2)
    assert rows.height == 10_000
    assert rows.schema == FRAME.schema
    assert (distance < 0.02).sum() > 5 * (np.abs(ask(FRAME) - 0.2) < 0.02).sum()


def test_a_graph_that_answers_differently_does_not_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    takes(monkeypatch, native=1.0, form=1.0)
    model, other = fitted(RandomForestClassifier(n_estimators=5)), fitted(RandomForestClassifier(n_estimators=6))
    convert = compiling._convert
    monkeypatch.setattr(compiling, "_convert", lambda _head, width, path: convert(other[-1], width, path))
    compiled = compile_model(model, FRAME, tmp_path, kind="binary")
    assert not compiled.files
    assert compiled.reason.startswith("its answers differ by up to 0.")
    assert not (tmp_path / FILE).exists()


def test_labels_that_turn_at_the_threshold_keep_a_graph_from_serving() -> None:
    native, quick = np.array([0.5, 0.9]), np.array([0.499999, 0.9])
    reason, difference = compiling._difference(native, quick, kind="binary", threshold=0.5)
    assert reason == "1 of 2 rows get another label"
    assert difference == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("estimator", "seconds", "reason"),
    [
        (Unknown(), 1.0, "does not convert"),
        (LogisticRegression(), 0.0001, "there is nothing to gain"),
        (RandomForestClassifier(n_estimators=5), 1.0, ""),
    ],
)
def test_why_there_is_no_compiled_form_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, estimator: Any, seconds: float, reason: str
) -> None:
    takes(monkeypatch, native=seconds, form=seconds)
    compiled = compile_model(fitted(estimator), FRAME, tmp_path, kind="binary")
    assert reason in compiled.reason
    assert bool(compiled.files) == (not reason)
    assert (tmp_path / FILE).exists() == (not reason)


def test_a_slower_graph_does_not_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    takes(monkeypatch, native=1.0, form=2.0)
    compiled = compile_model(fitted(RandomForestClassifier(n_estimators=5)), FRAME, tmp_path, kind="binary")
    assert compiled.reason == "it is not faster (0.5 times)"


def test_a_gap_that_training_never_saw_is_answered_as_the_model_answers_it(tmp_path: Path) -> None:
    whole = FRAME.with_columns(gap=pl.int_range(400).cast(pl.Float64))
    examples = Examples(rows=whole, features=whole, target=LATE)
    model = fit_estimator(RandomForestClassifier(n_estimators=30), examples, kind="binary")
    assert compiling._convert(model[-1], 5, tmp_path / FILE) is None
    rows = whole.with_columns(gap=pl.when(pl.int_range(400) % 2 == 0).then("gap"))
    quick = predict(CompiledModel(model, tmp_path / FILE), rows, "binary")
    np.testing.assert_allclose(quick, predict(model, rows, "binary"), atol=1e-5)


@pytest.mark.parametrize(
    ("estimator", "kind", "target"),
    [
        (LGBMClassifier(n_estimators=20), "binary", LATE),
        (LGBMClassifier(n_estimators=20), "multiclass", LATE + (FRAME["wind"].to_numpy() > 1)),
        (LGBMRegressor(n_estimators=20, objective="poisson"), "regression", LATE * 40.0),
    ],
)
def test_boosters_of_lightgbm_answer_alone_and_say_the_very_same(
    tmp_path: Path, estimator: Any, kind: Any, target: Any
) -> None:
    members = [
        fitted(estimator.set_params(random_state=seed, subsample=0.5, subsample_freq=1), kind, target)
        for seed in range(2)
    ]
    classes = len(np.unique(target)) if kind != "regression" else None
    for model in (members[0], Blend(members, [0.3, 0.7], kind=kind, classes=classes)):
        compiled = compile_model(model, FRAME, tmp_path, kind=kind, classes=classes)
        assert (compiled.boosters, compiled.files, compiled.reason) == (True, (), "")
        assert (compiled.rows, compiled.difference) == (10_000, 0.0)
        assert compiled.faster == 10.0
        rows = pl.concat([FRAME, FRAME[:3].with_columns(gap=None, wind=pl.lit(1e300), carrier=pl.lit("new"))])
        quick = predict(compiled_form(model, tmp_path, compiled), rows, kind, classes=classes)
        assert quick.tolist() == predict(model, rows, kind, classes=classes).tolist()
    assert not list(tmp_path.iterdir())


def test_a_booster_that_was_stopped_early_answers_with_its_best_trees(tmp_path: Path) -> None:
    rows, labels = CHANCE.normal(size=(400, 3)), LATE
    model = LGBMClassifier(n_estimators=200, early_stopping_round=3, verbose=-1)
    model.fit(rows[:200], labels[:200], eval_set=[(rows[200:], labels[200:])])
    assert 0 < model.best_iteration_ < 200
    frame = pl.DataFrame(dict(zip("abc", rows.T, strict=True)))
    compiled = compile_model(model, frame, tmp_path, kind="binary")
    assert (compiled.boosters, compiled.difference) == (True, 0.0)
    quick = predict(compiled_form(model, tmp_path, compiled), frame, "binary")
    assert quick.tolist() == predict(model, frame, "binary").tolist()


def test_a_booster_whose_interface_its_user_changed_is_asked_through_it(tmp_path: Path) -> None:
    class Halved(LGBMClassifier):
        def predict_proba(self, rows: Any, **options: Any) -> Any:
            found = super().predict_proba(rows, **options)[:, 1] / 2
            return np.column_stack([1 - found, found])

    compiled = compile_model(fitted(Halved(n_estimators=20)), FRAME, tmp_path, kind="binary")
    assert not compiled.answers
    assert "Halved does not convert" in compiled.reason


def test_a_model_that_is_none_of_scikit_learn_is_left_alone(tmp_path: Path) -> None:
    class Own:
        def predict_proba(self, rows: pl.DataFrame) -> Any:
            return np.full((rows.height, 2), 0.5)

    assert "only models of scikit-learn" in compile_model(Own(), FRAME, tmp_path, kind="binary").reason


@pytest.mark.parametrize(
    "estimator", [RandomForestClassifier(n_estimators=20, n_jobs=1), LGBMClassifier(n_estimators=20)]
)
def test_a_model_that_knows_its_columns_by_name_is_asked_without_them(tmp_path: Path, estimator: Any) -> None:
    numbers = FRAME.select("gap", "wind").with_columns(pl.col("gap").fill_null(0.5))
    model = estimator.fit(numbers, LATE)
    compiled = compile_model(model, FRAME.select("wind", "gap"), tmp_path, kind="binary")
    assert (compiled.answers, compiled.reason, compiled.rows) == (True, "", 10_000)
    form = compiled_form(model, tmp_path, compiled)
    assert may_have_matrix(form, ["gap", "wind"])
    assert not may_have_matrix(form, ["wind", "gap"])
    rows = pl.concat([numbers, numbers[:3].with_columns(wind=pl.lit(None, dtype=pl.Float64))])
    expected = predict(model, rows, "binary")
    for given in (rows, rows.select("wind", "gap"), rows.to_numpy()):
        np.testing.assert_allclose(predict(form, given, "binary"), expected, atol=1e-5)


def test_rows_with_a_gap_do_not_count_among_those_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model itself answers them, so that on them both are the same whatever the graph says."""
    model, other = fitted(RandomForestClassifier(n_estimators=5)), fitted(RandomForestClassifier(n_estimators=6))
    style = model[0].style
    convert = compiling._convert
    monkeypatch.setattr(compiling, "_convert", lambda _head, width, path: convert(other[-1], width, path))
    gaps = FRAME.with_columns(gap=pl.when(pl.int_range(pl.len()) % 20 == 1).then("gap"))
    compiled = compile_model(model, gaps, tmp_path, kind="binary")
    assert style == "trees"
    assert compiled.reason.startswith("its answers differ")
    without = FRAME.with_columns(gap=pl.lit(None, dtype=pl.Float64))
    assert "every row has a gap" in compile_model(model, without, tmp_path, kind="binary").reason


def test_a_model_that_takes_words_is_left_alone(tmp_path: Path) -> None:
    encode = ColumnTransformer([("one", OneHotEncoder(), ["carrier"])], remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(FRAME.select("carrier", "wind"), LATE)
    assert "take a matrix of numbers" in compile_model(model, FRAME, tmp_path, kind="binary").reason


def test_a_converter_that_wraps_errors_is_quoted_by_what_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def converts(*_: Any, **__: Any) -> None:
        raise ValueError("node {\n  name: 'TreeEnsemble'") from TypeError("ints: expected an int, got a boolean")

    monkeypatch.setattr("skl2onnx.convert_sklearn", converts)
    why = compiling._convert(LogisticRegression(), 3, tmp_path / FILE)
    assert why == "LogisticRegression does not convert: TypeError: ints: expected an int, got a boolean"
    assert not (tmp_path / FILE).exists()
