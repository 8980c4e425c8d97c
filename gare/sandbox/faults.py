"""Failures on demand: which requests shall go wrong, in which way, how often."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from gare.sandbox.vendor import Reply, Request

_LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
)


class Kind(StrEnum):
    """The ways in which a request can go wrong."""

    STATUS = "status"
    """Answered with a status (and `body`), and not done."""
    RATE_LIMIT = "rate limit"
    """429 with Retry-After, and not done."""
    LATENCY = "latency"
    """Done, late."""
    CUT = "cut"
    """The connection is cut, and nothing is done."""
    LOST_REPLY = "lost reply"
    """Done, and the connection is cut before the answer."""
    LOGIN_PAGE = "login page"
    """200 with a page to sign in, and not done."""
    TRUNCATED = "truncated"
    """Done, and half of the answer's JSON is missing."""


@dataclass
class Fault:
    """One failure, armed. `path` is a pattern with `*` over the path as sent."""

    kind: Kind
    vendor: str = "*"
    method: str = "*"
    path: str = "*"
    skip: int = 0
    """How many matching requests pass before it strikes."""
    count: int | None = 1
    """How often it strikes; None is until it is taken away."""
    until: datetime | None = None
    status: int = 503
    body: Any = None
    latency_s: float = 0
    retry_after_s: int = 1

    def strikes(self, vendor: str, request: Request, now: datetime) -> bool:
        """Tell whether this request fails, and count it."""
        if self.count == 0 or (self.until and now >= self.until):
            return False
        if not (
            fnmatchcase(vendor, self.vendor)
            and fnmatchcase(request.method, self.method)
            and fnmatchcase(request.path, self.path)
        ):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.count is not None:
            self.count -= 1
        return True

    @property
    def is_instead(self) -> bool:
        """Whether the request is answered (or cut) without being done."""
        return self.kind in (Kind.STATUS, Kind.RATE_LIMIT, Kind.LOGIN_PAGE, Kind.CUT)

    @property
    def is_own(self) -> bool:
        """Whether the vendor itself answers so, with the id of the request, and nothing that stands before it."""
        return self.kind in (Kind.STATUS, Kind.RATE_LIMIT)

    @property
    def reply(self) -> Reply:
        """Return what is answered instead of the vendor's own answer."""
        if self.kind is Kind.LOGIN_PAGE:
            return Reply(200, _LOGIN_PAGE, content_type="text/html")
        if self.kind is Kind.RATE_LIMIT:
            headers = {"Retry-After": str(self.retry_after_s)}
            return Reply(429, {"message": "429 Too Many Requests"}, headers)
        body = {"message": f"{self.status} by the sandbox"} if self.body is None else self.body
        return Reply(self.status, body)


class Faults:
    """The failures that are armed; the oldest that matches strikes."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []

    def arm(self, fields: Mapping[str, Any], now: datetime) -> Fault:
        """Arm a failure as the control endpoint spells it. Raises TypeError or ValueError for what it does not know."""
        wanted = dict(fields)
        for_s = wanted.pop("for_s", None)
        if for_s is not None:
            wanted |= {"until": now + timedelta(seconds=for_s), "count": None}
        fault = Fault(**{**wanted, "kind": Kind(wanted["kind"])})
        self.armed.append(fault)
        return fault

    def clear(self) -> None:
        """Take every failure away."""
        self.armed.clear()

    def strike(self, vendor: str, request: Request, now: datetime) -> Fault | None:
        """Return the failure that this request meets, if any."""
        return next((fault for fault in self.armed if fault.strikes(vendor, request, now)), None)
