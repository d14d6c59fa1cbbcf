"""One version in the terminal."""

from __future__ import annotations

from windlass.app.version import VersionCard
from windlass.cli.output import print_record
from windlass.cli.tables import print_rows


def render_version(card: VersionCard) -> None:
    """Where it comes from, then how it was judged."""
    manifest, environment = card.manifest, card.manifest.environment
    print_record(
        {
            "role": card.role or None,
            "model": manifest.model.kind,
            "answers_with": card.answers_with,
            "watched_against": card.watched_against,
            "made": manifest.created_at,
            "run": manifest.run,
            "training_rows": None if manifest.pin is None else manifest.pin.rows,
            "data": None if manifest.pin is None else manifest.pin.digest,
            "code": manifest.entry or None,
            "commit": environment.git_commit,
            "uncommitted_changes": environment.git_dirty,
            "environment": f"Python {environment.python}, Windlass {environment.windlass}",
            "digest": card.digest,
        },
        as_json=False,
        title=f"{manifest.product} {card.version}",
    )
    if card.latency is not None:
        single, batch = card.latency, card.latency
        rows = [
            {"request": "one row", "p50_ms": single.single_p50, "p99_ms": single.single_p99},
            {"request": f"{batch.batch_rows} rows", "p50_ms": batch.batch_p50, "p99_ms": batch.batch_p99},
        ]
        print_rows(rows, as_json=False, title="\nLatency of the model itself, with its features", empty="")
    if card.forms:
        rows = [
            {"request": each.request, "the_model_itself_ms": each.native_ms, "what_answers_ms": each.form_ms}
            for each in card.forms
        ]
        print_rows(rows, as_json=False, title="\nShortest calls in turn, without features", empty="")
    evaluation = card.evaluation
    if evaluation is None:
        return
    metrics = [
        {"metric": name, "this_version": value, "baseline": evaluation.baseline.get(name)}
        for name, value in evaluation.metrics.items()
    ]
    print_rows(metrics, as_json=False, title=f"\nOn {evaluation.rows:,} rows held back", empty="")
    groups = [
        {
            "column": part.column,
            "group": part.group,
            "rows": part.rows,
            evaluation.metric: part.metrics.get(evaluation.metric),
        }
        for part in evaluation.slices
    ]
    if groups:
        print_rows(groups, as_json=False, title="\nSlices", empty="")
    if evaluation.calibration is not None:
        bins = [
            {"predicted": each.predicted, "observed": each.observed, "rows": each.rows}
            for each in evaluation.calibration.bins
            if each.rows
        ]
        print_rows(bins, as_json=False, title=f"\nCalibration (error {evaluation.calibration.ece:.3g})", empty="")
    weights = [{"feature": each.feature, "rise_of_loss": each.rise} for each in evaluation.importances[:15]]
    print_rows(weights, as_json=False, title="\nWhat it rests on", empty="")
