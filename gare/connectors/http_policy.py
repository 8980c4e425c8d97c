"""The one policy of every HTTP connection to a vendor, mounted on the vendor SDK's own session.

Timeouts, few and short repeats of what may be repeated, `Retry-After` and rate headers, jitter, the vendor's request
ids in the log, TLS always verified. Repeated here is only what is idempotent (GET, HEAD, PUT, DELETE) or was surely not
done (429, no connection). A write that may have been done is never sent twice from here: `Unavailable` lets the step
run again, and the effect helper looks first.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as NotConnected
from requests.exceptions import ConnectTimeout, RequestException, SSLError
from requests.utils import rewind_body

from gare import masking
from gare.errors import (
    AuthenticationFailed,
    ConfigError,
    Conflict,
    ConnectorError,
    GareError,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unavailable,
    UnexpectedReply,
)

if TYPE_CHECKING:
    from requests import Session

_LOG = logging.getLogger(__name__)
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_AWAY = frozenset({502, 503, 504})
_TOLD = 300


@dataclass(frozen=True)
class HttpPolicy:
    """How one vendor is talked to. `patience_s` bounds all waits of one call; longer ones are the step's business."""

    vendor: str
    url: str
    request_id_header: str
    ca_file: str = ""
    is_json: Callable[[PreparedRequest], bool] = lambda _request: True
    """Whether an answer to this request must be JSON, so that a page to sign in is none."""
    may_repeat: Callable[[PreparedRequest], bool] = lambda _request: True
    """Whether the vendor means a second GET, HEAD, PUT or DELETE like the first."""
    connect_s: float = 5
    read_s: float = 60
    patience_s: float = 20
    first_pause_s: float = 0.5
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def govern(self, session: "Session") -> None:
        """Let the session of an SDK keep this policy."""
        adapter = _Governed(self)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        session.verify = self.ca_file or True

    def is_idempotent(self, request: PreparedRequest) -> bool:
        """Tell whether sending it twice is the same as once."""
        return request.method in _IDEMPOTENT and self.may_repeat(request)

    @property
    def where(self) -> str:
        """Name the place in messages."""
        return f"{self.vendor} {self.url}"


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
                isinstance(trouble, RateLimited) or policy.is_idempotent(request)
            ):
                raise trouble
            _LOG.info("%s; again in %.1f s", trouble.what, wait_s)
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
        try:
            response = super().send(request, *args, **options)
        except SSLError as error:
            raise _untrusted(policy, error) from error
        except ConnectTimeout as error:
            return _away(policy, request, "it did not take the connection", error), 0
        except NotConnected as error:
            return _away(policy, request, _innermost(error), error), 0
        except RequestException as error:
            return _away(policy, request, _innermost(error), error), 0
        self._note(request, response)
        asked_s = retry_after_s(response.headers)
        if response.status_code == 429:
            return _limited(policy, response, asked_s), asked_s
        if response.status_code in _AWAY:
            return _away(policy, request, f"it answered {response.status_code}"), asked_s
        if response.ok and policy.is_json(request):
            _refuse_page(policy, request, response)
        return response, 0

    def _note(self, request: PreparedRequest, response: Response) -> None:
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


def _limited(policy: HttpPolicy, response: Response, asked_s: float) -> RateLimited:
    reason = response.headers.get("RateLimit-Reason", "")
    told = f" ({reason})" if reason else ""
    return RateLimited(
        f"{policy.vendor} asks us to slow down{told}, for {asked_s:.0f} s.",
        where=policy.where,
        hint="Try again then, or ask its administrator for a higher limit.",
        retry_after_s=asked_s,
    )


def _away(
    policy: HttpPolicy, request: PreparedRequest, why: str, cause: BaseException | None = None
) -> Unavailable:
    doubt = "" if policy.is_idempotent(request) else " Whether it was done is looked up first."
    error = Unavailable(
        f"{policy.vendor} cannot be used now: {masking.current().apply(why)}.",
        where=policy.where,
        hint=f"Try again when it is back.{doubt}",
    )
    error.__cause__ = cause
    return error


def _untrusted(policy: HttpPolicy, error: SSLError) -> ConfigError:
    return ConfigError(
        f"The certificate of {policy.vendor} cannot be trusted: {_innermost(error)}.",
        where=policy.where,
        hint="Name the file of its certificate authority as `ca_file` of the connection; it is never switched off.",
    )


def _refuse_page(policy: HttpPolicy, request: PreparedRequest, response: Response) -> None:
    """Raise UnexpectedReply for a web page where data is due: a proxy or a sign-in stands in front."""
    if "html" not in response.headers.get("Content-Type", ""):
        return
    raise UnexpectedReply(
        f"{policy.vendor} answered {request.method} with a web page instead of data: somebody asks to sign in.",
        where=policy.where,
        hint="Look at the `url` of the connection, and at a proxy or single sign-on in front of it.",
    )


_REFUSALS: Mapping[int, type[ConnectorError]] = {
    401: AuthenticationFailed,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    410: NotFound,
}


def refusal(status: int, what: str, *, where: str, hint: str = "") -> ConnectorError:
    """Return our error for a vendor's no: the shared bottom of every connector's own table."""
    kind = _REFUSALS.get(status)
    if kind is None:
        kind = UnexpectedReply if status < 500 else Unavailable
    return kind(masking.current().apply(what), where=where, hint=hint)


def unreadable(policy: HttpPolicy, what: str) -> UnexpectedReply:
    """Return the error for an answer that is not what the manual says, such as JSON that breaks off."""
    return UnexpectedReply(
        f"{policy.vendor} answered something that cannot be read: {what[:_TOLD]}.",
        where=policy.where,
        hint="Try again; if it stays, look at a proxy in front of it.",
    )


def _innermost(error: BaseException) -> str:
    """Return the last reason of a chain of wrapped errors, in one line."""
    seen = error
    while True:
        inner = seen.args[-1] if seen.args and isinstance(seen.args[-1], BaseException) else None
        inner = inner or getattr(seen, "reason", None)
        if not isinstance(inner, BaseException):
            return " ".join(str(seen).split()).rstrip(".")[:_TOLD]
        seen = inner
