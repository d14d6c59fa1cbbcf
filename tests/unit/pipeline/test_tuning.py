"""The search for parameters, with the real Optuna."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pytest

from windlass.errors import MissingExtra, ProductError
from windlass.pipeline.fitting.tuning import need_optuna, resolve, search

SPACE = {"x": (-5.0, 5.0), "n": (1, 8), "kind": ["a", None, ("odd", "object")], "rate": (0.001, 1.0, "log")}


def parabola(params: dict[str, Any]) -> float:
    return (params["x"] - 1) ** 2 + (0 if params["kind"] == ("odd", "object") else 3)


def run(trials: int = 40, *, larger_is_better: bool = False) -> Any:
    return search(SPACE, parabola, trials=trials, metric="loss", larger_is_better=larger_is_better)


def test_finds_what_is_better_and_the_same_again() -> None:
    found = run()
    assert found == run()
    best = resolve(SPACE, found.best)
    assert best["kind"] == ("odd", "object")
    assert abs(best["x"] - 1) < 1
    assert found.score == parabola(best)
    assert found.score == min(trial.score for trial in found.trials)
    assert len(found.trials) == 40
    assert all(1 <= resolve(SPACE, found.best)["n"] <= 8 for _ in [0])
    assert isinstance(best["n"], int)


def test_direction() -> None:
    found = run(larger_is_better=True)
    assert found.score == max(trial.score for trial in found.trials)
    assert found.score > 9


def test_what_was_found_survives_json() -> None:
    found = run(trials=5)
    again = msgspec.json.decode(msgspec.json.encode(found), type=type(found))
    assert again == found
    assert resolve(SPACE, again.best) == resolve(SPACE, found.best)
    assert isinstance(resolve(SPACE, again.best)["n"], int)


def test_trials_that_cannot_be_trained_are_passed_over() -> None:
    def picky(params: dict[str, Any]) -> float:
        if params["x"] < 0:
            raise ValueError("no negative x")
        return float("nan") if params["n"] == 1 else parabola(params)

    found = search(SPACE, picky, trials=30, metric="loss", larger_is_better=False)
    failed = [trial for trial in found.trials if trial.score is None]
    assert any("negative" in trial.error for trial in failed)
    assert resolve(SPACE, found.best)["x"] >= 0


def test_when_none_can_be_trained_the_reason_is_told() -> None:
    def broken(params: dict[str, Any]) -> float:
        raise ValueError("always broken")

    with pytest.raises(ProductError, match="always broken"):
        search(SPACE, broken, trials=3, metric="loss", larger_is_better=False)


def test_one_fault_has_one_remedy() -> None:
    def broken(params: dict[str, Any]) -> float:
        raise ProductError("a label is missing", where="estimator", remedy="leave such rows out")

    with pytest.raises(ProductError) as caught:
        search(SPACE, broken, trials=3, metric="loss", larger_is_better=False)
    assert "a label is missing (at estimator)" in str(caught.value)
    assert str(caught.value).count("remedy") == 1


def test_one_trial_with_one_choice() -> None:
    found = search({"k": ["only"]}, lambda params: 1.0, trials=1, metric="loss", larger_is_better=True)
    assert resolve({"k": ["only"]}, found.best) == {"k": "only"}


def test_without_optuna_the_install_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra) as caught:
        need_optuna()
    assert "windlass[tune]" in caught.value.remedy
