"""The page of a comparison: what drifted first, with both distributions side by side."""

from __future__ import annotations

from collections.abc import Sequence

from windlass.decisions.figures import show
from windlass.monitoring.column import ColumnProfile
from windlass.monitoring.report import Comparison, DriftReport, ReportedColumn
from windlass.monitoring.shapes import shape_of
from windlass.web.histograms import Histogram, histogram
from windlass.web.page import Block, Card, Cards, Column, Figure, Figures, Section, Table, Text, render_page


def drift_page(compared: Comparison, *, title: str) -> str:
    """One self-contained HTML page."""
    report = compared.report
    sections = [Section(heading="In short", blocks=_short(report))]
    drifted = [column for column in report.columns if column.alert]
    rest = [column for column in report.columns if not column.alert]
    if drifted:
        sections.append(Section(heading=f"Drifted: {_count(len(drifted))}", blocks=[_cards(compared, drifted)]))
    if rest:
        heading = f"{'The others' if drifted else 'No drift'}: {_count(len(rest))}, the most evidence first"
        sections.append(Section(heading=heading, blocks=[_cards(compared, rest)]))
    if report.unwatched:
        what = Text(
            text="Judged are whether they are there, whether dates and counters lie before all of the reference, and "
            "whether identifiers of which none came twice repeat."
        )
        sections.append(Section(heading="Not judged by their values", blocks=[what, _table(report.unwatched)]))
    if report.unknown:
        unknown = dict.fromkeys(report.unknown, "the reference does not have it")
        sections.append(Section(heading="Not watched", blocks=[_table(unknown)]))
    rows = f"{report.rows.current:,} rows against {report.rows.reference:,}"
    return render_page(title, sections, subtitle=rows if report.windows == 1 else f"{rows}, window {report.windows}")


def _short(report: DriftReport) -> list[Block]:
    count = sum(column.alert for column in report.columns)
    limits = [column.least_shift for column in report.columns if column.least_shift is not None]
    figures = [
        Figure(
            name="verdict",
            value="drift" if report.alert else "no drift" if report.judged else "not judged",
            note=f"{count} of {len(report.columns)} columns",
        ),
        Figure(
            name="evidence",
            value=_evidence(report.evidence),
            note=f"an alert needs {report.evidence_needed:,.0f}, the mean over all columns",
        ),
    ]
    if limits:
        figures.append(
            Figure(name="least shift", value=f"{max(limits):.3f} sd", note="below it, the reference cannot tell")
        )
    said = [Text(text=reason) for reason in report.reasons]
    if report.uneven:
        said.append(
            Text(
                text=f"The reference differs within itself in {_count(len(report.uneven))}, such as "
                f"{report.uneven[0]}: there, what is called drift may be a season."
            )
        )
    return [Figures(figures=figures), *said]


def _cards(compared: Comparison, columns: Sequence[ReportedColumn]) -> Cards:
    references = {column.name: column for column in compared.reference.judged}
    windows = {column.name: column for column in compared.current.judged}
    order = sorted(columns, key=lambda column: (-column.evidence, -(column.effect.psi or 0.0)))
    return Cards(
        cards=[
            _card(
                column,
                references[column.name],
                windows.get(column.name),
                retyped=compared.report.retyped.get(column.name, ""),
            )
            for column in order
        ],
        legend=("reference", "current"),
    )


def _card(column: ReportedColumn, reference: ColumnProfile, window: ColumnProfile | None, *, retyped: str = "") -> Card:
    effect = column.effect
    facts = [
        ("evidence", _evidence(column.evidence)),
        ("PSI", _number(effect.psi)),
        ("Jensen-Shannon", _number(effect.jensen_shannon)),
    ]
    if effect.shift is not None:
        facts.append(("shift", f"{effect.shift:+.3f} sd"))
        facts.append(("Wasserstein", _number(effect.wasserstein)))
    facts.append(("missing", f"{_share(reference):.1%} → {'-' if window is None else f'{_share(window):.1%}'}"))
    if effect.unseen >= 0.0005:
        facts.append(("too old" if column.kind == "rising" else "new", f"{effect.unseen:.1%}"))
    if window is None:
        note = f"now {retyped}" if retyped else "gone"
        return Card(name=column.name, kind=column.kind, note=note, strong=True, facts=facts)
    note = f"since window {column.since}" if column.alert and column.since > 1 else ""
    return Card(
        name=column.name,
        kind=column.kind,
        note=note,
        strong=column.alert,
        facts=facts,
        svg=histogram(_histogram(reference, window)),
    )


def _histogram(reference: ColumnProfile, window: ColumnProfile) -> Histogram:
    shape = shape_of(reference, window)
    ends = (shape.labels[0], shape.labels[-1]) if len(shape.labels) > 1 else (*shape.labels, "")
    return Histogram(
        first=shape.reference,
        second=shape.window,
        labels=shape.labels,
        ends=(ends[0], ends[1]),
        title=f"{reference.name}: shares of the rows in each bin",
    )


def _table(reasons: dict[str, str]) -> Table:
    rows = [[name, why] for name, why in reasons.items()]
    return Table(columns=[Column(name="column"), Column(name="why")], rows=rows)


def _share(column: ColumnProfile) -> float:
    return column.missing / max(column.rows, 1)


def _evidence(value: float) -> str:
    return f"{value:.0e}" if value >= 1e6 else f"{value:,.3g}"


def _number(value: float | None) -> str:
    return "-" if value is None else show(value)


def _count(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"
