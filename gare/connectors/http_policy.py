"""The one policy of every HTTP connection to a vendor, mounted on the vendor SDK's own session.

Timeouts, few and short repeats of what may be repeated, `Retry-After` and rate headers, jitter, the vendor's request
ids in log and errors, TLS always verified. Repeated here is only what is idempotent (GET, HEAD, PUT, DELETE) or was
surely not done (429, no connection). A write that may have been done is never sent twice from here: `Unavailable` lets
the step run again, and the effect helper looks first. A body is read here, so that one that is cut is met here too.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as NotConnected
from requests.exceptions import ConnectTimeout, RequestException, SSLError
from requests.utils import rewind_body

from gare import masking
from gare.connectors.connection import Connection
from gare.connectors.vendor_errors import (
    away,
    breaks_off,
    innermost,
    limited,
    not_trusted,
    unreadable,
    web_page,
)
from gare.errors import ConfigError, GareError, RateLimited

if TYPE_CHECKING:
    from requests import Session

_LOG = logging.getLogger(__name__)
_AWAY = frozenset({502, 503, 504})


class _Last(threading.local):
    """The request that this thread sent last."""

    id: str = ""


@dataclass(frozen=True)
class HttpPolicy:
    """How one vendor is talked to. `patience_s` bounds all waits of one call; longer ones are the step's business."""

    vendor: str
    url: str
    request_id_header: str
    ca_file: str = ""
    is_json: Callable[[PreparedRequest], bool] = lambda _request: True
    """Whether an answer to this request must be JSON, so that a page to sign in is none."""
    may_repeat: Callable[[PreparedRequest], bool] = lambda request: request.method != "POST"
    """Whether sending it twice is the same as once, as it is with GET, HEAD, PUT and DELETE at most vendors."""
    connect_s: float = 5
    read_s: float = 60
    patience_s: float = 20
    first_pause_s: float = 0.5
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    _last: _Last = field(default_factory=_Last, repr=False, compare=False)

    @classmethod
    def of(
        cls, vendor: str, connection: Connection, base: Path, request_id_header: str, **more: Any
    ) -> "HttpPolicy":
        """Return the policy of a connection; its file of authorities is relative to `base`. Raises ConfigError."""
        ca_file = base / connection.ca_file if connection.ca_file else None
        if ca_file and not ca_file.is_file():
            raise ConfigError(
                f"There is no file {ca_file}.",
                where=f"connections, the {vendor} at {connection.url}: ca_file",
                hint="Correct the path; it starts from the folder of station.yaml.",
            )
        patience_s = connection.patience.total_seconds()
        own = {"ca_file": str(ca_file or ""), "patience_s": patience_s, **more}
        return cls(vendor, connection.url, request_id_header, **own)

    def govern(self, session: "Session") -> None:
        """Let the session of an SDK keep this policy."""
        adapter = _Governed(self)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        session.verify = self.ca_file or True

    @property
    def where(self) -> str:
        """Name the place in messages."""
        return self.traced(f"{self.vendor} {self.url}")

    def traced(self, place: str) -> str:
        """Return a place with the id that the vendor gave to this thread's last request: its log is searched by it."""
        return f"{place}, request {self._last.id}" if self._last.id else place

    def note(self, response: Response | None) -> None:
        """Remember the id of this thread's last request; of one that was not answered there is none."""
        headers: Mapping[str, str] = response.headers if response is not None else {}
        self._last.id = headers.get(self.request_id_header, "")


class _Governed(HTTPAdapter):
    """Sends a request as the policy says."""

    def __init__(self, policy: HttpPolicy) -> None:
        super().__init__()
        self._policy = policy

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """Send, and repeat what may be repeated while there is patience."""
        policy = self._policy
        options["timeout"] = (policy.connect_s, policy.read_s)
        pause_s, left_s = policy.first_pause_s, policy.patience_s
        while True:
            begun = time.monotonic()
            trouble, asked_s = self._try(request, args, options)
            if isinstance(trouble, Response):
                return trouble
            wait_s = max(asked_s, pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            left_s -= time.monotonic() - begun
            if wait_s > left_s or not (
                isinstance(trouble, RateLimited) or policy.may_repeat(request)
            ):
                raise trouble
            # A warning: at the command line it is all that is seen of a wait of 20 s.
            _LOG.warning("%s (%s) Again in %.1f s.", trouble.what, trouble.where, wait_s)
            policy.sleep(wait_s)
            if getattr(request, "_body_position", None) is not None:  # a file, sent in part
                rewind_body(request)
            left_s -= wait_s
            pause_s *= 2

    def _try(
        self, request: PreparedRequest, args: Any, options: Any
    ) -> tuple[Response | GareError, float]:
        """Return an answer to be used, or what was wrong and how long the vendor asks to wait."""
        policy = self._policy
        policy.note(None)
        try:
            response = super().send(request, *args, **options)
            policy.note(response)
            if not options.get("stream"):
                _ = response.content
        except SSLError as error:
            return self._untrusted(error), 0
        except ConnectTimeout as error:
            return self._away(request, "it did not take the connection", error), 0
        except (NotConnected, RequestException) as error:
            return self._away(request, innermost(error), error), 0
        except OSError as error:  # a file of authorities that has gone away
            raise not_trusted(policy.vendor, error, where=policy.where) from error
        self._tell(request, response)
        return self._judged(request, response, is_whole=not options.get("stream"))

    def _judged(
        self, request: PreparedRequest, response: Response, *, is_whole: bool
    ) -> tuple[Response | GareError, float]:
        policy, asked_s = self._policy, retry_after_s(response.headers)
        if response.status_code == 429:
            reason = response.headers.get("RateLimit-Reason", "")
            return limited(policy.vendor, reason, asked_s, where=policy.where), asked_s
        if response.status_code in _AWAY:
            why = f"it answered {response.status_code}"
            return self._away(request, why, asked_s=asked_s), asked_s
        if response.ok and policy.is_json(request):
            if "html" in response.headers.get("Content-Type", ""):
                raise web_page(policy.vendor, request.method or "", where=policy.where)
            if is_whole and response.content and (why := self._look(response)):
                return self._away(request, why), 0
        return response, 0

    def _look(self, response: Response) -> str:
        """Say how an answer breaks off; empty when it is whole. Raises UnexpectedReply when it is no data at all."""
        try:
            return breaks_off(response)
        except ValueError as error:
            policy = self._policy
            raise unreadable(policy.vendor, response.text, where=policy.where) from error

    def _away(
        self,
        request: PreparedRequest,
        why: str,
        cause: BaseException | None = None,
        *,
        asked_s: float = 0,
    ) -> GareError:
        policy = self._policy
        is_write = not policy.may_repeat(request)
        error = away(
            policy.vendor, why, where=policy.where, is_write=is_write, retry_after_s=asked_s
        )
        error.__cause__ = cause
        return error

    def _untrusted(self, error: SSLError) -> GareError:
        found = not_trusted(self._policy.vendor, error, where=self._policy.where)
        if not found.retryable:
            raise found from error
        return found

    def _tell(self, request: PreparedRequest, response: Response) -> None:
        _LOG.debug(
            "%s %s -> %s, request id %s",
            request.method,
            masking.current().apply((request.url or "").partition("?")[0]),
            response.status_code,
            response.headers.get(self._policy.request_id_header, "none"),
        )


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Return how long the vendor asks to wait: `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3)."""
    said = headers.get("Retry-After", "").strip()
    if said.isdigit():
        return float(said)
    try:
        return max((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds(), 0)
    except (TypeError, ValueError):
        return _until_reset_s(headers)


def _until_reset_s(headers: Mapping[str, str]) -> float:
    """Read GitLab's `RateLimit-Reset` (Unix time) when nothing is left; Jira's own headers come with Retry-After."""
    reset = headers.get("RateLimit-Reset", "")
    if headers.get("RateLimit-Remaining") != "0" or not reset.isdigit():
        return 0
    return max(float(reset) - time.time(), 0)
