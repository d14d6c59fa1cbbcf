"""What one column of a reference looks like, in a few kilobytes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

import msgspec
import polars as pl

from windlass.monitoring import exact

Kind = Literal["number", "category", "boolean", "rising", "identifier", "presence"]
PRESENCES: tuple[Kind, ...] = ("rising", "identifier", "presence")
"""Of columns whose values are not judged: whether they are there is, of what rises with time (dates, counters) whether
it lies before all of the reference, and of identifiers of which none came twice whether they repeat."""

_HUGE = 1 << 200
"""Roots of larger ones are taken of whole numbers, lest the square overflow."""
DATES = (pl.Date, pl.Datetime)
MOMENTS = (*DATES, pl.Time, pl.Duration)


class Sketches(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a column beside its bins: within the error that each states, and never used by a test."""

    quantiles: bytes = b""
    """Numbers: a KLL sketch (Apache DataSketches)."""
    stride: int = 1
    """Rows that one value in it stands for."""
    registers: bytes = b""
    """A HyperLogLog sketch of the distinct values."""
    frequent: bytes = b""
    """Categories beyond those with bins of their own: the most frequent ones (Apache DataSketches)."""


class Beyond(msgspec.Struct, frozen=True, kw_only=True):
    """The finite values beyond one end of a reference's range."""

    rows: int = 0
    total: str = "0"
    """Their sum, exact."""


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One column, counted into bins that were frozen with the reference."""

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    """Numbers: bin i holds what is above edge i-1 and at most edge i. The outer ones enclose the reference's range, so
    that the first and the last bin are empty in the reference. Categories with many values, or to which new ones are
    still coming, and identifiers: the same of their hash, without outer ones. What rises with time: just below the
    least one."""
    categories: tuple[str, ...] = ()
    """Booleans and categories with few values: one bin each, then one for all others."""
    counts: tuple[int, ...]
    """Rows in each bin, missing ones last."""
    distinct: int
    """Different values; of more than a few thousand an estimate, off by 3 % (one standard error)."""
    uneven: float = 0.0
    """Of a reference: the variance of its bins' shares between stretches of its rows, in their order, beyond chance and
    relative to `p (1 - p)`. It tells of seasons, trends, and rows that follow each other."""
    stretch: int = 0
    """Rows of such a stretch."""
    stretches: tuple[tuple[int, float], ...] = ()
    """Of a reference: rows of a stretch, and the same variance in the way in which such stretches differ most, for each
    length (see `unevenness.stretches`). Profiles made before know one length, and the mean over all ways."""
    minimum: float | None = None
    maximum: float | None = None
    infinite: int = 0
    total: str = "0"
    """Numbers: the sum of the finite values, exact (see `exact`)."""
    squares: str = "0"
    """The same of their squared distances from `centre`."""
    below: Beyond = Beyond()
    """Of a window."""
    above: Beyond = Beyond()
    sketches: Sketches = Sketches()

    @property
    def rows(self) -> int:
        return sum(self.counts)

    @property
    def missing(self) -> int:
        return self.counts[-1]

    @property
    def varies(self) -> tuple[tuple[int, float], ...]:
        """`stretches`, or what is known instead; empty: chance explains all."""
        return self.stretches or (((self.stretch, self.uneven),) if self.uneven > 0 else ())

    @property
    def hashed(self) -> bool:
        """Whether the bins hold hashes of texts, there being too many for a bin each."""
        return self.kind == "identifier" or (self.kind == "category" and not self.categories)

    @property
    def centre(self) -> float:
        """What squares are taken from: a value near the middle of the reference."""
        return self.edges[len(self.edges) // 2] if self.edges else 0.0

    @property
    def mean(self) -> float | None:
        """Of the finite values; None without any."""
        known = self._finite
        return float(exact.value_of(self.total) / known) if known else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the finite values."""
        known = self._finite
        if not known:
            return None
        shift = exact.value_of(self.total) / known - Fraction(self.centre)
        variance = exact.value_of(self.squares) / known - shift**2
        return float(math.isqrt(int(variance))) if variance > _HUGE else math.sqrt(max(variance, Fraction(0)))

    @property
    def _finite(self) -> int:
        return self.rows - self.missing - self.infinite if self.kind == "number" else 0


def type_of(dtype: pl.DataType) -> str:
    """A column's type as schemas are compared by it: a number is a number, whatever its width; empty: not known."""
    if dtype == pl.Null:
        return ""
    if dtype in MOMENTS:
        return "date or time"
    kind = kind_of(dtype)
    return "text" if kind == "category" else kind or str(dtype.base_type()).lower()


def kind_of(dtype: pl.DataType) -> Kind | None:
    """How a column of this type is judged; None: not at all."""
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_numeric():
        return "number"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "category"
    return None
