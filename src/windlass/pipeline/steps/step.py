"""Steps that are done once: keyed by all that goes into them, durable when they are finished."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from windlass.clock import Clock
from windlass.crashpoints import crashpoint
from windlass.engines.forks import one_comes_out
from windlass.errors import LeaseLost, RunFailed, WindlassError
from windlass.ledger.ledger import Ledger
from windlass.pipeline.steps import files
from windlass.pipeline.steps.output import captured
from windlass.pipeline.steps.progress import Emit, ProgressMessage
from windlass.records import event as events
from windlass.records.event import Body, StepFailed, StepFinished, StepStarted
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.staging import Staging

ACTOR = "pipeline"
_CANONICAL = msgspec.json.Encoder(order="deterministic")

Scalar = str | int | float | bool | None
Summary = dict[str, Scalar]
Work = Callable[[Path], Summary | None]
"""Writes a step's outputs into the folder it is given; what it returns is kept with the event for people to read."""
Also = Callable[["Finished"], Sequence[Body]]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """All that a step depends on."""

    name: str
    version: int = 1
    """Raised when Windlass's own code of this step changes what comes out."""
    code: str = ""
    """Digest of the user's code that the step runs."""
    parameters: dict[str, Any] = {}
    """Plain data."""
    inputs: dict[str, str] = {}
    """Name -> digest of the content."""

    @property
    def key(self) -> str:
        """sha256 over all of it: steps with the same key have the same outputs."""
        return sha256(_CANONICAL.encode(msgspec.to_builtins(self))).hexdigest()


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A step whose outputs count."""

    step: str
    key: str
    folder: Path
    """Where the outputs lie."""
    outputs: dict[str, str]
    """Path below `folder` -> sha256."""
    summary: Summary
    reused: str | None
    """The run that did the work, when it was not this one."""

    def digest(self, *names: str) -> str:
        """sha256 over the named outputs (all when none is named): what a later step puts among its inputs."""
        chosen = {name: self.outputs[name] for name in names} if names else dict(self.outputs)
        return sha256(_CANONICAL.encode(chosen)).hexdigest()


class StepRunner:
    """Runs the steps of one run, and none that has been done before."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        paths: Paths,
        clock: Clock,
        product: str,
        run: str,
        fence: Fence,
        emit: Emit,
        project: Path,
        trusted: Collection[str] | None = None,
    ) -> None:
        """`project` is where the user's own files lie, so that an error can name a line of theirs. `trusted` are the
        runs whose finished steps may be taken over; None: all there ever were."""
        self._ledger = ledger
        self._paths = paths
        self._clock = clock
        self._product = product
        self._run = run
        self._fence = fence
        self._staging = Staging(paths.artifacts, fence)
        self._emit = emit
        self._project = project
        self._trusted = trusted
        self._used: set[str] = set()
        self._reused: list[str] = []
        self._failure: BaseException | None = None
        """The error that was recorded, and is on its way to the caller."""

    @property
    def reused(self) -> tuple[str, ...]:
        """The steps that this run took over."""
        return tuple(self._reused)

    @property
    def used(self) -> frozenset[str]:
        """The keys of the steps that this run did or took over."""
        return frozenset(self._used)

    def run(
        self, step: Step, work: Work, *, also: Also | None = None, still_valid: Callable[[Path], bool] | None = None
    ) -> Finished:
        """The step's outputs: those of an earlier run when they are whole, else made by `work` now.

        `also` gives events that hold whenever the outputs do; they are committed together with the step. `still_valid`
        may refuse outputs that refer to something else which is gone. Raises what `work` raises: a WindlassError as it
        is, anything else as RunFailed that names step and log. LeaseLost when another acts now.
        """
        self._used.add(step.key)
        found = self._find(step, still_valid)
        return self._do(step, work, also) if found is None else self._take_over(step, found, also)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Something that is done in every run: its output goes to its log, its failure is the run's."""
        try:
            with captured(self.log(name)), one_comes_out():
                yield
        except LeaseLost:
            raise
        except BaseException as error:  # noqa: BLE001 (whatever user code raises is recorded and raised on)
            self._fail(name, error)

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Around all steps of a run: an error that no step has recorded ends the run too."""
        try:
            yield
        except LeaseLost:
            raise
        except BaseException as error:
            if self._failure is error:
                raise
            self._fail("run", error)

    def log(self, step: str) -> Path:
        return self._paths.run(self._product, self._run) / f"{step}.log"

    def append(self, *bodies: Body) -> None:
        """Write events of this run, under its fence."""
        self._ledger.append(
            *bodies, at=self._clock.now(), actor=ACTOR, product=self._product, run=self._run, fence=self._fence
        )

    def tell(self, step: str, text: str) -> None:
        """Say something to whoever watches."""
        self._emit(ProgressMessage(run=self._run, step=step, state="note", text=text))

    def _find(self, step: Step, still_valid: Callable[[Path], bool] | None) -> StepFinished | None:
        for event in self._ledger.events([StepFinished], product=self._product, subject=step.key, newest=1):
            body = event.body
            assert isinstance(body, StepFinished)
            if self._trusted is not None and (body.reused or body.run) not in self._trusted:
                return None
            folder = self._paths.step(self._product, step.key)
            if not files.whole(folder, body.outputs):
                self.tell(step.name, "the outputs of an earlier run are gone or damaged: working again")
            elif still_valid is None or still_valid(folder):
                return body
        return None

    def _take_over(self, step: Step, found: StepFinished, also: Also | None) -> Finished:
        done_by = found.reused or found.run
        finished = self._finished(step, found.outputs, found.summary, reused=done_by)
        if found.run != self._run:
            body = msgspec.structs.replace(found, run=self._run, reused=done_by, seconds=0.0)
            self.append(body, *(also(finished) if also is not None else ()))
        self._say(step, "reused", found.summary)
        self._reused.append(step.name)
        return finished

    def _do(self, step: Step, work: Work, also: Also | None) -> Finished:
        crashpoint(f"step.{step.name}.before")
        self.append(StepStarted(run=self._run, step=step.name, key=step.key))
        self._say(step, "started", {})
        began = time.perf_counter()
        target = self._paths.step(self._product, step.key)
        staged = self._staging.make(self._product, step.key)
        try:
            with captured(self.log(step.name)), one_comes_out():
                summary = work(staged) or {}
            outputs = files.digests(staged)
            crashpoint(f"step.{step.name}.staged")
            files.publish(self._staging, staged, target)
            crashpoint(f"step.{step.name}.placed")
        except LeaseLost:
            raise
        except BaseException as error:  # noqa: BLE001 (as above)
            shutil.rmtree(staged, ignore_errors=True)
            self._fail(step.name, error, key=step.key)
        seconds = time.perf_counter() - began
        finished = self._finished(step, outputs, summary, reused=None)
        body = StepFinished(
            run=self._run, step=step.name, key=step.key, seconds=seconds, outputs=outputs, summary=summary
        )
        self.append(body, *(also(finished) if also is not None else ()))
        crashpoint(f"step.{step.name}.after")
        self._say(step, "finished", summary, seconds=seconds)
        return finished

    def _fail(self, step: str, error: BaseException, *, key: str | None = None) -> NoReturn:
        """Record the failure and raise it on: an interrupt and errors of ours as they are, others as RunFailed."""
        log = self.log(step)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(traceback.format_exception(error)))
        raised = explain(error, step=step, log=log, project=self._project)
        if raised.plain:  # the ledger must not hold it, and logs can be erased
            said_in(log).write_text(raised.what, encoding="utf-8", errors="backslashreplace")
        kind = type(error).__name__
        bodies: list[Body] = []
        if key is not None:
            bodies.append(StepFailed(run=self._run, step=step, key=key, error=kind, message=raised.discreet))
        bodies.append(
            events.RunFailed(
                run=self._run,
                step=step,
                error=kind,
                message=raised.discreet,
                where=raised.where,
                remedy=raised.remedy,
                log=log.relative_to(self._paths.root).as_posix(),
            )
        )
        self.append(*bodies)
        self._emit(ProgressMessage(run=self._run, step=step, state="failed", text=raised.what))
        self._failure = error if isinstance(error, KeyboardInterrupt) else raised
        if self._failure is error:
            raise error
        raise self._failure from error

    def _say(self, step: Step, state: Any, summary: Mapping[str, Scalar], *, seconds: float = 0.0) -> None:
        rows = summary.get("rows")
        self._emit(
            ProgressMessage(
                run=self._run,
                step=step.name,
                state=state,
                seconds=seconds,
                rows=rows if isinstance(rows, int) else None,
                text=str(summary.get("note", "")),
            )
        )

    def _finished(self, step: Step, outputs: dict[str, str], summary: Summary, *, reused: str | None) -> Finished:
        return Finished(
            step=step.name,
            key=step.key,
            folder=self._paths.step(self._product, step.key),
            outputs=outputs,
            summary=summary,
            reused=reused,
        )


def explain(error: BaseException, *, step: str, log: Path, project: Path) -> WindlassError:
    """An exception of user code as an error that names its place; one of ours as it is."""
    if isinstance(error, WindlassError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(project)]
    last = (own or frames)[-1] if frames else None
    text = "".join(traceback.format_exception_only(error)).strip()
    return RunFailed(
        f"step {step} raised {text}",
        plain=f"step {step} raised {type(error).__name__}",
        where="" if last is None else f"{last.filename}:{last.lineno}",
        remedy=f"mend it and run again: finished steps are not repeated; the traceback is in {log}",
    )


def said_in(log: Path) -> Path:
    """Where the whole message of a failed step stands, beside its log, when it shows values of rows."""
    return log.with_suffix(".said.log")


def prune(paths: Paths, product: str, keep: frozenset[str], *, fence: Fence) -> None:
    """Give back the disk space of every step but those in `keep`; a bundle holds all that a version needs.

    Raises LeaseLost when somebody else has taken over, whose steps these now are.
    """
    staging = Staging(paths.artifacts, fence)
    staging.clear(product)
    folder = paths.step(product, "any").parent
    if folder.is_dir():
        for entry in folder.iterdir():
            if entry.name not in keep:
                staging.remove(entry)
