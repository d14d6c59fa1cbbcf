"""Which of the champions that came one after the other can be loaded, each tried in a process that has just begun."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from windlass.controller.context import LoopContext
from windlass.engines.job import Job
from windlass.engines.local import LocalEngine
from windlass.errors import WindlassError
from windlass.records.state import ProductState, VersionState
from windlass.serving.versions.trial import LoadRequest

_LOAD = "windlass.serving.versions.trial:load"
_LONGEST = 120.0  # seconds that loading a version may take
_AGAIN = 60.0  # seconds of real time after which a finding is an old one


@dataclass(kw_only=True)
class Trial:
    """The champion first, and then those before it, until one can be loaded."""

    line: list[VersionState]
    """The champion, and the versions that may answer in its place, the last one first."""
    engine: LocalEngine
    """Its process ends with the job: the next version is loaded by one that has imported nothing yet."""
    job: Job
    """Loads `line[len(refusals)]`."""
    refusals: list[str] = field(default_factory=list)
    """Why each one that was tried cannot be loaded."""
    ended: float | None = None
    """In the context's real time."""

    @property
    def loads(self) -> VersionState | None:
        """The first that could be loaded; None: none of them."""
        tried = len(self.refusals)
        return self.line[tried] if tried < len(self.line) else None


class LoadTrials:
    """One for each product whose champion a serving worker cannot load though its files are whole.

    A worker may lack memory for a moment, so the champion itself is tried first. And a version that worked once may not
    work any more where Python or a library was exchanged, so nobody is made champion who was not loaded before. The
    process for training does not do for it: it may be busy, or hold a library in memory that is gone from the disk.
    """

    def __init__(self, *, context: LoopContext, engine: LocalEngine) -> None:
        self._context = context
        self._engine = engine
        self._trials: dict[str, Trial] = {}

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What the engine does for them now."""
        return tuple(trial.job for trial in self._trials.values() if trial.ended is None)

    def of(self, product: ProductState, line: Iterable[VersionState]) -> Trial | None:
        """What came of trying `line`, of which the first is the champion; None while it is under way.

        The line is read when a trial begins: at first, for another champion, and when the last finding is old.
        """
        trial = self._trials.get(product.name)
        if trial is None or self._is_old(trial, product.champion):
            self.forget(product.name)
            versions, engine = list(line), self._engine.another(seconds=_LONGEST)
            job = self._try(engine, product, versions[0])
            self._trials[product.name] = Trial(line=versions, engine=engine, job=job)
            return None
        if trial.ended is None and trial.job.done:
            self._hear(product, trial)
        return None if trial.ended is None else trial

    def forget(self, product: str) -> None:
        """Nobody complains of its champion any more."""
        trial = self._trials.pop(product, None)
        if trial is not None:
            trial.engine.close()

    def cancel(self) -> None:
        """Try nothing more."""
        for product in list(self._trials):
            self.forget(product)

    def _is_old(self, trial: Trial, champion: VersionState | None) -> bool:
        other = champion is None or champion.version != trial.line[0].version
        return other or (trial.ended is not None and self._context.real_time() - trial.ended >= _AGAIN)

    def _hear(self, product: ProductState, trial: Trial) -> None:
        trial.engine.close()
        try:
            trial.job.result()
        except WindlassError as error:
            trial.refusals.append(error.discreet_fault)
            if trial.loads is not None:
                trial.job = self._try(trial.engine, product, trial.loads)
                return
        trial.ended = self._context.real_time()

    def _try(self, engine: LocalEngine, product: ProductState, version: VersionState) -> Job:
        request = LoadRequest(
            paths=self._context.paths, product=product.name, version=version.version, digest=version.digest
        )
        return engine.submit(_LOAD, request)
