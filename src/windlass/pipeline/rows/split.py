"""Which rows train and which judge.

The candidate that the gate judges has learned from none of the rows that judge it. By time, a candidate that passed is
then fitted once more on all rows, since the newest ones are the most telling where the world changes; the next gate
compares it on rows that came later. Where stretches of different length compete (`candidates`), the newest third of the
rows that train chooses among them: a version answers for as long as rows take to grow by a quarter, so what is best for
the next few rows alone is not what is wanted. Without time there is no newest row, a row's side is settled for good by
its key, and nothing is fitted again.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal

import msgspec
import numpy as np
import polars as pl

from windlass.decisions import loss_reference
from windlass.decisions.horizons import LEAST_CHANGED, horizons
from windlass.errors import DataError

HOLDOUT = 0.2
"""The part of the rows, the latest ones, that no judged candidate has learned from, at the most."""
MOST = 10_000
"""Rows that judge, at the most: more would make the judged candidate older, and the judgement hardly surer."""
LEAST = 200
"""Rows that judge, at the least, as long as that is within the fifth: a bound on fewer would be judged by chance."""
WATCHED = loss_reference.MINIMUM_ROWS
"""Rows that judge, at the least, as long as that is within half of all: by fewer a version is not watched for decay."""
CHOOSING = 1 / 3
"""The part of the rows that train, the newest ones, by which candidates are chosen before all of them train."""
MINIMUM = 20
"""Labelled rows below which nothing is trained."""
MINIMUM_PART = 4
_SEED = b"windlass"


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """How rows were parted: in their order `train` train, `choice` choose and then train too, the rest judge."""

    by: Literal["time", "key"]
    train: int
    choice: int = 0
    holdout: int
    changed: int = 0
    """Of all of them the newest, that came since the champion's losses rose."""
    boundary: datetime | None = None
    """The event time of the first row that judges, in UTC."""
    until: datetime | None = None
    """The event time of the last row, in UTC."""
    early: datetime | None = None
    """What answers learned from all labels known at this moment; None: from rows that stand for all of their time."""


def split_rows(
    rows: pl.DataFrame,
    *,
    moments: pl.Series | None,
    key: str | None,
    learned: Split | None = None,
    fresh: int | None = None,
    competing: bool = False,
    changed: int = 0,
) -> tuple[Split, np.ndarray[Any, Any] | None]:
    """The split of `rows`, and the order to bring them into first (None: they are in it).

    With `moments` (datetimes in UTC, one a row, rising) the latest judge, as `holdout_place` says; `learned` is the
    split of the champion, and where nothing is new to it, the very rows judge that judged it. `fresh` is how many rows
    are new to it (None: those after the last that `learned` tells of). `competing`: stretches of
    different length compete, if there are enough rows. The newest `changed` rows came since the champion's losses
    rose. Without moments, or when all are the same, as many are drawn by a hash of the key, or of the whole row.
    Raises DataError when there are fewer than 20 rows.
    """
    count = rows.height
    if count < MINIMUM:
        raise DataError(
            f"there are {count} labelled rows, and at least {MINIMUM} are needed to train on some and judge on others",
            where="training set",
            remedy="wait for more labels, let `extract` return more history, or widen Retrain.window",
        )
    place = None if moments is None else _place_by_time(moments, learned, fresh=fresh, changed=changed)
    if moments is None or place is None:
        wanted = count - _holdout(count, fresh=count)
        order = _by_hash(rows, key, wanted)
        return Split(by="key", train=wanted, holdout=count - wanted), order
    at = moments.to_physical().to_numpy()
    choosing = choosing_place(at, place, changed=changed) if competing else place
    split = Split(
        by="time",
        train=choosing,
        choice=place - choosing,
        holdout=count - place,
        changed=min(changed, count),
        boundary=moments[place],
        until=moments[-1],
    )
    return split, None


def came_after(learned: Split | None, moments: pl.Series | None, *, rows: int) -> np.ndarray[Any, Any]:
    """`(rows,)` bool: which of the newest `rows` came after all that a version has learned from, by its split; all of
    them where it tells of no moment, or they have none."""
    if learned is None or learned.until is None or moments is None:
        return np.ones(rows, dtype=bool)
    return (moments.tail(rows) > learned.until).to_numpy()


def holdout_place(at: np.ndarray[Any, Any], *, fresh: int, changed: int = 0) -> int | None:
    """From which of n rows on they judge; `at` `(n,)` are their moments, rising, and `fresh` of them, most of them the
    newest, the champion has not seen.

    The latest fifth, at most 10,000 rows, but no more than half of what is new to the champion: the judged candidate
    must have learned from the other half to show what there is to gain. What is new is what the newest `changed` rows
    are, where something says that the world has changed. Where that is few, more of the fifth judge (after a change
    only as many as it takes to watch for decay, since each row that waits is dear then), and of a small set more than
    a fifth. Rows of the same moment stay on one side; None when no place parts them so.
    """
    holdout = _holdout(len(at), fresh=min(fresh, changed), least=WATCHED) if changed else _holdout(len(at), fresh=fresh)
    return _nearest(at, len(at) - holdout)


def choosing_place(at: np.ndarray[Any, Any], place: int, *, changed: int = 0) -> int:
    """From which of the rows before `place`, where those that judge begin, they choose among candidates first.

    The newest third of them; but where the newest `changed` rows came since a change, half of those at the most, so
    that there is something to choose that has learned from the new world. `place` itself where no candidate competes.
    """
    early = max(0, changed - (len(at) - place))
    third, half = round(place * CHOOSING), early // 2
    enough = half >= max(WATCHED, LEAST_CHANGED)
    choosing = _nearest(at[:place], place - (min(third, half) if enough else third))
    if choosing is None or len(horizons(choosing, changed=max(0, early - (place - choosing)))) == 1:
        return place
    return choosing


def _holdout(count: int, *, fresh: int, least: int = LEAST) -> int:
    """How many of `count` rows judge when `fresh` of them are new to the champion."""
    fifth = count - round(count * (1 - HOLDOUT))
    return max(min(fifth, max(fresh // 2, least), MOST), min(WATCHED, count // 2))


def _place_by_time(moments: pl.Series, learned: Split | None, *, fresh: int | None, changed: int) -> int | None:
    at = moments.to_physical().to_numpy()
    if learned is None or learned.until is None or learned.boundary is None:
        return holdout_place(at, fresh=len(at), changed=changed)
    if fresh is None:
        fresh = int(came_after(learned, moments, rows=len(at)).sum())
    if not fresh:
        return _nearest(at, int(moments.search_sorted(learned.boundary, side="left")))
    return holdout_place(at, fresh=fresh, changed=changed)


def _nearest(at: np.ndarray[Any, Any], wanted: int) -> int | None:
    """The place nearest to `wanted` that parts no two rows of the same moment; None when there is none."""
    moment = at[min(wanted, len(at) - 1)]
    places = [int(np.searchsorted(at, moment, side=side)) for side in ("left", "right")]
    sound = [place for place in places if MINIMUM_PART <= place <= len(at) - MINIMUM_PART]
    return min(sound, key=lambda place: abs(place - wanted), default=None)


def _by_hash(rows: pl.DataFrame, key: str | None, wanted: int) -> np.ndarray[Any, Any]:
    """Row numbers: the `wanted` ones of the lowest hashes first, each part in its old order.

    A row's hash never changes, so as rows are added the threshold hardly moves and nearly all keep their side.
    """
    hashes = row_hashes(rows, key)
    order = np.argsort(hashes, kind="stable")
    return np.concatenate([np.sort(order[:wanted]), np.sort(order[wanted:])])


def row_hashes(rows: pl.DataFrame, key: str | None = None) -> np.ndarray[Any, Any]:
    """64 bits `(n,)` of each row, by its key or by all it holds: the same in every process and on every machine."""
    told = pl.struct(pl.all()).struct.json_encode() if key is None else pl.col(key).cast(pl.String)
    texts = rows.select(told).to_series().to_list()
    return np.array([_hash(text) for text in texts], dtype=np.uint64)


def _hash(text: str | None) -> int:
    return int.from_bytes(blake2b((text or "").encode(), digest_size=8, key=_SEED).digest())
