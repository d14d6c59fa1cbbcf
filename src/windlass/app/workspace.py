"""The composition root: from settings to wired parts."""

from __future__ import annotations

import getpass
import re
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from windlass.clock import Clock, clock_from
from windlass.errors import UsageError
from windlass.records.paths import Paths
from windlass.settings import FILE, Settings, find_file

if TYPE_CHECKING:
    from pathlib import Path

    from windlass.app.presence import Presence
    from windlass.engines.local import LocalEngine
    from windlass.lake.lake import Lake
    from windlass.ledger.ledger import Ledger
    from windlass.ledger.notary import Notary
    from windlass.ledger.view import StateView
    from windlass.records.state import WorkspaceState
    from windlass.registry.registry import Registry


_NO_PLACE = re.compile(r"[\[\]^|?*\\\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}")
"""What Delta or Polars take for something else in a path: for a pattern of names, or a part of an address."""


class Workspace:
    """One environment: a ledger, a lake, a registry, and any number of products. Parts are made when first used."""

    def __init__(self, settings: Settings, *, create: bool = False) -> None:
        """With `create`, a ledger that is not there is begun."""
        self.settings = settings
        self._create = create
        self.paths = Paths(settings.workspace)

    @classmethod
    def open(cls, settings: Settings, *, create: bool = False) -> Workspace:
        """The workspace that `settings` names; made if `create`, else UsageError when there is none."""
        workspace = cls(settings, create=create)
        there = bool(settings.ledger) or workspace.paths.ledger.is_file()
        if not there and workspace.paths.checkpoint.exists():
            raise _gone(workspace.paths)
        if not create and not there:
            raise UsageError(
                "there is no workspace here yet",
                where=str(settings.workspace),
                remedy="run `windlass train` or `windlass up` in a project, or `windlass init NAME` to make one",
            )
        if not there and find_file(settings.project) is None and not any(settings.project.glob("*.py")):
            raise UsageError(
                f"this folder is no project: it has neither a {FILE} nor a Python file",
                where=str(settings.project),
                remedy="change to the project's folder, give it with --project, or make one with `windlass init NAME`",
            )
        _check_place(settings.workspace)
        try:
            settings.workspace.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"the workspace cannot be made: {error.strerror}",
                where=str(settings.workspace),
                remedy="free the place, or name another with the setting `workspace`",
            ) from error
        return workspace

    @cached_property
    def clock(self) -> Clock:
        return clock_from(self.settings.clock)

    @property
    def actor(self) -> str:
        """Who asks: the setting, or the operating system's user."""
        return self.settings.actor or getpass.getuser()

    @cached_property
    def ledger(self) -> Ledger:
        from windlass import __version__
        from windlass.ledger.ledger import Ledger
        from windlass.records.event import WorkspaceCreated
        from windlass.records.ids import new_id

        signed = self.paths.checkpoint.exists()  # looked for first: another process may begin and sign meanwhile
        ledger = Ledger(self.paths.ledger_url(self.settings.ledger), create=self._create)
        if ledger.head() == 0:
            if signed:
                ledger.close()
                raise _gone(self.paths)
            now = self.clock.now()
            created = WorkspaceCreated(workspace=new_id("workspace", now), windlass=__version__)
            ledger.begin(created, at=now, actor=self.actor)  # unless another process has just done so
        return ledger

    @cached_property
    def presence(self) -> Presence:
        from windlass.app.presence import Presence

        return Presence(self.paths.holders)

    @cached_property
    def view(self) -> StateView:
        from windlass.ledger.snapshot import SnapshotFile
        from windlass.ledger.view import StateView

        return StateView(self.ledger, snapshots=SnapshotFile(self.paths.state))

    @cached_property
    def notary(self) -> Notary:
        from windlass.ledger.notary import Notary

        return Notary(self.ledger, self.paths, signing_key=self.settings.signing_key_file)

    def state(self) -> WorkspaceState:
        """Where everything stands, as of now."""
        return self.view.refresh()

    @cached_property
    def lake(self) -> Lake:
        from windlass.lake.lake import Lake

        return Lake(self.paths.lake)

    @cached_property
    def registry(self) -> Registry:
        from windlass.registry.registry import Registry

        return Registry(self.paths)

    @cached_property
    def engine(self) -> LocalEngine:
        from windlass.engines.limits import Limits
        from windlass.engines.local import PRELOAD, LocalEngine

        allowed = self.settings.run_memory_mb * 1_000_000
        limits = Limits(seconds=self.settings.run_seconds, memory=allowed or None)
        # Preloaded, so that the first run does not pay for the imports.
        return LocalEngine(preload=(*PRELOAD, "windlass.pipeline.training"), log=self.paths.log, limits=limits)

    def close(self) -> None:
        """End the engine's process, close the ledger and show nothing of this process any more, if they were used."""
        if "engine" in self.__dict__:
            self.engine.close()
        if "ledger" in self.__dict__:
            self.ledger.close()
        if "presence" in self.__dict__:
            self.presence.close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _gone(paths: Paths) -> UsageError:
    """Beginning another one would leave data and versions whose history nobody knows, and hide that it is lost."""
    return UsageError(
        "the ledger of this workspace is gone, or an empty one stands in its place",
        where=f"{paths.checkpoint} says that there was one",
        remedy="put it back, or `windlass restore` a backup; to begin anew, move the whole workspace away",
    )


def _check_place(folder: Path) -> None:
    """Raise UsageError where the tables could not be read, or those of another folder would be."""
    found = _NO_PLACE.search(str(folder.absolute()))
    if found is not None:
        raise UsageError(
            f"a workspace cannot lie in a folder whose path has {found.group()!r} in it",
            where=str(folder),
            remedy="rename the folder, or name another place with the setting `workspace`",
        )
