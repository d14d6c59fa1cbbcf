"""Is it time to train again?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from windlass.decisions.figures import decision, show_moment
from windlass.decisions.loss_reference import MINIMUM_ROWS
from windlass.decisions.precedent import Precedent, precedent_of
from windlass.product.duration import format_duration
from windlass.product.policy import Retrain
from windlass.records.decision import Decision
from windlass.records.event import LOOKING

Signal = Literal["first", "schedule", "volume", "growth", "change", "drift", "decay", "interrupted", "recourse"]

_WARNED = 0.4
"""Part of `Retrain.on_growth` that is worth a look while a warning stands: a tenth in place of a quarter."""
_PAID = 0.6
"""Part of it that is worth a look where the last release has paid: 15 % in place of 25."""
LOOKS = 20
"""Over how many of them `Retrain.share` is counted, the present one included."""
_BUDGETED: tuple[Signal, ...] = ("growth", "change", "drift", "decay")
"""What `Retrain.share` holds back. What a person, a schedule or a number of rows asks for is made."""
_PATIENT: tuple[Signal, ...] = ("growth", "change")
"""What leaves versions for drift and decay."""
_APART = 2 / 3
"""Part of an even spacing that these leave between the last versions of `Retrain.share`."""
_WEEK = timedelta(days=7)
_ROUNDING = 1e-9
_FIRST_PAUSE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class RetrainEvidence:
    """What is known at the moment the question is asked."""

    has_champion: bool
    trainable: bool = True
    """False for a product that only serves a model file."""
    paused: bool = False
    running: bool = False
    release_active: bool = False
    """A version is in shadow or canary. One on probation answers already, and does not count."""
    candidate: str | None = None
    """The version that is to be released next."""
    candidate_waits_for: str = ""
    """What has to end before its release may begin; empty: nothing."""
    last_run_at: datetime | None = None
    """When the last run started, whatever became of it."""
    run_starts: tuple[datetime, ...] = ()
    """Starts of the runs of the last seven days, at least; not of those that only asked earlier versions."""
    earlier: bool = False
    """There are versions that answered before the champion."""
    asked_at: datetime | None = None
    """When a run that makes no version asked these last; None: none did."""
    versions: tuple[float, ...] = ()
    """How many looks ago each of those was made that were in the last `LOOKS`, the first one included. Looks are when a
    run could have started: a cooldown apart, in a backtest a window."""
    new_labelled: int = 0
    """Rows that were labelled since the last run."""
    labelled: int = 0
    """Rows of the last run's training set; 0: nothing tells."""
    released: tuple[int, ...] = ()
    """How many rows were labelled when each version was trained that was to be released, the last ones at least."""
    changed: int = 0
    """How many of these had come since the change that a decay was dated to; 0: no run answered one yet."""
    failures: int = 0
    """Runs that failed one after the other, up to the last one."""
    rejections: int = 0
    """Runs one after the other that gained nothing: rejected by the gate, nothing new, or withdrawn by its release. Of
    those for growth or a change only the withdrawn ones: they look whether there is something to gain."""
    interrupted: bool = False
    """The last run was ended from outside, together with the controller that led it. It counts among the failures, and
    stays interrupted until a run takes it up."""
    owed: Signal | None = None
    """What the last run was for, if it failed: by now the signal may be gone, and nothing has answered it."""
    drift: Decision | None = None
    decay: Decision | None = None
    warning: Decision | None = None
    """What is to be expected by the answers alone, before labels come."""
    probation: Decision | None = None
    """How the last probation ended: where it proved a gain, more rows will sooner bring the next."""


def decide_retrain(evidence: RetrainEvidence, policy: Retrain | None, now: datetime) -> Decision:
    """`retrain`, `recourse` or `wait`; `numbers["trigger"]` names the signal: interrupted, first, decay, drift, volume,
    schedule, change or growth. Where the last release proved a gain on its probation, three fifths of `on_growth` are
    enough, and `numbers["gain"]` and `numbers["p_better"]` say what the gate may count in of that (`precedent_of` reads
    them): nothing where versions are many already. A decay is answered by the few rows since the change, so it is
    answered again each time they have doubled. `numbers["changed"]` says how many there are by now, and
    `numbers["scarce"]` whether more than half of the versions of `Retrain.share` are made (`sparing` reads it).

    `recourse`: a decay is to be answered, and no run may make a version for it now. To go back to one that answered
    before makes none, so those are asked, once in a cooldown; the trigger is `recourse`, too.

    Without a policy only the first version is trained. Signals are asked in the order of their weight; then cooldown
    and budget may hold a run back. Each run in a row that brought nothing doubles the cooldown (but for growth and
    change, since the next such run needs yet more rows), and a failed run is repeated after 5 minutes, 10, 20, ... up
    to a day, so that nothing ever retrains in a storm. A run that was interrupted is taken up at once, also beside a
    release, as a person may have asked for it; if that happens again, or after a failure, it is taken up when a failed
    one would be repeated, after the release.
    """
    blocked = _blocked(evidence, now)
    if blocked is not None:
        return _wait([blocked], evidence, policy, now, trigger=None)
    trigger, why = _signal(evidence, policy, now)
    if trigger is None:
        return _wait([why], evidence, policy, now, trigger=None)
    held = _held_back(evidence, policy or Retrain(), now, trigger=trigger)
    if held is not None and trigger == "decay" and _may_ask(evidence, policy or Retrain(), now):
        return decision("retrain", "recourse", [why, held], _numbers(evidence, policy, now, trigger="recourse"), now)
    if held is not None:
        return _wait([held, why], evidence, policy, now, trigger=trigger)
    return decision("retrain", "retrain", [why], _numbers(evidence, policy, now, trigger=trigger), now)


def must_gain(trigger: object, changed: int) -> bool:
    """Whether a run for `trigger` must find a model that is clearly better, and not only one that is no worse.

    After growth, since nothing is known to be wrong with the champion. After a change it is known: the champion has
    learned of it from half of the rows that are there by now, and few rows judge. But where a decay is dated on fewer
    than 100 rows (`changed`; 0: it is not dated), neither a candidate nor who judges it has learned what the new world
    is like, so a candidate that is no worse is only another model of the old one. The next run looks again when the
    rows since then have doubled.
    """
    return trigger == "growth" or (trigger in ("decay", "change") and 0 < changed < MINIMUM_ROWS)


def sparing(trigger: object, decided: Decision | None) -> bool:
    """Whether a run for `trigger` must find a model that seems better at least, as `decided` says how many versions
    are left: where they are few, one that is expected to bring nothing is missing when a decay comes."""
    return trigger == "change" and decided is not None and decided.numbers.get("scarce") is True


def _blocked(evidence: RetrainEvidence, now: datetime) -> str | None:
    """Why no run may start whatever the signals say."""
    if not evidence.trainable:
        return "The product has no `extract`, so it cannot train."
    if evidence.paused:
        return "The product is paused."
    if evidence.running:
        return "A run is under way."
    released_first = None if _at_once(evidence) else _released_first(evidence)
    if released_first is not None:
        return released_first
    if evidence.failures and evidence.last_run_at is not None and not _at_once(evidence):
        until = evidence.last_run_at + _after_failures(evidence.failures)
        if now < until:
            runs = "run" if evidence.failures == 1 else f"{evidence.failures} runs"
            return f"The last {runs} failed; the next try is at {show_moment(until)}."
    return None


def _released_first(evidence: RetrainEvidence) -> str | None:
    if evidence.release_active:
        return "A version is being released; it is judged before another is trained."
    if evidence.candidate is None:
        return None
    waits = f", which waits for {evidence.candidate_waits_for}" if evidence.candidate_waits_for else ""
    return f"{evidence.candidate} is to be released first{waits}."


def _signal(evidence: RetrainEvidence, policy: Retrain | None, now: datetime) -> tuple[Signal | None, str]:
    """The weightiest signal and what it says, or None and why there is none."""
    if evidence.interrupted:
        return "interrupted", "The last run was interrupted and is taken up where it stopped."
    if not evidence.has_champion:
        return "first", "There is no champion yet."
    if policy is None:
        return None, "The product has no retrain policy."
    return next(_signals(evidence, policy, now), (None, _why_quiet(evidence, policy)))


def _signals(evidence: RetrainEvidence, policy: Retrain, now: datetime) -> Iterator[tuple[Signal, str]]:
    """What speaks for a run, the weightiest first."""
    if policy.on_decay and evidence.decay is not None and evidence.decay.verdict == "alarm":
        yield "decay", evidence.decay.reasons[0]
    if policy.on_drift and evidence.drift is not None and evidence.drift.verdict == "alarm":
        yield "drift", evidence.drift.reasons[0]
    if policy.on_rows is not None and evidence.new_labelled >= policy.on_rows:
        yield "volume", f"{policy.on_rows} rows or more were labelled since the last run."
    overdue = _overdue(evidence.last_run_at, policy.every, now)
    if overdue is not None:
        yield "schedule", overdue
    if policy.on_growth is not None and 0 < evidence.changed <= evidence.new_labelled:
        yield "change", "Since the last run the rows since the change have doubled."
    sooner = 0.0 if policy.on_growth is None else _WARNED * policy.on_growth * evidence.labelled
    warning = evidence.warning if policy.on_decay else None
    if warning is not None and warning.verdict == "alarm" and 0 < sooner <= evidence.new_labelled:
        yield "growth", warning.reasons[0]
    growth = _growth(evidence, policy)
    if growth is not None and 0 < growth * evidence.labelled <= evidence.new_labelled:
        yield "growth", f"The labelled rows have grown by {growth:.0%} or more since the last run."
    if evidence.owed is not None:
        yield evidence.owed, f"The last run (for: {evidence.owed}) failed before it came to a result."


def _growth(evidence: RetrainEvidence, policy: Retrain) -> float | None:
    """The growth of the labelled rows that is worth a look; None: none is."""
    if policy.on_growth is None:
        return None
    last = _precedent(evidence, policy)
    return policy.on_growth * (_PAID if last is not None and last.proven else 1.0)


def _precedent(evidence: RetrainEvidence, policy: Retrain | None) -> Precedent | None:
    """What the last release brought, as long as it may count.

    What is looked at sooner and asked for less proof makes no more versions than growth by itself would: three in the
    time in which the rows double, if it is 25 %. All count, whatever they were made for.
    """
    if policy is None or policy.on_growth is None:
        return None
    half = (evidence.labelled + evidence.new_labelled) / 2
    most = max(1, math.floor(math.log(2) / math.log1p(policy.on_growth)))
    return precedent_of(evidence.probation) if sum(rows > half for rows in evidence.released) < most else None


def _at_once(evidence: RetrainEvidence) -> bool:
    """Only the first time: a run that takes its controller down with it would otherwise do so for ever."""
    return evidence.interrupted and evidence.failures <= 1


def _overdue(last: datetime | None, every: timedelta | None, now: datetime) -> str | None:
    if every is None:
        return None
    if last is None:
        return f"It has never been trained here, and the schedule says every {format_duration(every)}."
    if now >= last + every:
        return f"The last run was at {show_moment(last)}, and the schedule says every {format_duration(every)}."
    return None


def _held_back(evidence: RetrainEvidence, policy: Retrain, now: datetime, *, trigger: Signal) -> str | None:
    if evidence.last_run_at is not None and not evidence.failures:
        rejections = 0 if trigger in LOOKING else evidence.rejections
        until = evidence.last_run_at + _cooldown(policy, rejections)
        if now < until:
            after = f" after {_times(rejections, 'run')} without a better model" if rejections else ""
            return f"The cooldown{after} lasts until {show_moment(until)}."
    recent = sum(now - _WEEK < start <= now for start in evidence.run_starts)
    if recent >= policy.per_week and trigger not in ("first", "interrupted"):
        return f"The weekly budget of {_times(policy.per_week, 'run')} is spent."
    if trigger in _BUDGETED and all(signal in _BUDGETED for signal, _ in _signals(evidence, policy, now)):
        return _over_budget(evidence, policy, trigger)
    return None  # what a schedule or a volume brings anyway may as well answer an alarm


def _may_ask(evidence: RetrainEvidence, policy: Retrain, now: datetime) -> bool:
    """Whether it is time to ask the versions that answered before: a cooldown after the last run, and the last time."""
    pause = max(policy.cooldown, _FIRST_PAUSE)
    return evidence.earlier and all(at is None or now >= at + pause for at in (evidence.last_run_at, evidence.asked_at))


def _over_budget(evidence: RetrainEvidence, policy: Retrain, trigger: Signal) -> str | None:
    """Why `Retrain.share` lets no version be made for this now; None: it does.

    No more than that share of the last looks may bring one, but one always may. The first half of them may come one
    after the other, as a change asks for. The others have to last until the oldest counts no more, since a decay may
    come that nothing could answer: what is no alarm waits until a part of the time has passed since the last that
    would, were they spread evenly.
    """
    if policy.share is None:
        return None
    most, left = _most(policy.share), _left(evidence, policy.share)
    if left <= 0:
        return f"In {policy.share:.0%} of the last {LOOKS} looks a version was made, which is the most that may be."
    if not _scarce(evidence, policy) or trigger not in _PATIENT:
        return None
    last, oldest = min(evidence.versions), max(evidence.versions)
    even = (LOOKS - (oldest - last)) / (left + 1)
    if last >= _APART * even - _ROUNDING:
        return None
    return f"Of {most} versions in {LOOKS} looks {left} may still be made; they are kept for an alarm for a while."


def _most(share: float) -> int:
    """Versions that the last `LOOKS` may bring."""
    return max(1, math.floor(share * LOOKS + _ROUNDING))


def _left(evidence: RetrainEvidence, share: float) -> int:
    """How many of them may still be made."""
    return _most(share) - len(evidence.versions)


def _scarce(evidence: RetrainEvidence, policy: Retrain | None) -> bool:
    """Whether more than half of them are made."""
    if policy is None or policy.share is None:
        return False
    return 2 * _left(evidence, policy.share) < _most(policy.share)


def _cooldown(policy: Retrain, rejections: int) -> timedelta:
    """A cooldown of nothing is meant for runs that bring something; those in vain are never repeated at once."""
    if not rejections:
        return policy.cooldown
    return max(policy.cooldown, _FIRST_PAUSE) * int(2 ** min(rejections, 5))


def _after_failures(failures: int) -> timedelta:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * int(2 ** min(failures - 1, 20)))


def _why_quiet(evidence: RetrainEvidence, policy: Retrain) -> str:
    """Without figures that move with every row, since a new reason is a new event in the ledger."""
    asked = [
        ("decay", policy.on_decay and evidence.decay is not None),
        ("drift", policy.on_drift and evidence.drift is not None),
    ]
    quiet = " and ".join(name for name, heard in asked if heard)
    parts = [f"{quiet} {'are' if ' and ' in quiet else 'is'} quiet"] if quiet else []
    if policy.on_rows is not None:
        parts.append(f"fewer than {policy.on_rows} rows were labelled since the last run")
    growth = _growth(evidence, policy)
    if growth is not None and evidence.labelled:
        parts.append(f"the labelled rows have grown by less than {growth:.0%}")
    if policy.every is not None and evidence.last_run_at is not None:
        parts.append(f"the schedule asks at {show_moment(evidence.last_run_at + policy.every)}")
    return f"No signal: {', '.join(parts)}." if parts else "No signal has been heard."


def _wait(
    reasons: list[str], evidence: RetrainEvidence, policy: Retrain | None, now: datetime, *, trigger: Signal | None
) -> Decision:
    return decision("retrain", "wait", reasons, _numbers(evidence, policy, now, trigger=trigger), now)


def _numbers(
    evidence: RetrainEvidence, policy: Retrain | None, now: datetime, *, trigger: Signal | None
) -> dict[str, object]:
    last = _precedent(evidence, policy)
    return {
        "trigger": trigger,
        "new_labelled": evidence.new_labelled,
        "labelled": evidence.labelled,
        "changed": _changed(evidence, trigger),
        "scarce": _scarce(evidence, policy),
        "runs_this_week": sum(now - _WEEK < start <= now for start in evidence.run_starts),
        "failures": evidence.failures,
        "rejections": evidence.rejections,
        "last_run_at": evidence.last_run_at,
        "gain": None if last is None else last.gain,
        "p_better": None if last is None else last.p_better,
    }


def _changed(evidence: RetrainEvidence, trigger: Signal | None) -> int:
    """Rows since the change as of this decision; a decay dates a new one."""
    if trigger in ("decay", "recourse") and evidence.decay is not None:
        return evidence.decay.count("recent_rows")
    return evidence.changed + evidence.new_labelled if evidence.changed else 0


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
