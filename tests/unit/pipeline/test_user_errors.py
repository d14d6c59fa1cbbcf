"""What a user can get wrong: one clear error with its place, recorded with the run, before any training starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from windlass.errors import ContractViolated, DataError, NotRowLocal, ProductError, RunFailed, WindlassError
from windlass.pipeline.steps.step import said_in
from windlass.records.event import RunFailed as RunFailedEvent
from windlass.records.event import StepFailed, StepStarted

if TYPE_CHECKING:
    from tests.unit.pipeline.conftest import Project

RETURN = "return flights()"
FEATURES = 'return rows.select("wind", "carrier")'
TRAIN = "return super().train(examples)"
CONTRACT = """
import pandera.polars as pa

class Contract(pa.DataFrameModel):
    wind: float = pa.Field(ge=0)

class Flights"""

OWN_TRAIN = """    def train(self, examples):
        note("train")
        return super().train(examples)"""

CASES: list[Any] = [
    ("prepare", "class Flights", "class Flights((", ProductError, "not valid Python"),
    ("prepare", "class Flights", "import no_such_package\nclass Flights", ProductError, "no_such_package"),
    ("prepare", "class Flights", "raise KeyError('boom')\nclass Flights", ProductError, "boom"),
    ("prepare", "class Flights(wl.Product)", "class Other(wl.Product)", ProductError, "no class 'Flights'"),
    ("prepare", "task =", "name = 'other'; task =", ProductError, "'other'"),
    ("prepare", "LogisticRegression()", "LogisticRegression", ProductError, "class"),
    ("prepare", OWN_TRAIN, "    estimator = LinearRegression()", ProductError, "predict_proba"),
    ("prepare", "estimator =", "gate = wl.Gate('roc'); estimator =", ProductError, "no metric 'roc'"),
    ("prepare", "estimator =", "gate = wl.Gate(at_least=65); estimator =", ProductError, "no roc_auc is above 1"),
    ("prepare", "estimator =", "gate = wl.Gate('brier', at_most=-1); estimator =", ProductError, "no brier is below 0"),
    ("prepare", "estimator =", "search = {'depth': (1, 3)}; estimator =", ProductError, "no parameter 'depth'"),
    ("prepare", "def extract(self, since)", "def extract(self)", ProductError, "extract cannot be called"),
    ("extract", RETURN, "pass", ProductError, "nothing"),
    ("extract", RETURN, "return flights().lazy()", ProductError, "LazyFrame"),
    ("extract", RETURN, "return [1, 2]", ProductError, "builtins list"),
    ("extract", RETURN, "return {'a b': flights()}", ProductError, "source's name"),
    ("extract", RETURN, "return {'rows': None}", ProductError, "nothing"),
    ("extract", RETURN, "return flights().drop('at')", DataError, "at"),
    ("extract", RETURN, "return flights().drop('id')", DataError, "id"),
    ("extract", RETURN, "return flights().with_columns(at=pl.col('at').dt.to_string())", DataError, "time"),
    (
        "extract",
        RETURN,
        "return flights().with_columns(at=pl.when(pl.col('id') > 3).then('at'))",
        DataError,
        "have no event time",
    ),
    ("extract", RETURN, "return {'rows': flights(), 'outcomes': pl.DataFrame({'x': [1]})}", DataError, "outcomes"),
    ("extract", RETURN, "1 / 0", RunFailed, "ZeroDivisionError"),
    ("check", RETURN, "return pl.DataFrame()", DataError, "no rows"),
    ("check", RETURN, "return flights().clear()", DataError, "no rows"),
    ("check", RETURN, "return flights().drop('late')", DataError, "target 'late'"),
    ("check", RETURN, "return flights().with_columns(late=pl.lit(None))", DataError, "label"),
    ("check", RETURN, "return flights().with_columns(late=True)", DataError, "needs two"),
    ("extract", RETURN, "return flights().with_columns(late='id')", DataError, "binary task has two"),
    ("check", RETURN, "return flights().with_columns(late=pl.col('id') > 270)", DataError, "the label False"),
    ("check", RETURN, "return flights().with_columns(pl.lit(1).alias(chr(34)))", DataError, "cannot come in a request"),
    ("check", RETURN, "return flights(10)", DataError, "10 labelled rows"),
    ("extract", RETURN, "return {'a': flights(), 'b': flights()}", ProductError, "several sources"),
    ("extract", "estimator =", "gate = wl.Gate(slices=['airport']); estimator =", DataError, "airport"),
    ("extract", "class Flights", CONTRACT.lstrip(), ContractViolated, "wind"),
    ("features", FEATURES, "return rows.select('wind', 'late')", ProductError, "target 'late'"),
    ("features", FEATURES, "return rows.select(pl.col('wind') - pl.col('wind').mean())", NotRowLocal, "wind"),
    ("features", FEATURES, "return rows.select(pl.col('wind').shift(1))", NotRowLocal, "wind"),
    ("features", FEATURES, "return rows.filter(pl.col('wind') > 0).select('wind')", NotRowLocal, "rows"),
    (
        "features",
        OWN_TRAIN,
        "    def features(self, rows):\n        return rows.select('wind', tags=pl.concat_list('carrier'))",
        ProductError,
        "'tags' of type List(String)",
    ),
    ("features", FEATURES, "return rows.select('gusts')", ProductError, "gusts"),
    ("features", FEATURES, "pass", ProductError, "NoneType"),
]


@pytest.mark.parametrize(("step", "old", "new", "kind", "words"), CASES)
def test_told_before_training(  # noqa: PLR0917 (parameters)
    project: Project, step: str, old: str, new: str, kind: type[WindlassError], words: str
) -> None:
    project.edit(old, new)
    if new.startswith("import pandera"):
        project.edit("estimator =", "contract = Contract\n    estimator =")
    with pytest.raises(WindlassError) as caught:
        project.train()
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert caught.value.remedy
    assert "train" not in project.calls()
    assert not any(body.step == "train" for body in project.bodies(StepStarted))
    (failed,) = project.bodies(RunFailedEvent)
    assert (failed.run, failed.step, failed.message) == ("run-1", step, caught.value.discreet)
    assert (failed.where, failed.remedy) == (caught.value.where, caught.value.remedy)
    assert "Traceback" in (project.paths.root / failed.log).read_text()
    assert len(project.bodies(StepFailed)) == (step != "prepare")
    assert project.messages[-1].state == "failed"


@pytest.mark.parametrize(
    ("new", "kind", "words"),
    [
        ("return None", ProductError, "returned nothing"),
        ("return object()", ProductError, "no predict_proba"),
        ("return LinearRegression().fit(examples.features.select('wind'), examples.target)", ProductError, "proba"),
        ("raise MemoryError('too much')", RunFailed, "MemoryError"),
        ("import sys; sys.exit(2)", RunFailed, "SystemExit"),
    ],
)
def test_what_only_train_can_get_wrong(project: Project, new: str, kind: type[WindlassError], words: str) -> None:
    project.edit(TRAIN, new)
    with pytest.raises(WindlassError, match=words) as caught:
        project.train()
    assert type(caught.value) is kind
    (failed,) = project.bodies(RunFailedEvent)
    assert failed.step == "train"


MODEL = """class Model:
    def predict_proba(self, features):
        wind = features["wind"].to_numpy()
        return np.column_stack([1 - {0}, {0}])

class Flights"""


@pytest.mark.parametrize(
    ("says", "kind", "words"),
    [
        ("(wind > wind.mean()) * 0.5", NotRowLocal, "by itself, and with 0"),
        ("np.random.default_rng().random(len(wind))", NotRowLocal, "chance has a seed"),
        ("np.full(len(wind), 7.0)", ProductError, "the answer 7 is no probability"),
        ("np.full(len(wind), -0.1)", ProductError, "the answer -0.1 is no probability"),
    ],
)
def test_a_model_that_cannot_be_served_is_told_where_it_is_judged(
    project: Project, says: str, kind: type[WindlassError], words: str
) -> None:
    project.edit("class Flights", MODEL.format(says))
    project.edit(TRAIN, "return Model()")
    with pytest.raises(WindlassError, match=words) as caught:
        project.train()
    assert type(caught.value) is kind
    assert "model Model" in caught.value.where
    (failed,) = project.bodies(RunFailedEvent)
    assert failed.step in ("train", "evaluate")


def test_a_metric_that_gives_no_number_is_named(project: Project) -> None:
    project.edit("class Flights", "def profit(truth, scores): ...\n\nclass Flights")
    project.edit("estimator =", "gate = wl.Gate(profit); estimator =")
    with pytest.raises(ProductError, match=r"profit returned None .*Gate\.metric"):
        project.train()


def test_a_column_of_identifiers_is_no_target(project: Project) -> None:
    project.edit('wl.BinaryClassification(target="late"', 'wl.MulticlassClassification(target="tail"')
    project.edit(RETURN, "return flights().with_columns(tail=pl.format('N{}', 'id'))")
    with pytest.raises(DataError, match=r"300 different labels in 300 labelled rows[\s\S]*wrong column"):
        project.train()


def test_a_train_of_ones_own_gets_the_frame_as_it_is(project: Project) -> None:
    project.edit(FEATURES, "return rows.select('wind', tags=pl.concat_list('carrier'))")
    project.edit(TRAIN, "assert examples.features['tags'].dtype == pl.List(pl.String); raise KeyError('seen')")
    with pytest.raises(RunFailed, match="seen"):
        project.train()


def test_a_product_without_extract_says_what_is_missing(project: Project) -> None:
    project.write(
        "class Flights(wl.Product):\n    task = wl.BinaryClassification(target='late')\n"
        "    estimator = LogisticRegression()\n"
    )
    with pytest.raises(ProductError, match="no `extract`"):
        project.train()


def test_the_mended_run_goes_on(project: Project) -> None:
    project.edit(FEATURES, "return rows.select(pl.col('wind').shift(1))")
    with pytest.raises(NotRowLocal):
        project.train()
    project.edit("return rows.select(pl.col('wind').shift(1))", FEATURES)
    result = project.train()
    assert result.outcome == "registered"
    assert result.reused == ("extract", "pin", "check")


SECRET = "Zebrowski"
NAMED = f"flights().with_columns(name=pl.format('{SECRET} {{}}', pl.col('id')))"
NAMES = """
import pandera.polars as pa

class Contract(pa.DataFrameModel):
    name: str = pa.Field(isin=["Adams"])

class Flights"""


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param(
            [("class Flights", NAMES.lstrip()), ("estimator =", "contract = Contract; estimator =")], id="contract"
        ),
        pytest.param([(RETURN, f"raise ValueError('cannot read {SECRET}')")], id="extract"),
        pytest.param([(FEATURES, "return rows.select(pl.col('name').cast(pl.Int64))")], id="features"),
        pytest.param([(FEATURES, "return rows.select('wind', name=pl.col('name').shift(-1))")], id="neighbours"),
        pytest.param([(TRAIN, "raise KeyError(examples.rows['name'].sort()[-1])")], id="train"),
        pytest.param(
            [('target="late"', 'target="label"'), (NAMED, f"{NAMED}.with_columns(label=pl.lit('{SECRET}'))")],
            id="one label",
        ),
        pytest.param(
            [
                ('target="late"', 'target="label"'),
                (NAMED, f"{NAMED}.with_columns(label=pl.format('{SECRET} {{}}', pl.col('id') % 9))"),
            ],
            id="many labels",
        ),
        pytest.param(
            [(NAMED, f"{{'rows': {NAMED}, 'outcomes': pl.DataFrame({{'id': [1], 'value': ['{SECRET}']}})}}")],
            id="outcome",
        ),
    ],
)
def test_values_of_rows_are_shown_to_the_user_and_kept_out_of_the_ledger(
    project: Project, edits: list[tuple[str, str]]
) -> None:
    project.edit(RETURN, f"return {NAMED}")
    for old, new in edits:
        project.edit(f"return {NAMED}" if old == RETURN else old, new)
    with pytest.raises(WindlassError) as caught:
        project.train()
    assert SECRET in str(caught.value)
    (failed,) = project.bodies(RunFailedEvent)
    assert failed.message == caught.value.discreet
    kept = [path for path in project.paths.root.glob("ledger.db*") if SECRET.encode() in path.read_bytes()]
    assert kept == []
    said = said_in(project.paths.root / failed.log)
    assert said.read_text() == caught.value.what
