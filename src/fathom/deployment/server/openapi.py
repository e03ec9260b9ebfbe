"""The description of the addresses, made from what the models take and give."""

from typing import Any

from fathom.data.schema import Column, ImageInput, NumbersInput, TableInput
from fathom.deployment.server.served import Served
from fathom.deployment.server.tensors import DATATYPES

MOST_EXAMPLES = 10
_PLAIN = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"}]
_FAULTS = {
    400: "what the request says cannot be predicted from", 401: "the token is missing",
    404: "there is no such model", 408: "the body does not come in time",
    413: "the body is too large", 415: "the body is packed in another way",
    421: "the server is asked under an unknown name", 429: "too much is waiting; see Retry-After",
}  # fmt: skip
_TYPES = {"text": "string", "whole": "integer", "number": "number", "yes_no": "boolean"}


def describe_predictions(every: list[Served]) -> dict[str, Any]:
    """Return the paths that predict, one for each model, in the form of OpenAPI 3.1.

    Parameters
    ----------
    every : list of Served
        The models.
    """
    paths: dict[str, Any] = {}
    for served in every:
        paths[f"/models/{served.name}/predict"] = {"post": _predict(served)}
        paths[f"/v2/models/{served.name}/infer"] = {"post": _infer(served)}
    if len(every) == 1:
        paths["/predict"] = {"post": _predict(every[0]) | {"operationId": "predict"}}
    return paths


def _operation(name: str, summary: str, asked: Any, answer: Any) -> dict[str, Any]:
    refused = {"$ref": "#/components/schemas/Refused"}
    faults = {
        str(status): {
            "description": text, "content": {"application/json": {"schema": refused}},
        }
        for status, text in _FAULTS.items()
    }  # fmt: skip
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["predict"],
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": {
            "200": {
                "description": "what is predicted",
                "content": {"application/json": {"schema": answer}},
            },
            **faults,
        },
    }


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), **more}


def _predict(served: Served) -> dict[str, Any]:
    columns = served.columns
    target = served.schema.target
    told = [factor.classes for factor in target.factors] or [target.classes] * len(columns.chosen)
    row: dict[str, Any] = {}
    for name, kind, classes in zip(columns.chosen, columns.kinds, told, strict=True):
        row[name] = {"type": _TYPES[kind]}
        if classes and len(classes) <= 100:
            row[name]["enum"] = list(classes)
    row |= {name: {"type": "number", "minimum": 0, "maximum": 1} for name in columns.shares}
    if isinstance(served.schema.input, TableInput):
        row[served.unusual] = {
            "type": "boolean",
            "description": "whether the row is unlike those of training",
        }
    answer = _object({
        "model": {"type": "string"},
        "predictions": {"type": "array", "items": _object(row)},
    })  # fmt: skip
    answer["properties"]["notes"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "what could not be taken as it is",
    }
    asked = _object({"rows": {"type": "array", "items": _row(served)}}, additionalProperties=False)
    return _operation(f"predict_{served.name}", f"Predict with {served.name}", asked, answer)


def _row(served: Served) -> dict[str, Any]:
    described = served.schema.input
    if isinstance(described, TableInput):
        properties = {c.name: _cell(c) for c in described.columns if c.is_used}
        return _object(properties)
    if isinstance(described, NumbersInput):
        numbers = {"type": "array", "items": {"type": "number"}}
        n = described.n_features
        by_place = {**numbers, "minItems": n, "maxItems": n}
        if not described.names:
            return by_place
        return {
            "oneOf": [_object({name: {"type": "number"} for name in described.names}), by_place]
        }
    return _picture(described)


def _picture(described: ImageInput) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "number"}
    if described.is_ink:
        found |= {"minimum": 0, "maximum": 1}
    sizes = described.shape if described.channels > 1 else described.shape[:2]
    for size in reversed(sizes):
        found = {"type": "array", "items": found, "minItems": size, "maxItems": size}
    return found


def _cell(column: Column) -> dict[str, Any]:
    if column.kind == "picture":
        packed = {"type": "string", "contentEncoding": "base64"}
        text = "a picture: the bytes of its file (PNG, JPEG, …) in base64; null for none"
        return {"anyOf": [packed, {"type": "null"}], "description": text}
    found: dict[str, Any] = {"anyOf": _PLAIN, "description": f"a {column.kind}; null if not known"}
    if column.kind in ("category", "yes_no"):
        found["examples"] = list(column.categories[:MOST_EXAMPLES])
    elif column.kind == "number" and column.low is not None:
        found["description"] += f"; from {column.low:g} to {column.high:g} in training"
        found["examples"] = [column.low, column.high]
    elif column.kind == "date":
        found["description"] += f"; written {column.style}, or as YYYY-MM-DD"
    return found


def _infer(served: Served) -> dict[str, Any]:
    shape = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    parameters = {"type": "object"}

    def tensor(names: list[str]) -> dict[str, Any]:
        found = _object({
            "name": {"type": "string", "enum": names},
            "shape": shape,
            "datatype": {"type": "string", "enum": list(DATATYPES)},
        })  # fmt: skip
        found["properties"] |= {"parameters": parameters, "data": {"type": "array"}}
        return found

    given = [kind.name for kind in served.kinds]
    asked = _object({
        "inputs": {"type": "array", "items": tensor([k.name for k in served.intake.kinds])},
    })  # fmt: skip
    asked["properties"] |= {
        "id": {"type": "string"},
        "parameters": parameters,
        "outputs": {
            "type": "array",
            "items": _object({"name": {"type": "string", "enum": given}}),
        },
    }
    answer = _object({
        "model_name": {"type": "string"},
        "outputs": {"type": "array", "items": tensor(given)},
    })  # fmt: skip
    answer["properties"] |= {"id": {"type": "string"}, "parameters": parameters}
    summary = f"Predict with {served.name}, by the Open Inference Protocol"
    return _operation(f"infer_{served.name}", summary, asked, answer)
