"""The page of a version's performance: by labels and estimated, window by window."""

from __future__ import annotations

from windlass.app.performance import UNESTIMATED, Decayed, Performance, Span, WindowFigure
from windlass.web.charts import Chart, Line, Tone, line_chart
from windlass.web.page import Block, Column, Figure, Figures, Section, Table, Text, render_page


def performance_page(found: Performance) -> str:
    """One self-contained HTML page."""
    names = [each.metric for each in found.windows[0].figures] if found.windows else []
    order = sorted(names, key=lambda name: name != found.metric)
    sections = [Section(heading="In short", blocks=_short(found))]
    sections += [_why(decayed) for decayed in reversed(found.decays)]
    sections += [Section(heading=name, blocks=[_curves(found, name), _table(found, name)]) for name in order]
    return render_page(
        f"Performance of {found.product} {found.version}", sections, subtitle=f"judged by {found.metric}"
    )


def _short(found: Performance) -> list[Block]:
    if not found.windows:
        return [Text(text="It has not answered yet.")]
    labelled = sum(window.labelled for window in found.windows)
    rows = sum(window.rows for window in found.windows)
    estimate = _of(found.windows[-1].figures, found.metric).estimated
    estimated = [Figure(name="last window, estimated", value=_number(estimate.value), note=_ends(estimate))]
    blocks: list[Block] = [
        Figures(
            figures=[
                Figure(name="on its holdout", value=_number(found.holdout), note=found.metric),
                _by_labels(found),
                *(estimated if found.estimated else []),
                Figure(name="labels", value=f"{labelled / rows:.0%}", note=f"of {rows:,} answers"),
            ]
        ),
        Text(
            text="By labels: each counts for as many answers as labels like it are still to come at its age. "
            "Estimated: from features and answers alone; it cannot see that rows end differently than they did."
        ),
    ]
    if not found.estimated:
        blocks.append(Text(text=UNESTIMATED))
    if found.far:
        blocks.append(Text(text=found.far))
    return blocks


def _by_labels(found: Performance) -> Figure:
    """The last window with labels enough for a figure: the very last ones have hardly any yet."""
    name = "last known, by labels"
    for window in reversed(found.windows):
        realised = _of(window.figures, found.metric).realised
        if realised.value is not None:
            note = f"{_ends(realised)}, from {window.first:%Y-%m-%d %H:%M} on"
            return Figure(name=name, value=_number(realised.value), note=note)
    return Figure(name=name, value="-", note="no window has labels enough")


def _why(decayed: Decayed) -> Section:
    """Why quality fell: the parts that add up, then where."""
    parts = [each for each in decayed.causes if each.kind != "slice"]
    slices = [each for each in decayed.causes if each.kind == "slice"]
    blocks: list[Block] = [Text(text=decayed.reason)]
    if parts:
        columns = [
            Column(name="feature", tight=True),
            Column(name="part of the fall", number=True),
            Column(name="what"),
        ]
        rows = [[each.name or "-", f"{each.share:.0%}", each.told] for each in parts]
        blocks.append(Table(columns=columns, rows=rows))
    else:
        blocks.append(Text(text="Too few labels are known, before or since, to tell why."))
    if slices:
        columns = [Column(name="rows"), Column(name="part of the fall", number=True)]
        blocks.append(Table(columns=columns, rows=[[each.name or "-", f"{each.share:.0%}"] for each in slices]))
    return Section(heading=f"Why quality fell, as of {decayed.at:%Y-%m-%d %H:%M} UTC", blocks=blocks)


def _curves(found: Performance, name: str) -> Chart:
    figures = [_of(window.figures, name) for window in found.windows]
    by_labels = _line("by labels", [each.realised for each in figures], "accent")
    estimated = [_line("estimated", [each.estimated for each in figures], "first")]
    return line_chart(
        labels=[f"{window.first:%Y-%m-%d %H:%M}" for window in found.windows],
        lines=[by_labels, *(estimated if found.estimated else [])],
        y_title=name,
        caption=f"{name} of each window of answers; shaded are the intervals, which hold it 95 times in 100",
        steps=True,
    )


def _line(name: str, spans: list[Span], tone: Tone) -> Line:
    return Line(
        name=name,
        values=[span.value for span in spans],
        tone=tone,
        lower=[span.lower for span in spans],
        upper=[span.upper for span in spans],
    )


def _table(found: Performance, name: str) -> Table:
    return Table(
        columns=[
            Column(name="from (UTC)", tight=True),
            Column(name="to (UTC)", tight=True),
            Column(name="rows", number=True),
            Column(name="labels", number=True),
            Column(name="by labels", number=True),
            Column(name="95 % interval", tight=True),
            Column(name="estimated", number=True),
            Column(name="95 % interval", tight=True),
        ],
        rows=[
            [
                f"{window.first:%Y-%m-%d %H:%M}",
                f"{window.last:%Y-%m-%d %H:%M}",
                f"{window.rows:,}",
                f"{window.labelled:,}",
                _number(_of(window.figures, name).realised.value),
                _ends(_of(window.figures, name).realised),
                _number(_of(window.figures, name).estimated.value),
                _ends(_of(window.figures, name).estimated),
            ]
            for window in found.windows
        ],
    )


def _of(figures: tuple[WindowFigure, ...], name: str) -> WindowFigure:
    return next(each for each in figures if each.metric == name)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _ends(span: Span) -> str:
    if span.lower is None and span.upper is None:
        return "not known"
    return f"{_number(span.lower)} to {'any' if span.upper is None else _number(span.upper)}"
