"""`/_sandbox/...`: the log, the clock, failures, and what a person would do by hand at a vendor."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gare.errors import ConfigError
from gare.sandbox.clock import stamp
from gare.sandbox.vendor import Declined

if TYPE_CHECKING:
    from gare.sandbox.host import Sandbox

Answer = Callable[[Request, dict[str, Any]], Any]
Found = TypeVar("Found")


def routes(sandbox: "Sandbox") -> list[Route]:
    """Return the control endpoints of a sandbox."""
    own = _Controls(sandbox)
    table: list[tuple[str, str, Answer]] = [
        ("GET", "/_sandbox", own.about),
        ("GET", "/_sandbox/requests", own.requests),
        ("DELETE", "/_sandbox/requests", own.forget),
        ("GET", "/_sandbox/contracts", own.contracts),
        ("GET", "/_sandbox/clock", own.clock),
        ("POST", "/_sandbox/clock", own.move_clock),
        ("GET", "/_sandbox/faults", own.faults),
        ("POST", "/_sandbox/faults", own.arm),
        ("DELETE", "/_sandbox/faults", own.disarm),
        ("POST", "/_sandbox/vendors/{vendor}/{control}", own.by_hand),
    ]
    return [Route(path, _endpoint(answer), methods=[method]) for method, path, answer in table]


def _endpoint(answer: Answer) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def endpoint(request: Request) -> JSONResponse:
        try:
            fields = await request.json() if await request.body() else {}
            return JSONResponse(answer(request, dict(fields.items())))
        except Declined as declined:
            return JSONResponse(declined.reply.body, declined.reply.status)
        except ConfigError as error:
            return JSONResponse({"message": str(error)}, 400)
        except KeyError as missing:
            return JSONResponse({"message": f"`{missing.args[0]}` is missing"}, 400)
        except AttributeError:
            return JSONResponse({"message": "Write an object of fields: {…}."}, 400)
        except (LookupError, TypeError, ValueError) as error:
            return JSONResponse({"message": str(error)}, 400)

    return endpoint


class _Controls:
    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox

    def about(self, request: Request, _: dict[str, Any]) -> Any:
        base = str(request.base_url).rstrip("/")
        return {
            "vendors": {name: f"{base}/{name}" for name in self._sandbox.vendors},
            "controls": {
                name: {control: list(vendor.needed[control]) for control in sorted(vendor.controls)}
                for name, vendor in self._sandbox.vendors.items()
            },
            "is_checked": bool(self._sandbox.contracts),
        }

    def requests(self, request: Request, _: dict[str, Any]) -> Any:
        query = request.query_params
        return self._sandbox.journal.as_json(int(query.get("after", 0)), query.get("vendor", ""))

    def forget(self, _request: Request, _: dict[str, Any]) -> Any:
        self._sandbox.journal.clear()
        return {}

    def contracts(self, _request: Request, _: dict[str, Any]) -> Any:
        return {
            name: {
                "operations": len(contract.operations),
                "requests": contract.requests,
                "invalid": contract.invalid,
            }
            for name, contract in self._sandbox.contracts.items()
        }

    def clock(self, _request: Request, _: dict[str, Any]) -> Any:
        return {"now": stamp(self._sandbox.clock.now())}

    def move_clock(self, request: Request, fields: dict[str, Any]) -> Any:
        if "at" in fields:
            self._sandbox.clock.set(datetime.fromisoformat(fields["at"]))
        self._sandbox.clock.advance(timedelta(seconds=fields.get("advance_s", 0)))
        return self.clock(request, fields)

    def faults(self, _request: Request, _: dict[str, Any]) -> Any:
        return [
            {"kind": fault.kind, "method": fault.method, "path": fault.path, "count": fault.count}
            for fault in self._sandbox.faults.armed
        ]

    def arm(self, request: Request, fields: dict[str, Any]) -> Any:
        self._sandbox.faults.arm(fields, self._sandbox.clock.now())
        return self.faults(request, fields)

    def disarm(self, _request: Request, _: dict[str, Any]) -> Any:
        self._sandbox.faults.clear()
        return []

    def by_hand(self, request: Request, fields: dict[str, Any]) -> Any:
        vendor = _of(self._sandbox.vendors, request.path_params["vendor"], "vendor")
        control = request.path_params["control"]
        by_hand, needed = _of(vendor.controls, control, "control"), vendor.needed[control]
        for field in needed:
            if field not in fields:
                raise ValueError(f"`{field}` is missing; fields: {', '.join(needed)}")
        try:
            return by_hand(fields)
        except (StopIteration, KeyError, IndexError):
            said = ", ".join(f"{field} {fields[field]!r}" for field in needed)
            raise ValueError(f"There is nothing of that name, or not now: {said}") from None


def _of(known: Mapping[str, Found], name: str, kind: str) -> Found:
    """Return one by its name. Raises LookupError with those that there are."""
    if name not in known:
        raise LookupError(f"there is no {kind} {name!r}; there are {', '.join(sorted(known))}")
    return known[name]
