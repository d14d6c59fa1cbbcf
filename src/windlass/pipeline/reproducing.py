"""Training a version again, from the rows it was pinned to and the source in its bundle, and comparing the two.

The very steps of a training run do it, on a ledger and in folders that are thrown away, so nothing of the workspace
changes and no other path can differ from the one that made the version.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from windlass.clock import SimulatedClock
from windlass.errors import UsageError
from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.pipeline.fitting import learning
from windlass.pipeline.rows.dataset import check, pinned_before
from windlass.pipeline.rows.split import Split
from windlass.pipeline.steps.context import Training
from windlass.pipeline.steps.progress import Emit, silent
from windlass.pipeline.steps.request import TrainingRequest
from windlass.pipeline.steps.step import StepRunner
from windlass.pipeline.steps.tables import read_record
from windlass.pipeline.verdicts.evaluation import EVALUATION, Evaluation
from windlass.product.code.source import source_from_folder
from windlass.product.model.predict import predict
from windlass.records.bundle import Environment
from windlass.records.data import DataPin
from windlass.records.paths import Paths
from windlass.registry import environment
from windlass.registry.bundle import SOURCE, Bundle
from windlass.registry.registry import Registry
from windlass.settings import Settings
from windlass.staging import Staging

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_MOST_NAMED = 20
"""Distributions that are named when they differ."""


class ReproduceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One version to be trained again."""

    settings: Settings
    product: str
    version: str
    digest: str
    pin: DataPin | None = None
    """Its training set as it reads now, when rows of it were erased since."""
    erased: str | None = None
    """What was erased from it, in words."""
    run: str
    """A name for the run that leaves no trace."""


class Reproduced(msgspec.Struct, frozen=True, kw_only=True):
    """How the model of now answers, beside the one of then."""

    rows: int
    """All that the version was pinned to, the holdout included."""
    differing: int
    largest: float
    reasons: tuple[str, ...]
    erased: str | None = None
    """Rows of its training set that are gone, in words; they take no part on either side."""

    @property
    def same(self) -> bool:
        return self.differing == 0


def reproduce(request: ReproduceRequest, *, emit: Emit = silent) -> Reproduced:
    """Raises UsageError for a version that was not trained here, PinBroken when its rows are not what they were."""
    bundle = Registry(Paths(request.settings.workspace)).open(request.product, request.digest)
    pin = request.pin or bundle.manifest.pin
    if pin is None or not bundle.manifest.entry:
        raise UsageError(
            f"{request.version} was not trained here: it came as a model file",
            remedy="give a version that a run has made; `windlass versions` names the run",
        )
    with _training(request, bundle, pin, emit=emit) as training:
        judged = read_record(bundle.folder / EVALUATION, Evaluation).split
        prepared, model = _train(training, pin, judged)
        examples = prepared.all_rows().features
        then = predict(bundle.model, examples, bundle.kind, classes=prepared.classes)
        now = predict(model, examples, bundle.kind, classes=prepared.classes)
    rows, differing, largest = compared(then, now)
    reasons: tuple[str, ...] = ()
    if differing:
        with _training(request, bundle, pin, emit=silent) as again:
            _, other = _train(again, pin, judged)
            steady = not compared(now, predict(other, examples, bundle.kind, classes=prepared.classes))[1]
        reasons = reasons_for(bundle.manifest.environment, training.environment, steady=steady, erased=request.erased)
    return Reproduced(rows=rows, differing=differing, largest=largest, reasons=reasons, erased=request.erased)


def _train(training: Training, pin: DataPin, judged: Split) -> tuple[learning.Prepared, Any]:
    """The model that a run makes of these rows, parted as they were then, whatever a gate would say of it."""
    rows = check(training, pinned_before(training, pin), learned=judged)
    prepared = learning.make_features(training, rows)
    tuned = learning.tune(training, prepared)
    released = learning.refit(training, prepared, tuned, learning.train(training, prepared, tuned))
    model, _ = learning.model_of(released)
    return prepared, model


@contextmanager
def _training(request: ReproduceRequest, bundle: Bundle, pin: DataPin, *, emit: Emit) -> Iterator[Training]:
    """A training run on a ledger in memory and in a folder of its own, reading the workspace's lake."""
    source = source_from_folder(bundle.folder / SOURCE, bundle.manifest.entry)
    workspace = Paths(request.settings.workspace)
    folder = workspace.reproduction(request.product, request.run)
    with Ledger("sqlite://") as ledger:
        paths, clock = Paths(folder), SimulatedClock(pin.as_of)
        fence = ledger.acquire(request.run, 3600.0)
        if fence is None:
            raise AssertionError("nobody else knows of this ledger")
        Staging(paths.artifacts, fence).begin()
        runner = StepRunner(
            ledger=ledger,
            paths=paths,
            clock=clock,
            product=request.product,
            run=request.run,
            fence=fence,
            emit=emit,
            project=bundle.folder / SOURCE,
        )
        with runner.stage("prepare"):
            product = type(bundle.product)
            present = environment.capture(request.settings.project)
        yield Training(
            request=TrainingRequest(
                settings=request.settings,
                product=request.product,
                entry=bundle.manifest.entry,
                run=request.run,
                fence=fence,
            ),
            paths=paths,
            clock=clock,
            ledger=ledger,
            lake=Lake(workspace.lake),
            registry=Registry(paths),
            runner=runner,
            product=product,  # type: ignore[arg-type]
            source=source,
            environment=present,
            origin=request.run,
        )
    shutil.rmtree(folder)  # what failed stays, since its message names the log


def compared(then: Array, now: Array) -> tuple[int, int, float]:
    """Rows, rows that differ in any bit, and the largest difference."""
    if then.shape != now.shape:
        return len(then), len(then), float("inf")
    unlike = then.view(np.uint64) != now.view(np.uint64)
    rows = unlike.reshape(len(then), -1).any(axis=1)
    return len(then), int(rows.sum()), float(np.abs(then - now).max(initial=0.0))


def reasons_for(then: Environment, now: Environment, *, steady: bool, erased: str | None = None) -> tuple[str, ...]:
    """What may be why, the weightiest first. `erased`: what the training set has lost."""
    reasons = [] if erased is None else [f"{erased[0].upper()}{erased[1:]}."]
    if not steady:
        reasons.append(
            "Two fits of now differ from each other too: the recipe draws random numbers without a seed, or sums in an "
            "order that varies. Set `random_state` (and one thread) in the estimator."
        )
    if then.python != now.python:
        reasons.append(f"Python was {then.python} and is {now.python}.")
    if then.platform != now.platform:
        reasons.append(f"The machine was {then.platform} and is {now.platform}.")
    for name in sorted(then.threads.keys() & now.threads.keys()):
        if then.threads[name] != now.threads[name]:
            reasons.append(f"{name} calculated with {then.threads[name]} and does with {now.threads[name]}.")
    changed = [
        f"{name} {then.distributions.get(name, 'not installed')} -> {now.distributions.get(name, 'not installed')}"
        for name in sorted(then.distributions.keys() | now.distributions.keys())
        if then.distributions.get(name) != now.distributions.get(name)
    ]
    if changed:
        more = f", and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
        reasons.append(f"Libraries differ: {', '.join(changed[:_MOST_NAMED])}{more}.")
    return tuple(reasons) or ("Nothing that was recorded differs: neither source, rows, libraries nor threads.",)
