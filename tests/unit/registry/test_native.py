"""What is read from the files of XGBoost and ONNX, with stand-ins for their libraries, which are extras."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import RegistryError
from windlass.registry.native import native_from
from windlass.registry.native.contributions import can_be_taken_apart, contributions
from windlass.registry.native.onnx_graph import OnnxModel, labels_of
from windlass.registry.native.protobuf import fields, signed, varints
from windlass.registry.native.xgboost_json import XGBoostModel

# -- XGBoost ---------------------------------------------------------------------------------------------------------


class FakeBooster:
    """Answers with what it was asked, and knows categories as XGBoost 3 writes them."""

    def __init__(
        self,
        *,
        best: str | None = None,
        categories: bool = False,
        booster: str = "gbtree",
        objective: str = "reg:squarederror",
        trees: int = 4,
    ) -> None:
        self.feature_names = ["pay", "city", "zone"]
        self.feature_types = ["float", "c", "c"] if categories else ["float"] * 3
        self.asked: list[tuple[Any, tuple[int, int]]] = []
        self._best = best
        self._kind = booster
        self._objective = objective
        self._trees = trees

    def save_config(self) -> str:
        learner = {
            "learner_train_param": {"objective": self._objective},
            "learner_model_param": {"num_class": "3" if self._objective.startswith("multi") else "0"},
            "gradient_booster": {"name": self._kind, "gbtree_model_param": {"num_trees": str(self._trees)}},
        }
        return json.dumps({"learner": learner})

    def num_boosted_rounds(self) -> int:
        return 4

    def save_raw(self, _format: str) -> bytearray:
        cities = "BonnZürich".encode()
        text = {"offsets": [0, 4, len(cities)], "values": [byte - 256 if byte > 127 else byte for byte in cities]}
        encoded = [{"offsets": [], "values": []}, text, {"type": 15, "values": [7, 9]}]
        model = {"learner": {"gradient_booster": {"model": {"cats": {"enc": encoded}}}}}
        return bytearray(json.dumps(model).encode())

    def attr(self, name: str) -> str | None:
        return self._best if name == "best_iteration" else None

    def predict(self, matrix: Any, *, iteration_range: tuple[int, int], pred_contribs: bool = False) -> Any:
        self.asked.append((matrix, iteration_range))
        return np.zeros((len(matrix), 4)) if pred_contribs else np.zeros(len(matrix))


@pytest.fixture(autouse=True)
def xgboost(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("xgboost")
    module.DMatrix = lambda data, **_more: data  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xgboost", module)


ROWS = pl.DataFrame({"pay": [1.5, None, 0.0], "city": ["Zürich", "Bonn", None], "zone": [7.0, None, 9.0]})


def test_categories_reach_xgboost_as_their_codes() -> None:
    booster = FakeBooster(categories=True)
    model = XGBoostModel(booster, where="")
    assert {name: known.dtype for name, known in model.known_columns.items()} == {"city": "str", "zone": "float"}
    model.predict(ROWS)
    (asked, _) = booster.asked[0]
    np.testing.assert_array_equal(asked, [[1.5, 1, 0], [np.nan, 0, np.nan], [0.0, np.nan, 1]])


def test_a_booster_of_numbers_alone_takes_their_matrix_as_it_is() -> None:
    booster = FakeBooster()
    model = XGBoostModel(booster, where="")
    assert model.takes_matrix
    matrix = np.array([[1.5, np.nan, 7.0]])
    model.predict(matrix)
    assert booster.asked[0][0] is matrix
    assert not XGBoostModel(FakeBooster(categories=True), where="").takes_matrix


def test_a_category_that_xgboost_has_not_learned_is_refused_by_name() -> None:
    model = XGBoostModel(FakeBooster(categories=True), where="")
    with pytest.raises(
        ValueError, match="'Oslo' is no category of 'city' that the model has learned: 'Bonn', 'Zürich'"
    ):
        model.predict(ROWS.with_columns(city=pl.lit("Oslo")))


def test_categories_that_xgboost_has_cut_in_the_middle_of_a_character_are_refused() -> None:
    """What XGBoost 3.2 writes of a pandas frame: the lengths are those of the texts, in characters."""

    class Cut(FakeBooster):
        def save_raw(self, _format: str) -> bytearray:
            text = {"offsets": [0, 1, 5], "values": list("ÖBonn".encode()[:5])}
            model = {
                "learner": {"gradient_booster": {"model": {"cats": {"enc": [{"offsets": [], "values": []}, text]}}}}
            }
            return bytearray(json.dumps(model).encode())

    with pytest.raises(RegistryError, match="the names of its categories were cut"):
        XGBoostModel(Cut(categories=True), where="model.json")


@pytest.mark.parametrize("objective", ["multi:softmax", "binary:hinge"])
def test_a_booster_without_probabilities_is_refused_and_its_wrapper_is_not(objective: str) -> None:
    booster = FakeBooster(objective=objective)
    booster.__class__.__module__ = "xgboost.core"
    with pytest.raises(RegistryError, match=f"the objective {objective} gives no probabilities"):
        native_from(booster)

    class Wrapper:
        def get_booster(self) -> Any:
            return booster

    Wrapper.__module__ = "xgboost.sklearn"
    found = contributions(Wrapper(), ROWS.select(pl.lit(1.0).alias(name) for name in ("a", "b", "c")), np.zeros(1))
    assert found is not None
    assert found.parts.shape == (1, 3)


def test_trees_of_all_classes_at_once_say_beforehand_that_they_are_not_taken_apart() -> None:
    assert not can_be_taken_apart(XGBoostModel(FakeBooster(objective="multi:softprob", trees=4), where=""))
    assert can_be_taken_apart(XGBoostModel(FakeBooster(objective="multi:softprob", trees=12), where=""))
    assert can_be_taken_apart(XGBoostModel(FakeBooster(trees=4), where=""))


@pytest.mark.parametrize(("best", "kind", "rounds"), [(None, "gbtree", 0), ("4", "gbtree", 5), ("4", "gblinear", 0)])
def test_of_a_booster_that_was_stopped_early_the_best_trees_count(best: str | None, kind: str, rounds: int) -> None:
    booster = FakeBooster(best=best, booster=kind)
    XGBoostModel(booster, where="").predict(ROWS.select(pl.lit(1.0).alias(name) for name in booster.feature_names))
    assert booster.asked[0][1] == (0, rounds)


def test_the_parts_of_xgboost_are_of_the_same_trees_as_its_answer() -> None:
    booster = FakeBooster(best="4", categories=True)
    model = XGBoostModel(booster, where="")
    found = contributions(model, ROWS, np.zeros(3))
    assert found is not None
    assert (found.scale, found.parts.shape) == ("score", (3, 3))
    assert booster.asked[-1][1] == (0, 5)
    assert can_be_taken_apart(model)
    assert not can_be_taken_apart(XGBoostModel(FakeBooster(booster="gblinear"), where=""))


def test_a_wrapper_becomes_native_only_where_it_has_learned_categories() -> None:
    class Wrapper:
        def __init__(self, booster: Any) -> None:
            self.get_booster = lambda: booster

    Wrapper.__module__ = FakeBooster.__module__ = "xgboost.sklearn"
    assert native_from(Wrapper(FakeBooster())) is None
    assert isinstance(native_from(Wrapper(FakeBooster(categories=True))), XGBoostModel)
    assert isinstance(native_from(FakeBooster()), XGBoostModel)
    assert native_from(object()) is None


# -- ONNX ------------------------------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    parts = [number >> shift & 0x7F for shift in range(0, 70, 7)]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return bytes([*(part | 0x80 for part in parts[:-1]), parts[-1]])


def message(*parts: tuple[int, bytes | int]) -> bytes:
    found = b""
    for number, value in parts:
        found += varint(number << 3 | (0 if isinstance(value, int) else 2))
        found += varint(value) if isinstance(value, int) else varint(len(value)) + value
    return found


def model_with(*attributes: bytes) -> bytes:
    nodes = [(1, message((1, b"in"), (4, b"Node"), (5, attribute))) for attribute in attributes]
    return message((1, 9), (7, message(*nodes, (2, b"graph"))))


TEXTS = message((1, b"classlabels_strings"), (9, b"no"), (9, b"yes"))
PACKED = message((1, b"classlabels_int64s"), (8, varint(-3) + varint(5)))
SINGLE = message((1, b"classlabels_ints"), (8, -3), (8, 5))
OTHER = message((1, b"post_transform"), (9, b"NONE"))


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_are_read_as_they_were_written(numbers: list[int]) -> None:
    assert varints(b"".join(map(varint, numbers))) == numbers
    assert [signed(value) for _, _, value in fields(message(*((3, number) for number in numbers)))] == numbers  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"\x08", b"\x0a\x05abc", b"\x0f", b"\x09abc", b"\xff" * 12])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"end|wire"):
        list(fields(data))


def test_labels_are_found_in_the_nodes_that_list_them() -> None:
    assert labels_of(model_with(OTHER, TEXTS, PACKED, SINGLE)) == [["no", "yes"], [-3, 5], [-3, 5]]


class Session:
    """A graph of two columns whose second output says how far the first column is above 0."""

    def __init__(self, labels: list[Any] | None, *, kind: str = "float", zipped: bool = False) -> None:
        self._labels = labels
        self._kind = kind
        self._zipped = zipped
        self.fed: dict[str, Any] = {}

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name=name, type=f"tensor({self._kind})", shape=[None, 1]) for name in ("a", "b")]

    def get_outputs(self) -> list[Any]:
        names = ["variable"] if self._labels is None else ["label", "probabilities"]
        return [SimpleNamespace(name=name) for name in names]

    def run(self, names: list[str], feed: dict[str, Any]) -> list[Any]:
        self.fed = feed
        high = (feed["a"].astype(float)[:, 0] > 0).astype(float)
        if names == ["label"]:
            return [np.array(self._labels)[high.astype(int)]]
        if names == ["variable"]:
            return [high[:, None]]
        chances = np.column_stack([1 - high, high])
        return [[dict(zip("xy", row, strict=True)) for row in chances] if self._zipped else chances]


@pytest.mark.parametrize(
    ("labels", "content", "zipped"),
    [
        (["no", "yes"], model_with(TEXTS), False),
        (["no", "yes"], model_with(TEXTS), True),
        ([-3, 5], model_with(TEXTS, SINGLE), False),
        ([0, 1], model_with(OTHER), False),
        (["seen", "heard"], model_with(TEXTS), False),
    ],
)
def test_the_classes_are_those_that_the_graph_answers(labels: list[Any], content: bytes, zipped: bool) -> None:
    model = OnnxModel(Session(labels, zipped=zipped), content, where="")
    assert (model.kind, model.classes_.tolist()) == ("binary", labels)
    rows = pl.DataFrame({"a": [1.0, -1.0], "b": [0.0, 0.0]})
    assert model.predict_proba(rows)[:, 1].tolist() == [1.0, 0.0]
    assert model.predict(rows).tolist() == labels[::-1]


def test_labels_that_contradict_the_probabilities_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(["no", "yes"])
    chance = np.random.default_rng(1)
    honest = session.run
    monkeypatch.setattr(
        session,
        "run",
        lambda names, feed: [chance.choice(["no", "yes"], 200)] if names == ["label"] else honest(names, feed),
    )
    with pytest.raises(RegistryError, match="does not say what its classes are"):
        OnnxModel(session, model_with(TEXTS), where="m.onnx")


@pytest.mark.parametrize(("kind", "dtype"), [("int64", "int"), ("string", "str"), ("bool", "bool"), ("float", None)])
def test_inputs_have_types_and_only_floats_take_gaps(kind: str, dtype: str | None) -> None:
    model = OnnxModel(Session(None, kind=kind), model_with(), where="")
    assert model.kind == "regression"
    assert [known.dtype for known in model.known_columns.values()] == [dtype] * (0 if dtype is None else 2)
    values = {"int64": [1, None], "string": ["1", None], "bool": [True, None], "float": [1.0, None]}[kind]
    rows = pl.DataFrame({"a": values, "b": values})
    if dtype is not None:
        with pytest.raises(ValueError, match="no missing value in 'a'"):
            model.predict(rows)
        rows = rows.drop_nulls()
    assert len(model.predict(rows)) == rows.height


def test_an_input_that_no_column_can_fill_is_refused() -> None:
    with pytest.raises(RegistryError, match=r"of the type tensor\(complex64\)"):
        OnnxModel(Session(["no", "yes"], kind="complex64"), model_with(), where="")


def test_a_file_that_was_read_is_kept_as_it_is(tmp_path: Path) -> None:
    model = OnnxModel(Session(None), model_with(), where="")
    model.path = tmp_path / "mine.onnx"
    model.path.write_bytes(b"the very bytes")
    assert (tmp_path / "kept" / model.write(tmp_path / "kept")).read_bytes() == b"the very bytes"
