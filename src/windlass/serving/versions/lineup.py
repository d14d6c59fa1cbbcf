"""Who can answer for a product at this moment, loaded and ready."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import polars as pl

from windlass.decisions.statistics.losses import decision_threshold
from windlass.engines.forks import one_comes_out
from windlass.product.contract import RowDecoder, is_number
from windlass.product.policy import Capture
from windlass.product.task import Task, task_from
from windlass.records.bundle import Manifest
from windlass.records.ids import place_of
from windlass.records.routing import Routing, Target
from windlass.serving.limits import EXPLAIN_WALKS, FIRST_PATIENCE_SECONDS, MOST_ROWS, TRIALS
from windlass.serving.refusal import Escaped, NoChampion, NotFound
from windlass.serving.versions.blame import Witness
from windlass.serving.versions.patience import Calls, NoAnswer
from windlass.serving.versions.timing import Timing, wall_time
from windlass.serving.versions.turn import Asked, Turn

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Prediction(Protocol):
    """What a bundle makes of rows."""

    @property
    def features(self) -> pl.DataFrame: ...

    @property
    def scores(self) -> Any: ...


class Servable(Protocol):
    """As much of a bundle as serving needs; `windlass.registry` has the real one."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def product(self) -> Any: ...

    @property
    def folder(self) -> Path: ...

    @property
    def answering(self) -> Any: ...

    @property
    def computes_features(self) -> bool: ...

    @property
    def runs_user_code(self) -> bool: ...

    @property
    def takes_matrix(self) -> bool: ...

    def predict(self, rows: pl.DataFrame) -> Prediction: ...

    def scores(self, features: pl.DataFrame) -> Any: ...


class Company:
    """Whether a version may be asked about several requests at once: not if it answers a row differently then."""

    def __init__(self) -> None:
        self.allowed = True
        self._trials = TRIALS

    @property
    def on_trial(self) -> bool:
        return self._trials > 0

    def judge(self, *, same: bool) -> bool:
        """Take in one comparison of the answers together and alone; whether they may still be asked together."""
        self._trials -= 1
        self.allowed = self.allowed and same
        return self.allowed


@contextmanager
def _nothing_escapes() -> Iterator[None]:
    """Around user code. What it raises that is no Exception would end the worker, or leave its callers without answer:
    a panic of polars, `sys.exit`, a call that its own event loop cancelled. Ctrl-C reaches the main thread alone."""
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        raise Escaped(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """One version, verified and in memory."""

    version: str
    digest: str
    bundle: Servable
    witness: Witness = field(default_factory=Witness)
    company: Company = field(default_factory=Company)
    calls: Calls = field(default_factory=Calls)
    timing: Timing = wall_time
    """By which the time of its calls is taken."""

    @classmethod
    def of(cls, version: str, digest: str, bundle: Servable, *, timing: Timing = wall_time) -> Loaded:
        loaded = cls(version=version, digest=digest, bundle=bundle, timing=timing)
        _ = (
            loaded.decoder,
            bundle.answering,
            loaded.runs_user_code,
            loaded.numbers,
        )  # compiled and loaded now, while nobody waits for it
        return loaded

    def predict(self, rows: pl.DataFrame) -> Prediction:
        """What the user's features and model make of n rows. Raises what they raise, and Escaped.

        A process that they fork does not come out of them: it would write the answers down a second time, and hold the
        segment and the socket when the worker has ended.
        """
        with self._called():
            return self.bundle.predict(rows)

    def scores(self, features: Any) -> Any:
        """What the user's model says of n rows of its features; as `predict` for what it forks and raises."""
        with self._called():
            return self.bundle.scores(features)

    @contextmanager
    def _called(self) -> Iterator[None]:
        turn = Turn.here()
        if turn is not None and turn.given_up:
            raise NoAnswer("nobody waits for it any more", counts=False)
        try:
            with one_comes_out(), _nothing_escapes():
                yield
        finally:
            self.calls.returned()
            if turn is not None:
                turn.returned += 1

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest

    @cached_property
    def task(self) -> Task:
        return task_from(self.manifest.task)

    @cached_property
    def threshold(self) -> float:
        """The probability from which a binary answer is positive."""
        gate = self.manifest.policies.get("gate") or {}
        return decision_threshold(gate.get("cost"), self.manifest.threshold)

    @cached_property
    def decoder(self) -> RowDecoder:
        contract = getattr(self.bundle.product, "contract", None)
        return RowDecoder(self.manifest.columns, contract, most=MOST_ROWS, checks_later=True)

    @cached_property
    def capture(self) -> Capture:
        """What is kept of its answers."""
        return Capture(**self.manifest.policies.get("capture", {}))

    @cached_property
    def made_up(self) -> pl.DataFrame | None:
        """Rows of features as they looked in training, for answers to be explained against.

        Of a version that came as a model file: as they looked in the rows that came with it. None if none did, and of a
        model that tells more exactly itself what its features add.
        """
        from windlass.monitoring import reference
        from windlass.monitoring.drawing import draw
        from windlass.registry.native.contributions import can_be_taken_apart

        found = reference.load(self.bundle.folder)
        if found is None and not can_be_taken_apart(self.bundle.answering):
            found = reference.load(self.bundle.folder, name=reference.BACKGROUND)
        return None if found is None else draw(found.features, EXPLAIN_WALKS // 2, seed=0)

    @cached_property
    def runs_user_code(self) -> bool:
        """Whether an answer takes features, a model or a check of the contract that its user wrote."""
        return self.bundle.runs_user_code or self.decoder.asks_pandera

    @cached_property
    def numbers(self) -> Callable[[Any], Any] | None:
        """What reads from a row the numbers that its model is asked about as a matrix; None if it takes a frame."""
        columns = {column.name: column for column in self.decoder.columns}
        wanted = [columns.get(name) for name in self.manifest.features]
        plain = bool(wanted) and all(column is not None and is_number(column) for column in wanted)
        return self.decoder.reader(self.manifest.features) if plain and self.bundle.takes_matrix else None

    def reads_rows_like(self, other: Loaded) -> bool:
        """Whether rows decoded for `other` are what this version would have decoded from the same request."""
        mine, theirs = self.decoder, other.decoder
        if mine.asks_pandera or theirs.asks_pandera:  # two functions cannot be told to be the same
            return False
        return mine.columns == theirs.columns and mine.json_schema() == theirs.json_schema()


@dataclass(frozen=True, kw_only=True, eq=False)
class Lineup:
    """A routing record with its versions loaded. Replaced whole: a request keeps the one it began with."""

    product: str
    routing: Routing
    champion: Loaded | None = None
    challenger: Loaded | None = None
    problems: tuple[str, ...] = ()
    """Why a version that the record names does not serve."""

    @cached_property
    def mode(self) -> Literal["none", "shadow", "canary"]:
        return "none" if self.challenger is None or self.champion is None else self.routing.mode

    @cached_property
    def in_shadow(self) -> tuple[Loaded, Target] | None:
        """The challenger that is asked what the champion is asked, and never heard; and how the routing names it."""
        challenger, target = self.challenger, self.routing.challenger
        return None if self.mode != "shadow" or challenger is None or target is None else (challenger, target)

    @cached_property
    def control(self) -> Loaded | None:
        """The champion before, while the champion is on probation."""
        return self.challenger if self.mode == "shadow" and self.routing.control else None

    @property
    def ready(self) -> bool:
        """Whether the champion can answer: not while a call of it hangs, for which this worker will be replaced."""
        return self.champion is not None and not self.champion.calls.overdue

    @property
    def served(self) -> tuple[Loaded, ...]:
        return tuple(loaded for loaded in (self.champion, self.challenger) if loaded is not None)

    @cached_property
    def runs_user_code(self) -> bool:
        """Whether some version here needs code of its user to answer."""
        return any(loaded.runs_user_code for loaded in self.served)

    def is_on_trial(self, only: Loaded | None) -> bool:
        """Whether answering a request, or one for the version `only`, may take a version that is not the champion."""
        return self.mode == "canary" if only is None else only is not self.champion

    def hear(self, loaded: Loaded, rows: int, work: Callable[[], T], *, patiently: bool = False) -> T:
        """What `work`, calls of `loaded` about n rows, returns or raises.

        The champion is waited for, by whoever has begun this turn of the thread. Raises NoAnswer where a version on
        trial has not come back from an earlier call, or takes too long, unless it is to be waited for `patiently`.
        """
        if loaded is self.champion:
            turn = Turn.here()
            return work() if turn is None else turn.ask(Asked(self.product, loaded.version, loaded.calls, rows), work)
        loaded.calls.check()
        if patiently:
            return work()
        try:
            return loaded.calls.within(self._patience(rows), work)
        except NoAnswer as error:
            _log.warning("version %s gave %s for %d rows, and is given up", loaded.version, error, rows)
            raise

    def _patience(self, rows: int) -> float:
        return FIRST_PATIENCE_SECONDS if self.champion is None else self.champion.calls.patience(rows)

    @cached_property
    def same_rows(self) -> bool:
        """Whether one decoding serves champion and challenger."""
        champion, challenger = self.champion, self.challenger
        return champion is not None and challenger is not None and challenger.reads_rows_like(champion)

    def leader(self) -> Loaded:
        """The champion; raises NoChampion."""
        if self.champion is None:
            coming = self.routing.champion
            if coming is not None and not self.problems:
                told = f"{self.product} cannot answer yet: version {coming.version} is being loaded"
                raise NoChampion(told, remedy="try again in a moment")
            why = "; ".join(self.problems) or "no version has been released yet"
            raise NoChampion(f"{self.product} cannot answer: {why}", remedy="try again once a version is released")
        return self.champion

    def version(self, version: str) -> Loaded:
        """The champion or the challenger of that name; raises NotFound."""
        for loaded in self.served:
            if loaded.version == version:
                return loaded
        names = ", ".join(loaded.version for loaded in self.served) or "none"
        raise NotFound(f"{self.product} does not serve version {version!r} now; served: {names}")

    def goes_to_challenger(self, key: str) -> bool:
        """Sticky: the same key gives the same answer in every process for as long as the release lasts."""
        return place_of(f"{self.routing.salt}\0{key}") < self.routing.share


class Board:
    """The lineups in force. Reading is one dict lookup; a change replaces a reference."""

    def __init__(self) -> None:
        self._lineups: dict[str, Lineup] = {}

    @property
    def lineups(self) -> dict[str, Lineup]:
        return self._lineups

    @property
    def challengers(self) -> list[Loaded]:
        """Those that are on trial, of all products."""
        return [lineup.challenger for lineup in self._lineups.values() if lineup.challenger is not None]

    def of(self, product: str | None) -> Lineup:
        """Where there is one product it need not be named. Raises NotFound for one that is not routed here."""
        if product is None and len(self._lineups) == 1:
            return next(iter(self._lineups.values()))
        try:
            return self._lineups[product or ""]
        except KeyError:
            known = ", ".join(sorted(self._lineups)) or "none yet"
            asked = "a path must begin with a product" if product is None else f"there is no product {product!r} here"
            raise NotFound(f"{asked}; products: {known}") from None

    def put(self, lineup: Lineup) -> None:
        self._lineups = {**self._lineups, lineup.product: lineup}
