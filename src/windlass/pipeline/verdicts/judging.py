"""Is the candidate any good, and may it be released? The steps evaluate and gate."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.baseline import constant_answer
from windlass.decisions.curve import Curve
from windlass.decisions.gate import GateEvidence, decide_gate
from windlass.decisions.statistics.metrics import main_metric
from windlass.errors import discreet_fault_of
from windlass.pipeline.fitting.learning import CURVE, Prepared, model_of
from windlass.pipeline.rows.split import row_hashes
from windlass.pipeline.steps.context import Training
from windlass.pipeline.steps.predictions import JUDGED, PREDICTIONS, ROW, as_frame, from_frame
from windlass.pipeline.steps.step import Finished, Step, Summary
from windlass.pipeline.steps.tables import read_frame, read_record, write_frame, write_record
from windlass.pipeline.verdicts.champion import answers_of
from windlass.pipeline.verdicts.evaluation import (
    EVALUATION,
    LATENCY,
    Evaluation,
    Latency,
    calibration_of,
    residuals_of,
    score_all,
    slice_table,
)
from windlass.pipeline.verdicts.explanation import measure_latency, permutation_importances
from windlass.product.checks.proof import prove_alone
from windlass.product.model.predict import predict
from windlass.product.policy import to_plain
from windlass.records.decision import Decision
from windlass.records.event import Body, GateDecided

Array = np.ndarray[Any, Any]


def evaluate(training: Training, prepared: Prepared, trained: Finished) -> Finished:
    """Measure the candidate on the holdout."""
    step = Step(
        name="evaluate",
        code=training.code("features", "gate"),
        inputs={
            "rows": prepared.rows.digest(),
            "features": prepared.step.digest(),
            "model": trained.digest(*(name for name in trained.outputs if name.startswith("model"))),
        },
    )
    return training.runner.run(step, partial(_evaluate, training, prepared, trained))


def _evaluate(training: Training, prepared: Prepared, trained: Finished, folder: Path) -> Summary:
    kind, gate, classes = training.kind, training.product.gate, prepared.classes
    model, _ = model_of(trained)
    holdout = prepared.holdout_part()
    truth = holdout.target

    def answer(features: pl.DataFrame) -> Array:
        return predict(model, features, kind, classes=classes)

    instance = training.product()
    predictions = answer(holdout.features)
    prove_alone(answer, holdout.features, predictions, where=f"model {type(model).__name__}")
    constant = constant_of(prepared)
    main = main_metric(gate, kind)
    evaluation = Evaluation(
        rows=len(holdout),
        metric=main.name,
        larger_is_better=main.larger_is_better,
        metrics=score_all(truth, predictions, gate=gate, kind=kind),
        baseline=score_all(truth, constant, gate=gate, kind=kind),
        slices=slice_table(truth, predictions, groups_of(training, prepared), gate=gate, kind=kind),
        calibration=calibration_of(truth, predictions, kind),
        residuals=residuals_of(truth, predictions, kind),
        importances=permutation_importances(holdout.features, truth, answer, kind),
        split=prepared.rows.split,
    )
    latency = measure_latency(
        holdout.rows,
        lambda rows: answer(instance.features(rows)),
        limited=gate is not None and gate.latency_ms is not None,
    )
    write_record(evaluation, folder / EVALUATION)
    write_record(latency, folder / LATENCY)
    write_frame(as_frame(predictions), folder / PREDICTIONS)
    write_frame(pl.DataFrame({ROW: row_hashes(holdout.rows)}), folder / JUDGED)
    return {"rows": len(holdout), **evaluation.metrics, "single_p99_ms": latency.single_p99}


def constant_of(prepared: Prepared) -> Array:
    """What a model that knows the training labels alone says of the holdout."""
    return constant_answer(
        prepared.training_part().target,
        rows=len(prepared.holdout_part()),
        classes=prepared.classes,
        kind=prepared.kind,
    )


def groups_of(training: Training, prepared: Prepared) -> dict[str, Array]:
    """Column -> the group of each row of the holdout, for the columns that the gate slices by."""
    gate = training.product.gate
    holdout = prepared.holdout_part()
    found: dict[str, Array] = {}
    for name in () if gate is None else gate.slices:
        found[name] = holdout.rows.get_column(name).cast(pl.String).fill_null("(missing)").to_numpy().astype(str)
    return found


# -- gate --------------------------------------------------------------------------------------------------------


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What the step `gate` keeps."""

    against: str | None
    decision: Decision


def gate(training: Training, prepared: Prepared, evaluated: Finished, climbed: Finished | None) -> Judged:
    """Decide, on the same rows as the champion if there is one, whether the candidate may be released."""
    request, policy = training.request, training.product.gate
    inputs = {
        "rows": prepared.rows.step.digest(),
        "features": prepared.step.digest(),
        "predictions": evaluated.digest(PREDICTIONS),
    }
    if policy is not None and policy.latency_ms is not None:
        inputs["latency"] = evaluated.digest(LATENCY)
    if climbed is not None:
        inputs["curve"] = climbed.digest(CURVE)
    step = Step(
        name="gate",
        code=training.code("gate"),
        parameters={
            "policy": to_plain(training.product.policies())["gate"],
            "champion": request.champion_digest,
            "must_gain": request.must_gain,
            "sparing": request.sparing,
            "precedent": msgspec.to_builtins(request.precedent),
        },
        inputs=inputs,
    )
    finished = training.runner.run(
        step, partial(_gate, training, prepared, evaluated, climbed), also=partial(_decided, training)
    )
    return read_record(finished.folder / "decision.json", Judged)


def _gate(
    training: Training, prepared: Prepared, evaluated: Finished, climbed: Finished | None, folder: Path
) -> Summary:
    candidate = from_frame(read_frame(evaluated.folder / PREDICTIONS))
    holdout = prepared.holdout_part()
    champion, unseen, remark = None, None, ""
    if training.request.champion_digest is not None:
        try:
            champion, unseen = answers_of(training, prepared, training.request.champion_digest)
        except Exception as error:  # noqa: BLE001 (an old version's code may raise anything, and is told in the decision)
            # A champion that cannot read today's rows fails in production too: it must not keep its successor out.
            remark = f"The champion could not be asked about these rows: {discreet_fault_of(error)}"
    evidence = GateEvidence(
        kind=training.kind,
        truth=holdout.target,
        candidate=candidate,
        constant=constant_of(prepared),
        champion=champion,
        unseen=unseen,
        slices=groups_of(training, prepared),
        latency_ms=read_record(evaluated.folder / LATENCY, Latency).single_p99,
        must_gain=training.request.must_gain,
        sparing=training.request.sparing,
        precedent=training.request.precedent,
        curve=None if climbed is None else read_record(climbed.folder / CURVE, Curve),
    )
    decision = decide_gate(evidence, training.product.gate, training.now)
    if remark:
        decision = msgspec.structs.replace(decision, reasons=(*decision.reasons, remark))
    against = None if champion is None else training.request.champion
    write_record(Judged(against=against, decision=decision), folder / "decision.json")
    return {"rows": len(holdout), "verdict": decision.verdict, "note": decision.reasons[0]}


def _decided(training: Training, finished: Finished) -> list[Body]:
    judged = read_record(finished.folder / "decision.json", Judged)
    return [GateDecided(run=training.run, against=judged.against, decision=judged.decision)]
