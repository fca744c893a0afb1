"""Options: JSON text to a dict that fits the schema, with defaults filled in.

Here: the keywords that options use every day (`type`, `enum`, `const`, bounds, lengths, `items`, `properties`,
`required`, `additionalProperties`). Not here: the rest of JSON Schema, which the host checks before it calls. Easy to get
wrong: only an object's `properties` get their defaults, from the outside in.
"""

import json
from typing import Any

from .refusal import Invalid

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float),
    "null": (type(None),),
}
_BOUNDS = (
    ("minimum", "at least", lambda value, bound: value >= bound),
    ("maximum", "at most", lambda value, bound: value <= bound),
    ("exclusiveMinimum", "above", lambda value, bound: value > bound),
    ("exclusiveMaximum", "below", lambda value, bound: value < bound),
)


def schema_of(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """The JSON Schema of an object with these options and no others."""
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return schema


def read(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Options that fit, or `Invalid` with the path of the first that does not."""
    try:
        given = json.loads(text or "{}")
    except ValueError as cause:
        raise Invalid(f"not JSON: {cause}", "", "a JSON object") from None
    fitted = _fit(given, schema, "")
    assert isinstance(fitted, dict)
    return fitted


def _fit(value: Any, schema: dict[str, Any], at: str) -> Any:
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        raise Invalid(f"`{_short(value)}` has the wrong type", at, " or ".join(kinds))
    if "enum" in schema and value not in schema["enum"]:
        raise Invalid(f"`{_short(value)}` is not a choice", at, "one of " + ", ".join(map(_short, schema["enum"])))
    if "const" in schema and value != schema["const"]:
        raise Invalid(f"`{_short(value)}` is not allowed", at, _short(schema["const"]))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        for keyword, words, holds in _BOUNDS:
            if keyword in schema and not holds(value, schema[keyword]):
                raise Invalid(f"`{value}` is out of bounds", at, f"a number {words} {schema[keyword]}")
        if "integer" in kinds and "number" not in kinds and isinstance(value, float):
            return int(value)
    if isinstance(value, str):
        _length(value, schema, "minLength", "maxLength", "characters", at)
    if isinstance(value, list):
        _length(value, schema, "minItems", "maxItems", "items", at)
        items = schema.get("items")
        if isinstance(items, dict):
            return [_fit(item, items, f"{at}/{index}") for index, item in enumerate(value)]
    if isinstance(value, dict):
        return _fit_object(value, schema, at)
    return value


def _fit_object(value: dict[str, Any], schema: dict[str, Any], at: str) -> dict[str, Any]:
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is False:
        for name in value:
            if name not in properties:
                known = ", ".join(f"`{known}`" for known in properties) or "no options"
                raise Invalid("no such option", f"{at}/{name}", known)
    for name in schema.get("required", []):
        if name not in value:
            raise Invalid("missing", f"{at}/{name}", properties.get(name, {}).get("description", "a value"))
    fitted = dict(value)
    for name, inner in properties.items():
        if name in value:
            fitted[name] = _fit(value[name], inner, f"{at}/{name}")
        elif "default" in inner:
            # A copy through JSON: an author who appends to his option must not change the next session's default.
            fitted[name] = json.loads(json.dumps(inner["default"]))
    return fitted


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    # JSON Schema counts 24.0 as an integer; JavaScript hosts write whole floats so.
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, ()))


def _length(value: Any, schema: dict[str, Any], least: str, most: str, unit: str, at: str) -> None:
    if len(value) < schema.get(least, 0):
        raise Invalid("too short", at, f"at least {schema[least]} {unit}")
    if most in schema and len(value) > schema[most]:
        raise Invalid("too long", at, f"at most {schema[most]} {unit}")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
