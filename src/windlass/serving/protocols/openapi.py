"""`/openapi.json`: the routes of every product that is served, with the schemas of its own columns and contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from windlass.product.contract import RowDecoder
from windlass.product.contract.json_schema import MOMENT, nullable
from windlass.serving.limits import MOST_EXPLAINED, MOST_ROWS
from windlass.serving.protocols.inference import DATATYPES_READ, outputs_of
from windlass.serving.protocols.measuring import METRIC
from windlass.serving.versions.lineup import Lineup, Loaded

_STRING = {"type": "string"}
_NUMBER = {"type": "number"}
_PLAIN = ["boolean", "number", "string"]
_SPELT: Mapping[int | None, list[bool | int]] = {0: [False, 0], 1: [True, 1]}
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
    rows = _rows(loaded.decoder.json_schema())
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
            _invocations(loaded),
            _list_of(_any_label(loaded)),
            error=_MLFLOW_ERROR,
        ),
        f"/v2/models/{name}": {"get": {"tags": [name], "summary": "Tensors", "responses": _ok({"type": "object"})}},
        f"/v2/models/{name}/infer": _post(
            name, "Predict by the Open Inference Protocol", _inference(loaded), {"type": "object"}
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


def _rows(row: Any) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": row}


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
    outcome = _about_one(
        loaded,
        required=["value"],
        value=_value(loaded),
        observed_at={
            **nullable(MOMENT),
            "description": "Null: now. A moment more than a day ahead of the server's clock is refused.",
        },
    )
    return {"type": "object", "required": ["outcomes"], "properties": {"outcomes": _rows(outcome)}}


def _value(loaded: Loaded) -> dict[str, Any]:
    """What came of it: a label, of which 0 and false, 1 and true are spellings of one; of several classes a new one may
    come, of their type."""
    if loaded.task.kind == "regression":
        return _NUMBER
    classes = list(loaded.manifest.classes)
    if not classes:
        return {"type": _PLAIN}
    spelt = [each for label in classes for each in _SPELT.get(_number_of(label), [label])]
    if loaded.task.kind == "multiclass" and all(isinstance(label, str) for label in classes):
        return {"type": "string", "pattern": r"\S", "description": "None of the known labels spelt otherwise."}
    if loaded.task.kind == "multiclass" and all(isinstance(label, int) for label in classes):
        return {"anyOf": [{"enum": spelt}, {"type": "integer"}]}
    return {"enum": spelt}


def _number_of(label: Any) -> int | None:
    return int(label) if isinstance(label, bool | int | float) and label in (0, 1) else None


def _measurements(loaded: Loaded) -> dict[str, Any]:
    measured = _about_one(
        loaded, required=["metric", "value"], metric={"type": "string", "pattern": f"^{METRIC}$"}, value=_NUMBER
    )
    return {"type": "object", "required": ["measurements"], "properties": {"measurements": _rows(measured)}}


def _about_one(loaded: Loaded, *, required: list[str], **properties: Any) -> dict[str, Any]:
    """What is told of a prediction, which is named in one of the ways there are; null counts as not named."""
    subjects: dict[str, Any] = {"prediction_id": {"type": "string", "minLength": 1, "maxLength": 200}}
    if loaded.task.key is not None:
        subjects["key"] = {"type": ["string", "integer"], "minLength": 1, "maxLength": 1000}
    null = {"type": "null"}
    unnamed = dict.fromkeys(("prediction_id", "key"), null)
    named = [{"required": [one], "properties": {**unnamed, one: subject}} for one, subject in subjects.items()]
    return {"type": "object", "required": required, "properties": properties, "oneOf": named}


def _accepted() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["product", "accepted"],
        "properties": {"product": _STRING, "accepted": {"type": "integer"}},
    }


def _invocations(loaded: Loaded) -> dict[str, Any]:
    row = loaded.decoder.json_schema()
    fields = row["properties"]
    listed = _listed(loaded.decoder, fields)
    table = {
        "type": "object",
        "required": ["data"],
        "properties": {
            "columns": {"type": "array", "items": _STRING, "uniqueItems": True},
            "data": _rows({"type": "array"}),
        },
    }
    columns = {**row, "minProperties": 1, "properties": {name: _column(field) for name, field in fields.items()}}
    forms = {
        "dataframe_split": table,
        "dataframe_records": _rows(row),
        "instances": {"anyOf": [_rows(row), _rows(listed)]},
        "inputs": {"anyOf": [columns, _rows(row), _rows(listed)]},
    }
    return {
        "oneOf": [
            {"type": "object", "required": [form], "properties": {form: schema}} for form, schema in forms.items()
        ],
        "description": "A list holds the values of a row in the order of the columns; columns are of one length.",
    }


def _listed(decoder: RowDecoder, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A row without names: the values of all columns, or of those that must come."""
    widths = {len(fields), sum(column.required for column in decoder.columns)}
    forms = [[fields[column.name] for column in decoder.unnamed(width)] for width in sorted(widths)]
    lists = [{"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)} for each in forms]
    return {"anyOf": [*lists, *(each[0] for each in forms if len(each) == 1)]}


def _column(field: Any) -> dict[str, Any]:
    """Its values, each of which may be in a list of its own; or the one value of one row."""
    alone = {"type": "array", "minItems": 1, "maxItems": 1, "items": field}
    return {"anyOf": [_rows({"anyOf": [field, alone]}), field]}


def _inference(loaded: Loaded) -> dict[str, Any]:
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"type": "string", "maxLength": 1000},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 2},
            "datatype": {"enum": sorted(DATATYPES_READ)},
            "data": {"type": "array", "minItems": 1},
        },
    }
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": _short(200),
            "inputs": {"type": "array", "minItems": 1, "items": tensor},
            "outputs": {
                "type": ["array", "null"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"enum": sorted(outputs_of(loaded))}},
                },
            },
        },
        "description": "A tensor for each column. `data` has as many values as `shape` says, nested or flat.",
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
