from __future__ import annotations

import numpy as np
import pytest

from windlass.decisions.leak import GROWTH_MB, LEAST, leaking


def test_a_leak_is_seen_once_it_has_grown_enough(rng: np.random.Generator) -> None:
    """10 MB from one reading to the next, and some noise: 256 MB more after some 30 readings."""
    readings = 300 + 10 * np.arange(100) + rng.uniform(0, 8, 100)
    found = next(count for count in range(100) if leaking(readings[:count].tolist()))
    assert GROWTH_MB / 10 < found < GROWTH_MB / 10 + 10
    told = leaking(readings.tolist())
    assert told is not None
    assert told.startswith("memory grows without end: 3")


@pytest.mark.parametrize("seed", range(20))
def test_a_cache_that_fills_a_peak_and_noise_are_no_leak(seed: int) -> None:
    random = np.random.default_rng(seed)
    place = np.arange(200)
    noise = random.uniform(0, 80, 200)
    for shape in (
        800 * (1 - np.exp(-place / 8)),
        600.0 * (place > 60),
        700.0 * ((place > 60) & (place < 90)),
        0 * place,
    ):
        readings = (300 + shape + noise).tolist()
        late = [count for count in range(80, 201) if leaking(readings[:count])]
        assert late == []


def test_few_readings_say_nothing() -> None:
    assert leaking([300 + 1000 * place for place in range(LEAST - 1)]) is None
    assert leaking([]) is None
