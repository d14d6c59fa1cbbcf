"""A second form of a model that answers sooner, admitted only when it answers the same.

scikit-learn asks a forest tree by tree, at milliseconds a call; the same forest as one graph of ONNX Runtime takes
microseconds. Graphs calculate in single precision, so the form is compared with the model before a version may have
it: on 10,000 rows that it answers itself, of which a fifth or more are those nearest to the decision threshold. What
encodes a frame stays Python.

scikit-learn's interface of LightGBM checks what it is given for twenty times as long as its booster takes for a row.
Such a model is asked by its booster alone, which needs no file of its own, and is compared in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from windlass.errors import MissingExtra, ProductError
from windlass.product.model.blend import Blend, members_of
from windlass.product.model.encoder import FrameEncoder
from windlass.product.model.predict import Array, as_matrix, input_of, predict, takes_matrix
from windlass.product.model.transformers import names_of
from windlass.product.task import TaskKind
from windlass.records.bundle import PARITY_ROWS, Compiled
from windlass.registry.native import NativeModel

_FILE = "compiled-{}.onnx"
_CANDIDATES = 20_000
"""Rows among which those nearest to the threshold are looked for."""
_NEAREST = 2_000
TOLERANCE = 1e-5
"""Greatest difference of a probability, or of a value in parts of the values' spread, that single precision excuses."""
_DIGITS = 6
_NO_MATRIX = "only models of scikit-learn that take a matrix of numbers are compiled"
_LIBRARIES = {"lightgbm": "LightGBM", "xgboost": "XGBoost", "onnx": "ONNX"}
_WORTH_SECONDS = 0.0002
"""A model that answers 64 rows within this is not what a request waits for, which alone costs 0.3 ms besides. A lone
estimator of scikit-learn takes 0.13 to 0.16, a pipeline 0.3 and more."""
_BATCHES = (1, 64)
_ROUNDS, _MOST_ROUNDS, _MOST_SECONDS = 7, 300, 3.0
"""Calls of each that are timed for each size: the least; and the most, as long as a form is not seen to be faster, by
number and by what they would take on a machine that does nothing else."""
_CLEARLY = 1.5


class CompiledModel:
    """An ONNX graph behind the Python that makes its matrix; answers as the model it was made from."""

    windlass_input = "polars"

    def __init__(self, model: Any, path: Path) -> None:
        """`model` is the fitted one: its encoding is used, its classes are kept. Raises MissingExtra."""
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise MissingExtra.named("onnxruntime", "onnx") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[-1].name
        self._matrix = _matrix_of(model)
        self._model = model
        _take_names(self, model)

    def predict(self, features: pl.DataFrame | Array) -> Array:
        """n rows -> (n,) values of a regression."""
        return self._run(features, "predict").reshape(len(features))

    def predict_proba(self, features: pl.DataFrame | Array) -> Array:
        """n rows -> (n, k) probabilities, without the last digits of single precision: half of the trees is a half."""
        return self._run(features, "predict_proba").round(_DIGITS)

    def is_whole(self, features: pl.DataFrame) -> Array:
        """(n,) whether each row is answered by the graph, and not by the model itself."""
        return np.asarray(np.isfinite(self._single(features)).all(axis=1))

    def _single(self, features: pl.DataFrame | Array) -> Array:
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(self._matrix(features), dtype=np.float32)

    def _run(self, features: pl.DataFrame | Array, method: str) -> Array:
        """Rows with a gap, or with a number beyond single precision, are the model's own: converters get them wrong."""
        single = self._single(features)
        finite = np.isfinite(single)
        if finite.all():
            return self._ask(single)
        whole = finite.all(axis=1)
        own = self._ask_model(features[np.flatnonzero(~whole)], method)
        answer = np.empty((len(single), *own.shape[1:]))
        answer[~whole] = own
        if whole.any():
            answer[whole] = self._ask(single[whole]).reshape(-1, *own.shape[1:])
        return answer

    def _ask_model(self, features: pl.DataFrame | Array, method: str) -> Array:
        names = names_of(self._model)
        if isinstance(features, np.ndarray) and names is not None:
            features = pl.DataFrame(features, schema=names)
        given = input_of(self._model, features, type(self._model).__name__)
        return np.asarray(getattr(self._model, method)(given), dtype=np.float64)

    def _ask(self, matrix: Array) -> Array:
        return np.asarray(self._session.run([self._output], {self._input: matrix})[0], dtype=np.float64)


class BoosterModel:
    """The booster inside scikit-learn's interface of LightGBM, behind the Python that makes its matrix."""

    windlass_input = "polars"

    def __init__(self, model: Any) -> None:
        """`model` is the fitted one, of which `_booster_of` has a booster."""
        self._booster = _booster_of(model)
        self._matrix = _matrix_of(model)
        _take_names(self, model)

    def is_whole(self, features: pl.DataFrame) -> Array:
        """(n,) that each row is answered by the booster."""
        return np.ones(len(features), dtype=bool)

    def predict(self, features: pl.DataFrame | Array) -> Array:
        """n rows -> (n,) values of a regression."""
        return np.asarray(self._booster.predict(self._matrix(features)))

    def predict_proba(self, features: pl.DataFrame | Array) -> Array:
        """n rows -> (n, k) probabilities."""
        answer = self.predict(features)
        return np.column_stack([1 - answer, answer]) if answer.ndim == 1 else answer


def compiled_form(model: Any, folder: Path, compiled: Compiled) -> Any:
    """What answers in the place of `model`, as `compile_model` found it. Raises MissingExtra."""
    members = members_of(model)
    made: list[Any]
    if compiled.boosters:
        made = [BoosterModel(member) for member in members]
    else:
        made = [CompiledModel(member, folder / name) for member, name in zip(members, compiled.files, strict=True)]
    if isinstance(model, Blend):
        return Blend(made, model.weights, kind=model.kind, classes=model.classes)
    return made[0]


def compile_model(
    model: Any,
    features: pl.DataFrame,
    folder: Path,
    *,
    kind: TaskKind,
    threshold: float = 0.5,
    classes: int | None = None,
) -> Compiled:
    """Write the compiled form of `model` into `folder`, or say why there is none.

    `features` are n rows that it was trained with, or has been asked about; `threshold` is the probability from which a
    binary answer is positive.
    """

    def native(rows: pl.DataFrame) -> Array:
        return predict(model, rows, kind, classes=classes)

    members = members_of(model)
    why = next(filter(None, map(_why_not, members)), "") if features.height else "there are no rows to compare it on"
    if why:
        return Compiled(reason=why)
    try:
        widths = [_matrix_of(member)(features[:1]).shape[1] for member in members]
    except (ProductError, pl.exceptions.ColumnNotFoundError):
        return Compiled(reason=_NO_MATRIX)
    (alone,) = _quickest([native], features, _BATCHES[-1])
    if alone < _WORTH_SECONDS:
        return Compiled(
            reason=f"the model answers {_BATCHES[-1]} rows in {alone * 1000:.1f} ms; there is nothing to gain"
        )
    if all(_booster_of(member) is not None for member in members):
        made = Compiled(boosters=True)
    else:
        made = Compiled(files=tuple(_FILE.format(place) for place in range(len(members))))
        for member, width, name in zip(members, widths, made.files, strict=True):
            found = _convert(_head_of(member), width, folder / name)
            if found is not None:
                _remove(folder, made.files)
                return Compiled(reason=found)
    form = compiled_form(model, folder, made)

    def quick(rows: pl.DataFrame) -> Array:
        return predict(form, rows, kind, classes=classes)

    whole = features.filter(np.logical_and.reduce([each.is_whole(features) for each in members_of(form)]))
    if not whole.height:
        _remove(folder, made.files)
        return Compiled(reason="every row has a gap, which the model itself would answer")
    rows = parity_rows(whole, native, kind=kind, threshold=threshold)
    before, after = zip(*(_quickest([native, quick], features, size) for size in _BATCHES), strict=True)
    faster = min(was / is_now for was, is_now in zip(before, after, strict=True))
    reason, difference = _difference(native(rows), quick(rows), kind=kind, threshold=threshold)
    if not reason and faster < 1:
        reason = f"it is not faster ({faster:.1f} times)"
    if reason:
        _remove(folder, made.files)
        made = Compiled(reason=reason)
    return msgspec.structs.replace(
        made,
        rows=rows.height,
        difference=difference,
        faster=round(faster, 1),
        native_ms=_milliseconds(before),
        form_ms=_milliseconds(after),
    )


def parity_rows(
    features: pl.DataFrame, ask: Callable[[pl.DataFrame], Array], *, kind: TaskKind, threshold: float
) -> pl.DataFrame:
    """PARITY_ROWS rows: most of the rows given, and rows that mix their columns, those nearest to the threshold first.

    Of several classes these are the ones whose two likeliest are nearest to each other.
    """
    chance = np.random.default_rng(0)
    given = features.head(PARITY_ROWS - _NEAREST)
    mixed = pl.DataFrame(
        [column.sample(_CANDIDATES, with_replacement=True, seed=int(chance.integers(2**31))) for column in features]
    )
    scores = ask(mixed)
    if kind == "binary":
        mixed = mixed[np.argsort(np.abs(scores - threshold), kind="stable")]
    elif kind == "multiclass":
        ranked = np.sort(scores, axis=1)
        mixed = mixed[np.argsort(ranked[:, -1] - ranked[:, -2], kind="stable")]
    return pl.concat([given, mixed.head(PARITY_ROWS - given.height)])


def _difference(native: Array, quick: Array, *, kind: TaskKind, threshold: float) -> tuple[str, float]:
    """Why the answers are not the same (empty: they are), and the greatest difference."""
    spread = float(np.ptp(native)) if kind == "regression" else 1.0
    difference = float(np.abs(native - quick).max()) / (spread or 1.0)
    if kind == "binary":
        turned = int(((native >= threshold) != (quick >= threshold)).sum())
    elif kind == "multiclass":
        turned = int((native.argmax(axis=1) != quick.argmax(axis=1)).sum())
    else:
        turned = 0
    if difference > TOLERANCE:
        return f"its answers differ by up to {difference:.2g}", difference
    if turned:
        return f"{turned} of {len(native)} rows get another label", difference
    return "", difference


def _convert(head: Any, width: int, path: Path) -> str | None:
    """Write the graph of `head`; why that is not possible otherwise."""
    try:
        import onnxruntime  # noqa: F401 (without it the graph could not be compared)
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed: pip install 'windlass[onnx]'"
    options = {id(head): {"zipmap": False}} if hasattr(head, "predict_proba") else None
    try:
        graph = convert_sklearn(head, initial_types=[("rows", FloatTensorType([None, width]))], options=options)
    except Exception as error:  # noqa: BLE001 (whatever stops the converter is the recorded reason)
        cause = _innermost(error)
        return f"{type(head).__name__} does not convert: {type(cause).__name__}: {cause}".partition("\n")[0][:300]
    path.write_bytes(graph.SerializeToString())
    return None


def _innermost(error: BaseException) -> BaseException:
    """What a converter that wraps errors began with; the outer ones print whole nodes of the graph."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _remove(folder: Path, files: Sequence[str]) -> None:
    for name in files:
        (folder / name).unlink(missing_ok=True)


def _head_of(model: Any) -> Any:
    """The part of `model` that may take a matrix; None when there is none that a converter could know."""
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline

    if isinstance(model, Pipeline) and isinstance(model.steps[0][1], FrameEncoder):
        return model.steps[-1][1] if len(model.steps) == 2 else model[1:]
    return model if isinstance(model, BaseEstimator) and (takes_matrix(model) or names_of(model)) else None


def _booster_of(model: Any) -> Any:
    """The booster that `model` hands its matrix to; None where it is no LightGBM, or one that its user has changed."""
    head = _head_of(model)
    return head.booster_ if type(head).__module__ == "lightgbm.sklearn" else None


def _matrix_of(model: Any) -> Callable[[Any], Array]:
    """What makes the matrix that `_head_of(model)` takes."""
    first = model.steps[0][1] if hasattr(model, "steps") else None
    if isinstance(first, FrameEncoder):
        return first.transform
    where, names = type(model).__name__, names_of(model)
    if names is None:
        return lambda features: as_matrix(features, where)
    return lambda features: as_matrix(features if isinstance(features, np.ndarray) else features.select(names), where)


def _why_not(model: Any) -> str:
    """Why `model` has no compiled form, as far as its kind tells; empty: it may have one."""
    if isinstance(model, NativeModel):
        return f"it is asked in the form that {_LIBRARIES[model.format]} itself gave it"
    head = _head_of(model)
    if head is None:
        return _NO_MATRIX
    return "XGBoost itself answers as it is" if type(head).__module__ == "xgboost.sklearn" else ""


def _take_names(form: Any, model: Any) -> None:
    """The labels of `model`; and its columns' names, if it would be given a frame of them where a matrix will do."""
    if hasattr(model, "classes_"):
        form.classes_ = model.classes_
    names = names_of(model)
    if names is not None and _head_of(model) is model:
        form.feature_names_in_, form.takes_matrix = np.array(names, dtype=object), True


def _quickest(
    asks: Sequence[Callable[[pl.DataFrame], Array]],
    features: pl.DataFrame,
    size: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """The shortest call of each with `size` rows, in seconds.

    They are asked in turn, so that whatever else the machine does meets all of them, and the shortest call is the one
    that met least of it. Where the last is not clearly the fastest that may be for what it met, so that it is asked
    many times more.
    """
    rows = features[[place % features.height for place in range(size)]]
    taken: list[list[float]] = [[] for _ in asks]
    while len(taken[0]) < _ROUNDS or _is_open(taken):
        for ask, of_this in zip(asks, taken, strict=True):
            started = clock()
            ask(rows)
            of_this.append(clock() - started)
    return [min(of_this) for of_this in taken]


def _is_open(taken: Sequence[Sequence[float]]) -> bool:
    """Whether more calls may still show that the last is faster than the first."""
    rounds, shortest = len(taken[0]), [min(of_this) for of_this in taken]
    clear = len(taken) == 1 or shortest[0] > _CLEARLY * shortest[-1]
    return not clear and rounds < _MOST_ROUNDS and rounds * sum(shortest) < _MOST_SECONDS


def _milliseconds(seconds: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(1000 * each, 4) for each in seconds)
