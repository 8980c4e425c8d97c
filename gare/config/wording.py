"""Says pydantic's findings in plain words, at the line of the file where they are.

Values are quoted so that people find them; values of secret keys are never repeated.
"""

import json
import re
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gare.config.document import Document
from gare.config.meanings import meanings
from gare.config.problems import KeyPath, Problem, listed, nearest, one_of, spell
from gare.secrets import is_reference

_SECRET_KEY = re.compile(
    r"(^|[._-])(password|passwd|passphrase|token|secret|api_?key|private_?key)$", re.I
)
_URL_PASSWORD = re.compile(r"://[^\s/:@]*:(?!\$\{?[A-Za-z_]\w*\}?@)[^\s/@]+@")
_QUOTED = re.compile(r"'([^']*)'")
_SLUG_START = "^[a-z0-9][a-z0-9"
_MAX_QUOTE = 60
_KIND = {
    dict: "a section",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}
_WRITE = {
    "string_type": "Write a text.",
    "int_type": "Write a whole number.",
    "int_parsing": "Write a whole number.",
    "int_from_float": "Write a whole number.",
    "int_parsing_size": "Write a smaller number.",
    "float_type": "Write a number.",
    "float_parsing": "Write a number.",
    "finite_number": "Write a number.",
    "bool_type": "Write true or false.",
    "bool_parsing": "Write true or false.",
    "tuple_type": "Write a list: each entry on a line of its own after `- `.",
    "list_type": "Write a list: each entry on a line of its own after `- `.",
    "dict_type": "Write a section: `key: value` lines, indented.",
    "model_type": "Write a section: `key: value` lines, indented.",
    "model_attributes_type": "Write a section: `key: value` lines, indented.",
    "greater_than": "Write a number above {gt}.",
    "greater_than_equal": "Write a number of at least {ge}.",
    "less_than": "Write a number below {lt}.",
    "less_than_equal": "Write a number of at most {le}.",
    "too_short": "Write entries, at least {min_length}.",
    "too_long": "Write at most {max_length} entries.",
    "string_too_short": "Write at least {min_length} character(s).",
    "string_too_long": "Write at most {max_length} characters.",
    "url_parsing": "Write a full address, such as `https://example.org/path`.",
    "url_scheme": "Write an address that starts with {expected_schemes}.",
}


def problems_of(
    document: Document, model: type[BaseModel], error: ValidationError
) -> list[Problem]:
    """Translate every finding of pydantic about a document."""
    return [_problem(document, model, detail) for detail in error.errors(include_url=False)]


def secrets_of(document: Document) -> list[Problem]:
    """Find secrets that are written as values: under a key that says so, or as a password in an address."""
    found = []
    for path, text in document.raw.items():
        is_named = isinstance(path[-1], str) and bool(_SECRET_KEY.search(path[-1]))
        if (
            is_named
            and text
            and document_value(document, path) is not None
            and not is_reference(text)
        ):
            found.append(
                document.problem(
                    path,
                    "a secret stands in this file.",
                    "Write where it is: `$NAME` (environment variable) or `file:PATH`; then change the secret.",
                )
            )
        elif _URL_PASSWORD.search(text):
            found.append(
                document.problem(
                    path,
                    "an address in this value holds a password.",
                    "Take the password out, then change it: secrets are written as `$NAME` or `file:PATH`.",
                )
            )
    return found


def document_value(document: Document, path: KeyPath) -> Any:
    """Return the value at a key path that is written in the document."""
    value: Any = document.data
    for part in path:
        value = value[part]
    return value


def quote(value: Any, raw: str | None = None) -> str:
    """Quote a value for a message, as it was written and not longer than a line bears."""
    written = str(value) if raw is None else raw
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else written
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= _MAX_QUOTE else f'{text[: _MAX_QUOTE - 2]}…"'


def _problem(document: Document, model: type[BaseModel], detail: ErrorDetails) -> Problem:
    loc, kind, value = detail["loc"], detail["type"], detail["input"]
    path = _written(document.data, loc, is_missing=kind == "missing")
    context: Mapping[str, Any] = detail.get("ctx", {})
    match kind:
        case "missing":
            what, write = _missing(model, loc, path)
        case "extra_forbidden":
            what, write = _unknown(model, loc, path)
        case "enum" | "literal_error":
            names = _QUOTED.findall(str(context.get("expected", "")))
            what = f"{_said(document, path, value)} is not known here."
            write = nearest(str(value), names) + one_of(names)
        case "union_tag_invalid":
            names = _QUOTED.findall(str(context["expected_tags"]))
            path = (*path, "type")
            what = f"{quote(context['tag'])} is not known here."
            write = nearest(str(context["tag"]), names) + one_of(names)
        case "union_tag_not_found":
            what, write = "`type` is missing.", "Write `type:` and what this is."
        case "value_error" | "assertion_error":
            what, write = _own_words(document, path, value, detail["msg"])
        case "string_pattern_mismatch":
            what, write = (
                f"{_said(document, path, value)} cannot be used.",
                _pattern(str(context["pattern"])),
            )
        case _:
            what, write = _general(document, path, value, detail, context)
    return document.problem(path, what, write)


def _written(data: Any, loc: Sequence[str | int], *, is_missing: bool) -> KeyPath:
    """Drop from pydantic's location what stands in no file: tags of unions and marks such as `[key]`."""
    path: list[str | int] = []
    here = data
    for place, part in enumerate(loc):
        is_last = place == len(loc) - 1
        is_tag = isinstance(here, dict) and here.get("type") == part and not is_last
        is_key = isinstance(here, dict) and part in here and not is_tag
        is_place = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if is_key or is_place:
            path.append(part)
            here = here[part]
        elif is_last and is_missing:
            path.append(part)
    return tuple(path)


def _missing(model: type[BaseModel], loc: Sequence[str | int], path: KeyPath) -> tuple[str, str]:
    owner = _model_at(model, loc[:-1])
    meaning = " ".join(meanings(owner).get(str(loc[-1]), "").split()) if owner else ""
    return "the key is missing.", f"Write `{path[-1]}: …`" + (
        f" ({meaning.rstrip('.')})." if meaning else "."
    )


def _unknown(model: type[BaseModel], loc: Sequence[str | int], path: KeyPath) -> tuple[str, str]:
    owner = _model_at(model, loc[:-1])
    known = [field.alias or name for name, field in owner.model_fields.items()] if owner else []
    where = f"`{spell(path[:-1])}`" if path[:-1] else "this file"
    return (
        "this key is not known.",
        f"{nearest(str(loc[-1]), known)}Keys of {where} are {listed(known)}."
        if known
        else "Take it out.",
    )


def _model_at(model: Any, loc: Sequence[str | int]) -> type[BaseModel] | None:
    """Follow a pydantic location through the models' types; None where it leaves them."""
    kind = _strip(model)
    for part in loc:
        origin, args = get_origin(kind), get_args(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(part))
            kind = _strip(field.annotation) if field else None
        elif origin in (Union, UnionType):
            kind = next((arm for arm in args if _tag_of(arm) == part), None)
        elif origin is dict:
            kind = _strip(args[1])
        elif origin in (tuple, list):
            kind = _strip(args[0])
        else:
            return None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _strip(kind: Any) -> Any:
    """Take `Annotated` and `| None` off a type."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        arms = [arm for arm in get_args(kind) if arm is not type(None)]
        return _strip(arms[0]) if len(arms) == 1 else kind
    return kind


def _tag_of(arm: Any) -> str:
    field = getattr(arm, "model_fields", {}).get("type")
    values = get_args(field.annotation) if field else ()
    return str(values[0]) if values else ""


def _own_words(document: Document, path: KeyPath, value: Any, message: str) -> tuple[str, str]:
    """Split the words of our own validators: they say either what to write, or what is wrong."""
    text = message.partition(", ")[2].strip().rstrip(".")
    what, _, write = text.partition("; write ")
    if write and not text.startswith("write"):
        return what + ".", f"Write {write}."
    sentence = text[:1].upper() + text[1:] + "."
    if not text.startswith(("write", "give", "name")):
        return text + ".", ""
    if isinstance(value, (dict, list)) or "secret" in text:
        return "this cannot be used.", sentence
    return f"{_said(document, path, value)} cannot be used.", sentence


def _pattern(pattern: str) -> str:
    if pattern.startswith(_SLUG_START):
        return (
            "Write lower-case letters, digits, `.`, `-` and `_`, starting with a letter or a digit, "
            "at most 63."
        )
    return f"Write a text of the form `{pattern}`."


def _general(
    document: Document, path: KeyPath, value: Any, detail: ErrorDetails, context: Mapping[str, Any]
) -> tuple[str, str]:
    kind = detail["type"]
    write = _WRITE.get(kind, "").format(**context) or f"{detail['msg']}."
    raw = document.raw.get(path)
    if value is None:
        return "there is no value.", write
    if kind == "string_type" and raw is not None:
        return f"{_said(document, path, value)} is no text.", f'Put it in quotes: "{raw}".'
    if isinstance(value, (dict, list, tuple)):
        what = (
            f"this is {_KIND.get(type(value), 'a list')}."
            if kind.endswith("_type")
            else "this cannot be used."
        )
        return what, write
    return f"{_said(document, path, value)} cannot be used.", write


def _said(document: Document, path: KeyPath, value: Any) -> str:
    if any(isinstance(part, str) and _SECRET_KEY.search(part) for part in path):
        return "the value"
    if isinstance(value, (dict, list)):
        return "this"
    return quote(value, document.raw.get(path))
