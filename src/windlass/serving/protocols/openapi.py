"""`/openapi.json`: the routes of every product that is served, with the schemas of its own columns and contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from windlass.serving.limits import MOST_EXPLAINED, MOST_ROWS
from windlass.serving.protocols.measuring import METRIC
from windlass.serving.versions.lineup import Lineup, Loaded

_STRING = {"type": "string"}
_NUMBER = {"type": "number"}
_PLAIN = ["boolean", "number", "string"]
_PROBLEM = {
    "type": "object",
    "required": ["field", "row", "reason"],
    "properties": {
        "field": _STRING,
        "row": {"type": ["integer", "null"], "description": "Position in the request, from 0"},
        "reason": _STRING,
    },
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": _STRING,
        "fields": {"type": "array", "items": _PROBLEM},
        "error_id": {"type": "string", "description": "By which the log names a failure of the version or the server"},
    },
}
_EXPLAIN = {
    "name": "explain",
    "in": "query",
    "description": f"Also say how far each feature brought each score from the mean; up to {MOST_EXPLAINED} rows",
    "schema": {"type": "boolean"},
}
_EXPLANATION = {
    "type": "object",
    "properties": {
        "scale": {"enum": ["score", "log-odds", "logarithm", "softmax"], "default": "score"},
        "base": _NUMBER,
        "attributions": {"type": "object", "additionalProperties": _NUMBER},
        "standard_error": _NUMBER,
        "walks": {"type": "integer"},
        "problem": _STRING,
    },
}
_MLFLOW_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": _STRING, "message": _STRING},
}
_REFUSALS = {
    "400": "The body is not JSON",
    "404": "There is no such product or version",
    "413": "The body is too large",
    "415": "The content type is not read here",
    "422": "The rows do not fit, or the version fails on their values; `fields` says where and why",
    "500": "The version or the server failed, and not for these rows; the log names `error_id`",
    "503": "No version can answer, there are too many requests, or the answer could not be recorded",
    "504": "The version has not answered for as long as a call may take",
}


def document(lineups: Mapping[str, Lineup]) -> dict[str, Any]:
    """An OpenAPI 3.1 document of what is served now."""
    paths: dict[str, Any] = {}
    for name, lineup in sorted(lineups.items()):
        if lineup.champion is not None:
            paths |= _paths(name, lineup.champion)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Windlass", "version": version("windlass")},
        "paths": {**paths, **_SERVER},
    }


def _paths(name: str, loaded: Loaded) -> dict[str, Any]:
    rows = {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": loaded.decoder.json_schema()}
    request = {"type": "object", "required": ["rows"], "properties": {"rows": rows, "request_id": _short(200)}}
    return {
        f"/{name}/predict": _post(name, "Predict rows", request, _predictions(loaded), parameters=[_EXPLAIN]),
        f"/{name}/outcomes": _post(name, "Tell what came of predictions", _outcomes(loaded), _accepted(), status="202"),
        f"/{name}/measurements": _post(
            name, "Tell what an A/B test is judged by", _measurements(loaded), _accepted(), status="202"
        ),
        f"/{name}/invocations": _post(
            name,
            "Predict as an MLflow model server",
            _invocations(rows),
            _list_of(_any_label(loaded)),
            error=_MLFLOW_ERROR,
        ),
        f"/v2/models/{name}": {"get": {"tags": [name], "summary": "Tensors", "responses": _ok({"type": "object"})}},
        f"/v2/models/{name}/infer": _post(
            name, "Predict by the Open Inference Protocol", _inference(), {"type": "object"}
        ),
    }


def _post(
    tag: str,
    summary: str,
    request: Any,
    response: Any,
    *,
    status: str = "200",
    error: Any = None,
    parameters: Sequence[Any] = (),
) -> dict[str, Any]:
    refusals = {code: {"description": text, **_content(error or _ERROR)} for code, text in _REFUSALS.items()}
    return {
        "post": {
            "tags": [tag],
            "summary": summary,
            "parameters": list(parameters),
            "requestBody": {"required": True, **_content(request)},
            "responses": {status: {"description": "Done", **_content(response)}, **refusals},
        }
    }


def _content(schema: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _ok(schema: Any) -> dict[str, Any]:
    return {"200": {"description": "OK", **_content(schema)}}


def _short(length: int) -> dict[str, Any]:
    return {"type": ["string", "null"], "maxLength": length}


def _predictions(loaded: Loaded) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "type": "object",
        "required": ["id", "score", "version", "stage"],
        "properties": {
            "id": _STRING,
            "score": _NUMBER,
            "version": _STRING,
            "stage": {"enum": ["champion", "canary", "direct"]},
            "explanation": _EXPLANATION,
        },
    }
    if loaded.task.kind != "regression":
        answer["properties"]["label"] = _label(loaded)
        answer["required"].append("label")
    if loaded.task.kind == "multiclass":
        answer["properties"]["probabilities"] = {"type": "object", "additionalProperties": _NUMBER}
    return {
        "type": "object",
        "required": ["product", "version", "predictions"],
        "properties": {"product": _STRING, "version": _STRING, "predictions": {"type": "array", "items": answer}},
    }


def _label(loaded: Loaded) -> dict[str, Any]:
    return {"enum": list(loaded.manifest.classes)} if loaded.manifest.classes else {}


def _any_label(loaded: Loaded) -> dict[str, Any]:
    return _NUMBER if loaded.task.kind == "regression" else _label(loaded)


def _list_of(item: Any) -> dict[str, Any]:
    predictions = {"type": "array", "items": item}
    return {"type": "object", "required": ["predictions"], "properties": {"predictions": predictions}}


def _outcomes(loaded: Loaded) -> dict[str, Any]:
    subjects = _subjects(loaded)
    outcome = {
        "type": "object",
        "required": ["value"],
        "properties": {
            **subjects,
            # Of several classes a new one may come.
            "value": {"type": _PLAIN} if loaded.task.kind == "multiclass" else _any_label(loaded),
            "observed_at": {"type": ["string", "null"], "format": "date-time"},
        },
        "oneOf": [{"required": [subject]} for subject in subjects],
    }
    listed = {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": outcome}
    return {"type": "object", "required": ["outcomes"], "properties": {"outcomes": listed}}


def _measurements(loaded: Loaded) -> dict[str, Any]:
    subjects = _subjects(loaded)
    measured = {
        "type": "object",
        "required": ["metric", "value"],
        "properties": {**subjects, "metric": {"type": "string", "pattern": f"^{METRIC}$"}, "value": _NUMBER},
        "oneOf": [{"required": [subject]} for subject in subjects],
    }
    listed = {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": measured}
    return {"type": "object", "required": ["measurements"], "properties": {"measurements": listed}}


def _subjects(loaded: Loaded) -> dict[str, Any]:
    """How a prediction can be named."""
    subjects: dict[str, Any] = {"prediction_id": {"type": "string", "minLength": 1, "maxLength": 200}}
    if loaded.task.key is not None:
        subjects["key"] = {"type": ["string", "integer"], "minLength": 1, "maxLength": 1000}
    return subjects


def _accepted() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["product", "accepted"],
        "properties": {"product": _STRING, "accepted": {"type": "integer"}},
    }


def _invocations(rows: Any) -> dict[str, Any]:
    table = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {"columns": {"type": "array", "items": _STRING}, "data": {"type": "array", "minItems": 1}},
    }
    forms = {"dataframe_split": table, "dataframe_records": rows, "instances": rows, "inputs": {"type": "object"}}
    return {
        "oneOf": [
            {"type": "object", "required": [form], "properties": {form: schema}} for form, schema in forms.items()
        ]
    }


def _inference() -> dict[str, Any]:
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": _STRING,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 2},
            "datatype": _STRING,
            "data": {"type": "array"},
        },
    }
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": _short(200),
            "inputs": {"type": "array", "minItems": 1, "items": tensor},
            "outputs": {
                "type": "array",
                "items": {"type": "object", "required": ["name"], "properties": {"name": _STRING}},
            },
        },
    }


_SERVER = {
    "/livez": {"get": {"summary": "Is the process alive", "responses": _ok({"type": "object"})}},
    "/readyz": {
        "get": {
            "summary": "Can every champion answer",
            "responses": {**_ok({"type": "object"}), "503": {"description": "Not yet", **_content({"type": "object"})}},
        }
    },
    "/metrics": {
        "get": {
            "summary": "Figures for Prometheus",
            "responses": {"200": {"description": "OK", "content": {"text/plain": {"schema": _STRING}}}},
        }
    },
}
