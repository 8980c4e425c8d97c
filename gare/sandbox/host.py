"""The sandbox: several simulated vendors behind one ASGI application, each under its own base path.

It finds the vendor and the operation, applies faults, checks both sides against the descriptions, and logs. Vendors do
the rest. `/_sandbox/...` (gare.sandbox.controls) is for people and tests.
"""

import asyncio
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from gare.errors import ConfigError
from gare.sandbox import controls
from gare.sandbox.clock import Clock
from gare.sandbox.contract import Contract
from gare.sandbox.faults import Fault, Faults, Kind
from gare.sandbox.journal import Journal
from gare.sandbox.seed_model import check
from gare.sandbox.sockets import cut
from gare.sandbox.vendor import Reply, Request, Vendor

VENDORS = {
    "gitlab": "gare.sandbox.gitlab:GitLab",
    "jira": "gare.sandbox.jira:Jira",
}
"""Simulators by type: one line to add one."""


class Sandbox:
    """The vendors of one seed, in memory."""

    def __init__(
        self,
        seed: Mapping[str, Any],
        *,
        clock: Clock | None = None,
        descriptions: Path | None = None,
    ) -> None:
        """Make the vendors of a seed (gare.sandbox.seed); with a folder of descriptions, everything is checked."""
        self.clock = clock or Clock()
        self.faults, self.journal = Faults(), Journal()
        self.vendors = {
            name: _vendor(name, section, self.clock) for name, section in seed["vendors"].items()
        }
        self.contracts = (
            {name: Contract(vendor, descriptions) for name, vendor in self.vendors.items()}
            if descriptions
            else {}
        )
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
        self.app = Starlette(
            routes=[
                *controls.routes(self),
                Route("/{vendor}/{path:path}", self._serve, methods=methods),
            ]
        )

    async def _serve(self, http: HttpRequest) -> Response:
        name = http.path_params["vendor"]
        vendor = self.vendors.get(name)
        if vendor is None:
            return _sent(Reply(404, {"message": f"The sandbox has no {name}."}))
        request = await _read(http, name)
        found = vendor.routes.find(request.method, request.path)
        if found is None:
            return self._unknown(vendor, request)
        request = _with(request, *found)
        fault = self.faults.strike(name, request, self.clock.now())
        if fault and fault.latency_s:
            await asyncio.sleep(fault.latency_s)
        reply, wrong = self._answer(vendor, request, fault)
        is_cut = fault is not None and fault.kind in (Kind.CUT, Kind.LOST_REPLY)
        status = 0 if is_cut else reply.status
        kind = fault.kind.value if fault else ""
        self.journal.note(self.clock.now(), name, request, status, kind, wrong)
        if is_cut:
            cut(http.scope)
        return _sent(reply)

    def _answer(self, vendor: Vendor, request: Request, fault: Fault | None) -> tuple[Reply, str]:
        """Return the answer, and what the descriptions do not allow about this exchange."""
        contract = self.contracts.get(vendor.name)
        wrong = contract.check_request(request) if contract else ""
        if wrong:
            return Reply(400, {"message": f"The API description says: {wrong}."}), wrong
        if fault and fault.is_instead:
            return vendor.dress(request, fault.reply) if fault.is_own else fault.reply, ""
        try:
            reply = vendor.answer(request)
        except Exception as error:  # noqa: BLE001 - the edge: whoever asked is told what broke
            wrong = f"it broke with {type(error).__name__}: {error}"
            return Reply(500, {"message": f"A defect of the sandbox: {wrong}."}), wrong
        wrong = contract.check_reply(request, reply) if contract else ""
        if wrong:
            return Reply(500, {"message": f"The sandbox answers wrongly: {wrong}."}), wrong
        if fault and fault.kind is Kind.TRUNCATED:
            half = reply.data[: len(reply.data) // 2]
            return Reply(reply.status, half, reply.headers, reply.media_type), ""
        return reply, ""

    def _unknown(self, vendor: Vendor, request: Request) -> Response:
        wrong = f"the sandbox's {vendor.name} has no {request.method} {request.path}"
        self.journal.note(self.clock.now(), vendor.name, request, 400, "", wrong)
        return _sent(Reply(400, {"message": f"Not declared: {wrong}."}))


def _vendor(name: str, section: Mapping[str, Any], clock: Clock) -> Vendor:
    if not isinstance(section, dict):
        raise ConfigError(
            f"The sandbox's seed says nothing about {name}.",
            where=f"seed: vendors, {name}",
            hint=f"Write `type:` below it, one of {', '.join(VENDORS)}; docs/how-to/sandbox.md shows more.",
        )
    kind = section.get("type", name)
    if kind not in VENDORS:
        raise ConfigError(
            f"The sandbox has no vendor of type {kind!r}.",
            where=f"seed: vendors, {name}",
            hint=f"Types are {', '.join(VENDORS)}.",
        )
    module, _, simulator = VENDORS[kind].partition(":")
    vendor: type[Vendor] = getattr(import_module(module), simulator)
    check(f"seed: vendors, {name}", section, vendor.seed_model)
    return vendor(name, section, clock)


async def _read(http: HttpRequest, vendor: str) -> Request:
    # The path as sent: in a decoded one `group%2Fproject` would be two parts.
    raw = http.scope["raw_path"].decode("ascii", "replace").partition("?")[0]
    base = http.base_url
    return Request(
        method=http.method,
        path=raw.removeprefix(f"/{vendor}"),
        query=tuple(parse_qsl(http.url.query, keep_blank_values=True)),
        headers=dict(http.headers),
        body=await http.body(),
        base_url=f"{base.scheme}://{base.netloc}/{vendor}",
    )


def _with(request: Request, operation: tuple[str, str], parts: Mapping[str, str]) -> Request:
    from dataclasses import replace

    return replace(request, operation=operation, parts=parts)


def _sent(reply: Reply) -> Response:
    headers = dict(reply.headers)
    if reply.media_type:
        headers["content-type"] = reply.media_type
    return Response(reply.data, reply.status, headers)
