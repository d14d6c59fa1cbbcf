"""From what the ledger says to a message that can be acted on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from windlass.decisions import decay
from windlass.decisions.statistics import detector
from windlass.records.alert import Matter, Message, Severity, likely_cause
from windlass.records.decision import Decision
from windlass.records.event import AlarmCleared, AlarmRaised, Event, IncidentClosed, IncidentOpened
from windlass.records.state import ProductState

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""Rising."""
_OF_SIGNAL: dict[str, Severity] = {"drift": "warning", "quality": "warning", "decay": "critical", "service": "critical"}
_OFTEN = {
    "drift": f"once in {detector.RUN_LENGTH:,} windows",
    "decay": f"once in {decay.RUN_LENGTH:,} outcomes",
}
_SEEN = "It was seen, not inferred."
_LARGE = 100
_BEYOND = 1_000_000_000
"""Evidence of so much is told by its size alone."""
TOLD_KINDS = (AlarmRaised, AlarmCleared, IncidentOpened, IncidentClosed)


def matters_of(events: Iterable[Event]) -> dict[str, Matter]:
    """Alarms and incidents by id, in their order; an incident that an alarm opened is part of that alarm.

    The end of something whose beginning is not among `events` is left out.
    """
    found: dict[str, Matter] = {}
    for event in events:
        body = event.body
        if isinstance(body, AlarmRaised):
            found[body.alarm] = _of_alarm(body, event.at)
        elif isinstance(body, IncidentOpened):
            alarm = found.get(body.alarm or "")
            if alarm is not None:
                found[alarm.name] = replace(alarm, remedy=body.remedy)
            elif body.alarm is None:
                found[body.incident] = _of_incident(body, event.at)
        elif isinstance(body, AlarmCleared) and body.alarm in found:
            found[body.alarm] = replace(found[body.alarm], over=event.at, resolution=body.reason)
        elif isinstance(body, IncidentClosed) and body.incident in found:
            found[body.incident] = replace(found[body.incident], over=event.at, resolution=body.resolution)
    return found


def _of_alarm(body: AlarmRaised, at: datetime) -> Matter:
    return Matter(
        name=body.alarm,
        signal=body.signal,
        severity=_OF_SIGNAL[body.signal],
        title=f"{body.signal} of {body.version}" if body.version else body.signal,
        since=at,
        sure=_sure(body.decision),
        cause=" ".join([*body.decision.reasons, *filter(None, [likely_cause(body.causes)])]),
        remedy="",
    )


def _of_incident(body: IncidentOpened, at: datetime) -> Matter:
    return Matter(
        name=body.incident,
        signal="incident",
        severity="warning",
        title=body.title,
        since=at,
        sure=_SEEN,
        cause=body.cause,
        remedy=body.remedy,
    )


def _sure(decision: Decision) -> str:
    evidence, needed = decision.numbers.get("evidence"), decision.numbers.get("evidence_needed")
    if decision.numbers.get("vanished"):
        return _SEEN
    if not (isinstance(evidence, int | float) and isinstance(needed, int | float) and needed > 0):
        return f"Judged by `{decision.judgement}`; the figures are kept with the alarm."
    reached = _figure(evidence) if evidence < _BEYOND else f"more than {_figure(_BEYOND)}"
    told = f"The evidence is {reached}, and {_figure(needed)} raises an alarm"
    often = _OFTEN.get(decision.judgement) if decision.numbers.get("promised", True) else None
    return f"{told}; without cause that comes {often} on average, at most." if often else f"{told}."


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= _LARGE else f"{value:.4g}"


def message_of(product: ProductState, matters: Sequence[Matter]) -> Message:
    """What to say of `matters`, which are of `product`, as it stands now."""
    of_alarms = any(matter.signal != "incident" for matter in matters)
    lists = ["alarms", "incidents"] if of_alarms else ["incidents"]
    return Message(
        product=product.name,
        matters=tuple(matters),
        done=_done(product, since=min(matter.since for matter in matters)),
        look=(*(f"windlass {each} --product {product.name}" for each in lists), "windlass status"),
    )


def _done(product: ProductState, *, since: datetime) -> tuple[str, ...]:
    told = []
    if product.paused is not None:
        told.append(f"The loop is paused ({product.paused}), so nothing is retrained or released.")
    last = product.last_run
    if product.run is not None:
        told.append(f"A training run is under way since {_minute(product.run.started_at)}: {product.run.reason}")
    elif last is not None and last.started_at >= since and last.outcome == "kept":
        told.append("Versions that answered before were asked; none is clearly better.")
    elif last is not None and last.started_at >= since:
        told.append(f"A training run ended ({last.outcome}{f', {last.version}' if last.version else ''}).")
    if product.release is not None:
        told.append(f"{product.release.version} is being released; it stands at {product.release.stage}.")
    if product.champion is not None and product.champion_since is not None and product.champion_since >= since:
        told.append(f"{product.champion.version} answers since {_minute(product.champion_since)}.")
    decided = product.last_retrain
    if not told and decided is not None and (decided.verdict == "wait" or decided.at >= since):  # as it stands now
        told.append(f"Retraining: {decided.verdict}. {decided.reasons[0]}")
    champion = "The champion" if product.champion is None else product.champion.version
    return tuple(told) or (f"Nothing so far. {champion} goes on answering.",)


def severity_of(message: Message) -> Severity:
    """The highest of what lasts; if nothing does, of what the message tells."""
    lasting = [matter.severity for matter in message.matters if matter.over is None]
    return max(lasting or [matter.severity for matter in message.matters], key=SEVERITIES.index)


def subject_of(message: Message) -> str:
    """One line that says it all."""
    lasting = [matter for matter in message.matters if matter.over is None]
    told = lasting or list(message.matters)
    state = severity_of(message).upper() if lasting else "OVER"
    more = f" and {len(told) - 1} more" if len(told) > 1 else ""
    over = f"; {len(message.matters) - len(told)} over" if len(message.matters) > len(told) else ""
    return " ".join(f"[{state}] {message.product}: {told[0].title}{more}{over}".split())


def text_of(message: Message) -> str:
    """The message for a person, in lines."""
    lines = [subject_of(message), ""]
    for matter in sorted(message.matters, key=lambda matter: matter.over is not None):  # what lasts first
        lines += [
            f"{matter.title} ({matter.severity})",
            f"  since: {_minute(matter.since)}",
            *([f"  over since: {_minute(matter.over)}. {matter.resolution}"] if matter.over else []),
            f"  how sure: {matter.sure}",
            f"  likely cause: {matter.cause}",
            *([f"  what helps: {matter.remedy}"] if matter.remedy and matter.over is None else []),
            f"  id: {matter.name}",
            "",
        ]
    lines += ["What Windlass did:", *(f"  {sentence}" for sentence in message.done), ""]
    lines += ["Look further:", *(f"  {command}" for command in message.look)]
    return "\n".join(lines)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
