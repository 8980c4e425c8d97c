"""What a simulated vendor is made of: a request, a reply, routes on methods, and the class they belong to.

A vendor answers from its memory alone; sockets, faults, the log and the check against descriptions are the host's.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, unquote

from gare.sandbox.clock import Clock
from gare.sandbox.seed_model import Section

Operation = tuple[str, str]
"""Method and path template, such as ("GET", "/api/v4/projects/{id}")."""


@dataclass(frozen=True)
class Request:
    """One request, below the vendor's base path. `path` is as sent (encoded), `parts` are decoded."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    base_url: str
    """Where the vendor is served: `http://127.0.0.1:8080/gitlab`."""
    operation: Operation = ("", "")
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        """Return the media type of the body, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def fields(self) -> "Fields":
        """Return the body's fields, of JSON or of a form. Raises Declined (400) when it is no object."""
        if not self.body:
            return Fields()
        if self.content_type == "application/x-www-form-urlencoded":
            return Fields(parse_qsl(self.body.decode()))
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise Declined(Reply(400, {"message": "The body is no JSON object."}))
        return Fields(value)

    def asked(self, name: str, default: str = "") -> str:
        """Return the last value of a query parameter."""
        return next((value for key, value in reversed(self.query) if key == name), default)

    def every(self, name: str) -> list[str]:
        """Return every value of a query parameter, in order."""
        return [value for key, value in self.query if key == name]


class Fields(dict[str, Any]):
    """The fields of a body. Asking for one that is not there is answered 400."""

    def __missing__(self, name: str) -> Any:
        raise Declined(Reply(400, {"error": f"{name} is missing"}))


@dataclass(frozen=True)
class Reply:
    """One answer. `body` is spelled as JSON unless it is text or bytes; None is no body."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""

    @cached_property
    def data(self) -> bytes:
        """Return the body as it is sent."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()

    @property
    def media_type(self) -> str:
        """Return the content type that is sent; empty without a body."""
        if self.content_type or self.body is None:
            return self.content_type
        if isinstance(self.body, bytes):
            return "application/octet-stream"
        return "text/plain" if isinstance(self.body, str) else "application/json"


class Declined(Exception):
    """The vendor's answer is no; raised from wherever that is found out."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


Handler = TypeVar("Handler", bound=Callable[..., Any])


def route(method: str, template: str) -> Callable[[Handler], Handler]:
    """Let a method `(self, request) -> Reply` answer an operation; `{name}` is one part, `{name*}` all the rest."""

    def mark(handler: Handler) -> Handler:
        handler.__dict__.setdefault("operations", []).append((method, template))
        return handler

    return mark


def control(name: str, *fields: str) -> Callable[[Handler], Handler]:
    """Let a method `(self, fields) -> Any` answer `POST /_sandbox/vendors/<vendor>/<name>`: what people do by hand.

    `fields` are those that it cannot do without.
    """

    def mark(handler: Handler) -> Handler:
        handler.__dict__.update(control=name, needed=fields)
        return handler

    return mark


class Vendor:
    """Base of the simulated vendors. A subclass is one file: its seed, its state, its routes."""

    seed_model: ClassVar[type[Section]] = Section
    """What a seed may say of it."""
    descriptions: ClassVar[tuple[str, ...]] = ()
    """Files of API descriptions that its requests and responses are checked against, the first that declares wins."""
    gaps: ClassVar[Mapping[Operation, str]] = {}
    """Operations that no description declares although the vendor has them, each with the reason; not checked."""
    loose_replies: ClassVar[Mapping[Operation, str]] = {}
    """Operations whose answers the description has wrong, each with what is wrong; only their requests are checked."""
    common_query: ClassVar[frozenset[str]] = frozenset()
    """Query parameters that the vendor takes everywhere (paging), declared or not; never checked."""
    loose_parts: ClassVar[frozenset[str]] = frozenset()
    """Parts of a path that the description calls numbers here and there, and that may be names; never checked."""

    def __init__(self, name: str, seed: Mapping[str, Any], clock: Clock) -> None:
        """Take the name it is served under, its section of the seed, and the sandbox's clock."""
        self.name, self.seed, self.clock = name, seed, clock
        self.routes = _Routes(self)
        handlers = [handler for handler in _methods(self) if hasattr(handler, "control")]
        self.controls: dict[str, Callable[[dict[str, Any]], Any]] = {
            handler.control: handler for handler in handlers
        }
        self.needed: dict[str, tuple[str, ...]] = {
            handler.control: handler.needed for handler in handlers
        }
        """The fields that each control cannot do without."""

    def admit(self, request: Request) -> None:
        """Look at every request before it is answered: who asks? Raises Declined."""

    def dress(self, request: Request, reply: Reply) -> Reply:
        """Look at every reply before it leaves: rate headers, request ids."""
        return reply

    def answer(self, request: Request) -> Reply:
        """Answer a request whose `operation` and `parts` are known."""
        try:
            self.admit(request)
            reply = self.routes.handler(request.operation)(request)
        except Declined as declined:
            reply = declined.reply
        return self.dress(request, reply)


class _Routes:
    """Which handler answers which path. Literal parts win over `{name}`."""

    def __init__(self, vendor: Vendor) -> None:
        self._handlers: dict[Operation, Callable[[Request], Reply]] = {
            operation: handler
            for handler in _methods(vendor)
            for operation in getattr(handler, "operations", ())
        }
        ordered = sorted(self._handlers, key=lambda found: found[1].replace("{", "~"))
        self._patterns = [(operation, _pattern(operation[1])) for operation in ordered]

    def operations(self) -> list[Operation]:
        """Return what is answered."""
        return list(self._handlers)

    def handler(self, operation: Operation) -> Callable[[Request], Reply]:
        """Return what answers an operation."""
        return self._handlers[operation]

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """Return the operation of a request and the decoded parts of its path; None when there is none."""
        for operation, pattern in self._patterns:
            if operation[0] == method and (found := pattern.fullmatch(path)):
                return operation, {
                    name: unquote(value) for name, value in found.groupdict().items()
                }
        return None


def _methods(vendor: Vendor) -> Iterator[Any]:
    for name in dir(type(vendor)):
        if callable(getattr(type(vendor), name)) and not name.startswith("__"):
            yield getattr(vendor, name)


def _pattern(template: str) -> re.Pattern[str]:
    whole = re.sub(r"\\\{(\w+)(\\\*)?\\\}", _part, re.escape(template))
    return re.compile(whole)


def _part(found: re.Match[str]) -> str:
    return f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})"
