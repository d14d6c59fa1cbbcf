"""Note parameters, metrics and figures of a run: inside `train`, in a notebook, in a script."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from windlass.clock import clock_from
from windlass.errors import discreet_fault_of
from windlass.pipeline.notes.notes import Append, Run
from windlass.records.event import Body, RunFailed, RunFinished, RunStarted, WorkspaceCreated
from windlass.records.ids import new_id
from windlass.records.paths import Paths
from windlass.settings import Settings, load_settings

_active: ContextVar[Run | None] = ContextVar("windlass_active_run", default=None)
_open: list[Run] = []
"""Runs under way in this process, so that a thread of user code, which has a context of its own, finds the one."""


def active_run() -> Run:
    """The run under way; outside of any, one that records nothing, so that `train` can be tried by itself."""
    found = _active.get()
    if found is None and len(_open) == 1:
        found = _open[0]
    return Run.nowhere() if found is None else found


@contextmanager
def run(
    name: str,
    *,
    params: Mapping[str, Any] | None = None,
    product: str | None = None,
    project: Path | str | None = None,
) -> Iterator[Run]:
    """Record what happens inside as a run called `name` in the workspace of `project` (the current folder by default).

    It ends as done, or as failed when an exception passes, which is raised on. Raises SettingsError and LedgerError.
    """
    from windlass.ledger.ledger import Ledger
    from windlass.pipeline.notes.noted import NO_PRODUCT, note_environment

    settings = load_settings(directory=None if project is None else Path(project))
    paths, clock, actor = Paths(settings.workspace), clock_from(settings.clock), settings.actor or getpass.getuser()
    settings.workspace.mkdir(parents=True, exist_ok=True)
    with Ledger(paths.ledger_url(settings.ledger)) as ledger:
        identity = new_id("run", clock.now())

        def append(*bodies: Body) -> None:
            ledger.append(*bodies, at=clock.now(), actor=actor, product=product, run=identity)

        if ledger.head() == 0:
            ledger.begin(_workspace_created(settings), at=clock.now(), actor=actor)
        folder = product or NO_PRODUCT
        note_environment(paths, folder, identity, project=settings.project)
        append(RunStarted(run=identity, trigger="notebook", name=name, reason=f"logged by {actor}"))
        logged = Run(identity, folder=paths.run(folder, identity), root=paths.root, append=append)
        with _ended(logged, append), active(logged):
            logged.params(params or {})
            yield logged


@contextmanager
def active(logged: Run) -> Iterator[Run]:
    """Make `logged` the one that `active_run` finds; what it holds is written at the end, also after an exception."""
    token = _active.set(logged)
    _open.append(logged)
    try:
        yield logged
    finally:
        _open.remove(logged)
        _active.reset(token)
        logged.flush()


@contextmanager
def _ended(logged: Run, append: Append) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    except BaseException as error:
        kind, message = type(error).__name__, discreet_fault_of(error)
        append(RunFailed(run=logged.id, step=None, error=kind, message=message, remedy="", log=""))
        raise
    append(RunFinished(run=logged.id, outcome="done", seconds=time.perf_counter() - began))


def _workspace_created(settings: Settings) -> WorkspaceCreated:
    from windlass import __version__

    return WorkspaceCreated(workspace=new_id("workspace", clock_from(settings.clock).now()), windlass=__version__)
