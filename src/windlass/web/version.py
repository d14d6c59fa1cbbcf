"""The page of one version."""

from __future__ import annotations

from collections.abc import Sequence

from windlass.app.version import Forms, VersionCard
from windlass.pipeline.verdicts.evaluation import SMALLEST_SLICE, Calibration, Evaluation, Latency
from windlass.web.charts import Line, line_chart
from windlass.web.page import Block, Column, Figure, Figures, Section, Table, Text, render_page


def version_page(card: VersionCard) -> str:
    """Metrics, slices, calibration, importances, latency, data and environment, as one self-contained page."""
    if card.evaluation is None:
        sections = [_imported()]
    else:
        sliced = (card.manifest.policies.get("gate") or {}).get("slices", ())
        sections = [_judged(card.evaluation), *_details(card.evaluation, sliced=sliced)]
    if card.latency is not None:
        sections.append(_latency(card.latency))
    if card.forms:
        sections.append(_forms(card.forms))
    sections.append(_origin(card))
    role = f", {card.role}" if card.role else ""
    return render_page(
        f"{card.manifest.product} {card.version}", sections, subtitle=f"{card.manifest.model.kind}{role}"
    )


def _judged(evaluation: Evaluation) -> Section:
    main = evaluation.metrics.get(evaluation.metric)
    baseline = evaluation.baseline.get(evaluation.metric)
    figures = Figures(
        figures=[
            Figure(name=evaluation.metric, value=_number(main), note="what the gate judges"),
            Figure(name="baseline", value=_number(baseline), note="the best constant answer"),
            Figure(name="holdout", value=f"{evaluation.rows:,}", note="rows that it has not learned from"),
        ]
    )
    table = Table(
        columns=[Column(name="metric"), Column(name="this version", number=True), Column(name="baseline", number=True)],
        rows=[
            [name, _number(value), _number(evaluation.baseline.get(name))] for name, value in evaluation.metrics.items()
        ],
    )
    return Section(heading="How it was judged", blocks=[figures, table])


def _details(evaluation: Evaluation, *, sliced: Sequence[str]) -> list[Section]:
    sections = []
    if evaluation.calibration is not None:
        sections.append(Section(heading="Calibration", blocks=_calibration(evaluation.calibration)))
    if evaluation.residuals:
        rows = [[name, _number(value)] for name, value in evaluation.residuals.items()]
        table = Table(columns=[Column(name="quantile"), Column(name="prediction minus truth", number=True)], rows=rows)
        sections.append(Section(heading="Residuals", blocks=[table]))
    slices = Table(
        columns=[Column(name="column"), Column(name="group"), Column(name="rows", number=True), Column(name="metrics")],
        rows=[
            [part.column, part.group, f"{part.rows:,}", ", ".join(f"{k} {_number(v)}" for k, v in part.metrics.items())]
            for part in evaluation.slices
        ],
        empty=f"no group of {', '.join(sliced)} has {SMALLEST_SLICE} rows" if sliced else "the gate names no slices",
    )
    importances = Table(
        columns=[Column(name="feature"), Column(name="rise of the loss when shuffled", number=True)],
        rows=[[each.feature, _number(each.rise)] for each in evaluation.importances],
    )
    sections += [
        Section(heading="Slices", blocks=[slices]),
        Section(heading="What it rests on", blocks=[importances]),
    ]
    return sections


def _calibration(calibration: Calibration) -> list[Block]:
    bins = [each for each in calibration.bins if each.rows]
    chart = line_chart(
        labels=[f"{each.lower:.1f} to {each.upper:.1f}" for each in bins],
        lines=[
            Line(name="predicted", values=[each.predicted for each in bins], tone="muted"),
            Line(name="observed", values=[each.observed for each in bins], tone="first"),
        ],
        y_title="probability",
        caption="Mean predicted probability and observed share in each bin of predictions",
    )
    return [Text(text=f"Expected calibration error {_number(calibration.ece)}: 0 is perfect."), chart]


def _latency(latency: Latency) -> Section:
    rows = [
        ["one row", _number(latency.single_p50), _number(latency.single_p99)],
        [f"{latency.batch_rows:,} rows", _number(latency.batch_p50), _number(latency.batch_p99)],
    ]
    columns = [Column(name="request"), Column(name="p50, ms", number=True), Column(name="p99, ms", number=True)]
    return Section(
        heading="Latency",
        blocks=[Text(text="Features and the model itself, where it was trained."), Table(columns=columns, rows=rows)],
    )


def _forms(forms: Sequence[Forms]) -> Section:
    table = Table(
        columns=[
            Column(name="request"),
            Column(name="the model itself, ms", number=True),
            Column(name="what answers, ms", number=True),
        ],
        rows=[[each.request, _number(each.native_ms), _number(each.form_ms)] for each in forms],
    )
    return Section(
        heading="Its compiled form", blocks=[Text(text="Shortest calls, asked in turn, without features."), table]
    )


def _imported() -> Section:
    return Section(
        heading="How it was judged", blocks=[Text(text="It was imported: no rows were held back for it here.")]
    )


def _origin(card: VersionCard) -> Section:
    manifest, environment = card.manifest, card.manifest.environment
    pin = manifest.pin
    dirty = " with uncommitted changes" if environment.git_dirty else ""
    facts = [
        ["digest", card.digest],
        ["made", f"{manifest.created_at:%Y-%m-%d %H:%M:%S} UTC"],
        ["run", manifest.run or "none: imported"],
        ["training data", "none" if pin is None else f"{pin.rows:,} rows, digest {pin.digest}"],
        ["code", f"{manifest.entry or 'none'}, commit {environment.git_commit or 'unknown'}{dirty}"],
        ["watched against", card.watched_against],
        ["answers with", card.answers_with],
        ["environment", f"Python {environment.python}, Windlass {environment.windlass}, {environment.platform}"],
    ]
    return Section(
        heading="Where it comes from", blocks=[Table(columns=[Column(name="fact"), Column(name="value")], rows=facts)]
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
