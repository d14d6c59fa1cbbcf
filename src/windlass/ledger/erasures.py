"""What erasures did to the training set of a version."""

from __future__ import annotations

from windlass.ledger.ledger import Ledger
from windlass.records.data import DataPin
from windlass.records.event import DataErased


def read_since(ledger: Ledger, product: str, version: str, pinned: DataPin) -> tuple[DataPin, str | None]:
    """The version's training set as it reads now, and what a reader must know of it; None when nothing was erased.

    `pinned` is the set that the version was trained on.
    """
    pin, times = pinned, []
    for event in ledger.events((DataErased,), product=product):
        if isinstance(event.body, DataErased) and version in event.body.repinned:
            pin = event.body.repinned[version]
            times.append(event.at)
    if not times:
        return pin, None
    count = "one erasure" if len(times) == 1 else f"{len(times)} erasures"
    told = (
        f"its training set has lost {pinned.rows - pin.rows:,} of {pinned.rows:,} rows, since people asked to be "
        f"erased ({count}, the last {times[-1]:%Y-%m-%d %H:%M} UTC); it was {pinned.digest[:12]} and reads "
        f"{pin.digest[:12]} now"
    )
    return pin, told
