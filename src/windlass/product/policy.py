"""What a user decides ahead of time, so that nobody has to be asked later.

Each policy is a frozen record of plain data: it is copied into every bundle and, as the settings in force, into the
ledger. Durations are event time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from numbers import Real
from typing import Any, Literal

from windlass.errors import ProductError
from windlass.product.duration import format_duration, parse_duration

_USUAL_GROWTH = 0.25
_USUAL_SHARE = 0.4
Season = Literal["hour", "day", "week"]
Metric = Callable[[Any, Any], float]
"""A metric of one's own: `(y_true, y_score) -> float`, larger is better."""


@dataclass(frozen=True, init=False)
class Outcome:
    """How long a label may take, and what it means if it never comes."""

    within: timedelta
    absent: bool | int | float | str | None
    """The label of a prediction whose outcome has not come `within` the time; None: such rows are left out."""

    def __init__(self, *, within: str | timedelta = "30d", absent: bool | int | float | str | None = None) -> None:
        _set(self, within=parse_duration(within, where="Outcome.within"), absent=absent)


@dataclass(frozen=True, init=False)
class Gate:
    """What a candidate must reach before it may be released."""

    metric: str
    """`roc_auc`, `log_loss`, `accuracy`, `mae`, ... (docs/reference/metrics.md), `cost`, or the name of a function."""
    at_least: float | None
    """Floor for a metric where larger is better, on the holdout."""
    at_most: float | None
    """Ceiling for a metric where smaller is better."""
    slices: tuple[str, ...]
    """Columns; within none of their larger groups may the candidate be clearly worse than the champion. Decay is
    watched for each of these groups, too."""
    cost: tuple[tuple[float, float], tuple[float, float]] | None
    """`((true negative, false positive), (false negative, true positive))`: cost of each cell, for metric `cost`."""
    latency_ms: float | None
    """The most that the prediction of one row may take, 99th percentile."""
    tolerance: float
    """How much worse than the champion counts as the same, in the metric's units."""
    own: Metric | None
    """The function behind a metric of one's own; not part of the plain record."""

    def __init__(
        self,
        metric: str | Metric = "default",
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        slices: Sequence[str] = (),
        cost: Sequence[Sequence[float]] | None = None,
        latency_ms: float | None = None,
        tolerance: float = 0.0,
    ) -> None:
        if not isinstance(metric, str) and not callable(metric):
            raise ProductError(f"{metric!r} is no metric", where="Gate.metric", remedy="give a name or a function")
        for bound, value in (("at_least", at_least), ("at_most", at_most)):
            if value is not None:
                _check_number(value, where=f"Gate.{bound}")
        if latency_ms is not None:
            _check_number(latency_ms, where="Gate.latency_ms", above=0)
        _check_number(tolerance, where="Gate.tolerance", least=0)
        _check_names(slices, where="Gate.slices")
        name = metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)
        _set(
            self,
            metric="cost" if cost is not None and name == "default" else name,
            at_least=at_least,
            at_most=at_most,
            slices=tuple(slices),
            cost=None if cost is None else _costs(cost),
            latency_ms=latency_ms,
            tolerance=tolerance,
            own=None if isinstance(metric, str) else metric,
        )


@dataclass(frozen=True, init=False)
class Release:
    """How a version that passed the gate comes to answer everyone."""

    shadow: int
    """Requests' rows it must answer unseen, beside the champion; 0 skips the stage."""
    canary: tuple[float, ...]
    """Parts of the keys it answers, one stage after the other; empty skips the stage."""
    bake: timedelta
    """The least time in each canary stage."""
    minimum: int
    """The least rows answered in each canary stage."""
    probation: timedelta
    """How long after promotion its outcomes are compared with what the champion before it would have scored."""
    deadline: timedelta
    """A release that could not be decided by then is rolled back."""
    approval: bool
    """Whether a person must say yes (`windlass approve`) before a version answers everyone."""

    def __init__(
        self,
        *,
        shadow: int = 0,
        canary: Sequence[float] = (),
        bake: str | timedelta = "0s",
        minimum: int = 100,
        probation: str | timedelta = "7d",
        deadline: str | timedelta = "30d",
        approval: bool = False,
    ) -> None:
        _check_flag(approval, where="Release.approval")
        shares = _shares(canary)
        for name, value, least in (("shadow", shadow, 0), ("minimum", minimum, 1)):
            _at_least(value, least, where=f"Release.{name}")
        baking = parse_duration(bake, where="Release.bake")
        latest = parse_duration(deadline, where="Release.deadline")
        if shares and baking * len(shares) >= latest:
            raise ProductError(
                f"{len(shares)} canary stages of {format_duration(baking)} never end before {format_duration(latest)}",
                where="Release.deadline",
                remedy="give a later deadline, or bake for a shorter time",
            )
        _set(
            self,
            shadow=shadow,
            canary=shares,
            bake=baking,
            minimum=minimum,
            probation=parse_duration(probation, where="Release.probation"),
            deadline=latest,
            approval=approval,
        )


@dataclass(frozen=True, init=False)
class Retrain:
    """When to train again."""

    every: timedelta | None
    """Schedule: this long after the last run."""
    on_rows: int | None
    """Volume: this many newly labelled rows since the last run."""
    on_growth: float | None
    """Volume: the labelled rows have grown by this share of those of the last run. What such a run makes is released
    only if it is clearly better: more rows alone are no reason to change what answers."""
    on_drift: bool
    on_decay: bool
    cooldown: timedelta
    """The least time between two runs, whatever the signal."""
    per_week: int
    """The most runs within seven days."""
    share: float | None
    """At how many of the last twenty looks, which are a `cooldown` apart (in a backtest, a window), a version may be
    made for growth, drift or decay: two in five by default, of which growth leaves the last for alarms for a
    while; None: at each. A schedule and a volume are kept."""
    window: timedelta | Literal["all"] | None
    """Train on the rows of this last stretch of event time, or on `all`; None: stretches of different length compete,
    and a version may be a blend of several."""

    def __init__(
        self,
        *,
        every: str | timedelta | None = None,
        on_rows: int | None = None,
        on_growth: float | Literal["auto"] | None = "auto",
        on_drift: bool = False,
        on_decay: bool = True,
        cooldown: str | timedelta = "1d",
        per_week: int = 7,
        share: float | None = _USUAL_SHARE,
        window: str | timedelta | Literal["all"] | None = None,
    ) -> None:
        _at_least(per_week, 1, where="Retrain.per_week")
        if on_rows is not None:
            _at_least(on_rows, 1, where="Retrain.on_rows")
        for signal, value in (("on_drift", on_drift), ("on_decay", on_decay)):
            _check_flag(value, where=f"Retrain.{signal}")
        if on_growth == "auto":  # a schedule or a volume says already when to look for a better model
            on_growth = _USUAL_GROWTH if every is None and on_rows is None else None
        elif on_growth is not None:
            _check_number(on_growth, where="Retrain.on_growth", above=0)
        if share is not None:
            _check_number(share, where="Retrain.share", above=0)
        stretch = window if window is None or window == "all" else parse_duration(window, where="Retrain.window")
        if stretch is not None and not stretch:
            raise ProductError("no row is younger than that", where="Retrain.window", remedy="such as '90d', or 'all'")
        _set(
            self,
            every=None if every is None else parse_duration(every, where="Retrain.every"),
            on_rows=on_rows,
            on_growth=None if on_growth is None else float(on_growth),
            on_drift=on_drift,
            on_decay=on_decay,
            cooldown=parse_duration(cooldown, where="Retrain.cooldown"),
            per_week=per_week,
            share=None if share is None else float(share),
            window=stretch,
        )

    @property
    def since(self) -> timedelta | None:
        """How far back rows are taken at all; None: all of them."""
        return self.window if isinstance(self.window, timedelta) else None


@dataclass(frozen=True, init=False)
class Capture:
    """What is kept of the rows that were answered."""

    sample: float
    """The part of the keys (of rows without one, of the requests) that is captured; a key always or never."""
    redact: tuple[str, ...]
    """Columns of the row, and features, whose values are never written down."""

    def __init__(self, *, sample: float = 1.0, redact: Sequence[str] = ()) -> None:
        _check_number(sample, where="Capture.sample", above=0)
        if sample > 1:
            raise ProductError(f"{sample!r} is more than all", where="Capture.sample", remedy="give 0.1, say, or 1")
        _check_names(redact, where="Capture.redact")
        _set(self, sample=float(sample), redact=tuple(redact))


@dataclass(frozen=True, init=False)
class Objectives:
    """Service levels: how much of what is asked must be answered, and how soon; and what must be asked."""

    availability: float | None
    """The part of the requests that are answered; None: no objective."""
    latency_ms: float | None
    """What features and model may take for a request that counts as quick; None: no objective."""
    quick: float
    """The part of the answers that are so quick."""
    window: timedelta
    """The stretch that an error budget is for."""
    arrivals: Season | None
    """As many rows must come as usual, and as soon: an hour is compared with that of the same days of other weeks
    (`week`), with that of other days (`day`), or with any (`hour`); None: how many come is not watched."""

    def __init__(
        self,
        *,
        availability: float | None = 0.999,
        latency_ms: float | None = None,
        quick: float = 0.99,
        window: str | timedelta = "28d",
        arrivals: Season | None = None,
    ) -> None:
        for name, value in (("availability", availability), ("quick", quick)):
            if value is not None:
                _check_number(value, where=f"Objectives.{name}", above=0)
                if value >= 1:
                    what = f"{value!r} leaves no room for a single failure"
                    raise ProductError(what, where=f"Objectives.{name}", remedy="give 0.999, say")
        if latency_ms is not None:
            _check_number(latency_ms, where="Objectives.latency_ms", above=0)
        stretch = parse_duration(window, where="Objectives.window")
        if stretch < timedelta(days=1):
            what = f"{format_duration(stretch)} is too short for a budget"
            raise ProductError(what, where="Objectives.window", remedy="give a day or more, such as '28d'")
        if arrivals not in ("hour", "day", "week", None):
            remedy = "give 'week', 'day', or 'hour' where all hours are alike"
            raise ProductError(f"{arrivals!r} is no season", where="Objectives.arrivals", remedy=remedy)
        _set(self, availability=availability, latency_ms=latency_ms, quick=quick, window=stretch, arrivals=arrivals)


def competing(policy: Retrain | None) -> bool:
    """Whether stretches of different length compete: nothing says which one to train on."""
    return policy is None or policy.window is None


@dataclass(frozen=True, kw_only=True)
class Policies:
    """All that was decided ahead of time for one product."""

    outcome: Outcome
    gate: Gate | None
    release: Release
    retrain: Retrain | None
    capture: Capture = field(default_factory=Capture)
    objectives: Objectives | None = None


def to_plain(policies: Policies) -> dict[str, Any]:
    """Plain data for a bundle or the ledger; a metric function is left behind, its name stays."""
    return {
        each.name: None if policy is None else _plain(policy)
        for each in fields(policies)
        for policy in (getattr(policies, each.name),)
    }


def from_plain(plain: dict[str, Any]) -> Policies:
    """What `to_plain` wrote, as policies again."""
    objectives = plain.get("objectives")
    return Policies(
        outcome=Outcome(**plain["outcome"]),
        gate=None if plain["gate"] is None else Gate(**plain["gate"]),
        release=Release(**plain["release"]),
        retrain=None if plain["retrain"] is None else Retrain(**plain["retrain"]),
        capture=Capture(**plain.get("capture", {})),  # versions of before there was such a policy have none
        objectives=None if objectives is None else Objectives(**objectives),
    )


def _plain(policy: Outcome | Gate | Release | Retrain | Capture | Objectives) -> dict[str, Any]:
    values = {each.name: getattr(policy, each.name) for each in fields(policy) if each.name != "own"}
    return {
        name: format_duration(value)
        if isinstance(value, timedelta)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in values.items()
    }


def _at_least(value: int, least: int, *, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ProductError(
            f"{value!r} is not a whole number from {least} on", where=where, remedy=f"give {least} or more"
        )


def _check_flag(value: object, *, where: str) -> None:
    if not isinstance(value, bool):
        raise ProductError(f"{value!r} is neither true nor false", where=where, remedy="write True or False")


def _check_number(value: object, *, where: str, least: float | None = None, above: float | None = None) -> None:
    fits = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or (least is not None and value < least) or (above is not None and value <= above):  # type: ignore[operator]
        wanted = "" if least is None and above is None else f" from {least} on" if above is None else f" above {above}"
        raise ProductError(f"{value!r} is not a finite number{wanted}", where=where, remedy="give one, such as 0.65")


def _check_names(names: object, *, where: str) -> None:
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ProductError(f"{names!r} is no list of columns", where=where, remedy='write ["carrier"], say')


def _costs(cost: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    where, remedy = "Gate.cost", "[[0, 1], [5, 0]], say: rows are the truth, columns the answer, negative first"
    if len(cost) != 2 or any(isinstance(row, Real) or len(row) != 2 for row in cost):
        raise ProductError("a cost matrix has two rows of two", where=where, remedy=remedy)
    for cell in (*cost[0], *cost[1]):
        _check_number(cell, where=where)
    (negative, false_positive), (false_negative, positive) = cost
    if false_positive <= negative and false_negative <= positive:
        raise ProductError("neither mistake costs more than being right", where=where, remedy=remedy)
    return tuple(tuple(float(cell) for cell in row) for row in cost)


def _shares(canary: object) -> tuple[float, ...]:
    where, remedy = "Release.canary", "[0.05, 0.25], say; the full share is the promotion itself"
    if isinstance(canary, str) or not isinstance(canary, Sequence):
        raise ProductError(f"{canary!r} is no list of shares", where=where, remedy=remedy)
    for share in canary:
        _check_number(share, where=where)
    shares = tuple(float(share) for share in canary)
    if any(not 0 < share < 1 for share in shares) or list(shares) != sorted(set(shares)):
        told = f"canary shares must rise and lie between 0 and 1, got {list(canary)}"
        raise ProductError(told, where=where, remedy=remedy)
    return shares


def _set(record: object, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(record, name, value)
