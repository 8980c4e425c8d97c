"""Checks requests and responses against the vendors' API descriptions (OpenAPI), with openapi-core.

The descriptions are data outside Gare; without them nothing is checked. Unknown fields of a response are fine, unknown
fields and query parameters of a request are not: openapi-core lets them pass, so they are looked for here.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from gare.errors import ConfigError
from gare.sandbox.vendor import Operation, Reply, Request, Vendor

_PART = re.compile(r"\{\w+\*?\}")
_DEEPEST = 12
_NOTHING = (b"", b"{}")
"""Bodies that hold no field: clients send the second where none is declared."""
_JSON = "application/json"
_HOST = "http://sandbox"


class Contract:
    """The descriptions of one vendor, and the count of what was checked."""

    def __init__(self, vendor: Vendor, folder: Path) -> None:
        """Read the vendor's descriptions in `folder`. Raises ConfigError when one is absent."""
        documents = [_document(folder / name) for name in vendor.descriptions]
        self._declared: dict[Operation, _Declared] = {}
        for document in reversed(documents):
            self._declared |= document
        self._vendor = vendor
        self.operations: set[Operation] = set()
        self.requests = 0
        self.invalid: list[str] = []

    def undeclared(self, operations: Iterable[Operation]) -> list[Operation]:
        """Return those that no description declares and that are no known gap."""
        return [
            operation
            for operation in operations
            if _key(operation) not in self._declared and operation not in self._vendor.gaps
        ]

    def check_request(self, request: Request) -> str:
        """Return why the description does not allow this request; empty when it does."""
        if request.operation in self._vendor.gaps:
            return ""
        self.operations.add(request.operation)
        self.requests += 1
        declared = self._declared.get(_key(request.operation))
        if declared is None:
            return self._note(request, "is declared in no description")
        return self._note(request, declared.wrong_request(request, self._vendor))

    def check_reply(self, request: Request, reply: Reply) -> str:
        """Return why the description does not allow this answer; empty when it does."""
        declared = self._declared.get(_key(request.operation))
        known = {*self._vendor.gaps, *self._vendor.loose_replies}
        if declared is None or request.operation in known:
            return ""
        return self._note(request, declared.wrong_reply(request, reply, self._vendor))

    def _note(self, request: Request, wrong: str) -> str:
        if not wrong:
            return ""
        told = f"{request.method} {request.operation[1]} {wrong}"
        self.invalid.append(told)
        return told


class _Declared:
    """One operation as a description declares it."""

    def __init__(self, template: str, method: str, document: Mapping[str, Any]) -> None:
        self._template, self._method, self._document = template, method, document
        self._item: Mapping[str, Any] = document["paths"][template]
        self._operation: Mapping[str, Any] = self._item[method]

    @cached_property
    def _openapi(self) -> Any:
        """Return openapi-core on a document of this operation alone: in a whole one it searches all paths."""
        from openapi_core import Config, OpenAPI

        item = {
            key: value for key, value in self._item.items() if key in (self._method, "parameters")
        }
        alone = {
            **self._document,
            "servers": [{"url": _HOST}],
            "paths": {self._template: item},
        }
        return OpenAPI.from_dict(alone, config=Config(spec_validator_cls=None))

    def wrong_request(self, request: Request, vendor: Vendor) -> str:
        """Say what is wrong with a request."""
        from openapi_core.exceptions import OpenAPIError

        known = self._query_names | vendor.common_query
        if unknown := sorted({name for name, _ in request.query} - known):
            return f"has no query parameter {', '.join(unknown)}"
        if unknown := self._unknown_fields(request):
            return f"has no body field {', '.join(unknown)}"
        try:
            self._openapi.validate_request(_AsRequest(request, self._template, vendor))
        except OpenAPIError as error:
            return f"refuses the request: {_reason(error)}"
        return ""

    def wrong_reply(self, request: Request, reply: Reply, vendor: Vendor) -> str:
        """Say what is wrong with an answer; an error status that is not declared is none."""
        from openapi_core.exceptions import OpenAPIError

        responses = self._operation["responses"]
        if str(reply.status) not in responses and "default" not in responses:
            return "" if reply.status >= 400 else f"declares no answer {reply.status}"
        if reply.status == 204 and reply.body is None:
            # Jira's descriptions give even an empty answer a content type, and openapi-core then asks for a body.
            return ""
        try:
            self._openapi.validate_response(
                _AsRequest(request, self._template, vendor), _AsResponse(reply)
            )
        except OpenAPIError as error:
            return f"does not answer {reply.status} like this: {_reason(error)}"
        return ""

    @cached_property
    def _query_names(self) -> frozenset[str]:
        said = (*self._item.get("parameters", ()), *self._operation.get("parameters", ()))
        found = (self._resolved(parameter) for parameter in said)
        return frozenset(parameter["name"] for parameter in found if parameter["in"] == "query")

    def _unknown_fields(self, request: Request) -> list[str]:
        media = self._resolved(self._operation.get("requestBody", {})).get("content", {})
        if request.body in _NOTHING:
            return []
        if not media:
            return [f"(a body of {len(request.body)} bytes where none is declared)"]
        schema = media.get(request.content_type, {}).get("schema")
        if schema is None:
            return []
        if request.content_type == _JSON:
            try:
                return list(self._unknown(schema, json.loads(request.body), "", 0))
            except ValueError:
                return ["(it is no JSON)"]
        if request.content_type == "application/x-www-form-urlencoded":
            # `variables[][key]` is `variables` in the spelling of a form.
            names = {name.partition("[")[0]: None for name, _ in parse_qsl(request.body.decode())}
            return list(self._unknown(schema, names, "", 0))
        return []

    def _unknown(self, schema: Any, value: Any, at: str, depth: int) -> Iterator[str]:
        """Yield the names of fields that a schema does not declare. A schema without properties is open."""
        schema = self._resolved(schema)
        if depth > _DEEPEST:
            return
        if isinstance(value, list):
            for entry in value:
                yield from self._unknown(schema.get("items", {}), entry, f"{at}[]", depth + 1)
        if not isinstance(value, dict):
            return
        properties, is_open = self._properties(schema)
        for name, inner in value.items():
            if name in properties:
                yield from self._unknown(properties[name], inner, f"{at}{name}.", depth + 1)
            elif not is_open:
                yield f"{at}{name}"

    def _properties(self, schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Return the declared fields of a schema and its alternatives, and whether others are allowed."""
        found = dict(schema.get("properties", {}))
        variants = [
            self._resolved(variant)
            for key in ("allOf", "anyOf", "oneOf")
            for variant in schema.get(key, ())
        ]
        is_open = bool(schema.get("additionalProperties")) or not (found or variants)
        for variant in variants:
            more, is_open_too = self._properties(variant)
            found |= more
            is_open = is_open or is_open_too
        return found, is_open

    def _resolved(self, schema: Any) -> Any:
        while "$ref" in schema:
            place: Any = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                place = place[part.replace("~1", "/").replace("~0", "~")]
            schema = place
        return schema


class _AsRequest:
    """A request in the shape that openapi-core asks for."""

    def __init__(self, request: Request, template: str, vendor: Vendor) -> None:
        from openapi_core.datatypes import RequestParameters
        from werkzeug.datastructures import Headers, ImmutableMultiDict

        self.host_url = _HOST
        self.path, self.path_pattern = request.path, template
        self.method = request.method.lower()
        self.body = request.body or None
        self.content_type = request.headers.get("content-type", _JSON)
        query = [(name, value) for name, value in request.query if name not in vendor.common_query]
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(query),
            header=Headers(list(request.headers.items())),
            cookie=ImmutableMultiDict(),
            path=_parts(template, request, vendor.loose_parts),
        )


class _AsResponse:
    """A reply in the shape that openapi-core asks for."""

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self.data = None if reply.body is None else reply.data
        self.headers, self.content_type = reply.headers, reply.media_type or _JSON


def _parts(template: str, request: Request, loose: frozenset[str]) -> dict[str, str]:
    """Name the parts of the path as the description does; the vendor's routes may name them otherwise."""
    names = [found.strip("{}*") for found in _PART.findall(template)]
    values = ("1" if name in loose else value for name, value in request.parts.items())
    return dict(zip(names, values, strict=False))


def _key(operation: Operation) -> Operation:
    return operation[0].upper(), _PART.sub("{}", operation[1])


def _reason(error: BaseException) -> str:
    """Return the innermost reason, in one line."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    details: Any = getattr(error, "schema_errors", None)
    told = [_place(detail) for detail in list(details)[:3]] if details else [str(error)]
    return "; ".join(text.splitlines()[0][:300] if text else type(error).__name__ for text in told)


def _place(error: Any) -> str:
    path = ".".join(str(part) for part in error.absolute_path)
    return f"{path or 'body'}: {error.message}"


@lru_cache(maxsize=16)
def _document(file: Path) -> Mapping[Operation, _Declared]:
    """Read a description once a process."""
    _need_library()
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            "An API description cannot be read.",
            where=str(file),
            hint="Name the folder of the descriptions, or leave the check out.",
        ) from error
    return {
        _key((method, template)): _Declared(template, method, document)
        for template, item in document["paths"].items()
        for method in item
        if method in ("get", "put", "post", "patch", "delete", "head")
    }


def _need_library() -> None:
    try:
        import openapi_core  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "The check against API descriptions needs the library openapi-core.",
            hint="Install it with `pip install openapi-core`, or leave the check out.",
        ) from error
