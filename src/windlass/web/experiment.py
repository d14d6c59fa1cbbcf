"""The page of one A/B test."""

from __future__ import annotations

from windlass.app.experiments import Result
from windlass.decisions.figures import show
from windlass.records.decision import Decision
from windlass.records.experiment import Plan
from windlass.web.charts import Line, line_chart
from windlass.web.page import Block, Column, Figure, Figures, Section, Table, Text, render_page

_VERDICTS = {"wait": "Under way", "broken": "Broken split", "undecided": "Undecided", "stopped": "Stopped"}


def experiment_page(found: Result) -> str:
    """Verdict, both versions, the course of the interval and how it was judged, as one self-contained page."""
    test, plan = found.test, found.test.started.plan
    numbers = found.judged.numbers if found.judged.verdict != "stopped" else found.course[-1][1].numbers
    sections = [
        Section(heading="What it says", blocks=_verdict(found.judged, plan, numbers)),
        Section(heading="Both versions", blocks=[_arms(plan, numbers)]),
        Section(heading="In the course of time", blocks=_course(found)),
        Section(heading="How it was judged", blocks=_method(found)),
    ]
    return render_page(
        f"{plan.b} beside {plan.a}", sections, subtitle=f"{test.product}, by {plan.metric}, {test.started.experiment}"
    )


def _verdict(judged: Decision, plan: Plan, numbers: dict[str, float | int | str | bool | None]) -> list[Block]:
    better = {"a": plan.a, "b": plan.b}.get(judged.verdict)
    verdict = f"{better} is better" if better else _VERDICTS[judged.verdict]
    low, high = _number(numbers.get("gain_low")), _number(numbers.get("gain_high"))
    figures = [
        Figure(name="verdict", value=verdict),
        Figure(name=f"difference in {plan.metric}", value=_number(numbers.get("gain")), note=f"{low} to {high}"),
        Figure(
            name=f"keys with {plan.b}",
            value=_share(numbers),
            note=f"{plan.split:.0%} was asked for",
        ),
    ]
    return [Figures(figures=figures), *(Text(text=reason) for reason in judged.reasons)]


def _arms(plan: Plan, numbers: dict[str, float | int | str | bool | None]) -> Table:
    return Table(
        columns=[
            Column(name="version"),
            Column(name="keys", number=True),
            Column(name="measured", number=True),
            Column(name=f"mean {plan.metric}", number=True),
        ],
        rows=[
            [
                f"{name} ({arm.upper()})",
                *(_number(numbers.get(f"{what}_{arm}")) for what in ("keys", "measured", "mean")),
            ]
            for arm, name in (("a", plan.a), ("b", plan.b))
        ],
    )


def _course(found: Result) -> list[Block]:
    points = [(at, judged.numbers) for at, judged in found.course if judged.numbers.get("gain") is not None]
    if not points:
        return [Text(text="There is nothing to draw before 100 keys of each version have been measured.")]
    if len(points) == 1:
        return [Text(text="There is one look so far that told a difference, and a line takes two.")]
    lines = {"upper end": "gain_high", "difference": "gain", "lower end": "gain_low"}
    chart = line_chart(
        labels=[f"{at:%m-%d %H:%M}" for at, _ in points],
        lines=[
            Line(
                name=name,
                values=[_float(numbers.get(key)) for _, numbers in points],
                tone="first" if key == "gain" else "muted",
            )
            for name, key in lines.items()
        ],
        y_title="difference",
        caption="Difference of the means and its interval, which holds at all moments together",
    )
    return [chart]


def _method(found: Result) -> list[Block]:
    started, plan = found.test.started, found.test.started.plan
    facts = [
        ["asked for", f"{started.by}: {started.reason}"],
        ["began", f"{started.started_at:%Y-%m-%d %H:%M} UTC"],
        ["ends at the latest", "when it is decided" if plan.until is None else f"{plan.until:%Y-%m-%d %H:%M} UTC"],
        ["ended", "under way" if found.test.ended_at is None else f"{found.test.ended_at:%Y-%m-%d %H:%M} UTC"],
        ["better is", "more" if plan.larger_is_better else "less"],
    ]
    told = (
        "A key stays with its version and counts once, by the sum of what was measured for it. The interval is an "
        "asymptotic confidence sequence: with 95 % it holds the true difference at all moments together, so looking "
        "often, and stopping when it is clear, changes nothing of that. The split is tested the same way, at 0.1 %."
    )
    return [Text(text=told), Table(columns=[Column(name="fact"), Column(name="value")], rows=facts)]


def _share(numbers: dict[str, float | int | str | bool | None]) -> str:
    a, b = (_float(numbers.get(f"keys_{arm}")) or 0.0 for arm in ("a", "b"))
    return f"{b / (a + b):.1%}" if a + b else "-"


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _number(value: object) -> str:
    number = _float(value)
    return "-" if number is None else f"{int(number):,}" if isinstance(value, int) else show(number)
