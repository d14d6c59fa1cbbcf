"""User code that raises, leaves, hangs, eats memory or forks, in real runs: what is told of it, and who answers."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from windlass.engines.limits import Guard, Limits
from windlass.engines.local import LocalEngine
from windlass.records.event import (
    ChampionChanged,
    IncidentClosed,
    IncidentOpened,
    RunFailed,
    RunFinished,
    StepFinished,
    StepStarted,
)
from windlass.serving.supervisor import Server

from .conftest import PRODUCT, World  # type: ignore[import-not-found]

SECONDS = 60.0
MEGABYTES = 900
READ = "        return pl.read_parquet(HISTORY)\n"
FORK = "        import os; rows = pl.read_parquet(HISTORY); os.fork(); return rows\n"
ROW = {"id": "f1", "at": "2026-03-01T10:00:00Z", "wind": 0.5, "rain": 0.1}


@pytest.fixture(scope="module")
def time_of_runs() -> list[float]:
    """What the clock shows that runs are timed by, in seconds."""
    return [0.0]


@pytest.fixture(scope="module")
def limited(time_of_runs: list[float], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A champion that answers over HTTP, and a controller whose runs may take a minute and 900 MB."""
    engine = LocalEngine()
    engine._guard = Guard(Limits(seconds=SECONDS, memory=MEGABYTES * 1_000_000), now=lambda: time_of_runs[0])
    world = World(tmp_path_factory.mktemp("bad") / "project", engine)
    with engine:
        world.start()
        assert world.wait_for(ChampionChanged).version == "v1"
        yield world
    world.close()


@pytest.fixture(scope="module")
def server(limited: World) -> Iterator[Server]:
    server = Server(msgspec.structs.replace(limited.settings, port=0), limited.paths).start()
    yield server
    server.stop()


def who_answers(server: Server) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    body = json.dumps({"rows": [ROW]})
    connection.request("POST", f"/{PRODUCT}/predict", body, {"Content-Type": "application/json"})
    return str(json.loads(connection.getresponse().read())["predictions"][0]["version"])


@pytest.mark.parametrize(
    ("code", "cause", "remedy"),
    [
        ("raise ValueError('no')", "step extract raised ValueError", "extract.log"),
        ("import os; os.fork() or time.sleep(1e6); os._exit(6)", "ended with exit code 6", "os._exit"),
        ("time.sleep(1e6)", f"did not come to an end within {SECONDS:g} s", "run_seconds"),
        (
            "held = b'x' * 1_200_000_000; time.sleep(1e6)",
            f"of memory and may have {MEGABYTES} MB",
            "run_memory_mb",
        ),
    ],
    ids=["raises", "forks and exits", "hangs", "eats memory"],
)
def test_it_is_an_incident_and_the_champion_answers(  # noqa: PLR0917 (parameters and fixtures)
    limited: World, server: Server, time_of_runs: list[float], code: str, cause: str, remedy: str
) -> None:
    before = {kind: len(limited.bodies(kind)) for kind in (IncidentOpened, IncidentClosed, RunFailed, StepStarted)}
    limited.edit(READ, f"        import time; {code}\n")
    limited.ask("train")
    limited.wait_until(lambda: len(limited.bodies(StepStarted)) > before[StepStarted])
    if "within" in cause:
        time_of_runs[0] += SECONDS + 1
    limited.wait_until(lambda: len(limited.bodies(IncidentOpened)) > before[IncidentOpened])
    opened = limited.bodies(IncidentOpened)[-1]
    assert (opened.title, cause in opened.cause, remedy in opened.remedy) == ("training failed", True, True), opened
    assert len(limited.bodies(RunFailed)) == before[RunFailed] + 1
    assert who_answers(server) == "v1"

    limited.edit(f"        import time; {code}\n", READ)
    limited.ask("train")
    limited.wait_until(lambda: len(limited.bodies(IncidentClosed)) > before[IncidentClosed])
    assert limited.bodies(RunFinished)[-1].outcome == "unchanged"
    assert [body.version for body in limited.bodies(ChampionChanged)] == ["v1"]


def test_a_child_that_comes_out_of_user_code_goes_no_further(limited: World) -> None:
    runs = len(limited.bodies(RunFinished))
    limited.edit(READ, FORK)
    limited.ask("train")
    limited.wait_until(lambda: len(limited.bodies(RunFinished)) > runs)
    finished = limited.bodies(RunFinished)[-1]
    log = limited.paths.run(PRODUCT, finished.run) / "extract.log"
    limited.wait_until(lambda: "came out of user code, and was ended" in log.read_text())  # nobody waits for it
    steps = Counter(body.step for body in limited.bodies(StepFinished) if body.run == finished.run)
    assert set(steps.values()) == {1}
    assert log.read_text().count("came out of user code, and was ended") == 1
    limited.edit(FORK, READ)
