"""A product that starts from a model file: taken in once, described by the file, corrected by a contract."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from windlass.app.describe import describe
from windlass.app.scaffold import make_project_from_model
from windlass.errors import DataError, ProductError, UntrustedModel, UsageError
from windlass.lake.lake import Lake
from windlass.lake.segments import SegmentWriter
from windlass.ledger.ledger import Ledger
from windlass.monitoring import reference
from windlass.pipeline.declaring import declare
from windlass.pipeline.forms import rows_of
from windlass.pipeline.steps.request import DeclareRequest
from windlass.product.contract import InvalidRows
from windlass.records.capture import PredictionBatch
from windlass.records.event import FormTurnedDown, VersionRegistered
from windlass.records.paths import Paths
from windlass.registry import compiling
from windlass.registry.compiling import CompiledModel
from windlass.registry.files import digest_of
from windlass.registry.registry import Registry
from windlass.serving.versions.asking import keys_of, labels_of
from windlass.serving.versions.explaining import check_explainable, explain
from windlass.serving.versions.lineup import Loaded
from windlass.settings import load_settings
from windlass.staging import Staging

ROWS = pl.DataFrame({"wind": [1.0, -1.0, 2.0, -2.0], "seats": [3.0, 4.0, 5.0, 6.0]})
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
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
    assert not make_project_from_model(tmp_path / "flights", tmp_path / "model.joblib", trust=True, target="late").doubt
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


def forest(folder: Path) -> Path:
    """A model of which a form answers sooner, in a file."""
    chance = np.random.default_rng(0)
    rows = pl.DataFrame({"wind": chance.normal(size=300), "seats": chance.normal(size=300)})
    model = RandomForestClassifier(n_estimators=50, random_state=0).fit(rows, (rows["wind"] > 0).to_list())
    joblib.dump(model, folder / "model.joblib")
    rows.write_parquet(folder / "rows.parquet")
    rows.write_csv(folder / "rows.csv")
    return folder / "model.joblib"


@pytest.fixture
def without_rows(tmp_path: Path) -> Iterator[Project]:
    assert not make_project_from_model(tmp_path / "flights", forest(tmp_path), trust=True, target="late").doubt
    project = Project(tmp_path / "flights")
    yield project
    project.ledger.close()


@pytest.mark.parametrize("rows", ["rows.parquet", "rows.csv"])
def test_rows_that_come_with_a_file_let_its_compiled_form_answer_at_once(tmp_path: Path, rows: str) -> None:
    model = forest(tmp_path)
    make_project_from_model(tmp_path / "flights", model, trust=True, target="late", data=tmp_path / rows)
    project = Project(tmp_path / "flights")
    project.declare()
    loaded = project.loaded()
    project.ledger.close()
    assert (loaded.version, loaded.manifest.compiled.rows, loaded.manifest.compiled.reason) == ("v1", 10_000, "")
    assert isinstance(loaded.bundle.answering, CompiledModel)
    assert loaded.numbers is not None
    given = pl.read_parquet(tmp_path / "rows.parquet")
    expected = joblib.load(model).predict_proba(given)[:, 1]
    np.testing.assert_allclose(loaded.bundle.predict(given).scores, expected, atol=1e-5)


def ask(project: Project, count: int, *, like: int = 0) -> None:
    """`count` rows that the champion has answered reach the lake."""
    chance = np.random.default_rng(like)
    rows = [msgspec.json.encode({"wind": a, "seats": b}) for a, b in chance.normal(size=(count, 2)).tolist()]
    writer = SegmentWriter(project.paths.segments("flights") / "w0")
    writer.append(
        PredictionBatch(
            request_id=f"r{like}",
            at=NOON,
            version="v1",
            stage="champion",
            latency_ms=1.0,
            ids=tuple(f"{like}-{place}" for place in range(count)),
            keys=(None,) * count,
            event_times=(None,) * count,
            scores=(0.5,) * count,
            rows=tuple(rows),
        )
    )
    writer.close()
    Lake(project.paths.lake, project.fence).commit_segments("flights", project.paths.segments("flights"), NOON)


def test_without_rows_the_file_answers_itself_until_it_has_been_asked_often_enough(without_rows: Project) -> None:
    project = without_rows
    project.declare()
    first = project.loaded()
    assert first.manifest.compiled.awaits_rows
    assert "10,000 answers" in str(first.manifest.compiled)
    assert isinstance(first.bundle.answering, RandomForestClassifier)
    ask(project, 9_999)
    project.declare()
    assert project.loaded().version == "v1"
    ask(project, 1, like=1)
    project.declare()
    form = project.loaded()
    assert (form.version, form.manifest.compiled.answers, form.manifest.compiled.rows) == ("v2", True, 10_000)
    assert isinstance(form.bundle.answering, CompiledModel)
    assert form.manifest.model == first.manifest.model
    v1, v2 = (event.body for event in project.ledger.events([VersionRegistered]))
    assert (v2.form_of, v2.file, v2.trusted_by) == ("v1", v1.file, v1.trusted_by)
    project.declare()
    assert project.loaded().version == "v2"


def test_rows_that_are_named_later_do_as_well(without_rows: Project) -> None:
    without_rows.declare()
    without_rows.edit('sha256="', 'rows="../rows.parquet", sha256="')
    without_rows.declare()
    assert (without_rows.loaded().version, without_rows.loaded().manifest.compiled.answers) == ("v2", True)


def test_a_form_that_is_turned_down_is_written_down_once(without_rows: Project, monkeypatch: Any) -> None:
    without_rows.declare()
    monkeypatch.setattr(compiling, "TOLERANCE", -1.0)
    without_rows.edit('sha256="', 'rows="../rows.parquet", sha256="')
    without_rows.declare()
    without_rows.declare()
    (event,) = without_rows.ledger.events([FormTurnedDown])
    assert (event.body.version, event.body.rows) == ("v1", 10_000)
    assert event.body.reason.startswith("its answers differ")
    assert without_rows.loaded().version == "v1"


def test_rows_that_lack_a_column_are_told(without_rows: Project) -> None:
    pl.DataFrame({"wind": [1.0]}).write_csv(without_rows.folder / "rows.csv")
    without_rows.edit('sha256="', 'rows="rows.csv", sha256="')
    with pytest.raises(DataError, match="these columns are not there: seats"):
        without_rows.declare()


@pytest.mark.parametrize("later", [False, True])
def test_an_answer_is_explained_against_the_rows_that_came_with_the_file(
    tmp_path: Path, without_rows: Project, *, later: bool
) -> None:
    project = without_rows
    if later:
        project.declare()
        with pytest.raises(InvalidRows, match="`rows` of its ModelFile names some"):
            check_explainable(project.loaded())
    project.edit('sha256="', 'rows="../rows.parquet", sha256="')
    project.declare()
    loaded = project.loaded()
    check_explainable(loaded)
    row = loaded.decoder.from_records([{"wind": 0.5, "seats": 0.0}]).frame
    (told,) = explain(loaded, row)
    score = loaded.bundle.predict(row).scores[0]
    assert told.base + sum(told.attributions.values()) == pytest.approx(score)
    mean = loaded.bundle.predict(pl.read_parquet(tmp_path / "rows.parquet")).scores.mean()
    assert told.base == pytest.approx(mean, abs=0.05)
    assert abs(told.attributions["wind"]) > 10 * abs(told.attributions["seats"])
    assert reference.load(loaded.bundle.folder) is None, "nothing is watched against these rows"


def test_what_is_not_captured_is_not_kept_of_the_rows_either(without_rows: Project) -> None:
    project = without_rows
    project.edit(MODEL, '    capture = wl.Capture(redact=["seats"])\n    model =')
    project.edit('sha256="', 'rows="../rows.parquet", sha256="')
    project.declare()
    assert project.loaded().made_up.columns == ["wind"]


def test_rows_whose_features_cannot_be_computed_are_no_background(
    without_rows: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project = without_rows
    contract = (
        "import pandera.polars as pa\n\n\nclass Contract(pa.DataFrameModel):\n"
        "    wind: float\n    seats: float\n\n\nclass Flights("
    )
    project.edit("class Flights(", contract)
    project.edit(
        MODEL, '    contract = Contract\n\n    def features(self, rows):\n        return rows.head("x")\n\n    model ='
    )
    project.edit('sha256="', 'rows="../rows.parquet", sha256="')
    project.declare()
    assert "its answers are not explained against its rows" in caplog.text
    assert project.loaded().made_up is None


LATER = """
import numpy as np
import polars as pl


class Later:
    feature_names_in_ = np.array(["when", "pay"], dtype=object)

    def predict(self, rows):
        return rows["when"].dt.hour().to_numpy() + rows["pay"].to_numpy()
"""


def of_moments(folder: Path) -> Path:
    (folder / "later.py").write_text(LATER)
    make = "import later, pickle; pickle.dump(later.Later(), open('model.file', 'wb'))"
    subprocess.run([sys.executable, "-B", "-c", make], cwd=folder, check=True)
    return folder / "model.file"


@pytest.mark.parametrize("zone", [None, "Europe/Rome"])
def test_rows_say_which_columns_are_moments(tmp_path: Path, zone: str | None) -> None:
    rows = pl.DataFrame({"when": [NOON.replace(tzinfo=None)] * 3, "pay": [1, 2, 3]})
    rows.with_columns(pl.col("when").dt.replace_time_zone(zone)).write_parquet(tmp_path / "rows.parquet")
    data = tmp_path / "rows.parquet"
    assert make_project_from_model(tmp_path / "a", of_moments(tmp_path), trust=True, target="late").doubt
    made = make_project_from_model(tmp_path / "flights", tmp_path / "model.file", trust=True, target="late", data=data)
    assert made.doubt == ""
    project = Project(tmp_path / "flights")
    project.declare()
    decoded = project.loaded().decoder.from_records([{"when": "2026-03-01T12:30:00Z", "pay": 0.5}])
    assert project.loaded().bundle.predict(decoded.frame).scores[0] == (12.5 if zone is None else 13.5)
    project.ledger.close()


def test_a_contract_is_what_the_model_is_asked_with(tmp_path: Path) -> None:
    assert make_project_from_model(tmp_path / "flights", of_moments(tmp_path), trust=True, target="late").doubt
    project = Project(tmp_path / "flights")
    contract = (
        "import pandera.polars as pa\nimport polars as pl\n\n\nclass Contract(pa.DataFrameModel):\n"
        "    when: pl.Datetime\n\n\nclass Flights("
    )
    project.edit("class Flights(", contract)
    project.edit(MODEL, "    contract = Contract\n    model =")
    project.declare()
    columns = {column.name: (column.dtype, column.nullable) for column in project.loaded().decoder.columns}
    assert columns == {"when": ("datetime", False), "pay": ("float", False)}, "seen by asking: a gap gives no number"
    project.ledger.close()


def test_rows_of_another_type_than_the_model_takes_are_told(without_rows: Project) -> None:
    (without_rows.folder / "rows.csv").write_text("wind,seats\n1,few\n")
    without_rows.declare()
    without_rows.edit('sha256="', 'rows="rows.csv", sha256="')
    with pytest.raises(DataError, match=r"the rows do not fit the columns of the model: seats of row 0: .*got `str`"):
        without_rows.declare()


WITH_TRUTH = pl.DataFrame({"wind": [1, 2, None, 4] * 60, "member": [None] * 200 + [True, False] * 20})


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_are_read_as_requests_are(tmp_path: Path, suffix: str) -> None:
    joblib.dump(
        make_pipeline(SimpleImputer(), LinearRegression()).fit(
            pl.DataFrame({"wind": [1.0, 2.0, 3.0], "member": [0.0, 1.0, 0.0]}), [1.0, 2.0, 3.0]
        ),
        tmp_path / "model.joblib",
    )
    data = tmp_path / f"rows.{suffix}"
    if suffix == "csv":
        text = WITH_TRUTH.with_columns(pl.col("member").cast(pl.String).str.to_titlecase()).write_csv()
        data.write_text(text + "2.5,TRUE\nNaN,False\n")
    else:
        WITH_TRUTH.write_parquet(data)
    made = make_project_from_model(
        tmp_path / "flights", tmp_path / "model.joblib", trust=True, target="late", data=data
    )
    assert (made.doubt, made.misfit) == ("", "")
    project = Project(tmp_path / "flights")
    project.declare()
    rows = rows_of(data, project.loaded().decoder.columns)
    assert rows.schema == {"wind": pl.Float64(), "member": pl.Float64()}
    assert rows["member"][200:204].to_list() == [1, 0, 1, 0]
    if suffix == "csv":
        assert rows[-2:].to_dicts() == [{"wind": 2.5, "member": 1.0}, {"wind": None, "member": 0.0}]
    project.ledger.close()


def test_rows_that_do_not_fit_are_told_when_the_project_is_made(tmp_path: Path) -> None:
    joblib.dump(LogisticRegression().fit(ROWS, ["no", "yes", "no", "yes"]), tmp_path / "model.joblib")
    (tmp_path / "rows.csv").write_text("wind,places\n1,2\n")
    made = make_project_from_model(
        tmp_path / "flights", tmp_path / "model.joblib", trust=True, target="late", data=tmp_path / "rows.csv"
    )
    assert made.misfit.startswith("these columns are not there: seats")


# -- modules of one's own ------------------------------------------------------------------------------------------

STEPS = """
import pathlib
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from own.helpers import FACTOR

pathlib.Path({mark!r}).touch()


class Scaled(TransformerMixin, BaseEstimator):
    def fit(self, x, y=None):
        self.n_features_in_ = len(x[0])
        self.fitted_ = True
        return self

    def transform(self, x):
        import own.helpers

        assert own.helpers.FACTOR == FACTOR
        return np.asarray(x) * FACTOR
"""


def of_own_modules(folder: Path, factor: float, kind: str = "joblib") -> Path:
    """A model that holds an object of a package in `folder`, which nobody has imported afterwards."""
    (folder / "own").mkdir(parents=True, exist_ok=True)
    (folder / "own" / "__init__.py").write_text("")
    (folder / "own" / "helpers.py").write_text(f"FACTOR = {factor}\n")
    (folder / "own" / "steps.py").write_text(STEPS.format(mark=str(folder / "imported")))
    make = (
        "import joblib, pickle, sys, skops.io\n"
        "from sklearn.linear_model import LinearRegression\nfrom sklearn.pipeline import make_pipeline\n"
        "from own.steps import Scaled\n"
        "model = make_pipeline(Scaled(), LinearRegression()).fit([[1.0], [2.0]], [1.0, 2.0])\n"
        f"model[1].coef_, model[1].intercept_ = model[1].coef_ * 0 + {factor}, 0.0\n"
        f"{kind}.dump(model, open('model.file', 'wb'))\n"
    )
    subprocess.run([sys.executable, "-B", "-c", make], cwd=folder, check=True)
    (folder / "imported").unlink()
    return folder / "model.file"


def asked_elsewhere(project: Project, version: str) -> float:
    """What a process that knows nothing but the registry says of the row 1.0."""
    events = {event.body.version: event.body for event in project.ledger.events([VersionRegistered])}
    ask = (
        "import polars as pl, pathlib\n"
        "from windlass.records.paths import Paths\nfrom windlass.registry.registry import Registry\n"
        f"registry = Registry(Paths(pathlib.Path({str(project.paths.root)!r})))\n"
        f"bundle = registry.open('flights', {events[version].digest!r})\n"
        "print(float(bundle.predict(pl.DataFrame({'x0': [1.0]})).scores[0]))\n"
    )
    done = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, cwd="/")
    return float(done.stdout)


@pytest.mark.parametrize("kind", ["joblib", "pickle", "skops.io"])
def test_modules_of_ones_own_become_part_of_the_version(tmp_path: Path, kind: str) -> None:
    model = of_own_modules(tmp_path / "made", 2.0, kind)
    made = make_project_from_model(tmp_path / "flights", model, trust=True, target="late")
    assert (made.doubt, made.modules) == ("", ("own/__init__.py", "own/helpers.py", "own/steps.py"))
    shutil.rmtree(tmp_path / "made" / "own")
    project = Project(tmp_path / "flights")
    project.declare()
    assert project.loaded().bundle.predict(pl.DataFrame({"x0": [1.0]})).scores[0] == 4
    project.edit(digest_of(model), digest_of(later := of_own_modules(project.folder, 3.0, kind)))
    later.replace(project.folder / "models" / "model.file")
    project.declare()
    assert project.loaded().bundle.predict(pl.DataFrame({"x0": [1.0]})).scores[0] == 9
    assert not {"own", "own.steps", "own.helpers"} & {*sys.modules}
    shutil.rmtree(project.folder / "own")
    assert [asked_elsewhere(project, version) for version in ("v1", "v2")] == [4, 9]
    project.ledger.close()


def test_a_module_that_was_mended_makes_a_version(tmp_path: Path) -> None:
    model = of_own_modules(tmp_path / "made", 2.0, "pickle")
    make_project_from_model(tmp_path / "flights", model, trust=True, target="late")
    project = Project(tmp_path / "flights")
    project.declare()
    (project.folder / "own" / "helpers.py").write_text("FACTOR = 5.0\n")
    project.declare()
    project.declare()
    events = project.ledger.events([VersionRegistered])
    bodies: list[Any] = [event.body for event in events]
    assert [(body.version, body.modules) for body in bodies] == [("v1", ()), ("v2", ("own/helpers.py",))]
    assert describe(events[1]).endswith(": the same model file, with a changed own/helpers.py")
    assert [asked_elsewhere(project, version) for version in ("v1", "v2")] == [4, 10]
    (project.folder / "own" / "helpers.py").write_text("FACTOR = \n")
    with pytest.raises(ProductError, match=r"helpers\.py:1"):
        project.declare()
    shutil.rmtree(project.folder / "own")
    project.declare()
    assert len(project.ledger.events([VersionRegistered])) == 2
    project.ledger.close()


def test_a_module_in_the_current_folder_is_found_and_one_on_the_path_is_still_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_own_modules(tmp_path / "here", 2.0).rename(tmp_path / "model.file")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(tmp_path / "here")
    made = make_project_from_model(tmp_path / "flights", tmp_path / "model.file", trust=True, target="late")
    assert "own/steps.py" in made.modules


def test_code_of_ones_own_is_not_run_before_somebody_vouches_for_the_file(tmp_path: Path) -> None:
    model = of_own_modules(tmp_path / "made", 2.0)
    with pytest.raises(UntrustedModel, match=r"would import and may run: own\.steps\.Scaled"):
        make_project_from_model(tmp_path / "flights", model, trust=False, target="late")
    assert not (tmp_path / "made" / "imported").exists()
    make_project_from_model(tmp_path / "flights", model, trust=True, target="late")
    (tmp_path / "made" / "imported").unlink()
    with (tmp_path / "flights" / "models" / "model.file").open("ab") as file:
        file.write(b" ")
    project = Project(tmp_path / "flights")
    with pytest.raises(UntrustedModel, match="was vouched for"):
        project.declare()
    assert not (tmp_path / "made" / "imported").exists()
    project.ledger.close()


def test_what_is_wrong_with_a_module_of_ones_own_is_told_with_its_line(tmp_path: Path) -> None:
    model = of_own_modules(tmp_path, 2.0)
    (tmp_path / "own" / "helpers.py").write_text("import not_installed_here\n")
    with pytest.raises(ProductError, match="No module named 'not_installed_here'") as raised:
        make_project_from_model(tmp_path / "flights", model, trust=True, target="late")
    assert raised.value.where == f"{tmp_path}/own/helpers.py:1"
    assert not (tmp_path / "flights").exists()


def test_a_module_that_would_be_overwritten_by_the_product_is_refused(tmp_path: Path) -> None:
    (tmp_path / "product.py").write_text(
        "class Thing:\n    n_features_in_ = 1\n\n    def predict(self, rows):\n        return [0.0] * len(rows)\n"
    )
    make = "import pickle, product; pickle.dump(product.Thing(), open('model.file', 'wb'))"
    subprocess.run([sys.executable, "-B", "-c", make], cwd=tmp_path, check=True)
    with pytest.raises(UsageError, match=r"a module product\.py[\s\S]*give the module another name"):
        make_project_from_model(tmp_path / "flights", tmp_path / "model.file", trust=True, target="late")
    assert not (tmp_path / "flights").exists()


RATIOS = """
class Ratios:
    def fit(self, x, y=None):
        return self

    def transform(self, x):
        return x.select("age", "income", ratio=x["income"] / x["age"])


if __name__ == "__main__":
    import pickle, numpy, ratios
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    last = LinearRegression().fit([[1.0, 1.0, 1.0], [1.0, 2.0, 2.0]], [1.0, 2.0])
    last.coef_, last.intercept_ = numpy.array([0.0, 0.0, 1.0]), 0.0
    last.feature_names_in_ = numpy.array(["age", "income", "ratio"], dtype=object)
    pickle.dump(make_pipeline(ratios.Ratios(), last), open("model.file", "wb"))
"""
CONTRACT = (
    "import pandera.polars as pa\n\n\nclass Contract(pa.DataFrameModel):\n"
    "    trip: str\n    age: float\n    income: float\n\n\nclass Flights("
)


@pytest.mark.parametrize("by", ["rows", "contract", "nobody"])
def test_columns_are_those_of_what_gets_the_rows_first(tmp_path: Path, by: str) -> None:
    (tmp_path / "ratios.py").write_text(RATIOS)
    subprocess.run([sys.executable, "-B", "ratios.py"], cwd=tmp_path, check=True)
    (tmp_path / "rows.csv").write_text("trip,age,income,late\na,2,6,0\n")
    data = tmp_path / "rows.csv" if by == "rows" else None
    folder, model = tmp_path / "flights", tmp_path / "model.file"
    made = make_project_from_model(folder, model, trust=True, target="late", key="trip", data=data)
    assert ("a Ratios gets the rows first" in made.assumed) is (by != "rows")
    project = Project(folder)
    if by == "contract":
        project.edit("class Flights(", CONTRACT)
        project.edit(MODEL, "    contract = Contract\n    model =")
    project.declare()
    assert {column.name for column in project.loaded().decoder.columns} == {"trip", "age", "income"} | (
        {"ratio"} if by == "nobody" else set()
    )
    if by != "nobody":
        decoded = project.loaded().decoder.from_records([{"trip": "b", "age": 3, "income": 12}])
        assert project.loaded().bundle.predict(decoded.frame).scores.tolist() == [4]
    project.ledger.close()


BY_VALUE = """
import cloudpickle
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

FACTOR = 3.0


class Tripled(LinearRegression):
    def predict(self, x):
        return super().predict(x) * FACTOR


first = FunctionTransformer(lambda x: x * FACTOR, validate=True)
cloudpickle.dump(make_pipeline(first, {last}()).fit([[1.0], [2.0]], [3.0, 6.0]), open("model.file", "wb"))
"""


@pytest.mark.parametrize("last", ["LinearRegression", "Tripled"])
def test_code_that_a_file_brings_along_goes_with_the_version(tmp_path: Path, last: str) -> None:
    subprocess.run([sys.executable, "-c", BY_VALUE.format(last=last)], cwd=tmp_path, check=True)
    made = make_project_from_model(tmp_path / "flights", tmp_path / "model.file", trust=True, target="late")
    assert made.doubt == ""
    project = Project(tmp_path / "flights")
    project.declare()
    file = project.loaded().bundle.manifest.model
    assert (file.format, file.vouched_by) == ("pickle", digest_of(tmp_path / "model.file"))
    assert asked_elsewhere(project, "v1") == pytest.approx(3 if last == "LinearRegression" else 9)
    project.ledger.close()


def test_of_two_classes_that_are_as_likely_the_label_is_the_one_that_the_model_gives(tmp_path: Path) -> None:
    model = DecisionTreeClassifier().fit([[0.0], [0.0], [1.0]], ["no", "yes", "yes"])
    joblib.dump(model, tmp_path / "model.joblib")
    make_project_from_model(tmp_path / "flights", tmp_path / "model.joblib", trust=True, target="late")
    project = Project(tmp_path / "flights")
    project.declare()
    loaded, rows = project.loaded(), [[0.0], [1.0]]
    scores = loaded.bundle.predict(pl.DataFrame({"x0": [0.0, 1.0]})).scores.tolist()
    assert scores == [0.5, 1.0]
    assert labels_of(loaded, scores, None) == tuple(model.predict(rows)) == ("no", "yes")
    project.ledger.close()
