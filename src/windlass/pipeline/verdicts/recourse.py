"""After a decay: does a version that answered before do better than the champion and than what was just trained?"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from windlass.decisions.recourse import RecourseEvidence, decide_recourse
from windlass.errors import discreet_fault_of
from windlass.pipeline.fitting.learning import Prepared
from windlass.pipeline.steps.context import Training
from windlass.pipeline.steps.predictions import PREDICTIONS, from_frame
from windlass.pipeline.steps.step import Finished, Step, Summary
from windlass.pipeline.steps.tables import read_frame, read_record, write_record
from windlass.pipeline.verdicts.champion import answers_of
from windlass.pipeline.verdicts.judging import Judged
from windlass.product.policy import to_plain
from windlass.records.decision import Decision
from windlass.records.event import Body, RecourseDecided

Array = np.ndarray[Any, Any]
_DECISION = "decision.json"


def recourse(
    training: Training, prepared: Prepared, evaluated: Finished | None = None, judged: Judged | None = None
) -> Decision | None:
    """Whether to go back; None where there is no champion, or the run need not ask.

    Without `evaluated`, the candidate's answers, and `judged`, what the gate says of it, nothing was trained.
    """
    request = training.request
    if request.champion_digest is None or not (request.earlier or request.only_earlier):
        return None
    passed = judged is not None and judged.decision.verdict == "pass"
    answers = {} if evaluated is None else {"predictions": evaluated.digest(PREDICTIONS)}
    step = Step(
        name="recourse",
        code=training.code("gate"),
        parameters={
            "policy": to_plain(training.product.policies())["gate"],
            "champion": request.champion_digest,
            "earlier": dict(request.earlier),
            "passed": passed,
        },
        inputs={"rows": prepared.rows.step.digest(), "features": prepared.step.digest(), **answers},
    )
    work = partial(_recourse, training, prepared, evaluated if passed else None, request.champion_digest)
    finished = training.runner.run(step, work, also=partial(_decided, training))
    return read_record(finished.folder / _DECISION, Decision)


def gone_back_to(training: Training, decision: Decision | None) -> tuple[str, str] | None:
    """The version that answers again and its bundle; None: the decision is not to go back, or none was made."""
    if decision is None or decision.verdict != "back":
        return None
    version = str(decision.numbers["version"])
    return version, dict(training.request.earlier)[version]


def _recourse(training: Training, prepared: Prepared, passed: Finished | None, champion: str, folder: Path) -> Summary:
    decision = decide_recourse(_evidence(training, prepared, passed, champion), training.product.gate, training.now)
    write_record(decision, folder / _DECISION)
    return {"rows": decision.count("rows"), "verdict": decision.verdict, "note": decision.reasons[0]}


def _evidence(training: Training, prepared: Prepared, passed: Finished | None, champion: str) -> RecourseEvidence:
    """What all of them say of the rows that none of them has learned from; `passed` is the candidate, if it did."""
    answered: dict[str, tuple[Array, Array]] = {}
    remarks = []
    for name, digest in (("", champion), *training.request.earlier):
        try:
            answered[name] = answers_of(training, prepared, digest)
        except Exception as error:  # noqa: BLE001 (an old version's code may raise anything, and is told in the decision)
            remarks.append(f"{name or 'The champion'} could not be asked: {discreet_fault_of(error)}")
    holdout = prepared.holdout_part()
    told = np.logical_and.reduce([places for _, places in answered.values()]) if "" in answered else None
    common = np.zeros(len(holdout), dtype=bool) if told is None else told
    said = {name: answers[common[places]] for name, (answers, places) in answered.items()} if common.any() else {}
    return RecourseEvidence(
        kind=training.kind,
        truth=holdout.target[common],
        champion=said.pop("", np.empty(0)),
        candidate=None if passed is None else from_frame(read_frame(passed.folder / PREDICTIONS))[common],
        earlier=said,
        remarks=tuple(remarks),
    )


def _decided(training: Training, finished: Finished) -> list[Body]:
    return [RecourseDecided(run=training.run, decision=read_record(finished.folder / _DECISION, Decision))]
