"""A product that starts from a model file: taken in once, described by the file, corrected by a contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from windlass.app.scaffold import make_project_from_model
from windlass.errors import ProductError, UntrustedModel
from windlass.ledger.ledger import Ledger
from windlass.pipeline.declaring import declare
from windlass.pipeline.steps.request import DeclareRequest
from windlass.product.contract import InvalidRows
from windlass.records.event import VersionRegistered
from windlass.records.paths import Paths
from windlass.registry.registry import Registry
from windlass.serving.versions.asking import keys_of
from windlass.serving.versions.lineup import Loaded
from windlass.settings import load_settings
from windlass.staging import Staging

ROWS = pl.DataFrame({"wind": [1.0, -1.0, 2.0, -2.0], "seats": [3.0, 4.0, 5.0, 6.0]})
MODEL = "    model ="


class Project:
    """A folder that `windlass init` made, and what comes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = load_settings(directory=folder, environment={}, flags={})
        self.paths = Paths(self.settings.workspace)
        self.paths.root.mkdir()
        self.ledger = Ledger(self.paths.ledger_url(self.settings.ledger))
        fence = self.ledger.acquire("test", 3600)
        assert fence is not None
        for store in self.paths.stores:
            Staging(store, fence).begin()
        self.fence = fence

    def edit(self, old: str, new: str) -> None:
        text = (self.folder / "product.py").read_text()
        assert old in text
        (self.folder / "product.py").write_text(text.replace(old, new))

    def declare(self) -> None:
        declare(DeclareRequest(settings=self.settings, product="flights", entry="product:Flights", fence=self.fence))

    def loaded(self) -> Loaded:
        registered: Any = self.ledger.events([VersionRegistered])[-1].body
        return Loaded.of(registered.version, registered.digest, Registry(self.paths).open("flights", registered.digest))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    joblib.dump(LogisticRegression().fit(ROWS, ["no", "yes", "no", "yes"]), tmp_path / "model.joblib")
    assert not make_project_from_model(tmp_path / "flights", tmp_path / "model.joblib", trust=True, target="late")
    project = Project(tmp_path / "flights")
    yield project
    project.ledger.close()


def test_the_file_is_a_version_once_and_refuses_gaps_that_it_does_not_take(project: Project) -> None:
    project.declare()
    project.declare()
    (event,) = project.ledger.events([VersionRegistered])
    assert isinstance(event.body, VersionRegistered)
    assert (event.body.version, event.body.run) == ("v1", None)
    loaded = project.loaded()
    decoded = loaded.decoder.from_records(ROWS.to_dicts())
    assert (loaded.bundle.predict(decoded.frame).scores > 0.5).tolist() == [False, True, False, True]
    with pytest.raises(InvalidRows, match="wind of row 0: Expected `float`, got `null`"):
        loaded.decoder.from_records([{"wind": None, "seats": 1}])


def test_a_contract_says_what_a_file_does_not(project: Project) -> None:
    contract = (
        "import pandera.polars as pa\n\n\nclass Contract(pa.DataFrameModel):\n"
        "    flight: int\n    seats: int = pa.Field(ge=0, lt=1000)\n\n\nclass Flights("
    )
    project.edit("class Flights(", contract)
    project.edit(MODEL, "    contract = Contract\n    model =")
    project.edit('target="late"', 'target="late", key="flight"')
    project.declare()
    loaded = project.loaded()
    assert {(column.name, column.dtype, column.nullable) for column in loaded.decoder.columns} == {
        ("flight", "int", False),
        ("seats", "int", False),
        ("wind", "float", False),
    }
    decoded = loaded.decoder.from_records([{"flight": 7, "seats": 3, "wind": 1.0}])
    assert loaded.bundle.predict(decoded.frame).scores.shape == (1,)
    with pytest.raises(InvalidRows, match="seats of row 0: Expected `int` <= 999"):
        loaded.decoder.from_records([{"flight": 7, "seats": 1000, "wind": 1.0}])


def test_a_key_and_a_time_may_come_with_each_row(project: Project) -> None:
    project.edit('target="late"', 'target="late", key="flight", time="at"')
    project.declare()
    loaded = project.loaded()
    assert [(column.name, column.dtype, column.required) for column in loaded.decoder.columns][2:] == [
        ("flight", "str", False),
        ("at", "datetime", False),
    ]
    decoded = loaded.decoder.from_records([{"wind": 1.0, "seats": 3, "flight": "f1"}, {"wind": -1.0, "seats": 4}])
    assert keys_of(decoded, "flight") == ("f1", None)
    assert (loaded.bundle.predict(decoded.frame).scores > 0.5).tolist() == [False, True]


def test_features_of_ones_own_are_asked_for_by_their_contract(project: Project) -> None:
    contract = (
        "import pandera.polars as pa\nimport polars as pl\n\n\nclass Contract(pa.DataFrameModel):\n"
        "    gusts: float\n    rows: int\n\n\nclass Flights("
    )
    project.edit("class Flights(", contract)
    project.edit(
        MODEL,
        "    contract = Contract\n\n    def features(self, rows):\n"
        "        return rows.select(wind=pl.col('gusts') / 2, seats=6.0 * pl.col('rows'))\n\n    model =",
    )
    project.declare()
    loaded = project.loaded()
    assert [column.name for column in loaded.decoder.columns] == ["gusts", "rows"]
    decoded = loaded.decoder.from_records([{"gusts": 2.0, "rows": 1}])
    assert loaded.bundle.predict(decoded.frame).features.row(0) == (1.0, 6.0)


def test_a_file_that_is_not_the_one_that_was_vouched_for_is_not_loaded(project: Project) -> None:
    file = project.folder / "models" / "model.joblib"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(UntrustedModel, match="was vouched for"):
        project.declare()
    file.unlink()
    with pytest.raises(ProductError, match="the model file is not there"):
        project.declare()
    assert project.ledger.events([VersionRegistered]) == []
