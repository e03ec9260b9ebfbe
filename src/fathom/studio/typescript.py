"""The messages as TypeScript: ``python -m fathom.studio.typescript > frontend/src/messages.ts``."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from fathom.inspection.why_phrases import CHINESE_MEANINGS
from fathom.studio.depth_messages import DEPTH_MESSAGES
from fathom.studio.descent_messages import DESCENT_MESSAGES
from fathom.studio.digit_messages import DIGIT_MESSAGES
from fathom.studio.door_messages import DOOR_MESSAGES
from fathom.studio.lesson_messages import LESSON_MESSAGES
from fathom.studio.messages import NETWORK_MESSAGES
from fathom.studio.row_messages import ROW_MESSAGES
from fathom.studio.table_messages import TABLE_MESSAGES

HEAD = "// Written by `python -m fathom.studio.typescript`, from Python's messages. Do not edit.\n"
EVERY_MESSAGE = (
    *DOOR_MESSAGES,
    *NETWORK_MESSAGES,
    *TABLE_MESSAGES,
    *ROW_MESSAGES,
    *DESCENT_MESSAGES,
    *DEPTH_MESSAGES,
    *DIGIT_MESSAGES,
    *LESSON_MESSAGES,
)
PLAIN = {
    "string": "string", "number": "number", "integer": "number", "boolean": "boolean",
    "null": "null",
}  # fmt: skip


def write_typescript() -> str:
    """Return every message as a TypeScript interface, and what is said of numbers.

    Examples
    --------
    >>> "export interface Step {" in write_typescript()
    True
    """
    every = [(kind, "serialization") for kind in EVERY_MESSAGE]
    _, schema = models_json_schema(every)  # type: ignore[arg-type]
    parts = [HEAD]
    for name, one in sorted(schema["$defs"].items()):
        parts.append("\n".join(_interface(name, one)))
    parts.append("/** What Python says of a number, in Chinese. */")
    parts.append("export const CHINESE_MEANINGS: Record<string, string> = {")
    said = json.dumps(dict(CHINESE_MEANINGS), ensure_ascii=False, indent=2)
    parts.append(said.removeprefix("{\n").removesuffix("\n}") + ",\n};\n")
    return "\n".join(parts)


def _interface(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    if "properties" not in schema:
        yield f"export type {name} = {_type(schema)};\n"
        return
    yield f"export interface {name} {{"
    for key, one in schema["properties"].items():
        yield f"  {key}: {_type(one)};"
    yield "}\n"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(f'"{one}"' for one in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "prefixItems" in schema:
        return f"[{', '.join(map(_type, schema['prefixItems']))}]"
    if schema.get("type") == "array":
        inner = _type(schema.get("items", {}))
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if schema.get("type") == "object":
        return f"Record<string, {_type(schema.get('additionalProperties', {}))}>"
    return PLAIN.get(str(schema.get("type")), "unknown")


if __name__ == "__main__":
    print(write_typescript(), end="")
