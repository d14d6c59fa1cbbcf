"""What the serving workers tell: who died, and which version they cannot load or do not survive."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

from windlass.controller.context import LoopContext
from windlass.controller.hangs import Hangs
from windlass.controller.incidents import Incidents
from windlass.decisions.crashing import crashing
from windlass.decisions.leak import WARM, leaking
from windlass.records.state import ProductState, ReleaseState
from windlass.release.routing import routing_for
from windlass.serving.supervisor import ServingEvent

log = logging.getLogger(__name__)

_MOST_READINGS = 1000
"""Of the memory of a worker in a stage; of more every second one goes."""
_UNHEARD = "nobody answers at the address"
_UNCAPTURED = "answers cannot be captured"
_UNLOADABLE = " cannot be loaded for serving"


class Workers:
    """Keeps what was heard until the next look, and what each worker refused until it serves it after all."""

    def __init__(
        self, *, context: LoopContext, incidents: Incidents, hangs: Hangs, turned_away: Callable[[str, int], object]
    ) -> None:
        """`turned_away` hears of requests of a product that were more than a worker could answer."""
        self._context = context
        self._hangs = hangs
        self._turned_away = turned_away
        self._incidents = incidents
        self._heard: deque[tuple[datetime, ServingEvent]] = deque()
        self._refusals: dict[tuple[str, str], dict[str, str]] = {}
        """Product and version -> worker -> why."""
        self._serving: dict[tuple[str, str], str] = {}
        """Product and worker -> the versions that it has told last that it serves."""
        self._uncaptured: dict[str, set[str]] = {}
        """Product -> the workers that cannot write down what they would answer."""
        self._crashes: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
        """Product and release -> when and how workers ended while it was under way."""
        self._looked = context.now
        self._calm: defaultdict[str, timedelta] = defaultdict(timedelta)
        """Product -> for how long nothing of it was being released,"""
        self._usual: Counter[str] = Counter()
        """and the crashes in that time."""
        self._memory: dict[tuple[str, str, str], dict[str, list[float]]] = {}
        """Product, release and stage -> worker -> the megabytes that it has held since."""

    def hear(self, event: ServingEvent) -> None:
        """Something about a worker; called from the server's threads."""
        self._heard.append((self._context.now, event))

    def refused(self, product: str, version: str) -> str | None:
        """Why the version cannot serve: a worker could not load it, or workers crash since it is being released, more
        often than they do by themselves.

        A worker holds champion and challenger, so its crash says nothing of who is at fault. What changed last is
        withdrawn: that costs a release, where going on costs answers. In shadow a challenger has a process of its own,
        and counts alone. None when nothing of the kind is known.
        """
        told = next(iter(self._refusals.get((product, version), {}).values()), None)
        release = self._context.product(product).release
        if told is not None or release is None or release.version != version:
            return told
        crashes = self._crashes.get((product, release.release), [])
        often = crashing([at for at, _ in crashes], before=self._usual[product], watched=self._calm[product])
        if often is None:
            return self._hangs.against(product, release) or self._leak(product, release)
        told = f"{len(crashes)} serving processes have crashed since its release began, {often}"
        return f"{told}; the last: {crashes[-1][1]}"

    def serves(self, product: str, version: str) -> bool:
        """Whether a worker has told that it serves the version."""
        return any(name == product and f"{version} as " in told for (name, _), told in self._serving.items())

    def note(self) -> None:
        """Look at what was heard since the last time."""
        now = self._context.now
        for name, state in self._context.state.products.items():
            if state.release is None:
                self._calm[name] += now - self._looked
        self._looked = now
        while self._heard:
            at, event = self._heard[0]
            if event.kind not in ("memory", "turned_away"):
                log.info("worker %s: %s %s %s", event.worker, event.kind, event.product, event.detail)
            self._take(event, at)
            self._heard.popleft()  # and not before: what cannot be recorded now is heard again at the next look

    def _take(self, event: ServingEvent, at: datetime) -> None:
        if event.kind in ("hangs", "turned_away"):
            self._not_answered(event)
            return
        match event.kind:
            case "refused":
                self._refused(event)
            case "serving":
                self._serves(event)
            case "uncaptured":
                self._cannot_capture(event)
            case "captured":
                self._captures(event.product, event.worker)
            case "memory":
                self._measured(event)
            case "died":
                self._died(event, at)
            case "crashed":
                self._crashed(event, at)
            case "ready":
                self._answers(event)
            case "unheard":
                self._unheard(event)
            case "heard":
                self._heard_again(event)

    def _not_answered(self, event: ServingEvent) -> None:
        if event.kind == "hangs":
            self._hangs.take(event)
        else:
            self._turned_away(event.product, int(event.detail))

    def _measured(self, event: ServingEvent) -> None:
        for name, product in self._context.state.products.items():
            release = product.release
            of_shadow = event.product == name and release is not None and release.stage == "shadow"
            if release is not None and (not event.product or of_shadow):
                stage = (name, release.release, release.stage)
                holder = _shadow_of(event.worker) if event.product else event.worker
                readings = self._memory.setdefault(stage, {}).setdefault(holder, [])
                readings.append(float(event.detail))
                if len(readings) > _MOST_READINGS:
                    del readings[WARM::2]

    def _leak(self, product: str, release: ReleaseState) -> str | None:
        """As with crashes: what changed last is withdrawn."""
        readings = self._memory.get((product, release.release, release.stage), {})
        leaks = ((worker, leaking(megabytes)) for worker, megabytes in readings.items())
        return next(
            (f"since it is in {release.stage}, {leak} (worker {worker})" for worker, leak in leaks if leak), None
        )

    def forgive(self, name: str) -> None:
        """Close the incidents of versions that nobody is asked to load any more."""
        product = self._context.product(name)
        under_way = None if product.release is None else product.release.release
        for product_name, release in [key for key in self._crashes if key[0] == name and key[1] != under_way]:
            del self._crashes[product_name, release]
        for key in [key for key in self._memory if key[0] == name and key[1] != under_way]:
            del self._memory[key]
        routed = _routed(product)
        for title in self._incidents.titles(name):
            version = title.removesuffix(_UNLOADABLE)
            if title.endswith(_UNLOADABLE) and version not in routed:
                self._refusals.pop((name, version), None)
                self._incidents.close(name, title=title, resolution=f"{version} is not asked to answer any more")

    def _refused(self, event: ServingEvent) -> None:
        product = self._context.product(event.product)
        for version in _routed(product):
            if f"version {version} cannot be loaded" in event.detail:
                self._refusals.setdefault((event.product, version), {})[event.worker] = event.detail
                self._incidents.open(
                    event.product,
                    title=f"{version}{_UNLOADABLE}",
                    cause=event.detail,
                    remedy="what workers have in memory goes on answering; `windlass rollback`, or train a new one",
                )

    def _cannot_capture(self, event: ServingEvent) -> None:
        self._uncaptured.setdefault(event.product, set()).add(event.worker)
        self._incidents.open(
            event.product,
            title=_UNCAPTURED,
            cause=event.detail,
            remedy="callers get 503 meanwhile: free space on the workspace's disk, or make it writable again; "
            "answering goes on by itself",
        )

    def _captures(self, product: str, worker: str) -> None:
        left = self._uncaptured.get(product, set())
        left.discard(worker)
        if not left:
            self._incidents.close(product, title=_UNCAPTURED, resolution="answers are captured again")

    def _serves(self, event: ServingEvent) -> None:
        if event.worker not in self._uncaptured.get(event.product, ()):
            self._captures(event.product, event.worker)  # one that has just begun, in the place of one that could not
        self._serving[event.product, event.worker] = event.detail
        for (product, version), workers in list(self._refusals.items()):
            if product == event.product and f"{version} as " in event.detail:
                workers.pop(event.worker, None)
        for title in self._incidents.titles(event.product):
            version = title.removesuffix(_UNLOADABLE)
            served = title.endswith(_UNLOADABLE) and f"{version} as " in event.detail
            if served and self.refused(event.product, version) is None:
                self._incidents.close(event.product, title=title, resolution=f"{version} is served")

    def _died(self, event: ServingEvent, at: datetime) -> None:
        for held in self._memory.values():
            held.pop(event.worker, None)
            held.pop(_shadow_of(event.worker), None)
        for workers in self._refusals.values():
            workers.pop(event.worker, None)
        for failing in self._uncaptured.values():
            failing.discard(event.worker)
        for product, worker in [key for key in self._serving if key[1] == event.worker]:
            del self._serving[product, worker]
        for product in self._served():
            self._incidents.open(
                product,
                title=f"serving worker {event.worker} died",
                cause=event.detail,
                remedy="it was started again; see windlass.log",
            )
        if event.crashed:
            for name, state in self._context.state.products.items():
                if state.release is None:
                    self._usual[name] += 1
                else:
                    self._crashes.setdefault((name, state.release.release), []).append((at, event.detail))

    def _crashed(self, event: ServingEvent, at: datetime) -> None:
        """In probation it is the version before that is in shadow, which says nothing of the one on probation."""
        release = self._context.product(event.product).release
        if release is not None and f"version {release.version} in shadow" in event.detail:
            self._crashes.setdefault((event.product, release.release), []).append((at, event.detail))
        for (product, _, _), held in self._memory.items():
            if product == event.product:
                held.pop(_shadow_of(event.worker), None)

    def _answers(self, event: ServingEvent) -> None:
        for product in self._served():
            self._incidents.close(
                product, title=f"serving worker {event.worker} died", resolution="it was started again and answers"
            )

    def _unheard(self, event: ServingEvent) -> None:
        for product in self._served():
            self._incidents.open(
                product,
                title=_UNHEARD,
                cause=f"another process holds {event.detail} and does not answer as a worker of this workspace does",
                remedy="find out which holds it (`ss -ltnp`) and end it: this one serves there as soon as it is free",
            )

    def _heard_again(self, event: ServingEvent) -> None:
        for product in self._served():
            self._incidents.close(product, title=_UNHEARD, resolution=f"{event.detail} is answered")

    def _served(self) -> list[str]:
        return [name for name, product in self._context.state.products.items() if product.champion is not None]


def _routed(product: ProductState) -> list[str]:
    """The versions that workers are asked to load."""
    routing = routing_for(product, sequence=0)
    return [target.version for target in (routing.champion, routing.challenger) if target is not None]


def _shadow_of(worker: str) -> str:
    """What the process of its challenger in shadow is called."""
    return f"{worker}'s shadow"
