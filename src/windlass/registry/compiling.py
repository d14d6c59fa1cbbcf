"""A second form of a model that answers sooner, admitted only when it answers the same.

scikit-learn asks a forest tree by tree, at milliseconds a call; the same forest as one graph of ONNX Runtime takes
microseconds. Graphs calculate in single precision, so the form is compared with the model before a version may have
it: on 10,000 rows, of which a fifth or more are those nearest to the decision threshold. What encodes a frame stays
Python.

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

from windlass.errors import MissingExtra
from windlass.product.model.blend import Blend, members_of
from windlass.product.model.encoder import FrameEncoder
from windlass.product.model.predict import Array, as_matrix, predict, takes_matrix
from windlass.product.task import TaskKind
from windlass.records.bundle import Compiled

_FILE = "compiled-{}.onnx"
PARITY_ROWS = 10_000
_CANDIDATES = 20_000
"""Rows among which those nearest to the threshold are looked for."""
_NEAREST = 2_000
TOLERANCE = 1e-5
"""Greatest difference of a probability, or of a value in parts of the values' spread, that single precision excuses."""
_DIGITS = 6
_WORTH_SECONDS = 0.0002
"""A model that answers 64 rows within this is not what a request waits for, which alone costs 0.3 ms besides. A lone
estimator of scikit-learn takes 0.13 to 0.16, a pipeline 0.3 and more."""
_BATCHES = (1, 64)
_ROUNDS, _MOST_ROUNDS, _ENOUGH_SECONDS = 7, 50, 0.3
"""Calls of each form that are timed for each size: as many as take this long together."""


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
        self._head = _head_of(model)
        if hasattr(model, "classes_"):
            self.classes_ = model.classes_

    def predict(self, features: pl.DataFrame | Array) -> Array:
        """n rows -> (n,) values of a regression."""
        return self._run(features, "predict").reshape(len(features))

    def predict_proba(self, features: pl.DataFrame | Array) -> Array:
        """n rows -> (n, k) probabilities, without the last digits of single precision: half of the trees is a half."""
        return self._run(features, "predict_proba").round(_DIGITS)

    def _run(self, features: pl.DataFrame | Array, method: str) -> Array:
        """Rows with a gap, or with a number beyond single precision, are the model's own: converters get them wrong."""
        matrix = self._matrix(features)
        with np.errstate(over="ignore"):
            single = np.ascontiguousarray(matrix, dtype=np.float32)
        finite = np.isfinite(single)
        if finite.all():
            return self._ask(single)
        whole = finite.all(axis=1)
        own = np.asarray(getattr(self._head, method)(matrix[~whole]), dtype=np.float64)
        answer = np.empty((len(matrix), *own.shape[1:]))
        answer[~whole] = own
        if whole.any():
            answer[whole] = self._ask(single[whole]).reshape(-1, *own.shape[1:])
        return answer

    def _ask(self, matrix: Array) -> Array:
        return np.asarray(self._session.run([self._output], {self._input: matrix})[0], dtype=np.float64)


class BoosterModel:
    """The booster inside scikit-learn's interface of LightGBM, behind the Python that makes its matrix."""

    windlass_input = "polars"

    def __init__(self, model: Any) -> None:
        """`model` is the fitted one, of which `_booster_of` has a booster."""
        self._booster = _booster_of(model)
        self._matrix = _matrix_of(model)
        if hasattr(model, "classes_"):
            self.classes_ = model.classes_

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

    `features` are n rows that it was trained with; `threshold` is the probability from which a binary answer is
    positive.
    """

    def native(rows: pl.DataFrame) -> Array:
        return predict(model, rows, kind, classes=classes)

    members = members_of(model)
    if not features.height or any(_head_of(member) is None for member in members):
        return Compiled(reason="only models of scikit-learn that take a matrix of numbers are compiled")
    (alone,) = _quickest([native], features, _BATCHES[-1])
    if alone < _WORTH_SECONDS:
        return Compiled(
            reason=f"the model answers {_BATCHES[-1]} rows in {alone * 1000:.1f} ms; there is nothing to gain"
        )
    if all(_booster_of(member) is not None for member in members):
        made = Compiled(boosters=True)
    else:
        made = Compiled(files=tuple(_FILE.format(place) for place in range(len(members))))
        for member, name in zip(members, made.files, strict=True):
            found = _convert(_head_of(member), _matrix_of(member)(features[:1]).shape[1], folder / name)
            if found is not None:
                _remove(folder, made.files)
                return Compiled(reason=found)
    form = compiled_form(model, folder, made)

    def quick(rows: pl.DataFrame) -> Array:
        return predict(form, rows, kind, classes=classes)

    rows = parity_rows(features, native, kind=kind, threshold=threshold)
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
        return f"{type(head).__name__} does not convert: {type(error).__name__}: {error}".partition("\n")[0][:300]
    path.write_bytes(graph.SerializeToString())
    return None


def _remove(folder: Path, files: Sequence[str]) -> None:
    for name in files:
        (folder / name).unlink(missing_ok=True)


def _head_of(model: Any) -> Any:
    """The part of `model` that takes a matrix; None when there is none that a converter could know."""
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline

    if isinstance(model, Pipeline) and isinstance(model.steps[0][1], FrameEncoder):
        return model.steps[-1][1] if len(model.steps) == 2 else model[1:]
    return model if isinstance(model, BaseEstimator) and takes_matrix(model) else None


def _booster_of(model: Any) -> Any:
    """The booster that `model` hands its matrix to; None where it is no LightGBM, or one that its user has changed."""
    head = _head_of(model)
    return head.booster_ if type(head).__module__ == "lightgbm.sklearn" else None


def _matrix_of(model: Any) -> Callable[[Any], Array]:
    """What makes the matrix that `_head_of(model)` takes."""
    if takes_matrix(model):
        return lambda features: as_matrix(features, type(model).__name__)
    encoder: FrameEncoder = model.steps[0][1]
    return encoder.transform


def _quickest(
    asks: Sequence[Callable[[pl.DataFrame], Array]],
    features: pl.DataFrame,
    size: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """The shortest call of each with `size` rows, in seconds.

    They are asked in turn, so that whatever else the machine does meets all of them, and the shortest call is the one
    that met least of it.
    """
    rows = features[[place % features.height for place in range(size)]]
    taken: list[list[float]] = [[] for _ in asks]
    began = clock()
    while len(taken[0]) < _ROUNDS or (len(taken[0]) < _MOST_ROUNDS and clock() - began < _ENOUGH_SECONDS):
        for ask, of_this in zip(asks, taken, strict=True):
            started = clock()
            ask(rows)
            of_this.append(clock() - started)
    return [min(of_this) for of_this in taken]


def _milliseconds(seconds: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(1000 * each, 4) for each in seconds)
