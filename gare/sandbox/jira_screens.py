"""The fields of a simulated transition's screen: how they are described, and what they take. Pure.

A seed says of each field `type` (without it a choice as of a resolution), for lists `items`, and `values` that may be
chosen; `custom: textarea` makes a string a long text.
"""

from collections.abc import Mapping
from typing import Any

from gare.sandbox.jira_replies import check_text, refused
from gare.sandbox.jira_state import Transition

Said = Mapping[str, Any]

_CUSTOM = "com.atlassian.jira.plugin.system.customfieldtypes:"
_BY_VALUE = "option"
"""The type of choices that are told by `value`; all others by `name`."""


def described(transition: Transition) -> dict[str, Any]:
    """Return the fields of a screen, as `expand=transitions.fields` tells them."""
    return {field: _described(field, said) for field, said in transition.screen.items()}


def _described(field: str, said: Said) -> dict[str, Any]:
    kind = said.get("type", "resolution" if "values" in said else "string")
    schema = {"type": kind}
    if kind == "array":
        schema["items"] = said.get("items", "string")
    if custom := said.get("custom"):
        schema["custom"] = f"{_CUSTOM}{custom}"
    told = {
        "key": field,
        "name": said.get("name", field.capitalize()),
        "required": bool(said.get("required", False)),
        "hasDefaultValue": "default" in said,
        "operations": ["set"],
        "schema": schema,
    }
    if "values" in said:
        name = "value" if _inner(schema) == _BY_VALUE else "name"
        told["allowedValues"] = [
            {"id": str(10_000 + number), name: value} for number, value in enumerate(said["values"])
        ]
    return told


def check(field: str, said: Said, given: dict[str, Any], *, is_cloud: bool) -> None:
    """Refuse what a field does not take; put its default in where nothing is given."""
    told = _described(field, said)
    if field not in given:
        if "default" in said:
            given[field] = {"name": said["default"]}
        elif told["required"]:
            raise refused(400, **{field: f"{told['name']} is required."})
        return
    value, kind = given[field], told["schema"]["type"]
    if kind == "array" and not isinstance(value, list):
        raise refused(400, **{field: "data was not an array"})
    for one in value if kind == "array" else [value]:
        _check_one(field, one, told, is_cloud=is_cloud)


def _check_one(field: str, value: Any, told: Said, *, is_cloud: bool) -> None:
    kind = _inner(told["schema"])
    if "allowedValues" in told:
        if not isinstance(value, dict) or not any(
            _is_same(value, a) for a in told["allowedValues"]
        ):
            name = value.get("name", value.get("value")) if isinstance(value, dict) else value
            raise refused(400, **{field: f"{told['name']} '{name}' is not valid."})
    elif kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refused(400, **{field: "Operation value must be a number"})
    elif kind == "user":
        key = "accountId" if is_cloud else "name"
        if not isinstance(value, dict) or not value.get(key):
            raise refused(400, **{field: f"The user is told by {key}."})
    elif told["schema"].get("custom") == f"{_CUSTOM}textarea":
        check_text(value, field, is_adf=is_cloud)
    elif kind in ("string", "date", "datetime"):
        if not isinstance(value, str):
            raise refused(400, **{field: "Operation value must be a string"})
    elif not isinstance(value, dict):
        raise refused(400, **{field: "Operation value must be an object"})


def _is_same(given: Said, allowed: Said) -> bool:
    """Tell whether what was sent names an allowed value, by one of its own names and nothing else."""
    return bool(given) and all(given[name] == allowed.get(name) for name in given)


def _inner(schema: Said) -> str:
    return str(schema["items"] if schema["type"] == "array" else schema["type"])
