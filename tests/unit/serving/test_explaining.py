"""`?explain=true`: attributions that add up to the answer, for the version that gave it, or a refusal that says why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from windlass.monitoring.reference import make_reference, save
from windlass.product.model.predict import predict
from windlass.serving.limits import EXPLAIN_WALKS, MOST_EXPLAINED
from windlass.serving.versions import explaining

from .conftest import FakeBundle, Said  # type: ignore[import-not-found]

CARRIERS = ["AA", "UA", "B6", "AA"]


def bent(rows: pl.DataFrame) -> Any:
    """A probability in which distance and carrier depend on each other."""
    there = (rows["carrier"] == "AA").fill_null(value=False).cast(pl.Float64).to_numpy()
    return 0.1 + 0.4 * rows["distance"].fill_null(0).to_numpy() * (1 + there)


@pytest.fixture
def trained(stage: Any, tmp_path: Path) -> Any:
    """`v1` answers, and knows what its training rows looked like."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    chance = np.random.default_rng(0)
    features = pl.DataFrame(
        {
            "distance": chance.random(400),
            "seats": chance.integers(1, 9, 400),
            "carrier": [CARRIERS[place % 4] for place in range(400)],
        }
    )
    save(make_reference(features, kind="binary"), folder)
    stage.reference = folder
    stage.add("v1", model=bent, folder=folder)
    stage.route("v1")
    return stage


def ask(stage: Any, *rows: dict[str, Any], explain: str = "true") -> Any:
    return stage.client.post(f"/flights/predict?explain={explain}", json={"rows": rows or [stage.row]})


def test_attributions_and_base_add_up_to_the_score(trained: Any) -> None:
    rows = [trained.row, {**trained.row, "distance": 0.9, "carrier": "UA"}]
    told = ask(trained, *rows).json()["predictions"]
    for answer in told:
        explanation = answer["explanation"]
        assert explanation["base"] + sum(explanation["attributions"].values()) == pytest.approx(answer["score"])
        assert explanation["attributions"].keys() == {"distance", "seats", "carrier"}
        assert explanation["attributions"]["seats"] == pytest.approx(0)
        assert explanation["walks"] == EXPLAIN_WALKS
        assert 0 < explanation["standard_error"] < 0.05
    assert told[0]["explanation"]["base"] == told[1]["explanation"]["base"]
    assert told[0]["explanation"]["attributions"]["carrier"] > 0 > told[1]["explanation"]["attributions"]["carrier"]


def test_the_same_row_is_explained_the_same_way_alone_and_beside_others(trained: Any) -> None:
    alone = ask(trained).json()["predictions"][0]["explanation"]
    beside = ask(trained, {**trained.row, "distance": 0.7}, trained.row).json()["predictions"][1]["explanation"]
    assert alone == beside


def test_nothing_is_explained_unasked(trained: Any) -> None:
    assert "explanation" not in trained.predict().json()["predictions"][0]
    assert "explanation" not in ask(trained, explain="false").json()["predictions"][0]


def test_what_cannot_be_explained_is_refused_before_it_is_answered(trained: Any, stage: Any) -> None:
    many = ask(trained, *[trained.row] * (MOST_EXPLAINED + 1))
    assert many.status_code == 422
    assert f"at most {MOST_EXPLAINED}" in many.json()["error"]
    unclear = ask(trained, explain="maybe")
    assert (unclear.status_code, unclear.json()["fields"][0]["field"]) == (422, "explain")
    stage.add("v2")
    stage.route("v2")
    unknown = ask(trained)
    assert unknown.status_code == 422
    assert "v2 came as a model file" in unknown.json()["error"]
    assert "only boosted trees of LightGBM, XGBoost or CatBoost" in unknown.json()["error"]
    assert trained.captured == []


@dataclass
class Imported(FakeBundle):  # type: ignore[misc]
    """A model file, without a profile of its training rows."""

    file: Any = None

    @property
    def answering(self) -> Any:
        return self.file

    def predict(self, rows: pl.DataFrame) -> Any:
        features = rows.select("distance", "seats")
        return Said(features, predict(self.file, features, "binary", classes=2))


def grown(**more: Any) -> Any:
    chance = np.random.default_rng(0)
    rows = pl.DataFrame({"distance": chance.random(300), "seats": chance.integers(1, 9, 300)})
    late = rows["distance"].to_numpy() + chance.normal(0, 0.3, 300) > 0.5
    return lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, **more).fit(rows.to_numpy(), late)


def test_trees_of_a_model_file_say_themselves_what_each_feature_adds(stage: Any) -> None:
    stage.add("v1", Imported(stage.manifest(), file=grown()))
    stage.route("v1")
    (answer,) = ask(stage).json()["predictions"]
    explanation = answer["explanation"]
    assert explanation.keys() == {"scale", "base", "attributions"}  # exact, and nothing was walked
    assert (explanation["scale"], explanation["attributions"].keys()) == ("log-odds", {"distance", "seats"})
    odds = explanation["base"] + sum(explanation["attributions"].values())
    assert 1 / (1 + np.exp(-odds)) == pytest.approx(answer["score"], rel=1e-6)
    assert abs(explanation["attributions"]["distance"]) > abs(explanation["attributions"]["seats"])


def test_a_linear_model_file_is_explained_against_the_means_that_its_scaler_knows(stage: Any) -> None:
    chance = np.random.default_rng(0)
    rows = np.column_stack([chance.random(300), chance.integers(1, 9, 300)])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, rows[:, 0] > 0.5)
    stage.add("v1", Imported(stage.manifest(), file=model))
    stage.route("v1")
    (answer,) = ask(stage).json()["predictions"]
    explanation = answer["explanation"]
    odds = explanation["base"] + sum(explanation["attributions"].values())
    assert (explanation["scale"], 1 / (1 + np.exp(-odds))) == ("log-odds", pytest.approx(answer["score"]))
    assert explanation["attributions"]["distance"] < 0, "which is below its mean"


def test_trees_that_do_not_add_up_to_their_answer_are_told_and_answer(stage: Any) -> None:
    stage.add("v1", Imported(stage.manifest(), file=grown(sigmoid=3.0)))
    stage.route("v1")
    told = ask(stage)
    assert told.status_code == 200
    problem = "what the model says of each feature does not come to its answer"
    assert told.json()["predictions"][0]["explanation"] == {"problem": problem}


def test_a_row_is_explained_by_the_version_that_answered_it(trained: Any) -> None:
    trained.add("v2", model=lambda rows: 1 - bent(rows), folder=trained.reference)
    trained.route("v1", "v2", mode="canary", share=0.5, salt="s")
    rows = [{**trained.row, "flight": f"f{place}"} for place in range(10)]
    told = ask(trained, *rows).json()["predictions"]
    assert {answer["version"] for answer in told} == {"v1", "v2"}
    for answer in told:
        explanation = answer["explanation"]
        assert explanation["base"] + sum(explanation["attributions"].values()) == pytest.approx(answer["score"])


def test_a_slow_model_is_walked_less_and_says_so(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "EXPLAIN_SECONDS", 0.0)
    monkeypatch.setattr(explaining, "ROWS_AT_ONCE", 16)
    told = ask(trained).json()["predictions"][0]
    explanation = told["explanation"]
    assert explanation["walks"] == 4
    assert explanation["base"] + sum(explanation["attributions"].values()) == pytest.approx(told["score"])


def test_a_version_that_fails_on_mixed_rows_still_answers(trained: Any) -> None:
    def picky(rows: pl.DataFrame) -> Any:
        if rows["carrier"].n_unique() > 1:
            raise ValueError("one carrier at a time")
        return bent(rows)

    trained.add("v3", model=picky, folder=trained.reference)
    trained.route("v3")
    reply = ask(trained)
    assert reply.status_code == 200
    assert reply.json()["predictions"][0]["explanation"] == {"problem": "ValueError: one carrier at a time"}


def test_several_classes_explain_the_likeliest(trained: Any) -> None:
    task = {"task": "multiclass", "target": "late", "key": "flight"}
    shares = lambda rows: np.column_stack([bent(rows) / 2, bent(rows) / 2, 1 - bent(rows)])  # noqa: E731
    bundle = trained.fake(trained.manifest(task, classes=("a", "b", "c")), model=shares, folder=trained.reference)
    trained.add("v4", bundle)
    trained.route("v4")
    told = ask(trained).json()["predictions"][0]
    explanation = told["explanation"]
    assert told["label"] == "c"
    assert explanation["base"] + sum(explanation["attributions"].values()) == pytest.approx(told["score"])
    assert explanation["attributions"]["carrier"] < 0
