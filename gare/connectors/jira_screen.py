"""What a field of a transition's screen takes, by its schema, and how a configured value is spelled for it. Pure.

Jira's REST reference, "Issue fields" (platform v2 and v3): a choice is named by `value`, `name` or `id`, a list of
things is a list, a user is an account id on Cloud and a name on Data Center.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gare.connectors.jira_text import to_adf
from gare.errors import Refused

Json = Mapping[str, Any]

_NAMES = ("value", "name", "key", "id")
"""By what an allowed value may be named, the first that fits."""
_BY_TYPE: Mapping[str, str] = {"option": "value", "project": "key", "issuelink": "key"}
_PLAIN = ("string", "date", "datetime", "any")


def spelled(field: str, value: Any, meta: Json, *, is_cloud: bool) -> Any:
    """Return a value as Jira takes it for a field of this meta data. Raises Refused for what the field does not take.

    An object is taken as it is written: whoever writes one knows what Jira asks for.
    """
    schema, allowed = meta.get("schema") or {}, meta.get("allowedValues") or ()
    if isinstance(value, Mapping):
        return dict(value)
    if schema.get("type") == "array":
        items = value if isinstance(value, list) else [value]
        inner = {**schema, "type": schema.get("items", "string")}
        return [_one(field, one, inner, allowed, is_cloud=is_cloud) for one in items]
    return _one(field, value, schema, allowed, is_cloud=is_cloud)


def _one(field: str, value: Any, schema: Json, allowed: Sequence[Json], *, is_cloud: bool) -> Any:
    kind = str(schema.get("type", "string"))
    if isinstance(value, Mapping):
        return dict(value)
    if allowed:
        return _chosen(field, str(value), allowed)
    if kind == "number":
        return _number(field, value)
    if kind == "user":
        return {"accountId": str(value)} if is_cloud else {"name": str(value)}
    if kind in _PLAIN:
        is_rich = is_cloud and _is_rich(schema)
        return to_adf(str(value)) if is_rich else str(value)
    return {_BY_TYPE.get(kind, "name"): str(value)}


def _chosen(field: str, value: str, allowed: Sequence[Json]) -> dict[str, str]:
    for name in _NAMES:
        for one in allowed:
            if str(one.get(name, "")).casefold() == value.casefold():
                return {name: str(one[name])}
    raise Refused(
        f"The field `{field}` does not take {value!r}.",
        where="fields of a transition",
        hint=f"It takes {', '.join(labels(allowed)) or 'nothing'}; correct `fields` in the project's file.",
    )


def labels(allowed: Iterable[Json]) -> list[str]:
    """Return what people call the values that a field takes."""
    return [str(one.get("value") or one.get("name") or one.get("id")) for one in allowed]


def _number(field: str, value: Any) -> float | int:
    try:
        return value if isinstance(value, int | float) else float(str(value))
    except ValueError:
        raise Refused(
            f"The field `{field}` takes a number, not {value!r}.",
            where="fields of a transition",
            hint="Correct `fields` in the project's file.",
        ) from None


def _is_rich(schema: Json) -> bool:
    """Whether Cloud keeps the text as a document: long texts, and never those of one line."""
    is_long = str(schema.get("custom", "")).endswith(":textarea")
    return is_long or schema.get("system") in ("description", "environment")
