"""From checked rows to a model: features, tune, train."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.curve import Curve, can_tell
from windlass.decisions.earliness import early_labels_help
from windlass.decisions.statistics.metrics import main_metric
from windlass.engines.forks import one_comes_out
from windlass.errors import ProductError
from windlass.pipeline.fitting.candidates import Fit, Mix, choose, climb, follow
from windlass.pipeline.fitting.tuning import Tuning, resolve, search
from windlass.pipeline.notes.notes import Run
from windlass.pipeline.notes.tracking import active
from windlass.pipeline.rows.dataset import Rows, Then
from windlass.pipeline.rows.labels import moments_of
from windlass.pipeline.rows.split import MINIMUM_PART, Split, split_rows
from windlass.pipeline.steps.context import Training
from windlass.pipeline.steps.step import Finished, Step, Summary
from windlass.pipeline.steps.tables import read_frame, read_record, write_frame, write_record
from windlass.product.checks.proof import prove_row_local
from windlass.product.code.namespace import PREFIX, private_name
from windlass.product.code.source import Source
from windlass.product.examples import Examples
from windlass.product.labels import LabelCodec
from windlass.product.model.encoding import check_features
from windlass.product.model.predict import predict
from windlass.product.product import Product
from windlass.product.task import TaskKind
from windlass.records.bundle import ModelFile
from windlass.records.event import Body, RunLogged
from windlass.registry import models

Array = np.ndarray[Any, Any]
TARGET = "target"
MIX = "mix.json"
CURVE = "curve.json"


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """How the outputs of the step `features` are to be read."""

    features: tuple[str, ...]
    classes: tuple[bool | int | str, ...]
    """Labels behind the codes; empty for regression."""


class Prepared:
    """The outputs of the step `features`, with the rows they were made from."""

    def __init__(self, training: Training, rows: Rows, step: Finished) -> None:
        self.step = step
        self.rows = rows
        self.kind = training.kind
        self.target_name = training.task.target
        self._time_name = training.task.time
        self.learned = read_record(step.folder / "learned.json", Learned)
        self._features = read_frame(step.folder / "features.arrow")
        self._target = read_frame(step.folder / "target.arrow").get_column(TARGET).to_numpy()
        self._rows = rows.everything

    @property
    def classes(self) -> int:
        return len(self.learned.classes)

    def training_part(self) -> Examples:
        """What the judged model learns from: all rows but those that judge."""
        return self._examples(slice(0, self.rows.split.train + self.rows.split.choice))

    def competing_part(self) -> Examples:
        """Of those that train the older ones, from which candidates learn."""
        return self._examples(slice(0, self.rows.split.train))

    def all_rows(self) -> Examples:
        return self._examples(slice(0, self.rows.frame.height))

    def at_places(self, places: Sequence[int]) -> Examples:
        """Rows by their places, among them such as have labels that came early (`dataset.Then`)."""
        return self._examples(np.array(places, dtype=np.int64))

    def choice_part(self) -> Examples:
        """Of those that train the newer ones, to choose among candidates by; none where none compete."""
        return self._examples(slice(self.rows.split.train, self.rows.split.train + self.rows.split.choice))

    def holdout_part(self) -> Examples:
        return self._examples(slice(self.rows.split.train + self.rows.split.choice, self.rows.frame.height))

    def later_part(self) -> Examples:
        """Those that choose and those that judge."""
        return self._examples(slice(self.rows.split.train, self.rows.frame.height))

    def split_of(self, mix: Mix) -> Split:
        """What a version that was made so has learned from."""
        split, then = self.rows.split, self.rows.then
        if not mix.early or then is None:
            return split
        return msgspec.structs.replace(split, until=self._moments_of(then.everything)[-1], early=self.rows.pin.as_of)

    def changed_in(self, places: Sequence[int]) -> int:
        """How many of these rows came since the champion's losses rose."""
        changed, moments = self.rows.split.changed, self.rows.moments
        if not changed or moments is None:
            return 0
        return int((self._moments_of(places) >= moments[len(moments) - changed]).sum())

    def _moments_of(self, places: Sequence[int]) -> pl.Series:
        moments = moments_of(self._rows, self._time_name)
        if moments is None:
            raise ValueError("labels come early where there is a time")
        return moments[list(places)]

    def _examples(self, part: slice | Array) -> Examples:
        return Examples(
            features=self._features[part],
            target=self._target[part],
            rows=self._rows[part].drop(self.target_name),
            classes=self.learned.classes,
        )


def make_features(training: Training, rows: Rows) -> Prepared:
    """Run the user's `features` on all rows, prove that they are row-local, and translate the labels to codes."""
    step = Step(name="features", code=training.code("features", "task"), inputs={"rows": rows.digest()})
    return Prepared(training, rows, training.runner.run(step, partial(_features, training, rows)))


def _features(training: Training, rows: Rows, folder: Path) -> Summary:
    frame = rows.everything
    features = prove_row_local(training.product(), frame.drop(training.task.target))
    if training.product.train is Product.train:
        where = f"{training.product.name}, features"
        check_features(training.product.estimator, features, where=where)
    target = frame.get_column(training.task.target)
    codec = LabelCodec.learn(target, training.task)
    write_frame(features, folder / "features.arrow")
    write_frame(pl.DataFrame({TARGET: codec.encode(target)}), folder / "target.arrow")
    learned = Learned(features=tuple(features.columns), classes=tuple(codec.classes))
    write_record(learned, folder / "learned.json")
    return {"rows": rows.frame.height, "features": features.width, "classes": len(learned.classes)}


# -- tune --------------------------------------------------------------------------------------------------------


def tune(training: Training, prepared: Prepared) -> Finished | None:
    """Search the product's space, if it has one, on the training rows alone: their last fifth judges the trials."""
    if training.product.search is None:
        return None
    step = Step(
        name="tune",
        code=training.code("train", "estimator", "search", "trials", "gate"),
        parameters={"environment": _libraries(training)},
        inputs={"rows": prepared.rows.digest(), "features": prepared.step.digest()},
    )
    return training.runner.run(step, partial(_tune, training, prepared), also=partial(_trials_logged, training))


def _tune(training: Training, prepared: Prepared, folder: Path) -> Summary:
    fit, judge = _parted(training, prepared)
    metric = main_metric(training.product.gate, training.kind)

    def score(params: dict[str, Any]) -> float:
        model = _trained(_tuned(training.product, params), fit)
        return metric.score(judge.target, predict(model, judge.features, training.kind, classes=prepared.classes))

    found = search(
        training.product.search,
        score,
        trials=training.product.trials,
        metric=metric.name,
        larger_is_better=metric.larger_is_better,
    )
    write_record(found, folder / "tuning.json")
    return {"trials": len(found.trials), f"validation.{metric.name}": found.score, **found.params}


def _parted(training: Training, prepared: Prepared) -> tuple[Examples, Examples]:
    """The training rows, parted once more in the same way."""
    examples = prepared.training_part()
    moments = prepared.rows.moments
    part = None if moments is None else moments[: len(examples)]
    by_time = prepared.rows.split.by == "time"
    split, order = split_rows(examples.rows, moments=part if by_time else None, key=training.task.key)
    places = np.arange(len(examples)) if order is None else order
    first, second = places[: split.train], places[split.train :]
    return chosen(examples, first), chosen(examples, second)


def chosen(examples: Examples, places: Array) -> Examples:
    """Those at these places; the very same when that is all."""
    if len(places) == len(examples) and np.array_equal(places, np.arange(len(examples))):
        return examples
    return Examples(
        features=examples.features[places],
        target=examples.target[places],
        rows=examples.rows[places],
        classes=examples.classes,
    )


def _tuned(product: type[Product], params: dict[str, Any]) -> Product:
    """An instance whose estimator has these parameters; a `train` of one's own finds it as `self.estimator`."""
    from sklearn.base import clone

    instance = product()
    instance.estimator = clone(product.estimator).set_params(**params)  # type: ignore[misc]
    return instance


def _trials_logged(training: Training, finished: Finished) -> list[Body]:
    tuning = read_record(finished.folder / "tuning.json", Tuning)
    return [
        RunLogged(
            run=training.run,
            params={f"trial.{name}": value for name, value in trial.params.items()},
            metrics={} if trial.score is None else {f"trial.{tuning.metric}": trial.score},
            step=trial.number,
        )
        for trial in tuning.trials
    ]


# -- train -------------------------------------------------------------------------------------------------------


def train(training: Training, prepared: Prepared, tuned: Finished | None) -> Finished:
    """Run the user's `train` on the training rows and keep the model, and what was noted of it.

    Where stretches of different length compete, it runs once for each on the older ones first, and those that the newer
    ones speak for become one model of all training rows; what `train` notes is that of the first of these.
    """
    inputs = {"rows": prepared.rows.digest(), "features": prepared.step.digest()}
    step = Step(
        name="train",
        code=training.code("train", "estimator", "task"),
        parameters={"environment": _libraries(training)},
        inputs=inputs if tuned is None else {**inputs, "tuning": tuned.digest("tuning.json")},
    )
    return training.runner.run(
        step,
        partial(_train, training, prepared, tuned),
        also=partial(_notes_of, training),
        still_valid=partial(_loads_with, training.source),
    )


def refit(training: Training, prepared: Prepared, tuned: Finished | None, trained: Finished) -> Finished:
    """Fit what passed the gate once more, on all rows, by the same recipe; without time the judged model is the one.

    What `train` notes is that of the judged model alone.
    """
    if prepared.rows.split.by != "time":
        return trained
    step = Step(
        name="refit",
        code=training.code("train", "estimator", "task", "gate"),
        parameters={"environment": _libraries(training)},
        inputs={
            "rows": prepared.rows.digest(),
            "features": prepared.step.digest(),
            "judged": trained.digest(MIX, *(name for name in trained.outputs if name.startswith("model"))),
        },
    )
    work = partial(_refit, training, prepared, tuned, read_record(trained.folder / MIX, Mix))
    return training.runner.run(step, work, still_valid=partial(_loads_with, training.source))


def _refit(training: Training, prepared: Prepared, tuned: Finished | None, mix: Mix, folder: Path) -> Summary:
    with active(Run.nowhere()):
        then = _early_labels(training, prepared, tuned, mix)
        if then is None:
            examples, changed = prepared.all_rows(), prepared.rows.split.changed
        else:
            examples, changed = prepared.at_places(then.everything), prepared.changed_in(then.everything)
        model = _follow(training, prepared, tuned, mix, examples, changed=changed)
    _check_model(training, model, examples, prepared.classes)
    write_record(models.save(model, folder / "model"), folder / "model.json")
    mix = msgspec.structs.replace(mix, early=then is not None)
    write_record(mix, folder / MIX)
    return {"rows": len(examples), "model": type(model).__name__, "note": str(mix)}


def _follow(
    training: Training, prepared: Prepared, tuned: Finished | None, mix: Mix, examples: Examples, *, changed: int
) -> Any:
    """What is made of these rows as the judged model was made."""
    return follow(
        lambda places: _trained(_recipe(training, tuned), chosen(examples, places)),
        mix,
        labels=examples.target,
        kind=prepared.kind,
        classes=prepared.classes,
        changed=changed,
    )


def _early_labels(training: Training, prepared: Prepared, tuned: Finished | None, mix: Mix) -> Then | None:
    """Which rows to learn from if labels that came early would have helped before; None: rows that stand for all of
    their time are learned from alone.

    The rows that choose and those that judge are asked, about models that are made in the same way of what was known
    before the first of them.
    """
    then, later = prepared.rows.then, prepared.later_part()
    if then is None:
        return None
    said = []
    for places in (then.early, then.standing):
        part = prepared.at_places(places)
        if not _fit_to_learn(part, prepared.kind):
            return None
        alone = mix.without_committee()  # what is asked is which rows to learn from
        model = _follow(training, prepared, tuned, alone, part, changed=prepared.changed_in(places))
        said.append(predict(model, later.features, prepared.kind, classes=prepared.classes))
    metric = main_metric(training.product.gate, training.kind)
    return then if early_labels_help(metric, later.target, early=said[0], standing=said[1]) else None


def _fit_to_learn(part: Examples, kind: TaskKind) -> bool:
    return len(part) >= MINIMUM_PART and (kind == "regression" or len(np.unique(part.target)) > 1)


def _recipe(training: Training, tuned: Finished | None) -> Product:
    """The product with the best parameters that were found, if any were looked for."""
    if tuned is None:
        return training.product()
    best = read_record(tuned.folder / "tuning.json", Tuning).best
    return _tuned(training.product, resolve(training.product.search, best))


def _trained(product: Product, examples: Examples) -> Any:
    """What the user's `train` returns, once: nothing that it forked comes out of it."""
    with one_comes_out():
        return product.train(examples)


def _train(training: Training, prepared: Prepared, tuned: Finished | None, folder: Path) -> Summary:
    examples = prepared.training_part()
    instance = _recipe(training, tuned)
    noted: list[RunLogged] = []
    notes = Run(
        training.run,
        folder=training.paths.run(training.name, training.run),
        root=training.paths.root,
        append=lambda *bodies: noted.extend(bodies),
        tell=partial(training.runner.tell, "train"),
    )

    def fit(part: Examples, noting: Iterator[Run], places: Array) -> Any:
        with active(next(noting)):
            fitted = _trained(instance, chosen(part, places))
        _check_model(training, fitted, examples, prepared.classes)
        return fitted

    try:
        mix = _chosen_of(prepared, partial(fit, prepared.competing_part(), repeat(Run.nowhere())))
        split = prepared.rows.split
        model = follow(
            partial(fit, examples, chain([notes], repeat(Run.nowhere()))),
            mix,
            labels=examples.target,
            kind=prepared.kind,
            classes=prepared.classes,
            changed=max(0, split.changed - split.holdout),
        )
    except BaseException:
        training.runner.append(*noted)  # the last thing known of a training that failed
        raise
    write_record(models.save(model, folder / "model"), folder / "model.json")
    write_record(mix, folder / MIX)
    write_record(noted, folder / "noted.json")
    environment = training.environment
    return {
        "rows": len(examples),
        "model": type(model).__name__,
        "learned_from": str(mix),
        "source": training.source.digest,
        "git_commit": environment.git_commit,
        "git_dirty": environment.git_dirty,
    }


def _chosen_of(prepared: Prepared, fit: Fit) -> Mix:
    """All rows, or the stretches that the rows of the choice speak for."""
    choice, split = prepared.choice_part(), prepared.rows.split
    if not len(choice):
        return Mix()
    return choose(
        fit,
        lambda model: predict(model, choice.features, prepared.kind, classes=prepared.classes),
        labels=prepared.competing_part().target,
        truth=choice.target,
        kind=prepared.kind,
        changed=max(0, split.changed - split.choice - split.holdout),
    )


# -- curve -------------------------------------------------------------------------------------------------------


def climb_curve(training: Training, prepared: Prepared, tuned: Finished | None) -> Finished | None:
    """What more rows have brought so far, where nothing else asks for the run; None where nothing tells."""
    request, split = training.request, prepared.rows.split
    if not request.growth or request.window is not None or split.by != "time" or not can_tell(_training_rows(split)):
        return None
    inputs = {"rows": prepared.rows.digest(), "features": prepared.step.digest()}
    step = Step(
        name="curve",
        code=training.code("train", "estimator", "task", "gate"),
        parameters={"environment": _libraries(training)},
        inputs=inputs if tuned is None else {**inputs, "tuning": tuned.digest("tuning.json")},
    )
    return training.runner.run(step, partial(_climb, training, prepared, tuned))


def _climb(training: Training, prepared: Prepared, tuned: Finished | None, folder: Path) -> Summary:
    examples, train = prepared.all_rows(), _training_rows(prepared.rows.split)

    def answer(model: Any, places: Array) -> Array:
        return predict(model, chosen(examples, places).features, prepared.kind, classes=prepared.classes)

    with active(Run.nowhere()):
        steps = climb(
            lambda places: _trained(_recipe(training, tuned), chosen(examples, places)),
            answer,
            truth=examples.target,
            train=train,
            metric=main_metric(training.product.gate, training.kind),
        )
    learned = int((~prepared.rows.unseen).sum())
    write_record(Curve(steps=steps, champion=learned, candidate=train, released=len(examples)), folder / CURVE)
    return {"rows": len(examples), "models": len(steps) + 1}


def _training_rows(split: Split) -> int:
    return split.train + split.choice


def _check_model(training: Training, model: Any, examples: Examples, classes: int) -> None:
    """Ask the model once, before it is kept: it must answer in the shape that the task needs."""
    if model is None:
        raise ProductError(
            "`train` returned nothing",
            where=f"{training.product.__qualname__}.train",
            remedy="return the fitted model",
        )
    predict(model, examples.features.head(2), training.kind, classes=classes)


def _notes_of(training: Training, finished: Finished) -> list[Body]:
    """What `train` noted belongs to every run that takes the step over."""
    noted = read_record(finished.folder / "noted.json", list[RunLogged])
    return [msgspec.structs.replace(body, run=training.run) for body in noted]


def _loads_with(source: Source, folder: Path) -> bool:
    """Whether a model that holds objects of the product's own classes can be read with the present source.

    Such classes live under a name made from the source's digest: after any change of the source, also of code that
    `train` does not reach, the bundle would hold a model that its own source cannot load.
    """
    file = read_record(folder / "model.json", ModelFile)
    named = " ".join((file.kind, *file.types)).encode()
    content = named if file.format == "skops" else named + (folder / "model" / file.file).read_bytes()
    foreign = content.replace(private_name(source.digest).encode(), b"")
    return PREFIX.encode() not in foreign


def model_of(trained: Finished) -> tuple[Any, ModelFile]:
    """The model as it was kept: what is judged is what a serving worker will load."""
    file = read_record(trained.folder / "model.json", ModelFile)
    return models.load(trained.folder / "model", file), file


def _libraries(training: Training) -> dict[str, str]:
    """What a model also depends on: another version of a library may train another model from the same rows."""
    return {"python": training.environment.python, **training.environment.distributions}
