"""Runs that people log, on a real ledger."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import windlass as wl
from windlass.errors import UsageError
from windlass.ledger.ledger import Ledger
from windlass.pipeline.notes.compare import compare_runs
from windlass.pipeline.notes.notes import Run
from windlass.pipeline.notes.tracking import active, active_run
from windlass.records.event import (
    Event,
    RunFailed,
    RunFinished,
    RunLogged,
    RunStarted,
    WorkspaceCreated,
)
from windlass.records.paths import Paths

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"


def events(project: Path) -> list[Event]:
    with Ledger(f"sqlite:///{Paths(project / '.windlass').ledger}", create=False) as ledger:
        return ledger.events()


def logged(project: Path) -> list[RunLogged]:
    return [event.body for event in events(project) if isinstance(event.body, RunLogged)]


def test_a_run_from_a_notebook(tmp_path: Path) -> None:
    with wl.run("first try", params={"depth": 3}, project=tmp_path) as run:
        run.param("rate", np.float64(0.1))
        run.metric("auc", np.float32(0.75))
        run.log("looks fine")
        assert active_run() is run
    kinds = [type(event.body) for event in events(tmp_path)]
    assert kinds == [WorkspaceCreated, RunStarted, RunLogged, RunFinished]
    started, noted, finished = (event.body for event in events(tmp_path)[1:])
    assert isinstance(started, RunStarted)
    assert (started.trigger, started.name) == ("notebook", "first try")
    assert isinstance(noted, RunLogged)
    assert noted.params == {"depth": 3, "rate": 0.1}
    assert noted.metrics == {"auc": 0.75}
    assert isinstance(finished, RunFinished)
    assert (finished.run, finished.outcome) == (started.run, "done")
    assert (Paths(tmp_path / ".windlass").run("_notebooks", run.id) / "run.log").read_text() == "looks fine\n"


def test_two_notebook_runs_side_by_side(tmp_path: Path) -> None:
    for name, depth in (("one", 3), ("two", 4)):
        with wl.run(name, params={"depth": depth}, project=tmp_path) as run:
            run.metric("auc", depth / 10)
    first, second = (event.body.subject for event in events(tmp_path) if isinstance(event.body, RunStarted))
    paths = Paths(tmp_path / ".windlass")
    with Ledger(f"sqlite:///{paths.ledger}") as ledger:
        rows = compare_runs(ledger, str(first), str(second), paths=paths).rows
    found = {(row.group, row.name): row for row in rows}
    assert (found["param", "depth"].a, found["param", "depth"].b) == (3, 4)
    assert found["environment", "polars"].a == pl.__version__
    assert not found["environment", "polars"].differs


def test_nothing_is_lost_on_an_exception(tmp_path: Path) -> None:
    def work() -> None:
        with wl.run("broken", project=tmp_path, product="flights") as run:
            run.metric("loss", 0.5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    kinds = [type(event.body) for event in events(tmp_path)]
    assert kinds == [WorkspaceCreated, RunStarted, RunLogged, RunFailed]
    failed = events(tmp_path)[-1]
    assert isinstance(failed.body, RunFailed)
    assert (failed.body.error, failed.body.step, failed.product) == ("ZeroDivisionError", None, "flights")
    assert logged(tmp_path)[0].metrics == {"loss": 0.5}


def test_second_run_goes_into_the_same_ledger(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with wl.run(name, project=tmp_path):
            pass
    assert sum(isinstance(event.body, WorkspaceCreated) for event in events(tmp_path)) == 1
    assert sum(isinstance(event.body, RunFinished) for event in events(tmp_path)) == 2


def test_settings_of_the_project_lead_to_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "windlass.toml").write_text("workspace = 'elsewhere'\nactor = 'ada'\n")
    inner = tmp_path / "notebooks"
    inner.mkdir()
    monkeypatch.chdir(inner)
    with wl.run("here"):
        pass
    with Ledger(f"sqlite:///{tmp_path / 'elsewhere' / 'ledger.db'}", create=False) as ledger:
        assert {event.actor for event in ledger.events()} == {"ada"}


def test_a_series_is_kept_whole(tmp_path: Path) -> None:
    with wl.run("epochs", project=tmp_path) as run:
        for step in range(1200):
            run.metrics({"loss": 1 / (step + 1), "auc": step / 1200}, step=step)
    bodies = logged(tmp_path)
    assert [(body.step, body.metrics["auc"]) for body in bodies] == [(step, step / 1200) for step in range(1200)]


class Appended:
    """Stands where the ledger's commits go, and counts them."""

    def __init__(self) -> None:
        self.commits: list[tuple[RunLogged, ...]] = []

    def __call__(self, *bodies: RunLogged) -> None:
        self.commits.append(bodies)

    @property
    def bodies(self) -> list[RunLogged]:
        return [body for commit in self.commits for body in commit]


def test_commits_are_few(tmp_path: Path) -> None:
    appended = Appended()
    run = Run("run-1", folder=tmp_path, root=tmp_path, append=appended)
    for step in range(2000):
        run.metric("loss", step, step=step)
    run.flush()
    run.flush()
    assert len(appended.bodies) == 2000
    assert len(appended.commits) <= 5


@given(
    notes=st.lists(
        st.one_of(
            st.tuples(st.just("param"), st.sampled_from("abc"), st.integers(-9, 9), st.none()),
            st.tuples(st.just("metric"), st.sampled_from("abc"), st.floats(-1, 1), st.none() | st.integers(0, 3)),
        ),
        max_size=30,
    )
)
def test_merging_keeps_every_figure_in_order_and_the_last_parameter(notes: list[tuple[str, str, float, int]]) -> None:
    appended = Appended()
    run = Run("run-1", folder=None, root=Path(), append=appended)
    for kind, name, value, step in notes:
        run.param(name, value) if kind == "param" else run.metric(name, value, step=step)
    run.flush()
    for chosen in "abc":
        series = [(body.step, body.metrics[chosen]) for body in appended.bodies if chosen in body.metrics]
        assert series == [(step, value) for kind, name, value, step in notes if (kind, name) == ("metric", chosen)]
        given = [value for kind, name, value, _ in notes if (kind, name) == ("param", chosen)]
        kept = [body.params[chosen] for body in appended.bodies if chosen in body.params]
        assert kept[-1:] == given[-1:]


def test_threads_may_log(tmp_path: Path) -> None:
    with wl.run("threads", project=tmp_path) as run:
        threads = [
            threading.Thread(
                target=lambda name=name: [active_run().metric(name, step, step=step) for step in range(50)]
            )
            for name in "abcd"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert run.id
    bodies = logged(tmp_path)
    for name in "abcd":
        assert [body.step for body in bodies if name in body.metrics] == list(range(50))


def test_odd_values(tmp_path: Path) -> None:
    with wl.run("odd", project=tmp_path) as run:
        run.params({"list": [1, 2], "nan": float("nan"), "huge": 10**30, "none": None, "flag": np.bool_(True)})
        run.metric("diverged", float("inf"))
    (body,) = logged(tmp_path)
    assert body.params == {
        "list": "[1, 2]",
        "nan": "nan",
        "huge": str(10**30),
        "none": None,
        "flag": True,
        "diverged": "inf",
    }
    assert body.metrics == {}


@pytest.mark.parametrize("value", ["high", None, [1], {}])
def test_a_metric_is_a_number(value: object) -> None:
    with pytest.raises(UsageError, match="no number"):
        Run.nowhere().metric("auc", value)


class Drawing:
    """What matplotlib's figures look like from here."""

    def savefig(self, file: object, format: str) -> None:  # noqa: A002
        assert format == "png"
        file.write(PNG)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("figure", "suffix"),
    [(PNG, "png"), (bytearray(PNG), "png"), (SVG, "svg"), (SVG.encode(), "svg"), (Drawing(), "png")],
)
def test_figures(tmp_path: Path, figure: object, suffix: str) -> None:
    with wl.run("drawn", project=tmp_path, product="flights") as run:
        run.figure("../calibration curve", figure)
    ((name, path),) = logged(tmp_path)[0].figures.items()
    assert name == "../calibration curve"
    assert path.endswith(suffix)
    file = tmp_path / ".windlass" / path
    assert file.parent == Paths(tmp_path / ".windlass").run("flights", run.id) / "figures"
    assert file.read_bytes() in (PNG, SVG.encode())


@pytest.mark.parametrize("figure", [b"GIF89a", "a title", None, 3, "<html><svg></svg>"])
def test_what_is_no_picture_is_refused(figure: object) -> None:
    with pytest.raises(UsageError, match="no picture"):
        Run.nowhere().figure("curve", figure)


def test_names_that_differ_only_in_odd_characters_stay_apart(tmp_path: Path) -> None:
    with wl.run("drawn", project=tmp_path) as run:
        run.figure("a/b", PNG)
        run.figure("a:b", SVG)
    figures = logged(tmp_path)[0].figures
    assert len(set(figures.values())) == 2


def test_without_a_run_nothing_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = active_run()
    run.param("a", 1)
    run.metric("b", 2)
    run.figure("c", PNG)
    run.log("d")
    run.flush()
    assert list(tmp_path.iterdir()) == []


def test_inner_run_is_the_active_one(tmp_path: Path) -> None:
    outer, inner = (Run(name, folder=None, root=tmp_path, append=Appended()) for name in ("outer", "inner"))
    with active(outer):
        with active(inner):
            assert active_run() is inner
        assert active_run() is outer
    assert active_run().id == ""
