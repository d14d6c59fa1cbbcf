"""A trace as a person reads it: the answer first, and below what it came from. The JSON has all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from windlass.cli.entries import Entry, print_entries
from windlass.cli.output import say
from windlass.product.duration import format_duration

Part = Mapping[str, Any]
Lines = Iterator[tuple[str, Any]]
_SHORT = 12
"""Characters of a digest by which people tell one from another."""


def render(trace: Part) -> None:
    """Print one section for each step of the way back."""
    version = trace["version"] or {}
    sections: tuple[tuple[str, Lines], ...] = (
        (f"The answer {trace['prediction']['prediction_id']}", _answer(trace, version.get("classes", ()))),
        ("What was answered beside it, unseen by the caller", _beside(trace["beside"])),
        ("The request", _fields(trace["request"])),
        ("What the model saw", _fields(trace["features"], names=version.get("features"))),
        ("What came true", _outcomes(trace["outcomes"])),
        ("The version that answered", _version(version)),
        ("How it was released", _release(trace["release"])),
        ("When it became the champion", ((say(change["at"]), change["reason"]) for change in trace["champion"] or ())),
        ("The model file it is", _file(trace["file"])),
        ("The run that made it", _run(trace["run"])),
        ("The data it learned from", _data(trace["data"], trace.get("erased"))),
        ("The code and environment", _code(trace["code"])),
    )
    for title, lines in sections:
        more = tuple(lines)
        if more:
            print_entries([Entry(head=(title,), more=more)], title="", empty="")


def _answer(trace: Part, classes: Sequence[Any]) -> Lines:
    answer = trace["prediction"]
    yield "product", trace["product"]
    yield "at", answer["at"]
    yield "by", f"{answer['version']} as {answer['stage']}"
    yield from _scores(answer, classes)
    yield "key", answer["key"]
    yield "event time", answer["event_time"]
    yield (
        "took",
        f"{answer['latency_ms']:.1f} ms for {_rows(answer['batch_rows'])} of the request {answer['request_id']}",
    )
    if trace["waiting"]:
        yield "where", "in a segment: whoever runs the loop brings it into the lake"


def _scores(answer: Part, classes: Sequence[Any]) -> Lines:
    yield "error", answer["error"]
    if answer["probabilities"] and len(classes) == len(answer["probabilities"]):
        pairs = zip(classes, answer["probabilities"], strict=True)
        yield "chances", ", ".join(f"{label} {say(chance)}" for label, chance in pairs)
    elif len(classes) == 2:
        yield f"chance of {classes[-1]}", answer["score"]
    else:
        yield "score", answer["score"]


def _beside(answers: Sequence[Part]) -> Lines:
    for answer in answers:
        said = answer["error"] or f"score {say(answer['score'])}"
        yield f"{answer['version']} as {answer['stage']}", f"{said}, {answer['latency_ms']:.1f} ms"


def _fields(row: Part, *, names: Sequence[str] | None = None) -> Lines:
    for name, value in row.items():
        if not names or name in names:
            yield name, repr(value) if isinstance(value, float) else say(value)  # to the last digit: this is evidence


def _outcomes(outcomes: Sequence[Part]) -> Lines:
    if not outcomes:
        yield "outcome", "none has come yet"
    for outcome in outcomes:
        yield say(outcome["value"]), f"observed {say(outcome['observed'])}, received {say(outcome['received'])}"


def _version(version: Part) -> Lines:
    if version:
        yield "version", version["version"]
        yield "registered", version["registered"]
        yield "model", version["model"]
        yield "metrics", version["metrics"] or None
        yield "digest", version["digest"][:_SHORT]
        yield "bundle", "removed by `windlass clean`" if version.get("retired") else None


def _release(release: Part | None) -> Lines:
    if release is not None:
        yield "release", release["release"]
        for stage in release["stages"]:
            share = f" {stage['share']:.0%}" if stage["stage"] == "canary" else ""
            why = " ".join(stage["decision"].reasons) if stage["decision"] is not None else "begun"
            yield f"{stage['stage'].removeprefix('release.')}{share}", f"{say(stage['at'])}: {why}"


def _file(file: Part | None) -> Lines:
    if file is not None:
        yield "imported", file["imported"]
        yield "sha256", file["sha256"]
        yield "vouched by", file["vouched_by"] or "nobody: it can run no code"


def _run(run: Part | None) -> Lines:
    if run is not None:
        yield "run", run["run"]
        yield "started", run["started"]
        yield "because", f"{run['trigger']}: {run['reason']}"
        if run["gate"] is not None:
            yield "gate", f"{run['gate'].verdict}: {' '.join(run['gate'].reasons)}"
        if run["recourse"] is not None:
            yield "recourse", f"{run['recourse'].verdict}: {' '.join(run['recourse'].reasons)}"
        for step in run["steps"]:
            done = f"taken over from {step['reused']}" if step["reused"] else f"{step['seconds']:.2f} s"
            yield f"step {step['step']}", f"{done}, key {step['key'][:_SHORT]}"


def _data(pin: Any, erased: str | None) -> Lines:
    if pin is not None:
        yield "rows", f"{pin.rows:,}"
        for table, upto in pin.upto.items():
            yield table, f"up to row {upto}" if upto >= 0 else "none"
        yield "as of", pin.as_of
        yield "a label may take", format_duration(timedelta(seconds=pin.within))
        yield "digest", pin.digest[:_SHORT]
        yield "erased", erased


def _code(code: Part | None) -> Lines:
    if code is not None:
        yield "product", code["entry"] or None
        for path, digest in code["source"].items():
            yield path, digest[:_SHORT]
        dirty = " with uncommitted changes" if code["dirty"] else ""
        yield "commit", f"{code['commit']}{dirty}" if code["commit"] else "none: not a git repository"
        yield "made under", f"Python {code['python']}, Windlass {code['windlass']}"


def _rows(count: int) -> str:
    return "one row" if count == 1 else f"{count} rows"
