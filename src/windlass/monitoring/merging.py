"""Two profiles of one column as one."""

from __future__ import annotations

import msgspec
import numpy as np

from windlass.errors import DataError
from windlass.monitoring import exact, sketches
from windlass.monitoring.column import Beyond, ColumnProfile, Sketches


def merge_columns(first: ColumnProfile, second: ColumnProfile) -> ColumnProfile:
    """The profile of the rows of both. Raises DataError unless they have the same bins.

    Counts and sums are exact, so any order gives the same; the sketch of quantiles stays within its error.
    """
    if (first.kind, first.edges, first.categories) != (second.kind, second.edges, second.categories):
        raise DataError(
            "two profiles have different bins",
            where=f"column {first.name}",
            remedy="make the second one with the first as its reference",
        )
    registers = _registers(first.sketches.registers, second.sketches.registers)
    return msgspec.structs.replace(
        first,
        counts=tuple(one + other for one, other in zip(first.counts, second.counts, strict=True)),
        distinct=max(first.distinct, second.distinct, _distinct(registers)),
        uneven=max(first.uneven, second.uneven),
        stretch=max(first.stretch, second.stretch),
        stretches=_stretches(first, second),
        minimum=min((each for each in (first.minimum, second.minimum) if each is not None), default=None),
        maximum=max((each for each in (first.maximum, second.maximum) if each is not None), default=None),
        infinite=first.infinite + second.infinite,
        total=exact.added(first.total, second.total),
        squares=exact.added(first.squares, second.squares),
        below=_beyond(first.below, second.below),
        above=_beyond(first.above, second.above),
        sketches=_sketches(first.sketches, second.sketches, registers),
    )


def _stretches(first: ColumnProfile, second: ColumnProfile) -> tuple[tuple[int, float], ...]:
    """Of each length the larger of the two variances; what is even tells of none."""
    if not first.varies or not second.varies:
        return first.varies or second.varies
    lengths = sorted({rows for rows, _ in (*first.varies, *second.varies)})
    return tuple((rows, max(_variance(first, rows), _variance(second, rows))) for rows in lengths)


def _variance(column: ColumnProfile, rows: int) -> float:
    """Between stretches of so many rows; of a length that is not known, that of the one below."""
    return next((variance for length, variance in reversed(column.varies) if length <= rows), 1.0)


def _beyond(first: Beyond, second: Beyond) -> Beyond:
    return Beyond(rows=first.rows + second.rows, total=exact.added(first.total, second.total))


def _sketches(first: Sketches, second: Sketches, registers: bytes) -> Sketches:
    quantiles, stride = first.quantiles, first.stride
    if first.quantiles or second.quantiles:
        quantiles, stride = sketches.merged_quantiles(quantiles, stride, second.quantiles, second.stride)
    return Sketches(
        quantiles=quantiles,
        stride=stride,
        registers=registers,
        frequent=sketches.merged_frequent(first.frequent, second.frequent),
    )


def _registers(first: bytes, second: bytes) -> bytes:
    if not first or not second:
        return first or second
    return np.maximum(np.frombuffer(first, np.uint8), np.frombuffer(second, np.uint8)).tobytes()


def _distinct(registers: bytes) -> int:
    return sketches.distinct_count(np.frombuffer(registers, np.uint8)) if registers else 0
