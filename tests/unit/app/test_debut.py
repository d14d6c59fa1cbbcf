"""`windlass serve` in a project that starts from a model file: no loop has to have run before."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import joblib
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from windlass.app.debut import bring_in_model_files
from windlass.app.scaffold import make_project, make_project_from_model
from windlass.app.workspace import Workspace
from windlass.engines import wire
from windlass.engines.job import Job
from windlass.errors import ProductError, UntrustedModel, UsageError, WindlassError
from windlass.records.event import ChampionChanged, VersionRegistered
from windlass.release.routing import read_routing
from windlass.settings import load_settings

ROWS = pl.DataFrame({"wind": [1.0, -1.0, 2.0, -2.0]})


class HereAndNow:
    """An engine that runs what is submitted in this process, before it comes back."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.closed = 0

    def submit(self, function: str, argument: Any = None) -> Job:
        self.ran.append(argument.product)
        job = Job(number=0, function=function, cancel=lambda _job: None)
        module, name = function.split(":")
        try:
            result = getattr(import_module(module), name)(argument)
        except WindlassError as error:
            job.fail(error)
        else:
            job.take(wire.Done(number=0, result=pickle.dumps(result)))
        return job

    def close(self) -> None:
        self.closed += 1


class Desk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.engine = HereAndNow()
        settings = load_settings(directory=folder, environment={}, flags={})
        self.workspace = Workspace.open(settings, create=True)
        self.workspace.__dict__["engine"] = self.engine

    def bring_in(self) -> None:
        bring_in_model_files(self.workspace, say=self.said.append)

    def events(self, kind: Any) -> list[Any]:
        return [event.body for event in self.workspace.ledger.events([kind])]


def project(folder: Path) -> Path:
    joblib.dump(LogisticRegression().fit(ROWS, ["no", "yes", "no", "yes"]), folder / "model.joblib")
    make_project_from_model(folder / "flights", folder / "model.joblib", trust=True, target="late")
    return folder / "flights"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(project(tmp_path))
    yield made
    made.workspace.close()


def test_a_fresh_project_serves_its_model_file(desk: Desk) -> None:
    desk.bring_in()
    routing = read_routing(desk.workspace.paths.routing("flights"))
    assert routing is not None
    assert (routing.champion.version, routing.challenger) == ("v1", None)  # type: ignore[union-attr]
    assert desk.said == ["windlass: flights: v1 is made from the model file and answers"]
    assert desk.engine.closed == 1
    lease = desk.workspace.ledger.lease()
    assert lease is None or lease.holder == ""


def test_a_champion_that_is_there_is_left_as_it_is(desk: Desk) -> None:
    desk.bring_in()
    desk.bring_in()
    assert desk.engine.ran == ["flights"]
    assert len(desk.events(VersionRegistered)) == len(desk.events(ChampionChanged)) == 1


def test_whoever_holds_the_lease_does_it(desk: Desk) -> None:
    desk.workspace.ledger.acquire("somebody else", 3600)
    desk.bring_in()
    assert (desk.engine.ran, desk.said, desk.events(VersionRegistered)) == ([], [], [])


def test_a_file_that_nobody_vouches_for_is_not_served(desk: Desk) -> None:
    with (desk.folder / "models" / "model.joblib").open("ab") as file:
        file.write(b" ")
    with pytest.raises(UntrustedModel):
        desk.bring_in()
    assert desk.workspace.ledger.acquire("the next one", 1) is not None, "the lease was given back"


def test_what_is_wrong_with_one_product_is_said_and_the_others_are_served(tmp_path: Path) -> None:
    folder = project(tmp_path)
    text = (folder / "product.py").read_text()
    (folder / "broken.py").write_text(text.replace("Flights", "Broken").replace("flights", "broken") + "1 / 0\n")
    (folder / "windlass.toml").unlink()  # which names the one product
    desk = Desk(folder)
    desk.bring_in()
    served, wrong = desk.said
    assert "flights: v1" in served
    assert "ZeroDivisionError" in wrong
    assert read_routing(desk.workspace.paths.routing("flights")) is not None
    desk.workspace.close()


def test_a_host_without_the_products_code_serves_what_was_promoted_elsewhere(desk: Desk) -> None:
    desk.bring_in()
    (desk.folder / "product.py").unlink()
    (desk.folder / "windlass.toml").unlink()
    again = Desk(desk.folder)
    again.bring_in()
    assert (again.said, again.engine.ran) == ([], [])
    again.workspace.close()


def test_where_nothing_can_answer_serving_says_what_to_do(tmp_path: Path) -> None:
    sample = Desk(make_project(tmp_path / "sample"))
    with pytest.raises(UsageError, match=r"no product has a version[\s\S]*windlass train"):
        sample.bring_in()
    sample.workspace.close()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "notes.py").write_text("")
    bare = Desk(tmp_path / "bare")
    with pytest.raises(ProductError, match="no product class was found"):
        bare.bring_in()
    bare.workspace.close()
