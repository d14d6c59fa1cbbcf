"""Which events nothing needs any more: a pure function of what happened and of what is kept.

Only the kinds that are named here can ever go. They are the many: steps, logged figures, settled alarms. All others
stay for good, since they are the history of what was in production and of what people asked for: versions, releases,
changes of champion, settings in force, requests, pauses, keys, erasures, and each run with its beginning and its end.

Whatever goes leaves the state (`projection.fold`) as it was, and the trace of an answer by a kept version too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from windlass.ledger.chain import to_text
from windlass.ledger.projection import PRODUCT_KINDS, STATE_KINDS
from windlass.records import event as events
from windlass.records.event import Body
from windlass.records.state import ProductState, WorkspaceState


class Entry(NamedTuple):
    """An event without its body, as the table's columns have it."""

    sequence: int
    at: str
    kind: str
    product: str | None
    subject: str | None
    run: str | None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What pruning leaves alone, besides the kinds that always stay."""

    before: datetime
    """What happened since stays, in event time."""
    runs: frozenset[str]
    """Runs whose whole story stays: their steps, figures, data and verdicts."""


def _names(*kinds: type[Body]) -> frozenset[str]:
    return frozenset(kind.kind() for kind in kinds)


_OF_A_RUN = _names(
    events.StepStarted,
    events.StepFinished,
    events.StepFailed,
    events.RunLogged,
    events.DataExtracted,
    events.DataPinned,
    events.GateDecided,
    events.RecourseDecided,
)
_EXTRACTED = events.DataExtracted.kind()
_RETRAIN = events.RetrainDecided.kind()
_OPENS = {events.AlarmRaised.kind(): "alarm", events.IncidentOpened.kind(): "incident"}
_CLOSES = {events.AlarmCleared.kind(): "alarm", events.IncidentClosed.kind(): "incident"}
_STARTED = events.ControllerStarted.kind()
_CONTROLLER = _names(events.ControllerStarted, events.ControllerStopped)
_OF_CLEANING = _names(events.LedgerPruned, events.WorkspaceCleaned)
_OF_THE_STATE = _names(*STATE_KINDS)
_OF_A_PRODUCT = _names(*PRODUCT_KINDS)


def needed_versions(product: ProductState) -> frozenset[str]:
    """The versions that the loop itself may still need: who answers, who answered before, who is being released."""
    needed = [product.champion, product.candidate, *(past.version for past in product.previous_champions[-1:])]
    active = product.release
    release = [] if active is None else [active.version, active.previous, active.fallback]
    names = [*(None if version is None else version.version for version in needed), *release]
    return frozenset(name for name in names if name is not None)


def kept_for(state: WorkspaceState, versions: Mapping[str, Collection[str]], *, before: datetime) -> Kept:
    """What must stay for `versions` (product -> names) and for the loop to go on.

    A version must be among them for as long as an answer of it is to be traced.
    """
    runs: set[str | None] = set()
    for name, product in state.products.items():
        wanted = {*versions.get(name, ()), *needed_versions(product)}
        runs |= {version.run for key, version in product.versions.items() if key in wanted}
        for run in (product.run, product.last_run):
            runs |= set() if run is None else {run.run, run.resumes}
        runs |= {None if one is None else one.run for one in (product.release, product.candidate)}
    return Kept(before=before, runs=frozenset(run for run in runs if run is not None))


def prunable(entries: Iterable[Entry], kept: Kept, *, upto: int) -> list[int]:
    """The sequences up to `upto` that may go, rising. `entries` are all events of the ledger, in order.

    - of a run that is not kept: its steps, figures, data and verdicts, except for the last run of each product that
      extracted, since the next one asks for what came after it
    - alarms and incidents that are over, once all that was said of them is old
    - decisions on retraining that led to no kept run, but for the last of each product
    - controllers that came and went before the present one
    - earlier prunings and cleanings, if anything else goes

    The first event of each product stays, which says that there is one, and the last that counts for the state, so that
    no routing record seems to fall back.
    """
    return _Reading(kept).of(entries, upto=upto)


_Matter = tuple[str | None, str, str | None]
"""Something that was opened and may have been closed: product, `alarm` or `incident`, and its name."""


class _Reading:
    """Sorts the events that could go by what may still hold them; they are judged when all have been seen."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._before = to_text(kept.before)
        self._of_runs: dict[str | None, list[int]] = defaultdict(list)
        self._extracting: dict[str | None, str | None] = {}
        self._matters: dict[_Matter, list[int]] = defaultdict(list)
        self._open: set[_Matter] = set()
        self._young: set[_Matter] = set()
        self._going: list[int] = []
        self._last_of: dict[tuple[str, str | None], int] = {}
        self._controllers: list[int] = []
        self._prunings: list[int] = []
        self._acting = 0
        self._products: set[str | None] = set()
        self._last_of_state = 0

    def of(self, entries: Iterable[Entry], *, upto: int) -> list[int]:
        for entry in entries:
            self._note(entry, old=entry.at < self._before and entry.sequence <= upto)
        held = {*self._kept.runs, *self._extracting.values()}
        going = self._going + [sequence for run, each in self._of_runs.items() if run not in held for sequence in each]
        over = self._matters.keys() - self._open - self._young
        going += [sequence for matter in over for sequence in self._matters[matter]]
        # Without a start that is there, an end says nothing; before the last start, nothing counts.
        going += [sequence for sequence in self._controllers if sequence < self._acting or not self._acting]
        stay = {*self._last_of.values(), self._last_of_state}
        going = [sequence for sequence in going if sequence not in stay]
        if going:  # or each pruning would be a reason for the next
            going += [sequence for sequence in self._prunings if sequence not in stay]
        return sorted(going)

    def _note(self, entry: Entry, *, old: bool) -> None:
        kind = entry.kind
        if kind in _OF_THE_STATE:
            self._last_of_state = entry.sequence
        if kind in _OF_A_PRODUCT and entry.product not in self._products:
            self._products.add(entry.product)
            old = False
        if kind == _EXTRACTED:
            self._extracting[entry.product] = entry.run
        elif kind == _STARTED:
            self._acting = entry.sequence
        elif kind == _RETRAIN or kind in _OF_CLEANING:
            self._last_of[kind, entry.product] = entry.sequence
        elif kind in _OPENS or kind in _CLOSES:
            self._note_matter(entry, old=old)
        if old:
            self._sort(entry)

    def _note_matter(self, entry: Entry, *, old: bool) -> None:
        """All that was said of a matter goes together: its end alone would leave it open for ever."""
        opens = _OPENS.get(entry.kind)
        matter = (entry.product, opens or _CLOSES[entry.kind], entry.subject)
        (self._open.add if opens else self._open.discard)(matter)
        if old:
            self._matters[matter].append(entry.sequence)
        else:
            self._young.add(matter)

    def _sort(self, entry: Entry) -> None:
        if entry.kind in _OF_A_RUN:
            self._of_runs[entry.run].append(entry.sequence)
        elif entry.kind in _CONTROLLER:
            self._controllers.append(entry.sequence)
        elif entry.kind in _OF_CLEANING:
            self._prunings.append(entry.sequence)
        elif entry.kind == _RETRAIN and entry.run not in self._kept.runs:
            self._going.append(entry.sequence)
