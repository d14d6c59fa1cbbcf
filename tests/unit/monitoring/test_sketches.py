from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.monitoring import exact, sketches


@pytest.mark.parametrize("count", [0, 1, 20, 500, 3000, 200_000])
def test_distinct_values_are_counted_within_the_stated_error(rng: np.random.Generator, count: int) -> None:
    registers = sketches.new_registers()
    values = rng.normal(size=count)
    for part in np.array_split(np.concatenate([values, values]), 3):
        sketches.add_hashes(registers, sketches.hash_numbers(part))
    assert sketches.distinct_count(registers) == pytest.approx(count, rel=4 * 0.033)


def test_distinct_counts_are_unbiased_over_many_columns(rng: np.random.Generator) -> None:
    """One column may be off by 3.3 %; the mean of eighty by a ninth of that."""
    ratios = []
    for _ in range(80):
        registers = sketches.new_registers()
        sketches.add_hashes(registers, sketches.hash_numbers(rng.normal(size=20_000)))
        ratios.append(sketches.distinct_count(registers) / 20_000)
    assert np.mean(ratios) == pytest.approx(1, abs=4 * 0.033 / np.sqrt(80))
    assert np.std(ratios) < 0.05


def test_hashes_are_the_same_everywhere() -> None:
    known = np.array([1234567], dtype=np.uint64).view(np.float64)  # splitmix64's published first number of this seed
    assert sketches.hash_numbers(known).tolist() == [6457827717110365317]
    assert len(set(sketches.hash_numbers(np.array([0.0, -0.0, 1.5])).tolist())) == 2
    digest = blake2b("ü".encode(), digest_size=8).digest()
    assert sketches.hash_texts(["a", "ü"])[1] == int.from_bytes(digest, "little")


def test_quantiles_within_the_stated_error_also_of_merged_sketches(rng: np.random.Generator) -> None:
    values = rng.lognormal(size=150_000)
    parts = [values[:100_000], values[100_000:101_000], values[101_000:]]
    merged, stride = b"", 1
    for part in parts:
        sketch, own = sketches.new_quantiles(), sketches.stride_for(len(part))
        sketches.add_sorted(sketch, np.sort(part), own)
        merged, stride = sketches.merged_quantiles(merged, stride, sketch.serialize(), own)
    for rank in (0.01, 0.25, 0.5, 0.9, 0.99):
        (found,) = sketches.quantiles_at(merged, [rank])
        assert (values <= found).mean() == pytest.approx(rank, abs=0.025)
    assert sketches.masses(merged, [1.0])[0] == pytest.approx(0.5, abs=0.025)


def test_frequent_values_lie_between_their_bounds(rng: np.random.Generator) -> None:
    texts = rng.zipf(1.3, 30_000).astype(str)
    halves = [np.unique(half, return_counts=True) for half in np.array_split(texts, 2)]
    content = sketches.merged_frequent(
        *(sketches.frequent_sketch(names.tolist(), counts.tolist()) for names, counts in halves)
    )
    found = sketches.frequent_values(content)
    assert found[0][0] == "1"
    for text, least, most in found[:10]:
        assert least <= (texts == text).sum() <= most


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_a_sum_survives_being_written(values: list[float]) -> None:
    ordered = np.sort(np.array(values))
    whole = exact.summed(ordered)
    assert exact.added(whole, "0") == whole
    assert exact.added("0", whole) == whole
    assert exact.value_of(exact.added(whole, whole)) == 2 * exact.value_of(whole)
    assert exact.value_of(exact.squared(ordered, float(ordered[0]))) >= 0


def test_text_that_is_no_sum_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid"):
        exact.value_of("xyz")
