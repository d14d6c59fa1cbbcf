from __future__ import annotations

import numpy as np
import pytest

from windlass.decisions.statistics.alignment import align
from windlass.errors import DataError


def test_predictions_come_in_the_order_of_the_other_classes() -> None:
    scores = np.array([[0.7, 0.3], [0.1, 0.9]])
    assert align(scores, ("a", "b"), ["b", "c", "a"]).tolist() == [[0.3, 0, 0.7], [0.9, 0, 0.1]]
    assert align(np.array([0.2]), (False, True), (False, True)).tolist() == [0.2]
    assert align(np.array([0.25]), ("no", "yes"), ("yes", "no")).tolist() == [0.75]
    assert align(np.array([3.0]), (), ()).tolist() == [3.0]


def test_one_probability_says_nothing_about_other_classes() -> None:
    with pytest.raises(DataError, match=r"one tells \('no', 'yes'\) apart and the other \(False, True\)") as caught:
        align(np.array([0.2]), ("no", "yes"), (False, True))
    assert caught.value.remedy
