"""The registry as an OpenAPI 3.1 description: what the HTTP API serves, and what its clients are made from (ADM-6).

Beside what OpenAPI has words for there are: ``x-role``, the weakest role that may run an operation; ``x-own-domain``, whether a
domain administrator may, within the own domain; ``x-reads``, it changes nothing; ``x-dangerous``, ask before; and of arguments
``x-kind``, and ``x-option``, which is not among the words in order.
"""

from __future__ import annotations

import typing
from collections.abc import Sequence

import msgspec

from posthouse import __version__
from posthouse.admin import registry
from posthouse.admin.arguments import Argument
from posthouse.admin.operation import Operation

Schema = dict[str, object]
_REF = "#/components/schemas/{name}"
_PROBLEM: Schema = {
    "type": "object",
    "description": "Why a request was not done (RFC 9457).",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}
_ABOUT = (
    "All that administrators can do, made from the registry of operations. Log in with a token (`token add`) or with an "
    "administrator's address and password. Errors are problem details; lists also come as a row a line, "
    "`Accept: application/x-ndjson`."
)


def description() -> bytes:
    """As JSON."""
    return msgspec.json.encode(described())


def described() -> Schema:
    """The whole description."""
    found = list(registry.operations().values())
    results, components = _results(found)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Posthouse administration", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"password": []}],
        "tags": [{"name": noun} for noun in registry.nouns()],
        "paths": {f"/api/v1/{each.noun}/{each.verb}": {"post": _operation(each, results[each.name])} for each in found},
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
            "schemas": {"Problem": _PROBLEM, **components},
        },
    }


def _operation(each: Operation, result: Schema) -> Schema:
    needed = any(argument.required for argument in each.arguments)
    problem = {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}
    answers: Schema = {"application/json": {"schema": result}}
    if result.get("type") == "array":
        answers["application/x-ndjson"] = {"schema": result["items"]}
    return {
        "operationId": f"{each.noun}_{each.verb}",
        "tags": [each.noun],
        "summary": each.summary,
        "description": each.description,
        "x-role": each.role,
        "x-own-domain": each.scope == "domain",
        "x-reads": each.reads,
        "x-dangerous": each.dangerous,
        "requestBody": {"required": needed, "content": {"application/json": {"schema": _arguments(each)}}},
        "responses": {
            "200": {"description": "Done; what the operation gives.", "content": answers},
            "default": {"description": "Not done.", "content": problem},
        },
    }


def _arguments(each: Operation) -> Schema:
    schema = dict(each.schema)
    properties = typing.cast("dict[str, Schema]", schema["properties"])
    schema["properties"] = {argument.name: _argument(argument, properties[argument.name]) for argument in each.arguments}
    return schema


def _argument(argument: Argument, schema: Schema) -> Schema:
    found = {**schema, "x-kind": argument.kind, "x-option": argument.option}
    if argument.kind == "amount":
        found["type"] = ["string", "integer"]
    if not argument.required:
        if not argument.rest:
            found["type"] = [*_types(found["type"]), "null"]
            if "enum" in found:
                found["enum"] = [*argument.choices, None]
        if isinstance(argument.default, (bool, int, float, str)):
            found["default"] = argument.default
    elif argument.rest:
        found["minItems"] = 1
    return found


def _types(given: object) -> list[object]:
    return list(given) if isinstance(given, list) else [given]


def _results(found: Sequence[Operation]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """What each operation gives, by its name, and the named schemas that these refer to."""
    hints = [typing.get_type_hints(each.function)["return"] for each in found]
    schemas, components = msgspec.json.schema_components(hints, schema_hook=_as_text, ref_template=_REF)
    return {each.name: dict(schema) for each, schema in zip(found, schemas, strict=True)}, components


def _as_text(_: type) -> Schema:
    """Addresses and the like are rendered as texts."""
    return {"type": "string"}
