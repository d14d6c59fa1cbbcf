"""The page of a backtest: the curves of the policies, what the loop did and why, and the table."""

from __future__ import annotations

from windlass.backtest.result import BacktestEvent, BacktestResult
from windlass.backtest.summary import best_fixed, figure, gain_over_frozen, summary_of
from windlass.web.charts import Chart, Line, Marker, Tone, line_chart
from windlass.web.page import Column, Figure, Figures, Section, Table, Text, render_page

_TONES: dict[str, Tone] = {"frozen": "muted", "every-window": "first", "recent": "second", "windlass": "accent"}
_MEANINGS = {
    "frozen": "frozen: the first model answers for ever.",
    "every-window": "every-window: retrains before each window on all labels known by then.",
    "recent": "recent: the same, on the labelled rows of the last fifth of the file.",
    "windlass": "windlass: watches, and retrains when its decisions say so.",
}
_HAPPENED = {
    "alarm.raised": "alarm",
    "retrain.decided": "retrain decided",
    "gate.decided": "gate",
    "recourse.decided": "back or forward",
    "champion.changed": "champion changed",
    "release.finished": "probation over",
    "run.failed": "run failed",
}


def backtest_page(result: BacktestResult, *, title: str) -> str:
    """One self-contained HTML page."""
    sections = [
        Section(heading="In short", blocks=[_figures(result), *(Text(text=said) for said in _said(result))]),
        Section(heading=f"{result.metric} by window", blocks=[_curves(result)]),
        Section(heading="The policies", blocks=[_policies(result), *(Text(text=said) for said in _MEANINGS.values())]),
        Section(heading="What the loop did, and why", blocks=[_events(result)]),
    ]
    first, last = result.windows[0].start, result.windows[-1].end
    subtitle = (
        f"{result.rows:,} rows, {result.task}; {len(result.windows)} windows from {_short(first)} to {_short(last)}"
    )
    return render_page(title, sections, subtitle=subtitle)


def _said(result: BacktestResult) -> list[str]:
    return [*summary_of(result).sentences, *(f"{note[:1].upper()}{note[1:]}." for note in result.notes)]


def _figures(result: BacktestResult) -> Figures:
    shown = []
    best = best_fixed(result)
    for name in dict.fromkeys(["frozen", best or "frozen", "windlass"]):
        policy, gain = result.policies[name], gain_over_frozen(result, name)
        side = "better" if gain is None or gain >= 0 else "worse"
        gained = "" if gain is None or name == "frozen" else f"{figure(abs(gain))} {side} than frozen, "
        note = f"{gained}{policy.retrains} retrain{'' if policy.retrains == 1 else 's'}"
        shown.append(Figure(name=f"{name}, mean {result.metric}", value=figure(policy.metric), note=note))
    return Figures(figures=shown)


def _curves(result: BacktestResult) -> Chart:
    return line_chart(
        labels=_labels(result),
        lines=[
            Line(name=name, values=policy.per_window, tone=_TONES.get(name, "muted"))
            for name, policy in result.policies.items()
        ],
        markers=[_marker(event) for event in result.events if event.kind in ("champion.changed", "alarm.raised")],
        y_title=f"{result.metric} ({'larger' if result.larger_is_better else 'smaller'} is better)",
        caption="Each step is one window. Triangles: the loop changed its champion. Dots on the axis: it raised an "
        "alarm. Point at them for the reason.",
        steps=True,
    )


def _labels(result: BacktestResult) -> list[str]:
    """The days on which the windows begin, or moments where several begin on one day."""
    days = [_day(window.start) for window in result.windows]
    return days if len(set(days)) == len(days) else [_short(window.start) for window in result.windows]


def _marker(event: BacktestEvent) -> Marker:
    reason = event.decision.reasons[0] if event.decision else f"{event.version} answers"
    if event.kind == "alarm.raised":
        return Marker(position=event.window, kind="alarm", text=f"{_day(event.at)}: {reason}")
    return Marker(
        position=event.window,
        kind="rollback" if event.detail == "rolled back" else "retrain",
        text=f"{_day(event.at)}: {reason}",
    )


def _policies(result: BacktestResult) -> Table:
    summary = summary_of(result)
    return Table(
        columns=[Column(name=name, number=place > 0, tight=place == 0) for place, name in enumerate(summary.headings)],
        rows=summary.rows,
        strong=frozenset(place for place, strong in enumerate(summary.strong) if strong),
    )


def _events(result: BacktestResult) -> Table:
    return Table(
        columns=[
            Column(name="time", tight=True),
            Column(name="window", number=True),
            Column(name="what", tight=True),
            Column(name="model", tight=True),
            Column(name="why"),
        ],
        rows=[
            (
                _short(event.at),
                str(event.window + 1),
                _what(event),
                event.version or "",
                list(event.decision.reasons) if event.decision else event.detail,
            )
            for event in result.events
        ],
        strong=frozenset(place for place, event in enumerate(result.events) if event.kind == "champion.changed"),
        stacked=True,
        empty="Nothing: no alarm was raised, so the first model answered to the end.",
    )


def _what(event: BacktestEvent) -> str:
    named = _HAPPENED.get(event.kind, event.kind)
    if event.decision is None or event.kind == "retrain.decided":
        return named
    detail = event.decision.judgement if event.kind == "alarm.raised" else event.decision.verdict.replace("_", " ")
    return f"{named}: {detail}"


def _short(moment: str | float) -> str:
    """A time as people read it: without seconds that are zero, whole numbers without a point."""
    if not isinstance(moment, str):
        return f"{moment:,.6g}" if moment != int(moment) else str(int(moment))
    return moment.replace("T", " ").removesuffix("+00:00").removesuffix(":00")


def _day(moment: str | float) -> str:
    """A time as an axis shows it."""
    return moment[:10] if isinstance(moment, str) else _short(moment)
