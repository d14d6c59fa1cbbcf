"""Sums that come out the same to the bit, in whatever order their parts are put together."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_SAFE = 1e140


def summed(values: Array) -> str:
    """The sum of a part `(n,)` of sorted finite numbers, as text that `added` adds without rounding."""
    power = _power(values)
    scaled = np.ldexp(values, -power) if power else values
    return _text(Fraction(float(scaled.sum())) * 2**power)


def squared(values: Array, centre: float) -> str:
    """The sum of squared distances from `centre`, likewise."""
    power = _power(np.array([min(values[0], centre), max(values[-1], centre)]))
    distances = np.ldexp(values, -power) - np.ldexp(centre, -power) if power else values - centre
    return _text(Fraction(float(np.square(distances).sum())) * 4**power)


def added(first: str, second: str) -> str:
    """The sum of two sums, exactly."""
    return _text(_fraction(first) + _fraction(second))


def value_of(text: str) -> Fraction:
    """The number that a sum is. Raises ValueError for text that is no sum."""
    return _fraction(text)


def _power(values: Array) -> int:
    """What the numbers must be scaled down by, as a power of two, lest their squares overflow; mostly nothing."""
    largest = max(abs(float(values[0])), abs(float(values[-1]))) if len(values) else 0.0
    return 0 if largest < _SAFE else int(np.frexp(largest)[1]) + 1


def _text(value: Fraction) -> str:
    """An odd whole number in hexadecimal, and the power of two that it is multiplied with."""
    if not value:
        return "0"
    whole, power = value.numerator, -(value.denominator.bit_length() - 1)
    zeros = (whole & -whole).bit_length() - 1
    return f"{whole >> zeros:x}p{power + zeros}"


def _fraction(text: str) -> Fraction:
    whole, _, power = text.partition("p")
    return int(whole, 16) * Fraction(2) ** int(power or "0")
