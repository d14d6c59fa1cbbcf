from __future__ import annotations

import shutil
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from windlass.errors import PinBroken, RunFailed, UsageError
from windlass.lake.lake import Lake
from windlass.pipeline.reproducing import Reproduced, ReproduceRequest, compared, reasons_for, reproduce
from windlass.pipeline.steps.progress import Emit, ProgressMessage, silent
from windlass.records.bundle import Environment
from windlass.records.event import StepFinished
from windlass.registry.registry import Registry

NOTHING = Environment(python="3.12.1", platform="Linux", windlass="0.1.0", distributions={"numpy": "2.4.0"})


def again(project: Any, result: Any, *, emit: Emit = silent) -> Reproduced:
    request = ReproduceRequest(
        settings=project.settings, product="flights", version=result.version, digest=result.digest, run="again"
    )
    return reproduce(request, emit=emit)


@pytest.mark.parametrize("time", ["at", None])
def test_a_version_is_reproduced_whatever_came_after_it(project: Any, time: str | None) -> None:
    if time is None:
        project.edit('time="at", ', "")
    first = project.train()
    lake = Lake(project.paths.lake, project.fence)
    later = lake.examples("flights", "rows").with_columns(pl.col("at") + timedelta(days=90), pl.col("id") + 1000)
    corrected = lake.examples("flights", "rows").head(50).with_columns(wind=pl.lit(9.0))
    now = project.clock.now()
    lake.ingest("flights", "rows", pl.concat([later, corrected]), time=time, key="id", now=now)
    outcomes = pl.DataFrame({"key": [str(number) for number in range(100)]}).with_columns(
        prediction_id=pl.lit(None, dtype=pl.String), value=pl.lit("false"), observed_at=pl.lit(now)
    )
    lake.append_outcomes("flights", outcomes, request_id="late", now=now)
    project.edit("LogisticRegression()", "LogisticRegression(C=0.001)")
    events, calls = project.ledger.head(), project.calls().count("extract")
    found = again(project, first)
    assert (found.same, found.rows, found.largest, found.reasons) == (True, 300, 0.0, ())
    assert project.ledger.head() == events, "the run leaves no trace in the ledger"
    assert project.calls().count("extract") == calls
    assert not list(project.paths.reproduction("flights", "again").parent.iterdir())


def test_a_successor_is_reproduced_on_the_rows_that_trained_its_judged_model(project: Any) -> None:
    """How they are parted depends on what the champion had learned from."""
    project.edit("return flights()", "return flights(1000)")
    first = project.train()
    project.edit("flights(1000)", "flights(1050)")
    second = project.train(champion="v1", champion_digest=first.digest)
    trained = {body.run: body.summary["rows"] for body in project.bodies(StepFinished) if body.step == "train"}
    assert trained == {"run-1": 800, "run-2": 850}
    messages: list[ProgressMessage] = []
    assert again(project, second, emit=messages.append).same
    rows = [message.rows for message in messages if (message.step, message.state) == ("train", "finished")]
    assert rows == [850]


def test_a_recipe_without_a_seed_is_found_out(project: Any) -> None:
    project.edit('note("train")', "self.estimator = LogisticRegression(C=np.random.default_rng().uniform(0.1, 1))")
    found = again(project, project.train())
    assert not found.same
    assert 0 < found.differing <= found.rows
    assert found.largest > 0
    assert "without a seed" in found.reasons[0]


def test_a_training_set_that_does_not_read_the_same_is_told(project: Any) -> None:
    first = project.train()
    shutil.rmtree(project.paths.lake / "flights" / "examples")
    with pytest.raises(PinBroken, match="does not read the same"):
        again(project, first)


def test_rows_that_were_erased_are_left_out_on_both_sides_and_told(project: Any) -> None:
    result = project.train()
    lake = Lake(project.paths.lake, project.fence)
    pinned = Registry(project.paths).manifest("flights", result.digest).pin
    assert pinned is not None
    left = lake.repin(pinned, column="id", key="7")
    assert lake.erase("flights", column="id", key="7", mark="windlass.erased.test") == {"examples/rows": 1}
    request = ReproduceRequest(
        settings=project.settings,
        product="flights",
        version=result.version,
        digest=result.digest,
        pin=left,
        erased="its training set has lost 1 of 300 rows",
        run="again",
    )
    found = reproduce(request)
    assert (found.rows, found.same) == (299, False)
    assert found.reasons[0] == "Its training set has lost 1 of 300 rows."


def test_what_fails_leaves_its_log(project: Any) -> None:
    """The first training noted a file that is gone by now."""
    project.edit('note("train")', '(HERE / "seed.txt").read_text()')
    (project.folder / "seed.txt").write_text("7")
    first = project.train()
    (project.folder / "seed.txt").unlink()
    with pytest.raises(RunFailed, match="FileNotFoundError") as told:
        again(project, first)
    log = next(word for word in told.value.remedy.split() if word.endswith("train.log"))
    assert "seed.txt" in open(log).read()  # noqa: PTH123, SIM115


def test_a_model_file_was_not_trained_here(project: Any) -> None:
    first = project.train()
    bundle = project.registry.open("flights", first.digest)
    staged = project.registry.stage("flights")
    shutil.copytree(bundle.folder / "model", staged / "model")
    imported = msgspec.structs.replace(bundle.manifest, entry="", run=None, pin=None, files={})
    digest = project.registry.publish(staged, imported)
    with pytest.raises(UsageError, match="not trained here"):
        reproduce(
            ReproduceRequest(settings=project.settings, product="flights", version="v9", digest=digest, run="again")
        )


def test_predictions_are_compared_bit_for_bit() -> None:
    then = np.array([0.5, 0.0, 0.25])
    assert compared(then, then.copy()) == (3, 0, 0.0)
    assert compared(then, np.array([0.5, -0.0, 0.25])) == (3, 1, 0.0), "equal, but not the same bits"
    last_bit = np.nextafter(then, 1)
    assert compared(then, last_bit)[:2] == (3, 3)
    assert compared(np.ones((3, 2)), np.array([[1.0, 1.0], [1.0, 0.5], [1.0, 1.0]])) == (3, 1, 0.5)
    assert compared(np.ones((3, 2)), np.ones((3, 3))) == (3, 3, float("inf"))


def test_what_differs_is_named() -> None:
    then = msgspec.structs.replace(NOTHING, threads={"openblas": "4 threads, Haswell", "mkl": "4 threads"})
    now = msgspec.structs.replace(
        NOTHING,
        python="3.13.0",
        threads={"openblas": "1 threads, Haswell", "openmp": "1 threads"},
        distributions={"numpy": "2.5.0", "polars": "2.1.0"},
    )
    python, threads, libraries = reasons_for(then, now, steady=True)
    assert python == "Python was 3.12.1 and is 3.13.0."
    assert threads == "openblas calculated with 4 threads, Haswell and does with 1 threads, Haswell."
    assert libraries == "Libraries differ: numpy 2.4.0 -> 2.5.0, polars not installed -> 2.1.0."
    assert "Nothing that was recorded differs" in reasons_for(NOTHING, NOTHING, steady=True)[0]
    many = msgspec.structs.replace(NOTHING, distributions={f"package{number}": "1" for number in range(30)})
    assert "and 11 more" in reasons_for(NOTHING, many, steady=True)[0]
