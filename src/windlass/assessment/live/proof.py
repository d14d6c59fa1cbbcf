"""From what a live system showed to the states of practices. Pure: the clock is handed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from windlass.assessment.records import Evidence, Finding, State

HOLDS_FOR = timedelta(days=90)
"""After this a proof is history: what has not happened for a quarter may not happen any more."""
MUST_HAPPEN = frozenset(
    {
        "training-automated", "ct-trigger-schedule", "ct-trigger-threshold", "model-release-automated",
        "closed-loop-retraining", "release-cadence",
    }
)  # fmt: skip
"""Practices that claim that something happens again and again: without a sign of it the claim is lowered."""


_LEAVES_RUNS = MUST_HAPPEN - {"model-release-automated", "release-cadence"}
"""Those that train: a tracker to which training logs would hold a run of each time."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """One practice was seen in use."""

    practice: str
    at: datetime
    where: str
    """The event or the address that shows it."""
    why: str
    shared: str = ""
    """Of a system that others use too: the practice of which the files must show something for this to count."""


def with_proofs(
    findings: Mapping[str, Finding],
    proofs: Iterable[Proof],
    *,
    watched: Iterable[str],
    now: datetime,
    tracked: bool = False,
) -> dict[str, Finding]:
    """Findings with what was seen. `watched` are the practices whose happening the live systems would have shown.

    `tracked` says that a tracker was asked for all its runs: where what trains logs to one, and it holds none of the
    last days of anybody, nothing was trained.
    """
    newest: dict[str, Proof] = {}
    for proof in proofs:
        if proof.practice not in newest or proof.at > newest[proof.practice].at:
            newest[proof.practice] = proof
    amended = dict(findings)
    for name, proof in newest.items():
        theirs = proof.shared and not findings[proof.shared].state.rank
        amended[name] = _of_others(findings[name], proof) if theirs else _proven(findings[name], proof, now)
    for name in MUST_HAPPEN & set(watched):
        if amended[name].state is State.WIRED:
            seen = newest.get(name)
            amended[name] = _lowered(amended[name], seen.at if seen is not None else None, now)
    run = newest.get("experiment-tracking")
    logs = "experiment-tracking" in findings and findings["experiment-tracking"].state.holds
    if tracked and logs and (run is None or now - run.at > HOLDS_FOR):
        for name in sorted(_LEAVES_RUNS & set(amended)):
            if amended[name].state is State.WIRED:
                amended[name] = _lowered(amended[name], run.at if run is not None else None, now)
    return amended


def _proven(finding: Finding, proof: Proof, now: datetime) -> Finding:
    shown = Evidence(path=proof.where, why=proof.why, at=proof.at.isoformat(timespec="seconds"))
    if now - proof.at > HOLDS_FOR:
        old = msgspec.structs.replace(shown, why=f"{proof.why}, more than {HOLDS_FOR.days} days ago")
        return msgspec.structs.replace(finding, turned_down=(*finding.turned_down, old))
    return msgspec.structs.replace(finding, state=State.PROVEN, evidence=(shown, *finding.evidence))


def _of_others(finding: Finding, proof: Proof) -> Finding:
    why = f"{proof.why}, but no file of this project shows {proof.shared}: it may be that of others on the server"
    shown = Evidence(path=proof.where, why=why, at=proof.at.isoformat(timespec="seconds"))
    return msgspec.structs.replace(finding, turned_down=(*finding.turned_down, shown))


def _lowered(finding: Finding, last: datetime | None, now: datetime) -> Finding:
    said = "never" if last is None else f"last on {last:%Y-%m-%d}"
    why = f"wired in the files, and in the {HOLDS_FOR.days} days before {now:%Y-%m-%d} it did not happen ({said})"
    place = finding.evidence[0] if finding.evidence else Evidence(path=".", why=why)
    down = msgspec.structs.replace(place, why=why)
    return msgspec.structs.replace(finding, state=State.PRESENT, turned_down=(down, *finding.turned_down))
