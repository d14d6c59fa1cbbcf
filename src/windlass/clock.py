"""Where time comes from.

Policies are judged in event time, and only the two drivers (the controller and the backtest) decide which clock that
is. Everything below takes a `datetime` or a `Clock` and never asks the machine.
"""

from __future__ import annotations

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from windlass.errors import SettingsError


@runtime_checkable
class Clock(Protocol):
    """The one question asked of a clock."""

    def now(self) -> datetime:
        """The present moment, timezone-aware, in UTC."""
        ...


class WallClock:
    """The machine's clock: production."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SimulatedClock:
    """A clock that stands still until it is moved: the backtest, and tests."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def move_to(self, moment: datetime) -> None:
        """Set the clock; it may be moved back, as real clocks are."""
        self._now = moment

    def advance(self, by: timedelta) -> None:
        self._now += by


class SharedClock:
    """A clock that several processes read and one moves: the demo's scaled time.

    The moment is eight bytes (seconds since 1970 as a float64) in a small file that every reader maps, so that reading
    costs no system call and all processes agree.
    """

    _FORMAT = struct.Struct("<d")

    def __init__(self, path: Path) -> None:
        try:
            with path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), self._FORMAT.size)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"the shared clock cannot be opened: {error}",
                where=str(path),
                remedy="let SharedClock.create make the file, or set `clock` to 'wall'",
            ) from error

    @classmethod
    def create(cls, path: Path, start: datetime) -> SharedClock:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cls._FORMAT.pack(start.timestamp()))
        return cls(path)

    def now(self) -> datetime:
        (seconds,) = self._FORMAT.unpack_from(self._map)
        return datetime.fromtimestamp(seconds, UTC)

    def move_to(self, moment: datetime) -> None:
        self._FORMAT.pack_into(self._map, 0, moment.timestamp())


def clock_from(setting: str) -> Clock:
    """The clock a setting names: `wall`, or `shared:PATH` for one that another process moves."""
    if setting == "wall":
        return WallClock()
    kind, _, path = setting.partition(":")
    if kind == "shared" and path:
        return SharedClock(Path(path))
    raise SettingsError(f"unknown clock {setting!r}", where="setting `clock`", remedy="use 'wall' or 'shared:PATH'")
