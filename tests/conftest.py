"""The two databases that a ledger may lie in, for every test that wants one or both."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from windlass.cli.main import PATIENT_THREADS

from .postgres_server import PostgresServer

# As the command has it: several processes want the cores here, too. Read when the libraries are loaded.
os.environ.update(PATIENT_THREADS)
# How long an example takes says how busy the machine is, and nothing else. A run tries what every run of these sources
# tries, so that one that fails has a cause; `--hypothesis-profile=search` tries others, and many.
patient = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("patient", patient, derandomize=True)
hypothesis.settings.register_profile("search", patient, derandomize=False, max_examples=2000)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end: nothing of it is garbage, and to look for some is a sixth of the time that
    it takes, which every process of a run pays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def without_pytest() -> Iterator[None]:
    """The processes that tests start find no pytest, as a user's hardly do: where it is, scikit-learn imports it, which
    is a tenth of what a process that trains or serves takes to start."""
    folder = str(Path(__file__).parent / "fixtures" / "without_pytest")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])]))
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real server, started when the first test of this process asks for it; it takes a second or two."""
    try:
        server = PostgresServer()
    except FileNotFoundError as missing:
        pytest.fail(str(missing), pytrace=False)
    with server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def new_ledger_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Where ledgers can begin: each call names a place of its own, first in files, then on the server."""
    if request.param == "sqlite":
        folder, numbers = tmp_path_factory.mktemp("ledgers"), itertools.count(1)
        return lambda: f"sqlite:///{folder / f'ledger-{next(numbers)}.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_url


@pytest.fixture
def ledger_url(new_ledger_url: Callable[[], str]) -> str:
    """Where a ledger of this test's own can begin: one run of the test in a file, one on the server."""
    return new_ledger_url()
