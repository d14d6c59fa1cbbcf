"""Which rows train and which judge.

The candidate that the gate judges has learned from none of the rows that judge it. By time, a candidate that passed is
then fitted once more on all rows, since the newest ones are the most telling where the world changes; the next gate
compares it on rows that came later. Without time there is no newest row, a row's side is settled for good by its key,
and nothing is fitted again.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal

import msgspec
import numpy as np
import polars as pl

from windlass.errors import DataError

HOLDOUT = 0.2
"""The part of the rows, the latest ones, that no judged candidate has learned from."""
MOST = 10_000
"""Rows that judge, at the most: more would make the judged candidate older, and the judgement hardly surer."""
MINIMUM = 20
"""Labelled rows below which nothing is trained."""
MINIMUM_PART = 4
_SEED = b"windlass"


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """How rows were parted: in the order they are kept, the first `train` train and the rest judge."""

    by: Literal["time", "key"]
    train: int
    holdout: int
    boundary: datetime | None = None
    """The event time of the first row that judges, in UTC."""
    until: datetime | None = None
    """The event time of the last row, in UTC."""


def split_rows(
    rows: pl.DataFrame, *, moments: pl.Series | None, key: str | None
) -> tuple[Split, np.ndarray[Any, Any] | None]:
    """The split of `rows`, and the order to bring them into first (None: they are in it).

    With `moments` (datetimes in UTC, one a row, rising) the last fifth judges, at most 10,000 rows; rows of the same
    moment stay on one side. Without, or when all moments are the same, about a fifth is drawn by a hash of the key, or
    of the whole row.
    Raises DataError when there are fewer than 20 rows.
    """
    count = rows.height
    if count < MINIMUM:
        raise DataError(
            f"there are {count} labelled rows, and at least {MINIMUM} are needed to train on some and judge on others",
            where="training set",
            remedy="wait for more labels, let `extract` return more history, or widen Retrain.window",
        )
    wanted = count - min(count - round(count * (1 - HOLDOUT)), MOST)
    place = None if moments is None else _boundary(moments, wanted)
    if moments is None or place is None:
        order = _by_hash(rows, key, wanted)
        return Split(by="key", train=wanted, holdout=count - wanted), order
    return Split(by="time", train=place, holdout=count - place, boundary=moments[place], until=moments[-1]), None


def _boundary(moments: pl.Series, wanted: int) -> int | None:
    """The place nearest to `wanted` that parts no two rows of the same moment; None when there is none."""
    moment = moments[wanted]
    places = [int(moments.search_sorted(moment, side=side)) for side in ("left", "right")]
    sound = [place for place in places if MINIMUM_PART <= place <= len(moments) - MINIMUM_PART]
    return min(sound, key=lambda place: abs(place - wanted), default=None)


def _by_hash(rows: pl.DataFrame, key: str | None, wanted: int) -> np.ndarray[Any, Any]:
    """Row numbers: the `wanted` ones of the lowest hashes first, each part in its old order.

    A row's hash never changes, so as rows are added the threshold hardly moves and nearly all keep their side.
    """
    texts = rows.get_column(key).cast(pl.String) if key is not None else _texts(rows)
    hashes = np.array([_hash(text) for text in texts.to_list()], dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    return np.concatenate([np.sort(order[:wanted]), np.sort(order[wanted:])])


def _texts(rows: pl.DataFrame) -> pl.Series:
    return rows.select(pl.struct(pl.all()).struct.json_encode()).to_series()


def _hash(text: str | None) -> int:
    return int.from_bytes(blake2b((text or "").encode(), digest_size=8, key=_SEED).digest())
