"""What is wrong with a policy is told where it is written: the place, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import windlass as wl
from windlass.errors import ProductError
from windlass.product.policy import Policies, from_plain, to_plain

WRONG: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: wl.Gate(0.65), "Gate.metric", "0.65 is no metric"),  # type: ignore[arg-type]
    (lambda: wl.Gate(at_least="0.65"), "Gate.at_least", "'0.65' is not a finite number"),  # type: ignore[arg-type]
    (lambda: wl.Gate(at_least=float("nan")), "Gate.at_least", "nan is not a finite number"),
    (lambda: wl.Gate(at_most=True), "Gate.at_most", "True is not a finite number"),
    (lambda: wl.Gate(latency_ms=0), "Gate.latency_ms", "above 0"),
    (lambda: wl.Gate(tolerance=-0.1), "Gate.tolerance", "from 0 on"),
    (lambda: wl.Gate(slices="carrier"), "Gate.slices", "'carrier' is no list of columns"),
    (lambda: wl.Gate(slices=[1]), "Gate.slices", "no list of columns"),  # type: ignore[list-item]
    (lambda: wl.Gate(cost=[[0, 1]]), "Gate.cost", "two rows of two"),
    (lambda: wl.Gate(cost=[0, 1]), "Gate.cost", "two rows of two"),  # type: ignore[list-item]
    (lambda: wl.Gate(cost=[["a", 1], [5, 0]]), "Gate.cost", "'a' is not a finite number"),  # type: ignore[list-item]
    (lambda: wl.Gate(cost=[[1, 0], [0, 5]]), "Gate.cost", "neither mistake costs more than being right"),
    (lambda: wl.Release(canary=0.05), "Release.canary", "0.05 is no list of shares"),  # type: ignore[arg-type]
    (lambda: wl.Release(canary="5%"), "Release.canary", "'5%' is no list of shares"),  # type: ignore[arg-type]
    (lambda: wl.Release(canary=["5%"]), "Release.canary", "'5%' is not a finite number"),  # type: ignore[list-item]
    (lambda: wl.Release(canary=[5, 25]), "Release.canary", "lie between 0 and 1"),
    (lambda: wl.Release(canary=[0.25, 0.05]), "Release.canary", "must rise"),
    (lambda: wl.Release(bake="soon"), "Release.bake", "'soon' is not a duration"),
    (lambda: wl.Release(bake=15), "Release.bake", "15 is not a duration"),  # type: ignore[arg-type]
    (lambda: wl.Release(shadow="500"), "Release.shadow", "'500' is not a whole number"),  # type: ignore[arg-type]
    (lambda: wl.Release(canary=[0.1, 0.2], bake="20d"), "Release.deadline", "2 canary stages of 20d never end before"),
    (lambda: wl.Retrain(window="0d"), "Retrain.window", "no row is younger"),
    (lambda: wl.Retrain(every=30), "Retrain.every", "30 is not a duration"),  # type: ignore[arg-type]
    (lambda: wl.Retrain(on_drift="yes"), "Retrain.on_drift", "neither true nor false"),  # type: ignore[arg-type]
    (lambda: wl.Retrain(on_rows=0), "Retrain.on_rows", "whole number from 1 on"),
    (lambda: wl.Capture(sample=0), "Capture.sample", "above 0"),
    (lambda: wl.Capture(sample=10), "Capture.sample", "10 is more than all"),
    (lambda: wl.Capture(redact="name"), "Capture.redact", "no list of columns"),
    (lambda: wl.Outcome(within="-1d"), "Outcome.within", "'-1d' is not a duration"),
]


@pytest.mark.parametrize(("make", "where", "said"), WRONG, ids=[f"{where}: {said}" for _, where, said in WRONG])
def test_a_policy_that_cannot_be_meant_is_refused_with_its_place(
    make: Callable[[], Any], where: str, said: str
) -> None:
    with pytest.raises(ProductError) as caught:
        make()
    assert caught.value.where == where
    assert said in caught.value.what
    assert caught.value.remedy


class Profit:
    def __call__(self, truth: Any, scores: Any) -> float:
        return float((truth * scores).sum())


def test_a_metric_may_be_any_callable() -> None:
    assert wl.Gate(Profit()).metric == "Profit"


def test_what_was_written_down_is_read_back() -> None:
    policies = Policies(
        outcome=wl.Outcome(within="7d", absent=False),
        gate=wl.Gate(cost=np.array([[0, 1], [5, 0]]), slices=("carrier",), at_most=0.5, latency_ms=20),  # type: ignore[arg-type]
        release=wl.Release(shadow=5, canary=[0.1, 0.5], bake="1h"),
        retrain=wl.Retrain(every="30d", window="90d"),
        capture=wl.Capture(sample=0.1, redact=["name"]),
    )
    assert from_plain(to_plain(policies)) == policies


def test_versions_of_before_there_was_a_policy_of_capture_keep_everything() -> None:
    plain = to_plain(Policies(outcome=wl.Outcome(), gate=None, release=wl.Release(), retrain=None))
    del plain["capture"]
    assert from_plain(plain).capture == wl.Capture()
