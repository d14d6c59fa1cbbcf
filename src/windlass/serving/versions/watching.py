"""Following the routing records: new versions are loaded beside the old ones and swapped in by one assignment."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from windlass.engines.forks import one_comes_out
from windlass.errors import SigningError, WindlassError
from windlass.records.paths import Paths
from windlass.records.routing import Routing, Target
from windlass.serving.limits import RETRY_SECONDS
from windlass.serving.metrics import Metrics
from windlass.serving.stamps import Stamp, stamp_of
from windlass.serving.versions.lineup import Board, Lineup, Loaded, Servable
from windlass.serving.versions.trust import Trust

_log = logging.getLogger(__name__)

Open = Callable[[str, str], Servable]
"""`(product, digest) -> bundle`, verified; `Registry.open` is the real one."""


class Watcher:
    """Keeps a board in step with the routing folder. `refresh` is called from one thread at a time."""

    def __init__(
        self,
        *,
        paths: Paths,
        board: Board,
        open_bundle: Open,
        metrics: Metrics,
        report: Callable[[str, str, str], None] | None = None,
    ) -> None:
        self._folder = paths.routing("any").parent
        self._trust = Trust(paths)
        self._board = board
        self._open = open_bundle
        self._metrics = metrics
        self._report = report or (lambda _kind, _product, _detail: None)
        self._seen: dict[str, Stamp] = {}
        self._retry_at: dict[str, float] = {}

    def changed(self) -> bool:
        """Whether `refresh` has something to do: a record was replaced, came, went, or a load is to be tried again."""
        now = time.monotonic()
        return self._stamps() != self._seen or any(moment <= now for moment in self._retry_at.values())

    def refresh(self, *, challengers: bool = True) -> None:
        """Bring the board in step; a record or a version that cannot be used leaves what serves now in place.

        Without `challengers` only champions are loaded, and the next refresh does the rest: a process that begins
        should answer before it loads what may end it.
        """
        stamps, now = self._stamps(), time.monotonic()
        for product in self._seen.keys() - stamps.keys():  # a copy that was lost is made again by the controller
            _log.warning("%s: its routing record is gone; what serves goes on serving", product)
        for product, stamp in stamps.items():
            due = self._retry_at.get(product, float("inf")) <= now
            if stamp != self._seen.get(product) or due:
                self._retry_at.pop(product, None)
                self._follow(product, challengers=challengers)
        if challengers:
            self._seen = stamps

    def _stamps(self) -> dict[str, Stamp]:
        stamps = {}
        try:
            with os.scandir(self._folder) as files:  # a glob takes as long as a batch, ten times a second
                for file in files:
                    if file.name.endswith(".json"):
                        with contextlib.suppress(FileNotFoundError):
                            stamps[file.name.removesuffix(".json")] = stamp_of(file)
        except FileNotFoundError:
            return {}
        return stamps

    def _follow(self, product: str, *, challengers: bool) -> None:
        routing = _read(self._folder / f"{product}.json")
        current = self._board.lineups.get(product)
        if routing is None or routing.product != product:
            self._retry_at[product] = time.monotonic() + RETRY_SECONDS
            return
        if current is not None and routing.sequence < current.routing.sequence:
            _log.warning("%s: routing %d is older than %d", product, routing.sequence, current.routing.sequence)
            return
        try:
            self._trust.check(routing)
        except SigningError as error:
            self._retry_at[product] = time.monotonic() + RETRY_SECONDS
            self._stay(product, routing, error.what)
            return
        answers_or_says_why = current is not None and (current.champion or current.problems)
        if not answers_or_says_why:  # who asks while the version is loaded is told so
            self._board.put(Lineup(product=product, routing=routing))
        lineup = self._lineup(routing, current, challengers=challengers)
        if lineup.problems:
            self._retry_at[product] = time.monotonic() + RETRY_SECONDS
        self._board.put(lineup)
        self._publish(current, lineup)

    def _stay(self, product: str, routing: Routing, why: str) -> None:
        """With what serves, whatever the record says, its sequence included."""
        nothing = Lineup(product=product, routing=msgspec.structs.replace(routing, sequence=0))
        current = self._board.lineups.get(product) or nothing
        if why not in current.problems:
            _log.warning("%s: %s", product, why)
            self._board.put(replace(current, problems=(why,)))

    def _lineup(self, routing: Routing, current: Lineup | None, *, challengers: bool) -> Lineup:
        problems: list[str] = []
        known = {loaded.digest: loaded for loaded in (current.served if current else ())}
        champion = self._load(routing.champion, routing.product, known, problems)
        if champion is None and routing.champion is not None and current is not None:
            champion = current.champion  # the new one never serves, so the old one goes on
        wanted = routing.challenger if challengers else None
        challenger = self._load(wanted, routing.product, known, problems)
        if challenger is not None and champion is not None and challenger.digest == champion.digest:
            challenger = None
        return Lineup(
            product=routing.product,
            routing=routing,
            champion=champion,
            challenger=challenger,
            problems=tuple(problems),
        )

    def _load(
        self, target: Target | None, product: str, known: dict[str, Loaded], problems: list[str]
    ) -> Loaded | None:
        if target is None:
            return None
        found = known.get(target.digest)
        if found is not None and found.version == target.version:
            return found
        try:
            with one_comes_out():  # opening it imports the user's modules
                bundle = self._open(product, target.digest)
                loaded = Loaded.of(target.version, target.digest, bundle)
        except Exception as error:  # noqa: BLE001 (the bundle holds the user's modules; what importing them raises keeps it out)
            told = error.what if isinstance(error, WindlassError) else f"{type(error).__name__}: {error}"
            _log.exception("%s: version %s cannot be loaded", product, target.version)
            problems.append(f"version {target.version} cannot be loaded: {told}")
            return None
        return loaded

    def _publish(self, before: Lineup | None, after: Lineup) -> None:
        """Tell metrics, log and controller what changed."""
        product = after.product
        roles_before, roles_after = _roles(before), _roles(after)
        for version, role in roles_before - roles_after:
            self._metrics.loaded.labels(product, version, role).set(0)
        for version, role in roles_after - roles_before:
            self._metrics.loaded.labels(product, version, role).set(1)
        wanted_before, wanted_after = _refused(before), _refused(after)
        for version in wanted_before - wanted_after:
            self._metrics.refused.labels(product, version).set(0)
        for version in wanted_after - wanted_before:
            self._metrics.refused.labels(product, version).set(1)
        self._metrics.sequence.labels(product).set(after.routing.sequence)
        if before is None or before.problems != after.problems:
            for problem in after.problems:
                self._report("refused", product, problem)
        if roles_before != roles_after:
            told = ", ".join(f"{version} as {role}" for version, role in sorted(roles_after)) or "nothing"
            _log.info("%s: routing %d, serving %s", product, after.routing.sequence, told)
            self._report("serving", product, told)


def _roles(lineup: Lineup | None) -> set[tuple[str, str]]:
    if lineup is None:
        return set()
    roles = [("champion", lineup.champion), (lineup.mode, lineup.challenger)]
    return {(loaded.version, role) for role, loaded in roles if loaded is not None}


def _refused(lineup: Lineup | None) -> set[str]:
    if lineup is None:
        return set()
    wanted = [target for target in (lineup.routing.champion, lineup.routing.challenger) if target is not None]
    served = {loaded.digest for loaded in lineup.served}
    return {target.version for target in wanted if target.digest not in served}


def _read(path: Path) -> Routing | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Routing)
    except (OSError, msgspec.DecodeError) as error:
        _log.warning("the routing record %s cannot be read: %s", path.name, error)
        return None
