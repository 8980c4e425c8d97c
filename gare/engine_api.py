"""One call of the engine's REST API: what may be asked again, and what each refusal means for a person."""

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gare.errors import NotFound, Refused, Unavailable, UnexpectedReply

if TYPE_CHECKING:
    import httpx

_TRIES = 6
_SERVER_BUSY = (503, 502, 504)


class EngineApi:
    """The REST API of a Prefect server (3.8). `url` ends in /api."""

    def __init__(self, url: str, *, timeout_s: float = 15) -> None:
        self.url, self._timeout_s = url, timeout_s

    @cached_property
    def _http(self) -> "httpx.Client":
        # Imported on use: it takes 60 ms, and most commands ask the ledger alone.
        import httpx

        # Plain http needs no certificates; loading them takes 20 ms.
        is_tls = self.url.startswith("https:")
        return httpx.Client(
            base_url=self.url, timeout=self._timeout_s, trust_env=False, verify=is_tls
        )

    def is_healthy(self) -> bool:
        """Tell whether the server answers."""
        import httpx

        try:
            return self._http.get("/health").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def call(
        self, method: str, path: str, body: Any = None, *, what: str, reads: bool = False
    ) -> Any:
        """Send one request and return its answer; a busy server (SQLite locks give 503) is asked again with backoff.

        `reads` says of a POST that it changes nothing.
        """
        import httpx

        for attempt in range(_TRIES):
            try:
                reply = self._http.request(method, path, json=body)
            except httpx.TransportError as error:
                # A lost answer to a write may have been a success. After a failure the server closes the connection.
                is_lost = isinstance(error, httpx.ReadError | httpx.RemoteProtocolError)
                may_repeat = isinstance(error, httpx.ConnectError) or (
                    is_lost and (reads or method == "GET")
                )
                if attempt + 1 < 3 and may_repeat:
                    time.sleep(_pause(attempt))
                    continue
                raise Unavailable(
                    f"Cannot {what}: the Prefect server does not answer ({error}).",
                    where=self.url,
                    hint="Start the station with `gare up`, or look with `gare doctor`.",
                ) from error
            if reply.status_code not in _SERVER_BUSY:
                return self._read(reply, what)
            time.sleep(_pause(attempt))
        raise Unavailable(
            f"Cannot {what}: the Prefect server is busy (HTTP {reply.status_code}).",
            where=self.url,
            hint="Try again in a minute.",
        )

    def _read(self, reply: "httpx.Response", what: str) -> Any:
        import httpx

        where = f"{reply.request.method} {reply.request.url}"
        if reply.status_code == httpx.codes.NOT_FOUND:
            raise NotFound(
                f"Cannot {what}: the Prefect server does not know it.",
                where=where,
                hint="`gare up` registers the deployments; is this the right station?",
            )
        if reply.status_code in (httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY):
            raise Refused(
                f"Cannot {what}: {_detail(reply)}",
                where=where,
                hint="Correct the value and try again.",
            )
        if reply.is_error:
            raise UnexpectedReply(
                f"Cannot {what}: HTTP {reply.status_code} {_detail(reply)}",
                where=where,
                hint="Look at the server's log in the state folder.",
            )
        return reply.json() if reply.content else None


def _pause(attempt: int) -> float:
    """Return after how many seconds to ask again; those that were refused together do not come back together."""
    from random import uniform  # only where the server is busy

    return 0.2 * (1 << attempt) * uniform(0.5, 1.5)  # noqa: S311 - no secret


def _detail(reply: "httpx.Response") -> str:
    try:
        detail = reply.json().get("detail", reply.text)
    except ValueError:
        detail = reply.text
    return str(detail)[:500]
